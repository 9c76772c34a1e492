"""What the tests stand on: a tiny random pair on disk, made once a session. CPU, offline, seconds.

The RL model is the base with a little noise on every weight: the two agree at most positions and disagree at some.
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports huggingface_hub

from pathlib import Path

from typechecking import check

check("rlprobe")  # every shape and type that is stated, checked at run time

import pytest
import torch
from commands import Commands
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    Lfm2Config,
    LlamaConfig,
    MambaConfig,
    MistralConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)
from warm import warm

from rlprobe.pairs.loading import load, locate
from rlprobe.pairs.model import ModelPair
from rlprobe.settings import PairChoice

QWEN2_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEXT = [
    "Question: Ann has 12 eggs. She buys 3 boxes with 4 each. How many eggs does she have now?\nAnswer:",
    "Ann has 12 eggs. 3 * 4 = 12, 12 + 12 = 24. The answer is \\boxed{24}.",
    "Wait, that is wrong. So the answer is \\boxed{7}. Then 5 - 2 = 3.",
]


def save_tokenizer(folder: Path, vocab_size: int = 300) -> int:
    """A byte-level BPE in Qwen2's form; returns how many tokens it has."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>", pad_token="<|endoftext|>")
    fast.save_pretrained(folder)
    return len(fast)


def tiny_config(kind: str, vocab_size: int, **changes):
    """A config of two or three small layers: "llama", "qwen2", "qwen3", "mistral" (sliding window), "mixed" (both).

    "qwen3" normalises queries and keys, and has heads that together are twice as wide as the residual stream. "lfm2"
    and "mamba" keep a state that cannot be rewound, "mamba" nothing else.
    """
    common = {
        "vocab_size": vocab_size,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "initializer_range": 0.3,
        "eos_token_id": 0,
        "bos_token_id": None,
        "pad_token_id": None,
        **changes,
    }
    if kind == "llama":
        return LlamaConfig(**common)
    if kind == "qwen3":
        return Qwen3Config(**{**common, "head_dim": 16})
    if kind == "lfm2":
        return Lfm2Config(**common, layer_types=["conv", "full_attention"])
    if kind == "mamba":
        names = ("vocab_size", "hidden_size", "num_hidden_layers", "initializer_range", "eos_token_id", "bos_token_id")
        return MambaConfig(**{name: common[name] for name in names}, pad_token_id=None)
    if kind == "mistral":
        return MistralConfig(**{**common, "sliding_window": 9})
    if kind == "mixed":
        layers = ["full_attention", "sliding_attention"]
        return Qwen2Config(**{**common, "use_sliding_window": True, "sliding_window": 7, "layer_types": layers})
    return Qwen2Config(**common)


def save_pair(folder: Path, kind: str = "llama", noise: float = 0.05, seed: int = 0, **changes) -> tuple[Path, Path]:
    """A tiny random pair as two folders: base, and rl = base + noise."""
    base, rl = folder / "base", folder / "rl"
    tokens = save_tokenizer(base)
    save_tokenizer(rl)
    torch.manual_seed(seed)
    network = AutoModelForCausalLM.from_config(tiny_config(kind, changes.pop("vocab_size", tokens), **changes))
    network.save_pretrained(base)
    with torch.no_grad():
        for weight in network.parameters():
            weight += noise * torch.randn_like(weight) * weight.std()
    network.save_pretrained(rl)
    return base, rl


def pytest_collection_modifyitems(items):
    """Files with slow tests come first: workers that are handed whole files then end together."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def _warm():
    with warm():
        yield


@pytest.fixture(scope="session")
def tiny_folders(tmp_path_factory) -> tuple[Path, Path]:
    return save_pair(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_pair(tiny_folders) -> ModelPair:
    base, rl = map(str, tiny_folders)
    return load(locate(PairChoice(base=base, rl=rl, device="cpu")))


@pytest.fixture(scope="session")
def shelf(tmp_path_factory) -> Path:
    """Where what tests begin with is kept."""
    return tmp_path_factory.mktemp("shelf")


@pytest.fixture
def rlprobe(tiny_folders, shelf, tmp_path, capsys, monkeypatch) -> Commands:
    """`rlprobe(...)`, in this process, on the tiny pair."""
    return Commands(tiny_folders, shelf, tmp_path, capsys, monkeypatch)
