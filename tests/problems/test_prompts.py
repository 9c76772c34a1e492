"""What each prompt style renders, and what it is encoded to."""

import re

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from rlprobe.errors import BadInput
from rlprobe.pairs.registry import DEFAULT_PAIR, PAIRS
from rlprobe.problems.answers import EXTRACTIONS
from rlprobe.problems.prompts import PROMPT_STYLES, encode_prompt, visible

CHAT = "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"  # noqa: E501
TEMPLATED = {"chat", "chat_boxed", "dapo", "dapo_boxed", "general_reasoner", "short_shots"}
QUESTION = "Tom has 3 eggs.\tHow many\nare 2 * {3}?"


def byte_tokenizer(adds="", chat_template=None):
    """One token a byte and a BOS and an EOS, which `adds` ("bos", "eos") puts at the ends by default."""
    letters = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=letters, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<s>", "</s>"])
    template = ("<s> " if "bos" in adds else "") + "$A" + (" </s>" if "eos" in adds else "")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=template, special_tokens=[("<s>", len(letters)), ("</s>", len(letters) + 1)]
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    fast.chat_template = chat_template
    return fast


PLAIN = byte_tokenizer()
TALKING = byte_tokenizer(adds="bos", chat_template=CHAT)


@pytest.mark.parametrize("style", PROMPT_STYLES)
def test_every_style_holds_the_question_and_its_ids_decode_to_its_text(style):
    tokenizer = byte_tokenizer(chat_template=CHAT)
    text, ids = encode_prompt(style, QUESTION, tokenizer)
    assert QUESTION in text
    assert tokenizer.decode(ids) == text


@pytest.mark.parametrize("style", PROMPT_STYLES)
def test_every_style_has_a_line_that_says_what_it_is(style):
    assert PROMPT_STYLES[style].render.__doc__.strip()


ASKED = {
    "\\boxed{": "box",
    "Answer: $Answer": "answer_line",
    "<answer>": "answer_tag",
}  # the first that is in the prompt


@pytest.mark.parametrize("style", PROMPT_STYLES)
def test_every_style_says_where_its_answer_stands_as_its_prompt_asks(style):
    text, _ = encode_prompt(style, QUESTION, byte_tokenizer(chat_template=CHAT))
    asked = next((extract for mark, extract in ASKED.items() if mark in text), "general")
    assert PROMPT_STYLES[style].extract in EXTRACTIONS
    assert PROMPT_STYLES[style].extract == ("box" if style == "question_answer" else asked)


ORGANISMS = ("bundled", "discovery")  # their bases were trained to box their answers


def test_no_registered_pair_but_the_organisms_is_graded_by_a_box_that_its_prompt_does_not_ask_for():
    for name, entry in PAIRS.items():
        text, _ = encode_prompt(entry.prompt_style, QUESTION, byte_tokenizer(chat_template=CHAT))
        assert ("\\boxed{" in text) == (PROMPT_STYLES[entry.prompt_style].extract == "box") or name in ORGANISMS


@pytest.mark.parametrize("style", PROMPT_STYLES)
@pytest.mark.parametrize("adds", ["", "bos", "eos", "bos eos"])
def test_the_bos_comes_once_if_at_all_and_nothing_is_appended(style, adds):
    tokenizer = byte_tokenizer(adds, CHAT)
    _, ids = encode_prompt(style, QUESTION, tokenizer)
    own_template = style in TEMPLATED
    assert ids.count(tokenizer.bos_token_id) == int("bos" in adds or own_template)
    assert tokenizer.eos_token_id not in ids


def test_a_rendered_bos_is_not_doubled():
    _, ids = encode_prompt("raw", "<s>already here", TALKING)
    assert ids.count(TALKING.bos_token_id) == 1


