r"""How a question is put to a model: one small function per prompt style, and the encoding of what it renders.

One style serves both models of a pair. A style turns a question into text; `encode_prompt` turns the text into ids,
once and for all. Knows no models and no answers. Styles are the prompts that published RL models were trained with; a
docstring says "unverified" where the wording was not checked against the authors' own code.
"""

from collections.abc import Callable
from typing import Any

from rlprobe.errors import BadInput

PromptStyle = Callable[[str, Any], str]
"""(question, tokenizer) -> the prompt as text. Only the styles that use the tokenizer's chat template look at it."""

BOXED = "Please reason step by step, and put your final answer within \\boxed{}."


def question_answer(question: str, _: Any) -> str:
    """Question and answer on a line each: what the bundled pair was trained on."""
    return f"Question: {question}\nAnswer:"


def simplerl_small(question: str, _: Any) -> str:
    """SimpleRL-Zoo's prompt for small and for weak base models (arXiv 2503.18892); its white space is unverified."""
    return f"Question: {question}\nAnswer: Let's think step by step"


def abel(question: str, _: Any) -> str:
    """The same idea on four lines, as the Qwen2.5-Math evaluation code and its descendants spell it (style `abel`)."""
    return f"Question:\n{question}\nAnswer:\nLet's think step by step.\n"


def qwen_boxed(question: str, _: Any) -> str:
    """SimpleRL-Zoo's prompt for Qwen2.5-7B and larger: Qwen's chat form, the request after the question."""
    return _chatml(f"{question}\n{BOXED}", system="You are a helpful assistant.")


def qwen_math(question: str, _: Any) -> str:
    """Qwen2.5-Math's own prompt, the request in the system turn; Oat-Zero-7B (arXiv 2503.20783) was trained with it."""
    return _chatml(question, system=BOXED)


def r1(question: str, _: Any) -> str:
    r"""DeepSeek-R1-Zero's conversation as Oat-Zero's code spells it; asks for an <answer> tag, not for a \boxed{}."""
    return f"{_conversation()}\nUser: {question}\nAssistant: <think>"


def orz(question: str, _: Any) -> str:
    """Open-Reasoner-Zero (arXiv 2503.24290): R1-Zero's conversation with a box inside the answer tag."""
    request = (
        "You must put your answer inside <answer> </answer> tags, i.e., <answer> answer here </answer>. "
        "And your final answer will be extracted automatically by the \\boxed{} tag.\nThis is the problem:\n"
    )
    return f"{_conversation()} User: {request}{question}\nAssistant: <think>"


def prime_zero(question: str, _: Any) -> str:
    """Eurus-2-7B-PRIME-Zero (arXiv 2502.01456), as evaluations of other groups spell it; unverified at the source."""
    return (
        "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. "
        "The assistant first thinks about the reasoning process in the mind and then provides the user with the "
        "answer. The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> tags, "
        "respectively, i.e., <think> reasoning process here </think> <answer> answer here </answer>. "
        f"User: {question}\n\nPresent the answer in LaTex format: \\boxed{{Your answer}}. Assistant:"
    )


def dapo(question: str, _: Any) -> str:
    r"""DAPO (arXiv 2503.14476): the wording of DAPO-Math-17k in Qwen's chat form; the turns around it are unverified.

    It asks for a last line "Answer: x" without a \boxed{}, which the grader calls no answer: see `dapo_boxed`.
    """
    return _chatml(_dapo_wording(question, "$Answer (without quotes)"))


def dapo_boxed(question: str, _: Any) -> str:
    r"""`dapo` with the answer asked for in a \boxed{}, as later training code has it; not what DAPO-Qwen-32B saw."""
    return _chatml(_dapo_wording(question, "\\boxed{$Answer}"))


def chat(question: str, tokenizer: Any) -> str:
    """The tokenizer's own chat template around the bare question."""
    return _from_template(question, tokenizer)


