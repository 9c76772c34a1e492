"""Who wrote this token, and do the two models disagree here: what each signal can tell of it.

An AUROC of a half tells nothing; below a half, the signal is higher in the base's text, or where both agree. Base's
and RL's responses to one problem begin alike: up to the first divergence every position stands in both texts, and no
signal can tell who wrote it. Knows no files and no figures.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from rlprobe.analysis.statistics import Clusters, Interval, mean, missing, streamed_auroc
from rlprobe.analysis.texts import Split, Text
from rlprobe.records import MEMBERS
from rlprobe.settings import Resampling

COMMON, APART, ALONE = 0, 1, -1  # before the divergence; from it on; a response without a counterpart
MOVED = 0.3  # nats: the smallest |Δ log p| that counts as moved
PLACES = ("common prefix", "from the first divergence on")


@dataclass(frozen=True)
class Divergence:
    """Where the two models' responses to one problem part.

    `ends`: of each text and response the position of the first divergence; -1 for one without a counterpart.
    """

    texts: Mapping[str, Text] = field(repr=False)
    ends: dict[str, Int[np.ndarray, " responses"]] = field(repr=False)
    summary: dict[str, Any]

    def places(self, text: Text) -> Int[np.ndarray, " rows"]:
        """For each row of a text, or of a stretch of one: COMMON, APART or ALONE."""
        first = int(np.searchsorted(self.texts[text.arm].starts, text.begin))
        end = np.repeat(self.ends[text.arm][first : first + len(text.starts)], text.lengths)
        return np.where(end < 0, ALONE, np.where(text.rows["position"] < end, COMMON, APART))

    def splits(self, text: Text) -> dict[str, Split]:
        """The split of the rows of a text, or of a stretch of one, under the name "divergence"."""
        return {"divergence": Split(PLACES, self.places(text))} if text.arm in self.ends else {}


def divergence(texts: Mapping[str, Text], resampling: Resampling) -> Divergence:
    """Compare base's and RL's response to each problem and draw, token by token."""
    lacking = [m for m in MEMBERS if m not in texts]
    if lacking:
        reason = f"the run has no text of {' and '.join(lacking)}"
        nothing = {"responses": 0, "identical": 0, "position": missing(reason), "share_common": missing(reason)}
        return Divergence(texts, {}, {**nothing, "reason": reason})
    base, rl = (texts[m] for m in MEMBERS)
    which = _shared_responses(base, rl)
    common = _common_lengths(base, rl, which)
    ends = {m: np.full(len(texts[m].starts), -1) for m in MEMBERS}
    for m in MEMBERS:
        ends[m][which[m]] = common
    identical = int((common == np.maximum(*(texts[m].lengths[which[m]] for m in MEMBERS))).sum())
    problems = Clusters(base.responses[which["base"]] >> 32, base.n)
    position = mean(problems.sums(common.astype(np.float64)), problems.sums(np.ones(len(common))), resampling)
    counts = {"responses": len(common), "identical": identical}
    found = Divergence(texts, ends, {**counts, "position": position, "share_common": None, "reason": None})
    common_rows, read = base.sums(lambda rows: found.places(rows) == COMMON, lambda rows: found.places(rows) != ALONE)
    return replace(found, summary=found.summary | {"share_common": mean(common_rows, read, resampling)})


def _shared_responses(base: Text, rl: Text) -> dict[str, Int[np.ndarray, " shared"]]:
    """For each text the numbers of the responses that answer the same problem in the same draw."""
    _, of_base, of_rl = np.intersect1d(base.responses, rl.responses, assume_unique=True, return_indices=True)
    return {"base": of_base, "rl": of_rl}


def _common_lengths(base: Text, rl: Text, which: Mapping[str, np.ndarray]) -> Int[np.ndarray, " shared"]:
    """How many tokens the two responses begin with alike."""
    return np.array([_alike(base, int(i), rl, int(j)) for i, j in zip(*which.values(), strict=True)], np.int64)


def _alike(base: Text, i: int, rl: Text, j: int) -> int:
    shorter = int(min(base.lengths[i], rl.lengths[j]))
    starts = ((base, int(base.starts[i])), (rl, int(rl.starts[j])))
    differs = np.not_equal(*(text.rows.part(at, at + shorter)["token_id"] for text, at in starts))
    return int(differs.argmax()) if differs.any() else shorter


# ---- AUROCs


@dataclass(frozen=True, slots=True)
class Told:
    """A number of every row of a text, which may tell something of it, and its name in words."""

    title: str
    values: Callable[[Text], Float[np.ndarray, " rows"]]


SIGNALS: dict[str, Told] = {
    "delta": Told("Δ log p of the token", lambda text: text.delta()),
    "abs_delta": Told("|Δ log p| of the token", lambda text: np.abs(text.delta())),
    "minus_delta_argmax_base": Told("−Δ log p of base's choice", lambda text: -text.delta("argmax_base")),
    "kl_rl_base": Told("KL(RL ‖ base)", lambda text: text.numbers("kl_rl_base")),
    "js": Told("JS", lambda text: text.numbers("js")),
    "entropy_base": Told("entropy of the base", lambda text: text.numbers("entropy_base")),
    "entropy_rl": Told("entropy of RL", lambda text: text.numbers("entropy_rl")),
    "minus_margin_base": Told("−margin of the base", lambda text: -text.numbers("margin_base")),
}
AUTHOR_SIGNALS = ("delta", "abs_delta", "kl_rl_base", "js", "entropy_base", "entropy_rl")
DISAGREEMENT_SIGNALS = (
    *("kl_rl_base", "js", "minus_delta_argmax_base", "abs_delta", "minus_margin_base"),
    *("entropy_base", "entropy_rl"),
)
# which positions: (text, COMMON or APART of each row) -> rows
AMONG: dict[str, Callable[[Text, np.ndarray], Bool[np.ndarray, " rows"]]] = {
    "all": lambda _, places: places != ALONE,
    "apart": lambda _, places: places == APART,
    "apart_moved": lambda text, places: (places == APART) & (np.abs(text.delta()) >= MOVED),
    "apart_moved_unchanged": lambda text, places: (places == APART) & (np.abs(text.delta()) >= MOVED) & ~text.disagrees,
    "apart_unchanged": lambda text, places: (places == APART) & ~text.disagrees,
    "apart_disagreements": lambda text, places: (places == APART) & text.disagrees,
}


def separation(texts: Mapping[str, Text], found: Divergence, resampling: Resampling) -> dict[str, dict[str, Interval]]:
    """By positions and signal, the AUROC for "RL wrote this token" over both models' texts.

    "apart" leaves out the common prefix, "apart_moved" also what RL moved by less than `MOVED`, "unchanged" also the
    disagreements: there a greedy text holds its writer's own choice, so that Δ log p tells the writer by construction,
    as "apart_disagreements" shows. Most of what is moved are disagreements: only "apart_moved_unchanged" can say that
    the sign of what is moved tells the writer.
    """
    if found.summary["reason"]:
        return {among: dict.fromkeys(AUTHOR_SIGNALS, missing(found.summary["reason"])) for among in AMONG}
    return {
        among: {name: _separates(texts, found, SIGNALS[name], choose, resampling) for name in AUTHOR_SIGNALS}
        for among, choose in AMONG.items()
    }


def _separates(
    texts: Mapping[str, Text], found: Divergence, signal: Told, choose: Callable, resampling: Resampling
) -> Interval:
    def scored() -> Iterator[tuple[np.ndarray, np.ndarray, Clusters]]:
        for m in MEMBERS:
            for text in texts[m].stretches():
                rows = choose(text, found.places(text))
                labels = np.full(int(rows.sum()), m == "rl")
                yield signal.values(text)[rows], labels, Clusters(text.clusters.codes[rows], text.n)

    return streamed_auroc(scored, texts["base"].n, resampling)


def detection(text: Text, resampling: Resampling) -> dict[str, Interval]:
    """By signal, the AUROC for "the two models disagree here" on one text.

    The divergences and Δ log p of the base's own choice are made of both distributions and nearly contain the answer.
    """
    return {name: _detects(text, SIGNALS[name], resampling) for name in DISAGREEMENT_SIGNALS}


def _detects(text: Text, signal: Told, resampling: Resampling) -> Interval:
    rows = lambda: ((signal.values(rows), rows.disagrees, rows.clusters) for rows in text.stretches())  # noqa: E731
    return streamed_auroc(rows, text.n, resampling)
