"""Which architectures are read exactly: a tiny random pair of each, held against plain forward passes and `generate`.

    python -m experiments.families            writes docs/families.md
    python -m experiments.families Qwen3      prints the verdict on one

A family is exact if, in float32 and with responses decoded through the lanes, every number of the token table is that
of one plain forward pass over the whole text (batch of one, eager attention), greedy responses are those of `generate`,
and the oracle's response is RL's own. It is slow if the same holds, but its state cannot be rewound, so that it is read
by plain passes and decodes in lock-step. It is refused if rlprobe says so in one line. There is no fourth case: a
family that is none of these makes this script, and the suite, fail.
"""

import copy
import logging
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor

from rlprobe.decoding.arms import Arm, disagree, donor_argmax
from rlprobe.decoding.check import load_checked
from rlprobe.decoding.engine import DecodingSettings, Players, Response, Task, decode, decode_greedily
from rlprobe.errors import RlprobeError
from rlprobe.internals.modules import open_pair
from rlprobe.internals.weights import place_of, tensors_of
from rlprobe.pairs.loading import LocatedPair, locate
from rlprobe.pairs.model import ModelPair, Way
from rlprobe.records import MEMBERS, Made, Rollout, Stop
from rlprobe.scoring.teacher_forcing import Reader
from rlprobe.settings import PairChoice

PAGE = Path("docs/families.md")
VOCAB, STOP = 320, 2
PROMPTS = [[5, 9, 14], [30, 31, 32, 33, 34, 35, 36, 37, 38], list(range(40, 75))]
NEW_TOKENS = 20
ALLOWED = 1e-3  # nats

SMALL = {
    "vocab_size": VOCAB,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": STOP,
    "pad_token_id": 0,
    "tie_word_embeddings": False,
}


@dataclass(frozen=True)
class Family:
    """One architecture: its config's class in transformers, without "Config", and what differs from SMALL.

    `head` is how wide the random head is: it has to tell right from wrong after a cap or a scale. `attention` is that
    of the plain passes: transformers' eager one adds Falcon's alibi twice.
    """

    kind: str
    settings: dict[str, Any]
    head: float = 0.35
    attention: str = "eager"

    @property
    def network(self) -> Any:
        """A random network of the family, float32."""
        config = getattr(transformers, f"{self.kind}Config")
        config = config(**{k: v for k, v in {**SMALL, **self.settings}.items() if v is not _UNSET})
        torch.manual_seed(0)
        network = transformers.AutoModelForCausalLM.from_config(config).float()
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for name, weight in _weights(network):
                noise = torch.randn(weight.shape, generator=generator)
                wide = self.head if "lm_head" in name or "embed_out" in name else 0.5 if "emb" in name else 0.12
                weight.copy_(weight + 0.2 * noise if weight.ndim < 2 else wide * noise)
        return network.eval()


_UNSET = object()  # a setting of SMALL that this config does not have


def save_pair(family: Family, folder: Path) -> None:
    """FOLDER/base and FOLDER/rl: the same network, and with every weight moved a little."""
    base = family.network
    rl, generator = copy.deepcopy(base), torch.Generator().manual_seed(2)
    with torch.no_grad():
        for _, weight in _weights(rl):
            if weight.numel() > 1:
                weight += 0.05 * weight.std() * torch.randn(weight.shape, generator=generator)
    for name, network in (("base", base), ("rl", rl)):
        network.save_pretrained(folder / name)
        _tokenizer().save_pretrained(folder / name)


def _weights(network: Any) -> Iterator[tuple[str, Tensor]]:
    """Every parameter once, tied ones too."""
    yield from network.named_parameters()


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, models

    words = {"<pad>": 0, "<s>": 1, "</s>": 2} | {f"w{i}": i for i in range(3, VOCAB)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="w3"))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", pad_token="<pad>")


@dataclass(frozen=True)
class Verdict:
    """What came out: how far numbers are off (nats) and how many responses differ, or the line of a refusal."""

    nats: float = 0.0
    differing: int = 0
    refusal: str = ""
    inside: str = ""
    weights: str = ""
    way: Way = Way.LANES

    @property
    def is_exact(self) -> bool:
        """Whether every number and every id is right."""
        return not self.refusal and self.nats < ALLOWED and not self.differing

    @property
    def word(self) -> str:
        """Of the table."""
        if self.refusal or not self.is_exact:
            return "refused" if self.refusal else "WRONG"
        return "exact" if self.way is Way.LANES else "slow"


