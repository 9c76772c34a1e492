r"""How a question is put to a model: one small function per prompt style, and the encoding of what it renders.

One style serves both models of a pair. A style turns a question into text, and says where a response to it states its
answer; `encode_prompt` turns the text into ids, once and for all. Knows no models. Styles are the prompts that
published RL models were trained or measured with, byte for byte; a docstring names the public file that the wording was
read in (repository, file@commit). `short_shots` is this project's own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from rlprobe import own
from rlprobe.errors import BadInput


@dataclass(frozen=True, slots=True)
class PromptStyle:
    """A way to ask: `render` makes the prompt of (question, tokenizer), `extract` names what finds the answer to it.

    `is_template`: it is the tokenizer's own chat template, which has put a BOS token there itself if it wants one.
    `between`: what stands between the answer to a solved question and the next one; None where none has a place.
    """

    render: Callable[[str, Any], str]
    extract: str
    is_template: bool = False
    between: str | None = None


BOXED = "Please reason step by step, and put your final answer within \\boxed{}."


def question_answer(question: str, _: Any) -> str:
    r"""Question and answer on a line each: what the bundled pair was trained on, which answers in a \boxed{}.

    SimpleRL-Zoo's Llama and Mistral were asked the same way and taught no box: style `simplerl_plain`.
    """
    return f"Question: {question}\nAnswer:"


def abel(question: str, _: Any) -> str:
    """SimpleRL-Zoo's prompt for small and for weak base models (arXiv 2503.18892, section 2), which it calls `abel`.

    hkust-nlp/RL-Verifier-Pitfalls, utils.py@8a048a9; its evaluation stops at "Question:" and at "Answer:".
    """
    return f"Question:\n{question}\nAnswer:\nLet's think step by step.\n"


def qwen_boxed(question: str, _: Any) -> str:
    """SimpleRL-Zoo's prompt for Qwen2.5-7B and larger: Qwen's chat form, the request after the question.

    hkust-nlp/RL-Verifier-Pitfalls, utils.py@8a048a9 (`qwen-boxed`).
    """
    return _chatml(f"{question}\n{BOXED}", system="You are a helpful assistant.")


def qwen_math(question: str, _: Any) -> str:
    """Qwen2.5-Math's own prompt, the request in the system turn; Oat-Zero-7B (arXiv 2503.20783) was trained with it.

    sail-sg/understand-r1-zero, train_zero_math.py@14046dc.
    """
    return _chatml(question, system=BOXED)


def r1(question: str, _: Any) -> str:
    r"""DeepSeek-R1-Zero's conversation as Oat-Zero's code spells it; asks for an <answer> tag, not for a \boxed{}.

    sail-sg/understand-r1-zero, train_zero_math.py@14046dc, which stops at "</answer>".
    """
    return f"{_conversation()}\nUser: {question}\nAssistant: <think>"


def orz(question: str, _: Any) -> str:
    """Open-Reasoner-Zero (arXiv 2503.24290): R1-Zero's conversation with a box inside the answer tag.

    Mor-Li/Open-Reasoner-Zero (a fork), zero_setting_base.py@73be199; training stops at "User:", "Human:", "Assistant:"
    and "</answer>".
    """
    request = (
        "You must put your answer inside <answer> </answer> tags, i.e., <answer> answer here </answer>. "
        "And your final answer will be extracted automatically by the \\boxed{} tag.\nThis is the problem:\n"
    )
    return f"{_conversation()} User: {request}{question}\nAssistant: <think>"


def prime_zero(question: str, _: Any) -> str:
    """Eurus-2-7B-PRIME-Zero (arXiv 2502.01456), as an evaluation spells it that names the model card as its source.

    troy12x/understand-r1-zero (a fork), evaluate_model.py@559bcfd.
    """
    return (
        "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. "
        "The assistant first thinks about the reasoning process in the mind and then provides the user with the "
        "answer. The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> tags, "
        "respectively, i.e., <think> reasoning process here </think> <answer> answer here </answer>. "
        f"User: {question}\n\nPresent the answer in LaTex format: \\boxed{{Your answer}}. Assistant:"
    )


def dapo(question: str, tokenizer: Any) -> str:
    r"""DAPO (arXiv 2503.14476): the wording of DAPO-Math-17k as a user's turn in the tokenizer's own chat template.

    BytedTsinghua-SIA/DAPO, README.md@2805f41. It asks for a last line "Answer: x" without a \boxed{}; `dapo_boxed` asks
    for the box.
    """
    return _from_template(_dapo_wording(question, "$Answer (without quotes)"), tokenizer)


def dapo_boxed(question: str, tokenizer: Any) -> str:
    r"""`dapo` with the answer asked for in a \boxed{}, as later training code has it; not what DAPO-Qwen-32B saw.

    THUDM/slime, usage.md@04ab988.
    """
    return _from_template(_dapo_wording(question, "\\boxed{$Answer}"), tokenizer)


def general_reasoner(question: str, tokenizer: Any) -> str:
    """General-Reasoner (arXiv 2505.14652): the request after a space, in the tokenizer's own chat template.

    Wyyyb/fim_code_rl (a copy), data_preprocess.py@3d14873.
    """
    return _from_template(f"{question} {BOXED}", tokenizer)


def unireason(question: str, _: Any) -> str:
    """UniReason (arXiv 2507.00432): what its authors measured the shift from base to RL with, on MATH-500.

    Qwen3's chat form with the thinking left empty; what it was trained with is not known.
    ReasoningTransfer/Transferability-of-LLM-Reasoning, UniReason-RL_hendrycks_math_500.jsonl@be04686.
    """
    request = "Solve the following math problem. Present the final answer in the format: Final Answer: "
    turn = f"{request}\\boxed{{your_answer}}.\nProblem: {question}\nAnswer:"
    return f"{_chatml(turn)}<think>\n\n</think>\n\n"


def chat(question: str, tokenizer: Any) -> str:
    """The tokenizer's own chat template around the bare question: Tulu 3 was trained so, on its own data's questions.

    allenai/open-instruct, tulu3.md@0becd2c (`--chat_template_name tulu`).
    """
    return _from_template(question, tokenizer)


def chat_boxed(question: str, tokenizer: Any) -> str:
    r"""The tokenizer's own chat template around the question and the request for steps and a \boxed{}.

    hkust-nlp/RL-Verifier-Pitfalls, utils.py@8a048a9 (`mathstral`, with `--apply_chat_template`).
    """
    return _from_template(f"{question}\n{BOXED}", tokenizer)


def short_shots(question: str, tokenizer: Any) -> str:
    """Solved questions as turns before the question, in the tokenizer's own chat template.

    What the pair `smollm2` was trained with: its base writes no box when asked to, and does once it has seen some.
    """
    return _from_template(question, tokenizer, SHORT_SHOTS)


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


def _from_template(user: str, tokenizer: Any, shots: tuple[tuple[str, str], ...] = ()) -> str:
    """A user's turn after the turns of `shots` (asked, answered), and the opening of the assistant's."""
    from jinja2 import TemplateError

    if not getattr(tokenizer, "chat_template", None):
        raise BadInput(
            "this tokenizer has no chat template: choose another prompt style "
            f"({', '.join(name for name, style in PROMPT_STYLES.items() if not style.is_template)})"
        )
    try:
        spoken = [*(words for shot in shots for words in shot), user]
        turns = [{"role": role, "content": words} for role, words in zip(cycle(("user", "assistant")), spoken)]
        return tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    except TemplateError as error:
        raise BadInput(f"the tokenizer's chat template does not render a user's turn: {error}") from error


def encode_prompt(style: str, question: str, tokenizer: Any) -> tuple[str, list[int]]:
    """The prompt of a question as text and as ids.

    A tokenizer that puts its BOS token first by default does so here too, once; a chat template has put it there itself
    if it wants one. Nothing is ever appended: the response follows the last id. Raises BadInput for an unknown style.
    """
    chosen = prompt_style(style)
    text = chosen.render(question, tokenizer)
    ids = list(tokenizer(text, add_special_tokens=False)["input_ids"])
    if not chosen.is_template and starts_with_bos(tokenizer) and ids[:1] != [tokenizer.bos_token_id]:
        ids = [tokenizer.bos_token_id, *ids]
    if not ids:
        raise BadInput(f"the prompt style {style!r} renders {question!r} to no token at all")
    return text, ids


def prompt_style(name: str) -> PromptStyle:
    """The style of that name; BadInput lists the names there are."""
    if kept := own.find("prompt style", name):
        more = {"extract": "general", **kept.options}
        return PromptStyle(lambda question, tokenizer: _said(kept, question, tokenizer), **more)
    if name not in PROMPT_STYLES:
        raise BadInput(f"no prompt style {name!r}; choose one of {', '.join(PROMPT_STYLES)}")
    return PROMPT_STYLES[name]


def _said(kept: own.Kept, question: str, tokenizer: Any) -> str:
    """What a style of the user's makes of a question."""
    text = own.called(kept, question, tokenizer)
    if not isinstance(text, str):
        raise BadInput(f"the prompt style {kept.name} makes a {type(text).__name__} of a question: it makes a text")
    return text


