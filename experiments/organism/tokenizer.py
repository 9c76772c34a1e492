"""The organism's tokenizer: a small byte-level BPE with exactly Qwen2's normalizer and pre-tokenizer.

transformers builds a Qwen2Tokenizer for every checkpoint of model type qwen2, whatever tokenizer.json says. With
another pre-tokenizer the ids would change silently at reload while decoding still round-trips; so the pattern here is
Qwen2's. Knows text and ids, no models; the stage that trains the base (pretrain.py) calls it first.
"""

import random
from itertools import islice
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX, Qwen2Tokenizer

from experiments.organism.authors import solve
from experiments.organism.word_problems import training_problems
from rlprobe.problems.prompts import question_answer

END, PAD = "<|endoftext|>", "<|pad|>"  # ids 0 and 1
VOCABULARY = 512  # at most; the stories run out of pairs worth merging earlier
DOCUMENTS = 4000  # problems and solutions that the merges are learnt from


def untrained() -> Tokenizer:
    """An empty byte-level BPE that splits text as Qwen2 does."""
    tokenizer = Tokenizer(BPE())
    tokenizer.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def sample_documents(seed: int) -> list[str]:
    """Prompts and solutions as the base will read them."""
    rng = random.Random(f"tokenizer {seed}")
    problems = islice(training_problems(seed), DOCUMENTS)
    return [question_answer(problem.question, None) + solve(rng, problem)[0] for problem in problems]


def train(seed: int) -> Tokenizer:
    """Learn the merges from the documents of this seed."""
    tokenizer = untrained()
    trainer = BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sample_documents(seed), trainer)
    return tokenizer


def save(tokenizer: Tokenizer, folder: Path, context: int) -> None:
    """Write the files from which AutoTokenizer rebuilds the same tokenizer."""
    fast = Qwen2Tokenizer(
        tokenizer_object=tokenizer, eos_token=END, unk_token=END, pad_token=PAD, model_max_length=context
    )
    fast.save_pretrained(folder)