def verdict(family: Family, folder: Path) -> Verdict:
    """Save a pair of the family, and read it with rlprobe and without."""
    save_pair(family, folder)
    try:
        located = locate(PairChoice(base=str(folder / "base"), rl=str(folder / "rl"), device="cpu"))
        pair = load_checked(located)
    except RlprobeError as error:
        return Verdict(refusal=str(error).replace(f"{folder}/", ""))
    plain = {m: _plain(folder / m, family.attention) for m in MEMBERS}
    settings = DecodingSettings(NEW_TOKENS, 2, frozenset({STOP}), located.context)
    greedy = {m: decode_greedily(pair.member(m), pair.vocabulary, PROMPTS, settings) for m in MEMBERS}
    oracle, _ = decode(
        Players(pair.base, pair.rl, pair.vocabulary),
        Arm(disagree(), donor_argmax()),
        [Task(str(i), prompt) for i, prompt in enumerate(PROMPTS)],
        settings,
    )
    differing = sum(a.ids != b.ids for a, b in zip(oracle, greedy["rl"], strict=True))
    for member, responses in greedy.items():
        differing += sum(
            r.ids != _generated(plain[member], p, pair.way) for r, p in zip(responses, PROMPTS, strict=True)
        )
    return Verdict(_off(pair, greedy, plain), differing, "", _inside(pair), _of_weights(located), pair.way)


def _plain(folder: Path, attention: str) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation=attention).float().eval()


@torch.no_grad()
def _generated(network: Any, prompt: list[int], way: Way) -> list[int]:
    config = transformers.GenerationConfig(
        max_new_tokens=NEW_TOKENS, do_sample=False, eos_token_id=STOP, pad_token_id=0, use_cache=way is not Way.WHOLE
    )
    ids = torch.tensor([prompt])
    return network.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config)[
        0, len(prompt) :
    ].tolist()


@torch.no_grad()
def _off(pair: ModelPair, greedy: dict[str, list[Response]], plain: dict[str, Any]) -> float:
    """The largest difference between the token table and plain forward passes, nats, over both members' texts."""
    worst = 0.0
    for member, responses in greedy.items():
        rollouts = [_rollout(member, i, response) for i, response in enumerate(responses)]
        table = Reader(pair, "plain").table(rollouts).to_pandas()
        for rollout in rollouts:
            rows = table[table["problem_id"] == rollout.problem_id]
            ids, start = [*rollout.prompt_ids, *rollout.response_ids], len(rollout.prompt_ids)
            p = {m: _logprobs(network, ids)[start - 1 : -1] for m, network in plain.items()}
            kl = (p["rl"].exp() * (p["rl"] - p["base"])).sum(-1)
            pairs = [(kl, rows["kl_rl_base"])]
            for m, q in p.items():
                pairs.append((q[torch.arange(len(rows)), torch.tensor(rollout.response_ids)], rows[f"logprob_{m}"]))
                pairs.append((-(q.exp() * q).sum(-1), rows[f"entropy_{m}"]))
            worst = max([worst, *(float((a - torch.tensor(b.to_numpy())).abs().max()) for a, b in pairs)])
    return worst


def _logprobs(network: Any, ids: list[int]) -> Tensor:
    return network(input_ids=torch.tensor([ids]), use_cache=False).logits[0, :, :VOCAB].double().log_softmax(-1)


def _rollout(member: str, i: int, response: Response) -> Rollout:
    return Rollout(
        arm=member,
        problem_id=str(i),
        draw=0,
        prompt_ids=PROMPTS[i],
        response_ids=response.ids,
        host_ids=response.host_ids,
        gated=response.gated,
        logprobs=response.logprobs,
        stop=Stop.LENGTH,
        made=Made.ENGINE,
    )


def _inside(pair: ModelPair) -> str:
    """Whether lens and patch can look into it: empty if they can, else why not."""
    try:
        open_pair(pair)
    except RlprobeError as error:
        return str(error)
    return ""