def starts_with_bos(tokenizer: Any) -> bool:
    """Whether a tokenizer puts its BOS token first by default."""
    bos = tokenizer.bos_token_id
    return bos is not None and list(tokenizer("x")["input_ids"])[:1] == [bos]


_SHOWN = str.maketrans({" ": "·", "\t": "→", "\n": "⏎\n", "\r": "␍", "\u00a0": "⍽"})


def visible(text: str) -> str:
    """The text with its white space shown: · space, → tab, ⏎ newline (the line is broken there too), ␍ return."""
    return text.translate(_SHOWN)


SHORT_SHOTS = (
    (
        "Nora buys 3 bags with 15 nuts in each. How many nuts does Nora buy in all?",
        "Nora buys 3 bags. There are 15 nuts in each of the bags, so we multiply the two numbers: 3 * 15 = 45. "
        "The answer is \\boxed{45}.",
    ),
    (
        "Carl has 26 keys. Carl gives 9 of them to Vera. How many keys are left?",
        "Carl starts with 26 keys. Then he gives 9 of the keys to Vera, so we subtract the two numbers: 26 - 9 = 17. "
        "The answer is \\boxed{17}.",
    ),
)

# "general" where the prompt asks for no form
PROMPT_STYLES: dict[str, PromptStyle] = {
    "question_answer": PromptStyle(question_answer, "box", between="\n\n"),
    "abel": PromptStyle(abel, "general", between="\n\n"),
    "qwen_boxed": PromptStyle(qwen_boxed, "box"),
    "qwen_math": PromptStyle(qwen_math, "box"),
    "r1": PromptStyle(r1, "answer_tag"),
    "orz": PromptStyle(orz, "box"),
    "prime_zero": PromptStyle(prime_zero, "box"),
    "dapo": PromptStyle(dapo, "answer_line", is_template=True),
    "dapo_boxed": PromptStyle(dapo_boxed, "box", is_template=True),
    "general_reasoner": PromptStyle(general_reasoner, "box", is_template=True),
    "unireason": PromptStyle(unireason, "box"),
    "chat": PromptStyle(chat, "general", is_template=True),
    "chat_boxed": PromptStyle(chat_boxed, "box", is_template=True),
    "short_shots": PromptStyle(short_shots, "box", is_template=True),
    "raw": PromptStyle(raw, "general", between="\n\n"),
}
