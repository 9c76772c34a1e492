"""The card of a token as plain text, for where no script runs: what both models would have said, and what an arm did.

The same facts in the same order as card.js, in two columns of a fixed-width font: base, RL. Numbers are the token
table's own; the page's are 8-bit copies of them.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from itertools import zip_longest
from math import exp
from typing import Any

from rlprobe.records import MEMBERS
from rlprobe.reporting.page.glyphs import plain
from rlprobe.reporting.page.passage import Passage

NAMES = {"base": "base", "rl": "RL"}
HERE = "◂"  # the token present, among a model's best
_WIDTH = 16  # characters of a candidate; a longer one is cut
_COLUMN = _WIDTH + 14

Pieces = Mapping[int, str | bytes]


def card(passage: Passage, t: int, name: str | None, pieces: Pieces) -> str:
    """All that is known of position t; `name` is its class, if both models have read it."""
    row, token = passage.row(t), passage.ids[t]
    lines = [" · ".join([plain(pieces[token]), f"id {token}", f"position {t}", *([name] if name else [])])]
    if row is None:
        lines.append("Both models have not read this text to here.")
    else:
        lines += [*_two_columns(row, token, pieces), *_facts(row)]
    if t in passage.host:
        host = passage.host[t]
        lines.append(f"edited; the host would have said {plain(pieces[host])}, id {host}")
    elif t in passage.gated:
        lines.append("gated, and the token is the host's own choice")
    return "\n".join(lines)


def percent(logprob: float) -> str:
    """A probability as the page writes it."""
    p = 100 * exp(logprob)
    if p >= 99.95:
        return "100 %"
    return f"{p:.1f} %" if p >= 9.95 else f"{p:.2g} %" if p >= 0.001 else f"{p:.0e} %".replace("-", "−")


def _two_columns(row: Mapping[str, Any], token: int, pieces: Pieces) -> Iterator[str]:
    """Both models' best tokens, and the one present where it is not among them."""
    words = _words({int(i) for m in MEMBERS for i in row[f"top_ids_{m}"]}, pieces)
    columns = [[NAMES[m], *_best(row, m, token, words)] for m in MEMBERS]
    for base, rl in zip_longest(*columns, fillvalue=""):
        yield f"{base:<{_COLUMN}}{rl}".rstrip()


def _best(row: Mapping[str, Any], member: str, token: int, words: Mapping[int, str]) -> Iterator[str]:
    ids, logprobs = row[f"top_ids_{member}"], row[f"top_logprobs_{member}"]
    for i, logprob in zip(ids, logprobs, strict=True):
        yield _candidate(words[int(i)], percent(float(logprob))) + (HERE if i == token else "")
    if token not in ids and row[f"logprob_{member}"] is not None:
        yield _candidate(f"rank {row[f'rank_{member}']}", percent(row[f"logprob_{member}"])) + HERE


def _words(ids: Collection[int], pieces: Pieces) -> dict[int, str]:
    """How tokens are written among a model's best, cut to the width; with their ids where they look alike."""
    words = {i: _cut(plain(pieces[i])[1:-1], _WIDTH) for i in ids}
    alike = Counter(words.values())
    return {i: w if alike[w] == 1 else _cut(w, _WIDTH - len(f" #{i}")) + f" #{i}" for i, w in words.items()}


def _cut(word: str, width: int) -> str:
    return word if len(word) <= width else word[: width - 1] + "…"


def _candidate(word: str, probability: str) -> str:
    return f"{word:<{_WIDTH}}{probability:>9} "


def _facts(row: Mapping[str, Any]) -> Iterator[str]:
    delta = None if row["logprob_rl"] is None else row["logprob_rl"] - row["logprob_base"]
    ranks = "–" if row["rank_base"] is None else f"{row['rank_base']} / {row['rank_rl']}"
    facts = [
        (f"entropy {_small(row['entropy_base'])} nats", f"entropy {_small(row['entropy_rl'])} nats"),
        (f"Δ log p {_signed(delta)}", f"KL(RL ‖ base) {_small(row['kl_rl_base'])} nats"),
        (f"rank base / RL {ranks}", f"base rank of RL's {row['rank_base_of_rl']}"),
    ]
    for left, right in facts:
        yield f"{left:<{_COLUMN}}{right}"


def _small(x: float) -> str:
    return "0" if x == 0 else "<0.001" if x < 0.001 else f"{x:.2g}"


def _signed(x: float | None) -> str:
    return "–" if x is None else f"{x:+.{4 if abs(x) < 0.1 else 2}f} nats".replace("-", "−")
