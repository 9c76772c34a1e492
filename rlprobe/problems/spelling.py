r"""How an answer is spelt: the same answer in the notation that math-verify reads, and what is said in words.

Strings in, strings out; time is linear in them. Knows no mathematics beyond notation: 1,234 is a number, 4 2/3 a mixed
one, 18 eggs a number with a word behind it.
"""

import re
from collections.abc import Callable

from rlprobe.problems.answers import boxes

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)"
_TEXT = r"\\(?:text|mathrm|mbox|textrm|textbf|mathbf|textit|operatorname|rm)\s*"

# full-width forms and the signs that have an ASCII or a LaTeX spelling
_SIGNS = {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
_SIGNS |= {
    "−": "-", "–": "-", "—": "-", "×": r"\times ", "÷": r"\div ", "·": r"\cdot ", "∞": r"\infty ", "π": r"\pi ",
    "≤": r"\leq ", "≥": r"\geq ", "≠": r"\neq ", "∪": r"\cup ", "∈": r"\in ", "±": r"\pm ", "°": r"^{\circ}",
    "\u3000": " ", "\u3001": ", ", "≈": r"\approx ", "≃": r"\approx ", "€": "", "£": "", "¥": "",
    "½": " 1/2", "⅓": " 1/3", "⅔": " 2/3", "¼": " 1/4", "¾": " 3/4", "⅕": " 1/5", "⅛": " 1/8",
}  # fmt: skip
_BY_CODE = str.maketrans(_SIGNS)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n")
_POWERS = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_NOT_UNITS = "and|or|mod|sin|cos|tan|log|sqrt|exp|infty|alpha|beta|gamma|theta|phi"

_Replacement = str | Callable[[re.Match[str]], str]


def _power(match: re.Match[str]) -> str:
    behind = match[1] or ""  # \text{ million dollars} leaves \text{ dollars}
    return rf" \times 10^{{{_POWERS[match[2].lower()]}}} {behind}"


_RESPELLINGS: list[tuple[str, _Replacement]] = [
    (r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+", lambda match: f"^{{{match[0].translate(_SUPERSCRIPTS)}}}"),
    # what surrounds an answer: **5**, $5$, \(5\), a number in words of its own, an approximation
    (r"^\*\*([^*]*)\*\*$", r"\1"),
    (r"^\$\$?([^$]*[^$\\])\$\$?$", r"\1"),
    (r"^\\[(\[]((?:(?!\\[(\[]).)*)\\[)\]]$", r"\1"),
    (r"^\s*(?:\\approx|\\simeq|\\sim\b|~|(?i:approximately|about)\s|=)\s*", ""),
    (r"\\(?:approx|simeq)(?![a-zA-Z])", "="),
    (r"\\degrees?(?![a-zA-Z])", r"^{\\circ}"),
    (r"\^\s*\^", "^"),
    (r"√\s*\(([^()]*)\)", r"\\sqrt{\1}"),
    (r"√\s*\{", r"\\sqrt{"),
    (r"√\s*(\d+(?:\.\d+)?|[A-Za-z]|\\pi )", r"\\sqrt{\1}"),
    # ordinals: 12th, 12^{th}, 12^{\text{th}}
    (rf"(?<=\d)\s*(?:\^\s*)?(?:\{{\s*)?(?:{_TEXT})?\{{?\s*(?:st|nd|rd|th)(?![a-zA-Z])\s*\}}{{0,2}}", " "),
    (rf"{_TEXT}\{{\s*([ie])\s*\}}", r"\1"),
    # thousands: 1\,234 and 1 234 would be read as 1 + 234, a mixed number
    (r"(?<=\d)(?:,?\\[,;:! ]|\{,\}|,?[~\u00a0\u2009\u202f]|[ ])(?=\d{3}(?:[^\d/]|$))", ""),
    # mixed numbers: 4 2/3 would be read as 2
    (r"(?<![\d.])(\d+)(?:\s|\\[, ])+(?:and\s+)?(\d+)\s*/\s*(\d+)(?!\d)", r"\1\\frac{\2}{\3}"),
    (r"(?<![\d.])(\d+)(?:\s|\\[,; ])+(\\[dt]?frac\s*(?:\{\s*\d+\s*\}|\d)\s*(?:\{\s*\d+\s*\}|\d))(?!\d)", r"\1\2"),
    # 4.5e33 would be read as 4.5 · e · 33
    (rf"^({_NUMBER})[eE]([+-]?\d+)(?![\w.])", r"\1 \\times 10^{\2}"),
    (rf"(?<=[\d.])(?: |\\[, ]){{0,4}}({_TEXT}\{{)? ?(?i:({'|'.join(_POWERS)}))(?![a-zA-Z])", _power),
    (r"(?<=[\d.])\s*[x*]\s*10\^(?=[\d{+-])", r" \\times 10^"),
    (r"\^\s*([+-]\d+)", r"^{\1}"),
    (r"(?<=\d)\s*(?i:percent|per cent)$", r"\\%"),
    # 18 eggs would be read as 18 · e · g · g · s
    (rf"(?<=[\d}}])\s+((?!(?:{_NOT_UNITS})\b)(?:[A-Za-z]{{3,}}|[kcm]?m|[km]?g|ft|in|lb|oz|mi|hr|sq|mL|L)\b"
     r"(?:[ /-]+[A-Za-z]+\b)*(?:\^\{?\d\}?)?)$", r" \\text{ \1}"),
]  # fmt: skip
_COMPILED = [(re.compile(pattern), replacement) for pattern, replacement in _RESPELLINGS]

_THOUSANDS = re.compile(r"(?<![\d,.])[1-9]\d{0,2}(?:,\d{3})+(?![\d]|,\d)")
_BRACKET = re.compile(r"(\\\{|\\\}|[()\[\]])")
_WHITE = re.compile(r"[ \t\n\r\f\v]+")
_END_OF_SENTENCE = ".,;: "
LONGEST = 10_000  # characters: what is longer is no answer


def respell(answer: str) -> str:
    """The same answer in a notation that math-verify reads: roots, degrees, thousands, powers of ten, a final stop."""
    answer = _trimmed(_WHITE.sub(" ", answer.translate(_BY_CODE)))
    for pattern, replacement in _COMPILED:
        answer = pattern.sub(replacement, answer)
    return _trimmed(_without_thousands(answer))


def _trimmed(answer: str) -> str:
    r"""Without white space, stops and line breaks at the ends; \, is a space, \% and \$ are not."""
    answer = answer.strip()
    while (shorter := answer.removesuffix("\\\\").removesuffix("\\,").rstrip(_END_OF_SENTENCE)) != answer:
        if shorter.endswith("\\") and not shorter.endswith("\\\\"):
            return answer  # the stop belongs to a command: \; \:
        answer = shorter
    return answer


def _without_thousands(answer: str) -> str:
    """58,500 as 58500, outside of brackets: (58,500) is a pair."""
    depth, parts = 0, []
    for part in _BRACKET.split(answer):
        depth += (part in ("(", "[", "\\{")) - (part in (")", "]", "\\}"))
        parts.append(_THOUSANDS.sub(lambda match: match[0].replace(",", ""), part) if depth == 0 else part)
    return "".join(parts)


# ---- lists and words -------------------------------------------------------------------------------------------------

_SHORT_WORDS = frozenset(("yes", "no", "on", "off", "odd", "up", "in", "out", "all", "dne", "ii", "iii", "iv"))
_WRAPPED = re.compile(rf"{_TEXT}\{{([^{{}}\\$]*)\}}")
_WORDS = re.compile(r"[A-Za-z][A-Za-z'’ -]*")


def is_list(gold: str) -> bool:
    r"""Whether a gold asks for several values: 1, -2 or \{1, 2\} or 1 and 2; not a pair (1, 2), not 1,234."""
    gold = re.sub(r"^\\\{(.*)\\\}$", r"\1", re.sub(r"\\[,;:! ]", " ", respell(gold)))
    depth = 0
    for part in re.split(r"(\\\{|\\\}|[()\[\]{}])", gold):
        depth += (part in ("(", "[", "\\{", "{")) - (part in (")", "]", "\\}", "}"))
        if depth == 0 and re.search(r"[,;]|\b(?:and|or)\b", part):
            return words(gold) is None
    return re.search(rf"{_TEXT}\{{\s*(?:and|or)\s*\}}", gold) is not None


def words(answer: str) -> str | None:
    r"""What an answer says that is words and nothing else, in lower case: east and \text{East} are east; else None.

    Letters that may be a product, as in ab, are no word.
    """
    bare = _WRAPPED.sub(r" \1 ", answer)
    is_wrapped, text = bare != answer, " ".join(bare.replace("\\ ", " ").split())
    if not _WORDS.fullmatch(text):
        return None
    found = [word.lower() for word in text.split()]
    if not is_wrapped and len(found) == 1 and len(text) < 4 and text.lower() not in _SHORT_WORDS:
        return None
    is_letter = len(text) == 1  # \text{B} is B
    return None if is_letter else " ".join(found)


# ---- golds -----------------------------------------------------------------------------------------------------------

_FUNCTIONS = ("sin", "cos", "tan", "sec", "csc", "cot", "log", "exp", "sqrt", "frac", "gcd", "lcm", "max", "min", "lim")
_MATH_WORDS = frozenset((*_FUNCTIONS, "mod", "and", "det", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan"))
_COMMANDS = re.compile(rf"{_TEXT}\{{[^{{}}]*\}}|\\(?:begin|end)\s*\{{\w*\*?\}}|\\[a-zA-Z]+")
_WORD = re.compile(r"[A-Za-z]{2,}")


def gold_in(text: str) -> str:
    r"""The gold that a solution ends in: what follows its last ####, else its last \boxed{}, else the text itself."""
    if "####" in text:
        return text.rsplit("####", 1)[1].strip().split("\n", 1)[0].strip()
    found = boxes(text).found
    return found[-1].content if found else text


def suspicion(gold: str) -> str | None:
    """Why a gold would not be read as what it means, None for most: prose would be read as a product of letters.

    Words before a number, or more than four behind it, are prose; words without any number are an answer in words.
    """
    if words(respell(gold)) is not None:
        return "it is a sentence" if len(gold.split()) > 6 else None
    plain = _COMMANDS.sub(" ", respell(gold))
    first = re.search(r"\d", plain)
    found = [match for match in _WORD.finditer(plain) if match[0].lower() not in _MATH_WORDS and len(match[0]) > 2]
    if first and any(match.start() < first.start() for match in found if not _is_name(plain, match)):
        return "there are words before the number"
    return "it is prose" if len(found) > 4 or "\n" in gold.strip() else None


def _is_name(text: str, match: re.Match[str]) -> bool:
    """Whether a word is what an equation gives a value to: area = 5."""
    return re.match(r"\s*=", text[match.end() :]) is not None


_PLAIN_NUMBER = re.compile(r"\s*-?\d{1,15}(?:\.\d{1,6})?\s*")


def readable_at_sight(gold: str) -> bool:
    """Whether a gold is a plain number, which nobody need be asked about."""
    return _PLAIN_NUMBER.fullmatch(gold) is not None
