"""The discovery pair's tokenizer: bytes, and a few whole words; every digit, bracket and function name is one token.

The models are Llamas with a fast tokenizer of their own, since transformers builds Qwen2's for every Qwen2 checkpoint.
"""

import random
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

from experiments.discovery.corpus import document
from rlprobe.problems.prompts import question_answer

END, PAD = "<|endoftext|>", "<|pad|>"  # ids 0 and 1
VOCABULARY = 352  # at most: the words of the corpus are fewer
DOCUMENTS = 2000


def train(seed: int) -> PreTrainedTokenizerFast:
    """Learn the words from some documents; a word has its space, digits and marks stand alone."""
    tokenizer, rng = Tokenizer(BPE()), random.Random(f"tokenizer {seed}")
    split = pre_tokenizers.Split(Regex(r" ?[A-Za-z]+|[^A-Za-z]"), behavior="isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[END, PAD], initial_alphabet=alphabet, show_progress=False
    )
    texts = (question_answer(nesting.question, None) + said for nesting, said in map(document, [rng] * DOCUMENTS))
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=PAD, model_max_length=256)


def save(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write the files from which AutoTokenizer rebuilds it."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