# What a question "Q?" becomes, copied by hand from the file that the style's docstring names.
THINK = (
    "A conversation between User and Assistant. The User asks a question, and the Assistant solves it. The Assistant "
    "first thinks about the reasoning process in the mind and then provides the User with the answer. The reasoning "
    "process is enclosed within <think> </think> and answer is enclosed within <answer> </answer> tags, respectively, "
    "i.e., <think> reasoning process here </think> <answer> answer here </answer>."
)
WORDINGS = {
    "question_answer": "Question: Q?\nAnswer:",
    "abel": "Question:\nQ?\nAnswer:\nLet's think step by step.\n",
    "qwen_boxed": "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "<|im_start|>user\nQ?\nPlease reason step by step, and put your final answer within \\boxed{}.<|im_end|>\n"
    "<|im_start|>assistant\n",
    "qwen_math": "<|im_start|>system\n"
    "Please reason step by step, and put your final answer within \\boxed{}.<|im_end|>\n"
    "<|im_start|>user\nQ?<|im_end|>\n<|im_start|>assistant\n",
    "r1": THINK + "\nUser: Q?\nAssistant: <think>",
    "orz": THINK
    + " User: You must put your answer inside <answer> </answer> tags, i.e., <answer> answer here </answer>. "
    "And your final answer will be extracted automatically by the \\boxed{} tag.\nThis is the problem:\nQ?\n"
    "Assistant: <think>",
    "prime_zero": "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. "
    "The assistant first thinks about the reasoning process in the mind and then provides the user with the answer. "
    "The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> tags, respectively, "
    "i.e., <think> reasoning process here </think> <answer> answer here </answer>. "
    "User: Q?\n\nPresent the answer in LaTex format: \\boxed{Your answer}. Assistant:",
    "dapo": "<s>[user]Solve the following math problem step by step. The last line of your response should be of the "
    "form Answer: $Answer (without quotes) where $Answer is the answer to the problem.\n\nQ?\n\nRemember to put your "
    'answer on its own line after "Answer:".[assistant]',
    "dapo_boxed": "<s>[user]Solve the following math problem step by step. The last line of your response should be of "
    "the form Answer: \\boxed{$Answer} where $Answer is the answer to the problem.\n\nQ?\n\n"
    'Remember to put your answer on its own line after "Answer:".[assistant]',
    "general_reasoner": "<s>[user]Q? "
    "Please reason step by step, and put your final answer within \\boxed{}.[assistant]",
    "unireason": "<|im_start|>user\nSolve the following math problem. Present the final answer in the format: Final "
    "Answer: \\boxed{your_answer}.\nProblem: Q?\nAnswer:<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
    "chat": "<s>[user]Q?[assistant]",
    "chat_boxed": "<s>[user]Q?\nPlease reason step by step, and put your final answer within \\boxed{}.[assistant]",
    "short_shots": "<s>[user]Nora buys 3 bags with 15 nuts in each. How many nuts does Nora buy in all?"
    "[assistant]Nora buys 3 bags. There are 15 nuts in each of the bags, so we multiply the two numbers: 3 * 15 = 45. "
    "The answer is \\boxed{45}."
    "[user]Carl has 26 keys. Carl gives 9 of them to Vera. How many keys are left?"
    "[assistant]Carl starts with 26 keys. Then he gives 9 of the keys to Vera, so we subtract the two numbers: "
    "26 - 9 = 17. The answer is \\boxed{17}."
    "[user]Q?[assistant]",
    "raw": "Q?",
}


@pytest.mark.parametrize("style", PROMPT_STYLES)
def test_every_style_says_byte_for_byte_what_its_source_says(style):
    assert encode_prompt(style, "Q?", TALKING)[0] == WORDINGS[style]


@pytest.mark.parametrize("style", sorted(set(PROMPT_STYLES) - {"question_answer", "short_shots", "raw"}))
def test_every_style_names_the_file_and_the_commit_of_its_wording(style):
    doc = " ".join(PROMPT_STYLES[style].render.__doc__.split())
    assert re.search(r"[\w.-]+/[\w.-]+( \(a (fork|copy)\))?, [\w.-]+\.(py|md|jsonl)@[0-9a-f]{7}\b", doc)


@pytest.mark.parametrize("pair", [name for name, entry in PAIRS.items() if entry.seen_in])
def test_a_pair_and_its_style_name_the_same_file_of_the_wording(pair):
    wording = PAIRS[pair].seen_in[-1]
    doc = PROMPT_STYLES[PAIRS[pair].prompt_style].render.__doc__
    assert wording.repository in doc
    assert f"{wording.file.rpartition('/')[2]}@{wording.commit[:7]}" in doc


def test_the_bundled_pair_is_asked_in_the_form_it_was_trained_on():
    assert PAIRS[DEFAULT_PAIR].prompt_style == "question_answer"


def test_a_tokenizer_without_a_template_is_refused_with_the_styles_that_do_without():
    with pytest.raises(BadInput, match=r"no chat template: choose another prompt style \(question_answer, .*raw\)"):
        encode_prompt("chat_boxed", "1 + 1?", PLAIN)


def test_a_template_that_fails_is_named():
    broken = byte_tokenizer(chat_template="{{ raise_exception('system turn missing') }}")
    with pytest.raises(BadInput, match="system turn missing"):
        encode_prompt("chat", "1 + 1?", broken)


def test_an_unknown_style_lists_the_known_ones():
    with pytest.raises(BadInput, match="no prompt style 'qwen'; choose one of question_answer, "):
        encode_prompt("qwen", "1 + 1?", PLAIN)


def test_a_prompt_of_no_tokens_is_refused():
    with pytest.raises(BadInput, match="no token"):
        encode_prompt("raw", "", PLAIN)


def test_white_space_is_made_visible():
    assert visible("a b\tc\r\nd\u00a0e") == "a·b→c␍⏎\nd⍽e"