def _of_weights(located: LocatedPair) -> str:
    try:
        for both in tensors_of(located):
            place_of(both.name)
    except RlprobeError as error:
        return str(error)
    return ""


# ---- the page -------------------------------------------------------------------------------------------------------


def page(verdicts: dict[str, Verdict]) -> str:
    """The table of all families, in Markdown."""
    lines = [
        "# Which architectures are read, and how",
        "",
        "Made by `python -m experiments.families`: a tiny random pair of each architecture (float32), with "
        f"transformers {transformers.__version__} and torch {torch.__version__.split('+')[0]}. *Exact*: every number "
        f"of the token table is within {ALLOWED:g} nats of a plain forward pass over the whole text, greedy responses "
        "are those of `generate`, the oracle's are RL's own. *Slow*: the same, but a state cannot be rewound, or "
        "stands for texts without padding alone; so whole texts are read in one pass each, and responses are decoded "
        "in lock-step, two reads of one token for every token. One such member makes both go this way. *Refused*: one "
        "line and exit code 5, before anything is written. The same comparison with a plain pass is made each time "
        "that weights are loaded, so an architecture that is not in this table is read exactly, by the fastest of "
        "these ways that is exact, or refused too.",
        "",
        "How a slow one goes on: *steps*, token by token in transformers' own cache, in batches of prompts of one "
        "length; *alone*, one by one (the cache is wrong for more); *whole*, reading the whole text again for every "
        "token (the cache is wrong or missing).",
        "",
        "| architecture | disagree, intervene, … | by | largest difference, nats | lens, patch, steer | weights |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in verdicts.items():
        if found.refusal:
            lines.append(f"| {name} | refused: {_cell(found.refusal)} | | | | |")
        else:
            inside, weights = ("no" if reason else "yes" for reason in (found.inside, found.weights))
            lines.append(f"| {name} | {found.word} | {found.way} | {found.nats:.1g} | {inside} | {weights} |")
    return "\n".join(lines) + "\n"


def _cell(line: str) -> str:
    return line.removeprefix("base ").replace("|", "\\|").split("; rlprobe does not")[0]


def main(*names: str) -> int:
    """Try the families named, or all and write the page; the exit code counts those that are wrong."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    logging.disable(logging.WARNING)
    verdicts = {}
    for name in names or FAMILIES:
        with tempfile.TemporaryDirectory() as folder:
            verdicts[name] = found = verdict(FAMILIES[name], Path(folder))
        print(
            f"{found.word:8} {name}: {found.refusal or f'{found.nats:.1g} nats, {found.differing} differ'}", flush=True
        )
    if not names:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page(verdicts), encoding="utf-8")
    return sum(found.word == "WRONG" for found in verdicts.values())


def _family(kind: str, **settings: Any) -> Family:
    own = {name: settings.pop(name) for name in ("head", "attention") if name in settings}
    return Family(kind, settings, **own)


_EXPERTS: dict[str, Any] = {"num_experts_per_tok": 2, "moe_intermediate_size": 48}
_SLIDING: dict[str, Any] = {"sliding_window": 9, "layer_types": ["sliding_attention", "full_attention"]}
_GEMMA: dict[str, Any] = {"head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 9}
_ROPE: dict[str, Any] = {"rope_type": "default", "rope_theta": 10000.0}
_LATENT: dict[str, Any] = {
    "q_lora_rank": 24,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 16,
    "num_key_value_heads": 4,
}
_NAMED_OTHERWISE = (
    *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"),
    "max_position_embeddings",
)
_GPT2: dict[str, Any] = {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 256} | dict.fromkeys(
    _NAMED_OTHERWISE, _UNSET
)

_DELTA: dict[str, Any] = {
    "head_dim": 16,
    "linear_num_value_heads": 2,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "layer_types": ["linear_attention", "full_attention"],
}
_MAMBA_2: dict[str, Any] = {
    "mamba_n_heads": 8,
    "mamba_d_head": 16,
    "mamba_d_state": 16,
    "mamba_chunk_size": 8,
}
_NO_ATTENTION: dict[str, Any] = dict.fromkeys(
    ("num_attention_heads", "num_key_value_heads", "max_position_embeddings", "intermediate_size"), _UNSET
)
_INDEXED: dict[str, Any] = {
    "n_routed_experts": 4,
    "n_group": 1,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    "index_topk": 8,
    "index_head_dim": 16,
    "index_n_heads": 16,  # few of them leave exact ties among what is chosen from
}

FAMILIES: dict[str, Family] = {
    "Qwen2": _family("Qwen2"),
    "Qwen2, sliding window": _family("Qwen2", use_sliding_window=True, **_SLIDING),
    "Qwen2-MoE": _family("Qwen2Moe", num_experts=4, shared_expert_intermediate_size=48, **_EXPERTS),
    "Qwen3": _family("Qwen3", head_dim=16),
    "Qwen3-MoE": _family("Qwen3Moe", head_dim=16, num_experts=4, **_EXPERTS),
    "Llama": _family("Llama"),
    "Llama, llama3 rope": _family(
        "Llama",
        rope_parameters={
            **_ROPE,
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 32,
        },
    ),
    "Llama, yarn": _family(
        "Llama", rope_parameters={**_ROPE, "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
    ),
    "Llama, dynamic rope": _family("Llama", rope_parameters={**_ROPE, "rope_type": "dynamic", "factor": 2.0}),
    "Mistral, sliding window": _family("Mistral", sliding_window=9),
    "Mixtral": _family("Mixtral", num_local_experts=4, num_experts_per_tok=2),
    "Gemma": _family("Gemma", head_dim=16),
    "Gemma 2": _family("Gemma2", head=0.05, **_GEMMA),
    "Gemma 2, no attention cap": _family("Gemma2", head=0.05, attn_logit_softcapping=None, **_GEMMA),
    "Gemma 3": _family("Gemma3Text", **_GEMMA),
    "Gemma 3, capped logits": _family("Gemma3Text", head=0.05, final_logit_softcapping=30.0, **_GEMMA),
    "Gemma 3n": _family(
        "Gemma3nText",
        head=0.05,
        head_dim=16,
        sliding_window=9,
        num_hidden_layers=4,
        intermediate_size=[96] * 4,
        layer_types=["sliding_attention", "full_attention"] * 2,
        num_kv_shared_layers=2,
        vocab_size_per_layer_input=VOCAB,
        hidden_size_per_layer_input=16,
        laurel_rank=8,
        activation_sparsity_pattern=[0.0] * 4,
    ),
    "VaultGemma": _family("VaultGemma", head=0.05, **_GEMMA),
    "Phi": _family("Phi"),
    "Phi-3": _family("Phi3"),
    "Phi-3, longrope": _family(
        "Phi3",
        original_max_position_embeddings=64,
        rope_parameters={
            **_ROPE,
            "rope_type": "longrope",
            "short_factor": [1.0] * 8,
            "long_factor": [4.0] * 8,
            "original_max_position_embeddings": 64,
        },
    ),
    "PhiMoE": _family("Phimoe", num_local_experts=4, num_experts_per_tok=2),
    "OLMo": _family("Olmo"),
    "OLMo 2": _family("Olmo2"),
    "OLMo 3": _family("Olmo3", **_SLIDING),
    "OLMoE": _family("Olmoe", num_experts=4, num_experts_per_tok=2),
    "GLM-4": _family("Glm4", head_dim=16),
    "GLM-4 MoE": _family(
        "Glm4Moe", head_dim=16, n_routed_experts=4, n_shared_experts=1, first_k_dense_replace=1, **_EXPERTS
    ),
    "Granite": _family("Granite", logits_scaling=4.0, residual_multiplier=0.5, embedding_multiplier=2.0),
    "Granite-MoE": _family("GraniteMoe", num_local_experts=4, num_experts_per_tok=2, logits_scaling=4.0),
    "Granite 4, attention alone": _family(
        "GraniteMoeHybrid",
        num_local_experts=0,
        shared_intermediate_size=96,
        layer_types=["full_attention"] * 2,
        position_embedding_type="rope",
        logits_scaling=4.0,
    ),
    "Cohere": _family("Cohere", logit_scale=0.25),
    "Cohere 2": _family("Cohere2", logit_scale=0.25, **_SLIDING),
    "gpt-oss": _family(
        "GptOss", head_dim=16, num_local_experts=4, num_experts_per_tok=2, rope_parameters=_ROPE, **_SLIDING
    ),
    "DeepSeek-V3": _family(
        "DeepseekV3",
        n_routed_experts=4,
        n_group=1,
        topk_group=1,
        n_shared_experts=1,
        first_k_dense_replace=1,
        **_LATENT,
        **_EXPERTS,
    ),
    "SmolLM3": _family("SmolLM3"),
    "StableLM": _family("StableLm"),
    "Starcoder2": _family("Starcoder2"),
    "EXAONE 4": _family("Exaone4", sliding_window=9, layer_types=["sliding_attention", "full_attention"]),
    "ERNIE 4.5": _family("Ernie4_5", head_dim=16),
    "HunYuan": _family("HunYuanDenseV1", head_dim=16),
    "MiniMax-M2": _family("MiniMaxM2", head_dim=16, num_local_experts=4, num_experts_per_tok=2),
    "MiMo-V2": _family("MiMoV2Flash"),
    "Nemotron": _family("Nemotron"),
    "nanochat": _family("NanoChat", head=0.05),
    "SeedOss": _family("SeedOss", head_dim=16),
    "Apertus": _family("Apertus"),
    "GPT-2": _family("GPT2", **_GPT2),
    "GPT-NeoX": _family("GPTNeoX", num_key_value_heads=_UNSET),
    "GPT-J": _family("GPTJ", rotary_dim=8, **_GPT2),
    "GPT-Neo": _family(
        "GPTNeo",
        num_layers=2,
        num_heads=4,
        attention_types=[[["global", "local"], 1]],
        window_size=9,
        num_hidden_layers=_UNSET,
        num_attention_heads=_UNSET,
        num_key_value_heads=_UNSET,
    ),
    "GPT-BigCode": _family("GPTBigCode", **_GPT2),
    "OPT": _family("OPT", ffn_dim=96, word_embed_proj_dim=64, intermediate_size=_UNSET, num_key_value_heads=_UNSET),
    "Falcon": _family("Falcon", new_decoder_architecture=False, multi_query=True, num_key_value_heads=_UNSET),
    "Falcon, alibi": _family("Falcon", attention="sdpa", alibi=True, multi_query=False, num_key_value_heads=_UNSET),
    "Bloom": _family(
        "Bloom", n_layer=2, n_head=4, num_hidden_layers=_UNSET, num_attention_heads=_UNSET, num_key_value_heads=_UNSET
    ),
    "MPT": _family(
        "Mpt",
        d_model=64,
        n_heads=4,
        n_layers=2,
        max_seq_len=256,
        hidden_size=_UNSET,
        num_hidden_layers=_UNSET,
        num_attention_heads=_UNSET,
        num_key_value_heads=_UNSET,
    ),
    "Qwen3-Next": _family("Qwen3Next", **_DELTA, **_EXPERTS, num_experts=4, shared_expert_intermediate_size=48),
    "Qwen3.5": _family("Qwen3_5Text", **_DELTA),
    "Qwen3.5-MoE": _family("Qwen3_5MoeText", **_DELTA, **_EXPERTS, num_experts=4, shared_expert_intermediate_size=48),
    "Qwen4, experimental": _family(
        "Qwen4ExpText",
        **_DELTA,
        **_EXPERTS,
        num_experts=4,
        shared_expert_intermediate_size=48,
        hc_lowrank=8,
        ngram_vocab_size_base=400,
        split_ngram_parts=1,
        indexer_n_heads=16,
        indexer_kv_heads=1,
        indexer_head_dim=16,
        indexer_budget=8,
        indexer_compress_ratio=2,
    ),
    "OLMo hybrid": _family("OlmoHybrid", **{**_DELTA, "linear_key_head_dim": 12, "linear_value_head_dim": 16}),
    "Kimi-Linear": _family(
        "KimiLinear",
        linear_head_dim=16,
        linear_num_heads=2,
        num_local_experts=4,
        n_shared_experts=1,
        mlp_layer_types=["dense", "sparse"],
        layer_types=["linear_attention", "full_attention"],
        **_LATENT,
        **_EXPERTS,
    ),
    "Bailing hybrid": _family(
        "BailingHybrid",
        head_dim=16,
        num_local_experts=4,
        n_group=1,
        topk_group=1,
        first_k_dense_replace=1,
        num_mtp_layers=0,
        layer_types=["linear_attention", "full_attention"],
        **_LATENT,
        **_EXPERTS,
    ),
    "MiniMax": _family(
        "MiniMax",
        head_dim=16,
        num_local_experts=4,
        num_experts_per_tok=2,
        block_size=8,
        layer_types=["linear_attention", "full_attention"],
    ),
    "Falcon-H1": _family("FalconH1", mamba_d_ssm=64, mamba_n_heads=4, mamba_d_head=16, mamba_d_state=16),
    "Jamba": _family("Jamba", num_experts=2, attn_layer_period=2, attn_layer_offset=1, use_mamba_kernels=False),
    "Bamba": _family("Bamba", attn_layer_indices=[1], **_MAMBA_2),
    "Granite 4, hybrid": _family(
        "GraniteMoeHybrid",
        num_local_experts=0,
        shared_intermediate_size=96,
        layer_types=["mamba", "attention"],
        logits_scaling=4.0,
        **_MAMBA_2,
    ),
    "Nemotron-H": _family(
        "NemotronH",
        head_dim=16,
        layers_block_type=["mamba", "attention", "moe"],
        num_hidden_layers=_UNSET,
        ssm_state_size=16,
        mamba_num_heads=4,
        mamba_head_dim=16,
        n_groups=2,
        chunk_size=8,
        n_routed_experts=4,
        moe_shared_expert_intermediate_size=48,
        **_EXPERTS,
    ),
    "Zamba": _family(
        "Zamba",
        tie_word_embeddings=True,
        num_hidden_layers=4,
        layers_block_type=["mamba", "hybrid", "mamba", "hybrid"],
        n_mamba_heads=2,
        num_key_value_heads=4,
        use_mamba_kernels=False,
    ),
    "Zamba 2": _family(
        "Zamba2",
        tie_word_embeddings=True,
        num_hidden_layers=3,
        layers_block_type=["mamba", "mamba", "hybrid"],
        mamba_d_state=16,
        n_mamba_heads=4,
        mamba_headdim=32,
        chunk_size=8,
        num_key_value_heads=4,
        adapter_rank=8,
    ),
    "Mamba": _family("Mamba", **_NO_ATTENTION),
    "Mamba 2": _family("Mamba2", num_heads=8, head_dim=16, state_size=16, n_groups=2, chunk_size=8, **_NO_ATTENTION),
    "Falcon-Mamba": _family("FalconMamba", **_NO_ATTENTION),
    "RWKV": _family("Rwkv", **_NO_ATTENTION),
    "xLSTM": _family("xLSTM", num_heads=4, chunk_size=8, autocast_kernel_dtype="float32", **_NO_ATTENTION),
    "RecurrentGemma": _family("RecurrentGemma", num_hidden_layers=3),
    "LFM2": _family("Lfm2", layer_types=["conv", "full_attention"]),
    "LFM2-MoE": _family(
        "Lfm2Moe", layer_types=["conv", "full_attention"], num_dense_layers=1, num_experts=4, **_EXPERTS
    ),
    "LFM3": _family("Lfm3", head_dim=16, sliding_window=9, layer_types=["conv", "full_attention"]),
    "Zaya": _family(
        "Zaya", head_dim=16, num_experts=4, router_hidden_size=16, **{**_EXPERTS, "num_experts_per_tok": 1}
    ),
    "Llama 4": _family(
        "Llama4Text",
        head_dim=16,
        num_local_experts=2,
        intermediate_size_mlp=96,
        attention_chunk_size=16,
        layer_types=["chunked_attention", "full_attention"],
    ),
    "DeepSeek-V3.2": _family("DeepseekV32", **_INDEXED, **_LATENT, **_EXPERTS),
    "GLM-MoE-DSA": _family("GlmMoeDsa", **_INDEXED, **_LATENT, **_EXPERTS),
    "DeepSeek-V4": _family(
        "DeepseekV4",
        head_dim=16,
        num_key_value_heads=1,
        q_lora_rank=24,
        n_routed_experts=4,
        sliding_window=9,
        o_groups=2,
        o_lora_rank=16,
        index_n_heads=16,
        index_head_dim=16,
        index_topk=4,
        layer_types=["sliding_attention", "compressed_sparse_attention"],
        **_EXPERTS,
    ),
}

if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
