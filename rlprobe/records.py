"""The nouns that every room shares: a problem, a rollout, a grade, and the columns of each table on disk.

Token ids are the truth and text is derived from them. Knows no models, no text processing and no disk.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa

from rlprobe.settings import MEMBERS as MEMBERS


@dataclass(frozen=True, slots=True)
class Problem:
    """One question with its gold answer; `problem_id` is unique within a data set.

    `solution` is the answer worked out, where the data set has it: a text to read, which a run does not keep here.
    """

    problem_id: str
    question: str
    answer: str
    source: str
    solution: str | None = None


class Stop(StrEnum):
    """Why a response ended."""

    EOS = "eos"  # a stop id was emitted; it is the last response id
    LENGTH = "length"  # the token limit or the model's context was reached: the response is truncated
    GIVEN = "given"  # the response came from a file and does not end in a stop id


class Made(StrEnum):
    """What produced the ids of a rollout."""

    ENGINE = "engine"  # decoding/engine.py
    LOCKSTEP = "lockstep"  # decoding/lockstep.py, the plain reference
    BY_IDENTITY = "by_identity"  # known to equal another rollout, and copied from it
    GIVEN = "given"  # a file: ids made elsewhere
    GIVEN_TEXT = "given_text"  # a file: text made elsewhere, whose tokenisation is ours and may not be the writer's


@dataclass(frozen=True, slots=True)
class Rollout:
    """One response of one arm to one problem, with where each token came from.

    `host_ids[t]` is what the host would have said at position t, `logprobs[t]` (nats, temperature 1) what the host gave
    `response_ids[t]` while it was decoding. For responses that were made elsewhere `host_ids` is None, and `logprobs`
    are those that came with them, of a sampler that is not known here; None without. `donor_ids[t]` is what the other
    model would have said there; None where none was asked, or it was not kept, as once.
    """

    arm: str
    problem_id: str
    draw: int
    prompt_ids: Sequence[int]
    response_ids: Sequence[int]
    host_ids: Sequence[int] | None
    gated: Sequence[bool]
    logprobs: Sequence[float] | None
    stop: Stop
    made: Made
    donor_ids: Sequence[int] | None = None

    @property
    def edited(self) -> list[bool]:
        """Per position: the emitted token differs from what the host would have said."""
        if self.host_ids is None:
            return [False] * len(self.response_ids)
        return [mine != host for mine, host in zip(self.response_ids, self.host_ids, strict=True)]


class Status(StrEnum):
    """The verdict on one answer. A gold answer that does not parse gives no status at all (None), not `wrong`."""

    CORRECT = "correct"
    WRONG = "wrong"
    NO_ANSWER = "no_answer"  # the extraction finds no answer in the response
    UNPARSED = "unparsed"  # an answer that is no mathematics that math-verify can read
    TIMEOUT = "timeout"  # reading or comparing it took longer than the limit


@dataclass(frozen=True, slots=True)
class Grade:
    """The verdict on one answer of one response: as written, and the character of the text behind it; None without."""

    status: Status | None
    answer: str | None
    end: int | None = None


class SearchEnd(StrEnum):
    """Why the search for the edits that a right answer needs came to its end."""

    ONE_FLIP = "one_flip"  # one edit is enough: no smaller set there is
    MINIMAL = "minimal"  # dropping any one of the edits makes the answer wrong
    STOPPED = "stopped"  # the limit of trials was reached: fewer edits may do
    ORACLE_WRONG = "oracle_wrong"  # with every edit the answer is not right, as RL's own is: float noise


TOP = 5  # how many of each model's best tokens a token table keeps for people to look at

_KEY = [("arm", pa.string()), ("problem_id", pa.string()), ("draw", pa.int32())]

PROBLEM_SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        ("question", pa.string()),
        ("answer", pa.string()),
        ("source", pa.string()),
        ("left_out", pa.string()),  # why the run has no rollouts of it; null for nearly all
    ]
)

ROLLOUT_SCHEMA = pa.schema(
    [
        *_KEY,
        ("prompt_ids", pa.list_(pa.int32())),
        ("response_ids", pa.list_(pa.int32())),
        ("host_ids", pa.list_(pa.int32())),
        ("gated", pa.list_(pa.bool_())),
        ("logprobs", pa.list_(pa.float32())),
        ("stop", pa.string()),
        ("made", pa.string()),
    ]
)

DONOR_IDS = "donor_ids"  # the column of rollouts that two models were asked about; runs made before it have none


def rollout_schema(donor: bool) -> pa.Schema:
    """The columns of a table of rollouts, with `DONOR_IDS` or without."""
    return pa.schema([*ROLLOUT_SCHEMA, *([pa.field(DONOR_IDS, pa.list_(pa.int32()))] if donor else [])])


GRADE_SCHEMA = pa.schema(
    [
        *_KEY,
        ("status_first", pa.string()),
        ("answer_first", pa.string()),
        ("end_first", pa.int32()),  # the position behind the token in which the answer ends; null without an answer
        ("status_last", pa.string()),
        ("answer_last", pa.string()),
        ("end_last", pa.int32()),
        ("fell_back", pa.bool_()),  # the response ends inside one more answer: the last is the last one finished
    ]
)

TOKEN_SCHEMA = pa.schema(
    [
        *_KEY,
        ("position", pa.int32()),
        ("token_id", pa.int32()),
        ("token", pa.string()),  # its text, its bytes as <0xE2>; with the id behind it where another has the same
        # of the token present, of each model's own best token, and of the whole distribution
        *[(f"logprob_{m}", pa.float32()) for m in MEMBERS],
        *[(f"rank_{m}", pa.int32()) for m in MEMBERS],
        *[(f"argmax_{m}", pa.int32()) for m in MEMBERS],
        *[(f"logprob_argmax_{m}", pa.float32()) for m in MEMBERS],
        *[(f"margin_{m}", pa.float32()) for m in MEMBERS],
        *[(f"entropy_{m}", pa.float32()) for m in MEMBERS],
        # of one model's best token in the other
        ("rank_base_of_rl", pa.int32()),
        ("rank_rl_of_base", pa.int32()),
        ("logprob_base_of_rl", pa.float32()),
        ("logprob_rl_of_base", pa.float32()),
        # between the two distributions
        ("kl_rl_base", pa.float32()),
        ("kl_base_rl", pa.float32()),
        ("js", pa.float32()),
        ("acceptance", pa.float32()),  # Σ min(p_base, p_rl): how often a token that one draws is taken for the other's
        # of log p_base(v) and Δ log p(v), v drawn from the base: variances (nats²), and the straight line through them
        ("varentropy_base", pa.float32()),
        ("delta_variance", pa.float32()),
        ("sharpening", pa.float32()),  # its slope; β - 1 if RL were the base to the power β; null without a line
        ("sharpening_r2", pa.float32()),  # the share of the variance of Δ log p that it explains; null without one
        # where in the response
        ("terminator", pa.bool_()),
        # for people to look at
        *[(f"top_ids_{m}", pa.list_(pa.int32(), TOP)) for m in MEMBERS],
        *[(f"top_logprobs_{m}", pa.list_(pa.float32(), TOP)) for m in MEMBERS],
    ]
)

# where a head has rows outside the common vocabulary (ids of one model alone, padding): the probability of all of them
OUTSIDE = tuple(f"outside_{m}" for m in MEMBERS)


def token_schema(outside: bool) -> pa.Schema:
    """The columns of a token table, with those of `OUTSIDE` or without."""
    more = [pa.field(name, pa.float32()) for name in OUTSIDE] if outside else []
    return pa.schema([*TOKEN_SCHEMA, *more])


# `rlprobe flips`: RL's token in the place of one of the base's own, and what the base then made of it
FLIP_SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        ("ordinal", pa.int32()),  # of the disagreement along the base's own text, from 0
        ("position", pa.int32()),
        ("base_id", pa.int32()),
        ("rl_id", pa.int32()),
        ("response_ids", pa.list_(pa.int32())),  # the base's up to the flip, RL's token, and how the base went on
        ("stop", pa.string()),
        ("right", pa.bool_()),  # null where there is no verdict
    ]
)

# `rlprobe flips`: another token in the place of one of the base's own, for each flip one of either kind
PLACEBO_SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        ("kind", pa.string()),  # of analysis/placebo.py
        ("ordinal", pa.int32()),  # of the flip that it stands beside
        ("position", pa.int32()),
        ("base_id", pa.int32()),
        ("written_id", pa.int32()),
        ("entropy", pa.float32()),  # of the base there, nats
        ("response_ids", pa.list_(pa.int32())),
        ("stop", pa.string()),
        ("right", pa.bool_()),
    ]
)

# `rlprobe flips`: one row a problem, with the edits that RL's right answer needs where the base's own is wrong
NEEDED_SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        ("base_right", pa.bool_()),  # null where there is no verdict
        ("rl_right", pa.bool_()),
        ("flips", pa.int32()),  # null where the problem was not looked at
        ("end", pa.string()),  # a SearchEnd; null where nothing was searched for
        ("trials", pa.int32()),  # sets of edits that were decoded
        ("oracle_edits", pa.int32()),  # how many edits there are to choose from
        ("ordinals", pa.list_(pa.int32())),  # the edits kept, in order
        ("positions", pa.list_(pa.int32())),  # where they stand in the response that they give
        ("base_ids", pa.list_(pa.int32())),
        ("rl_ids", pa.list_(pa.int32())),
    ]
)

# `rlprobe consequences`: the base's token in the place of one of RL's own, and how RL went on
CONSEQUENCE_SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        ("position", pa.int32()),
        ("argmax_base", pa.int32()),
        ("argmax_rl", pa.int32()),
        ("rank_base_of_rl", pa.int32()),
        ("entropy_base", pa.float32()),
        ("margin_base", pa.float32()),
        ("kl_rl_base", pa.float32()),
        ("response_ids", pa.list_(pa.int32())),  # RL's up to the place, the base's token, and how RL went on
        ("stop", pa.string()),
        ("rest", pa.int32()),  # ids that stand behind the place in RL's own text
        ("together", pa.int32()),  # ids behind the place that both texts have in common at their end
        ("same_answer", pa.bool_()),  # same verdict and equal answer; null where RL's own text has none
    ]
)

# `rlprobe weights`: one row a tensor of the pair, in the order of the network
WEIGHT_SCHEMA = pa.schema(
    [
        ("name", pa.string()),
        ("kind", pa.string()),
        ("layer", pa.int32()),  # null outside the layers
        ("shape", pa.list_(pa.int64())),
        ("left_out", pa.int64()),  # rows that only one model has
        ("numbers", pa.int64()),
        ("unchanged", pa.int64()),  # numbers that are equal in bfloat16
        ("unchanged_exact", pa.int64()),  # as stored; null where that is bfloat16, or not the same in both
        ("base_squares", pa.float64()),
        ("change_squares", pa.float64()),
        ("singular_values", pa.list_(pa.float64())),  # of the change, descending; null for a vector
    ]
)

# `rlprobe weights --ranks`: what the base with part of RL's change would say along the text of base or RL
LOW_RANK_SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        ("draw", pa.int32()),
        ("position", pa.int32()),
        ("argmax", pa.int32()),
        ("kl_from_rl", pa.float32()),  # KL(RL || it), nats
    ]
)