def chat_boxed(question: str, tokenizer: Any) -> str:
    r"""The tokenizer's own chat template around the question and the request for steps and a \boxed{}."""
    return _from_template(f"{question}\n{BOXED}", tokenizer)


def raw(question: str, _: Any) -> str:
    """The question as it stands: for prompts that were rendered elsewhere."""
    return question


def _chatml(user: str, system: str | None = None) -> str:
    opening = f"<|im_start|>system\n{system}<|im_end|>\n" if system else ""
    return f"{opening}<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n"


def _conversation() -> str:
    return (
        "A conversation between User and Assistant. The User asks a question, and the Assistant solves it. "
        "The Assistant first thinks about the reasoning process in the mind and then provides the User with the "
        "answer. The reasoning process is enclosed within <think> </think> and answer is enclosed within <answer> "
        "</answer> tags, respectively, i.e., <think> reasoning process here </think> <answer> answer here </answer>."
    )


def _dapo_wording(question: str, answer_form: str) -> str:
    return (
        "Solve the following math problem step by step. The last line of your response should be of the form "
        f"Answer: {answer_form} where $Answer is the answer to the problem.\n\n{question}\n\n"
        'Remember to put your answer on its own line after "Answer:".'
    )


def _from_template(user: str, tokenizer: Any) -> str:
    from jinja2 import TemplateError

    if not getattr(tokenizer, "chat_template", None):
        raise BadInput(
            "this tokenizer has no chat template: choose another prompt style "
            f"({', '.join(name for name, style in PROMPT_STYLES.items() if style not in _TEMPLATED)})"
        )
    try:
        turns = [{"role": "user", "content": user}]
        return tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    except TemplateError as error:
        raise BadInput(f"the tokenizer's chat template does not render a user's turn: {error}") from error


def encode_prompt(style: str, question: str, tokenizer: Any) -> tuple[str, list[int]]:
    """The prompt of a question as text and as ids.

    A tokenizer that puts its BOS token first by default does so here too, once; a chat template has put it there itself
    if it wants one. Nothing is ever appended: the response follows the last id. Raises BadInput for an unknown style.
    """
    render = prompt_style(style)
    text = render(question, tokenizer)
    ids = list(tokenizer(text, add_special_tokens=False)["input_ids"])
    if render not in _TEMPLATED and starts_with_bos(tokenizer) and ids[:1] != [tokenizer.bos_token_id]:
        ids = [tokenizer.bos_token_id, *ids]
    if not ids:
        raise BadInput(f"the prompt style {style!r} renders {question!r} to no token at all")
    return text, ids


def prompt_style(name: str) -> PromptStyle:
    """The style of that name; BadInput lists the names there are."""
    if name not in PROMPT_STYLES:
        raise BadInput(f"no prompt style {name!r}; choose one of {', '.join(PROMPT_STYLES)}")
    return PROMPT_STYLES[name]


def starts_with_bos(tokenizer: Any) -> bool:
    """Whether a tokenizer puts its BOS token first by default."""
    bos = tokenizer.bos_token_id
    return bos is not None and list(tokenizer("x")["input_ids"])[:1] == [bos]


_SHOWN = str.maketrans({" ": "·", "\t": "→", "\n": "⏎\n", "\r": "␍", "\u00a0": "⍽"})


def visible(text: str) -> str:
    """The text with its white space shown: · space, → tab, ⏎ newline (the line is broken there too), ␍ return."""
    return text.translate(_SHOWN)


PROMPT_STYLES: dict[str, PromptStyle] = {
    "question_answer": question_answer,
    "simplerl_small": simplerl_small,
    "abel": abel,
    "qwen_boxed": qwen_boxed,
    "qwen_math": qwen_math,
    "r1": r1,
    "orz": orz,
    "prime_zero": prime_zero,
    "dapo": dapo,
    "dapo_boxed": dapo_boxed,
    "chat": chat,
    "chat_boxed": chat_boxed,
    "raw": raw,
}

_TEMPLATED = (chat, chat_boxed)
