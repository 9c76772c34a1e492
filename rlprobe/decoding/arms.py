"""Arms: where to edit (a gate) and what to write there (a writer), while one model, the host, decodes.

A gate looks at the two models' distributions after the arm's own prefix and says where it fires; a writer says which
token then stands there. Both are plain functions of a `View`; a new one is one function and one line in the dictionary
at the foot of this file. Divergences and differences speak of donor against host, so that they mean the same forward
(host = base) and backward (host = rl). Ids are columns of the common vocabulary. Knows no text, no models, no passes.

    Sparse Policy Selection   arXiv 2605.06241, §3.2-3.3: oracle, random, entropy
    Direction of RLVR         arXiv 2603.22117: delta, KL, entropy, random, mix (extrapolation)
    Sparse but Critical       arXiv 2603.22446: JS, forward and backward
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from rlprobe.decoding.noise import Noise
from rlprobe.errors import BadInput, RlprobeError
from rlprobe.measures.learned import Learned
from rlprobe.measures.ranking import best_tokens
from rlprobe.pairs.kinds import KINDS
from rlprobe.pairs.kinds import VERSION as KINDS_VERSION
from rlprobe.records import MEMBERS, TOP
from rlprobe.settings import SamplingChoice

# ---- what an arm sees ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sampling(SamplingChoice):
    """How both models are drawn from: softmax(logits / temperature), cut to the smallest set of probability top_p.

    `noise_seed` is that of the noise, which both models share.
    """

    @classmethod
    def of(cls, choice: SamplingChoice) -> "Sampling":
        """As it was asked for."""
        return cls(**vars(choice))

    def draw(self, logits: Float[Tensor, "n vocab"], noise: Noise, stream: str) -> Int[Tensor, " n"]:
        """One token a row, by the Gumbel-max rule."""
        return (self._scores(logits) + noise.gumbel(stream, logits.shape[1])).argmax(-1)

    def logprobs(self, logits: Float[Tensor, "n vocab"]) -> Float[Tensor, "n vocab"]:
        """The distribution that is drawn from, nats: -inf for what top_p leaves out."""
        return torch.log_softmax(self._scores(logits), -1)

    def residual(
        self,
        own: Int[Tensor, " n"],
        host: Float[Tensor, "n vocab"],
        donor: Float[Tensor, "n vocab"],
        noise: Noise,
    ) -> Int[Tensor, " n"]:
        """A draw from `donor` that is `own`, a draw from `host`, as often as can be; both are log-probabilities.

        Speculative sampling (arXiv 2211.17192): a token y of `own` is kept with probability min(1, q(y) / p(y)), else
        drawn again from the normalised positive part of q - p, for p of the host and q of the donor. y is kept and said
        with probability min(p, q); what is rejected, sum(max(p - q, 0)) in all, is as much as sum(max(q - p, 0)), so
        that the second draw adds max(q - p, 0): together q.
        """
        gain = (donor - host).gather(1, own[:, None])[:, 0]
        left = (donor.exp() - host.exp()).clamp(min=0)
        kept = (noise.uniform("accept") < gain.exp()) | (left.sum(-1) == 0)
        again = (left.log() + noise.gumbel("redraw", left.shape[1])).argmax(-1)
        return torch.where(kept, own, again)

    def _scores(self, logits: Float[Tensor, "n vocab"]) -> Float[Tensor, "n vocab"]:
        """Log-probabilities whose sum is at most 1: top_p leaves tokens out."""
        scores = torch.log_softmax(logits.float() / self.temperature, -1)
        if self.top_p < 1:
            order = scores.sort(dim=-1, descending=True, stable=True)
            before = order.values.exp().cumsum(-1) - order.values.exp()  # probability of what comes first
            out = torch.zeros_like(scores, dtype=torch.bool).scatter(1, order.indices, before >= self.top_p)
            scores = scores.masked_fill(out, -math.inf)
        return scores


@dataclass(frozen=True)
class Facts:
    """What an arm is told of one response beforehand.

    From an earlier arm on the same problem: where the oracle edited, and how often. From a search for the edits that
    matter: at which of the disagreements met, counted from 0, the donor's token is to be written.
    """

    edited_positions: frozenset[int] = frozenset()
    edited_rate: float = 0.0
    ordinals: frozenset[int] = frozenset()


RESIDUAL = "residual"  # the donor's stream where its draw is coupled with the host's (`Sampling.residual`)


@dataclass(frozen=True)
class View:
    """n positions as an arm sees them. Everything is computed when it is first asked for, over the whole vocabulary."""

    host_logits: Float[Tensor, "n vocab"]
    donor_logits: Float[Tensor, "n vocab"]
    noise: Noise
    facts: Sequence[Facts]  # one a position
    sampling: Sampling | None = None
    donor_stream: str = "draw"
    kinds: Int[Tensor, " vocab"] | None = None  # of each token, as a number in the order of pairs.kinds.KINDS

    @cached_property
    def host_ids(self) -> Int[Tensor, " n"]:
        """What the host would say: its argmax or, sampled, its draw."""
        return self.host_argmax if self.sampling is None else self.sampling.draw(self.host_logits, self.noise, "draw")

    @cached_property
    def donor_ids(self) -> Int[Tensor, " n"]:
        """What the donor would say: its argmax or, sampled, its draw."""
        if self.donor_logits is self.host_logits:  # the host is alone
            return self.host_ids
        if self.sampling is None:
            return self.donor_argmax
        if self.donor_stream == RESIDUAL:
            return self.sampling.residual(self.host_ids, self.host_sampled, self.donor_sampled, self.noise)
        return self.sampling.draw(self.donor_logits, self.noise, self.donor_stream)

    @cached_property
    def host_argmax(self) -> Int[Tensor, " n"]:
        """The host's best token; of equal ones the smallest id."""
        return best_tokens(self.host_logits, 1).ids[:, 0]

    @cached_property
    def donor_argmax(self) -> Int[Tensor, " n"]:
        """The donor's best token."""
        return best_tokens(self.donor_logits, 1).ids[:, 0]

    @cached_property
    def host(self) -> Float[Tensor, "n vocab"]:
        """The host's log-probabilities, nats, temperature 1."""
        return torch.log_softmax(self.host_logits, -1)

    @cached_property
    def donor(self) -> Float[Tensor, "n vocab"]:
        """The donor's log-probabilities, nats, temperature 1."""
        return torch.log_softmax(self.donor_logits, -1)

    @cached_property
    def host_entropy(self) -> Float[Tensor, " n"]:
        """Shannon entropy of the host's distribution, nats, temperature 1."""
        return -(self.host.exp() * self.host).sum(-1)

    @cached_property
    def donor_entropy(self) -> Float[Tensor, " n"]:
        """The same of the donor's."""
        return -(self.donor.exp() * self.donor).sum(-1)

    @cached_property
    def host_sampled(self) -> Float[Tensor, "n vocab"]:
        """The log-probabilities that the host is sampled from, nats; greedy, those at temperature 1."""
        return self.host if self.sampling is None else self.sampling.logprobs(self.host_logits)

    @cached_property
    def donor_sampled(self) -> Float[Tensor, "n vocab"]:
        """The log-probabilities that the donor is sampled from."""
        return self.donor if self.sampling is None else self.sampling.logprobs(self.donor_logits)

    @cached_property
    def host_rank_of_donor(self) -> Int[Tensor, " n"]:
        """The host's rank of the donor's best token: 1 + larger ones + equal ones with a smaller id."""
        own = self.host_logits.gather(1, self.donor_argmax[:, None])
        smaller_id = torch.arange(self.vocab, device=own.device) < self.donor_argmax[:, None]
        return 1 + ((self.host_logits > own) | ((self.host_logits == own) & smaller_id)).sum(-1)

    @property
    def donor_kinds(self) -> Int[Tensor, " n"]:
        """The kind of what the donor would say."""
        if self.kinds is None:
            raise RlprobeError("a gate asks for the kinds of tokens, and the players have none")
        return self.kinds.to(self.donor_ids.device)[self.donor_ids]

    @property
    def vocab(self) -> int:
        """Tokens in the common vocabulary."""
        return self.host_logits.shape[1]


@dataclass(frozen=True)
class History:
    """What an arm has done before each position of its response, and what it was told of that response."""

    edited: Int[Tensor, "..."]
    gated: Int[Tensor, "..."]
    facts: Sequence[Facts] = ()  # one a position


# ---- gates -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Leaf:
    """One question to a view, or (with `asks_history`) to a history. `sees_draw`: it looks at the token drawn."""

    test: Callable[..., Tensor]
    sees_draw: bool = False
    asks_history: bool = False


@dataclass(frozen=True)
class Gate:
    """Where an arm edits: leaves, and how their answers are combined. `spec` is its canonical name."""

    spec: str
    leaves: tuple[Leaf, ...]
    combine: Callable[[Sequence[Tensor]], Tensor]
    random: bool = False
    top: int = 0  # how many of a model's best tokens it looks at; no more than there are

    def __and__(self, other: object) -> "Gate":
        return self._with(other, "&", torch.logical_and)

    def __or__(self, other: object) -> "Gate":
        return self._with(other, "|", torch.logical_or)

    __rand__, __ror__ = __and__, __or__  # what is no gate stands first, and is refused

    def __invert__(self) -> "Gate":
        return Gate(f"not-{self.spec}", self.leaves, lambda answers: ~self.combine(answers), self.random, self.top)

    def _with(self, other: object, sign: str, operation: Callable[[Tensor, Tensor], Tensor]) -> "Gate":
        if not isinstance(other, Gate):
            raise BadInput(f"a gate is put together with gates, not with a {type(other).__name__}: rp.gate makes one")
        n = len(self.leaves)
        return Gate(
            f"({self.spec} {sign} {other.spec})",
            self.leaves + other.leaves,
            lambda answers: operation(self.combine(answers[:n]), other.combine(answers[n:])),
            self.random or other.random,
            max(self.top, other.top),
        )


def _gate(spec: str, test: Callable[..., Tensor], random: bool = False, top: int = 0, **sees: bool) -> Gate:
    return Gate(spec, (Leaf(test, **sees),), lambda answers: answers[0], random, top)


def never() -> Gate:
    """Nowhere: the host alone."""
    return _gate("never", lambda view: torch.zeros_like(view.host_argmax, dtype=torch.bool))


def always() -> Gate:
    """Everywhere."""
    return _gate("always", lambda view: torch.ones_like(view.host_argmax, dtype=torch.bool))


def disagree() -> Gate:
    """The two argmaxes differ (reranked or shifted)."""
    return _gate("disagree", lambda view: view.host_argmax != view.donor_argmax)


def reranked(k: int = 5) -> Gate:
    """They differ and the donor's is among the host's k best."""
    _at_least("k", k, 1)
    return _gate(f"reranked({k})", lambda v: (v.host_argmax != v.donor_argmax) & (v.host_rank_of_donor <= k), top=k)


def shifted(k: int = 5) -> Gate:
    """They differ and the donor's is not among the host's k best."""
    _at_least("k", k, 1)
    return _gate(f"shifted({k})", lambda view: view.host_rank_of_donor > k, top=k)


def entropy_above(tau: float = 1.2) -> Gate:
    """The host's entropy is above τ nats."""
    _at_least("τ", tau, 0)
    return _gate(f"entropy_above({tau:g})", lambda view: view.host_entropy > tau)


def entropy_below(tau: float = 1.2) -> Gate:
    """The host's entropy is at most τ nats: the inverse of `entropy_above`, a control."""
    _at_least("τ", tau, 0)
    return _gate(f"entropy_below({tau:g})", lambda view: view.host_entropy <= tau)


def margin_below(tau: float) -> Gate:
    """The host's best token leads its second best by less than τ nats."""
    _at_least("τ", tau, 0)

    def test(view: View) -> Tensor:
        best = best_tokens(view.host_logits, 2).logits
        return best[:, 0] - best[:, 1] < tau

    return _gate(f"margin_below({tau:g})", test)


def kl_above(tau: float) -> Gate:
    """KL(donor ‖ host) is at least τ nats."""
    _at_least("τ", tau, 0)
    return _gate(f"kl_above({tau:g})", lambda v: (v.donor.exp() * (v.donor - v.host)).sum(-1) >= tau)


def js_above(tau: float) -> Gate:
    """The Jensen-Shannon divergence is at least τ nats (at most ln 2)."""
    _at_least("τ", tau, 0)

    def test(view: View) -> Tensor:
        host, donor = view.host.exp(), view.donor.exp()
        middle = ((host + donor) / 2).clamp(min=1e-37)
        return (host * (view.host - middle.log()) + donor * (view.donor - middle.log())).sum(-1) / 2 >= tau

    return _gate(f"js_above({tau:g})", test)


def delta_below(tau: float) -> Gate:
    """Δ log p, donor − host, of the host's own token is below τ nats (DIR's criterion; τ is negative there).

    Sampled, the token is the host's draw, and Δ still that at temperature 1: as published.
    """

    def test(view: View) -> Tensor:
        own = view.host_ids[:, None]
        return (view.donor.gather(1, own) - view.host.gather(1, own))[:, 0] < tau

    return _gate(f"delta_below({tau:g})", test, sees_draw=True)


def sampled_delta_below(tau: float) -> Gate:
    """The same for the distributions that are sampled from: temperature and top-p count."""

    def test(view: View) -> Tensor:
        own = view.host_ids[:, None]
        return (view.donor_sampled.gather(1, own) - view.host_sampled.gather(1, own))[:, 0] < tau

    return _gate(f"sampled_delta_below({tau:g})", test, sees_draw=True)


def learned_above(tau: float, learned: Learned) -> Gate:
    """The log-odds of disagreement that were learned from the host's own distribution are at least τ."""
    return _gate(f"learned_above({tau:g}, {learned.digest})", lambda view: learned.log_odds(own_features(view)) >= tau)


def own_features(view: View) -> list[Float[Tensor, " n"]]:
    """What `learned_above` reads of the host, in the order of measures.learned.FEATURES."""
    best = best_tokens(view.host_logits, TOP)
    margin = best.logits[:, 0] - best.logits[:, 1]
    return [view.host_entropy, margin, *view.host.gather(1, best.ids).T, torch.log1p(view.noise.positions.float())]


def bernoulli(p: float) -> Gate:
    """With probability p, whatever the models say. Nested: where it fires at p it fires at every larger p."""
    _probability("p", p)
    return _gate(f"bernoulli({p:g})", lambda view: view.noise.uniform("gate") < p, random=True)


def before(m: int) -> Gate:
    """At the first m positions of the response, whatever the models say."""
    _at_least("m", m, 0)
    return _gate(f"before({m})", lambda view: view.noise.positions < m)


def of_kind(kind: str) -> Gate:
    """What the donor would say is of a kind (see below): stop, format, digits, discourse or other."""
    if kind not in KINDS:
        raise BadInput(f"no kind of token is called {kind!r}; known: {', '.join(KINDS)}")
    number = list(KINDS).index(kind)
    return _gate(f"of_kind({kind}, v{KINDS_VERSION})", lambda view: view.donor_kinds == number)


def replayed() -> Gate:
    """At the positions where the oracle edited its own response to this problem."""
    return _gate("replayed", lambda v: _of_facts(v, lambda f, t: t in f.edited_positions).bool())


def oracle_rate() -> Gate:
    """At random positions, as often as the oracle edited its own response to this problem."""
    return _gate(
        "oracle_rate",
        lambda v: v.noise.uniform("gate") < _of_facts(v, lambda f, _: f.edited_rate),
        random=True,
    )


def first(edits: int) -> Gate:
    """While fewer than so many tokens of the response have been edited."""
    _at_least("edits", edits, 0)
    return _gate(f"first({edits})", lambda history: history.edited < edits, asks_history=True)


def budget(gated: int) -> Gate:
    """While the gate has fired fewer than so many times in the response, edits or not."""
    _at_least("budget", gated, 0)
    return _gate(f"budget({gated})", lambda history: history.gated < gated, asks_history=True)


def _of_facts(view: View, of: Callable[[Facts, int], float]) -> Tensor:
    positions = view.noise.positions.tolist()
    values = [of(facts, t) for facts, t in zip(view.facts, positions, strict=True)]
    return torch.tensor(values, dtype=torch.float64, device=view.host_logits.device)


# ---- writers ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Writer:
    """What an arm writes where its gate fires; with `acts`, only where that says so of the history."""

    spec: str
    write: Callable[[View], Tensor]
    random: bool = False
    top: int = 0
    acts: Callable[[History], Tensor] | None = None
    stream: str | None = None  # of the donor's draws, where the writer decides it


def donor_argmax() -> Writer:
    """The donor's best token."""
    return Writer("donor_argmax", lambda view: view.donor_argmax)


def donor_draw() -> Writer:
    """What the donor says: its draw where both are sampled, its best token where both are greedy."""
    return Writer("donor_draw", lambda view: view.donor_ids)


def donor_residual() -> Writer:
    """The donor's draw that is the host's own as often as can be (greedy: its best token): never beyond the donor.

    The host has drawn y from p, and the donor's distribution is q. Where y is to be replaced it stays with probability
    min(1, q(y) / p(y)), and is else drawn again from the normalised positive part of q - p. A gate that fires for the
    y of a set S then leaves, with Z = sum over S of max(p - q, 0) and D = sum of max(q - p, 0) over all tokens,

        min(p, q)           in S, where q < p
        p                   outside S, where q < p
        p + (Z / D) (q - p) where q >= p, and Z <= D always

    which lies between p and q at every token, and is q itself where S holds every y with q < p (the gate `always`, or
    `sampled_delta_below(0)`). A fresh draw from q would instead give q to what is rejected on top of what was kept.
    """
    return Writer("donor_residual", lambda view: view.donor_ids, stream=RESIDUAL)


def donor_at_ordinals() -> Writer:
    """The donor's best token the n-th time that the gate fires, for the n (from 0) among the response's own ordinals.

    Elsewhere the host's own token stands. So the gate still marks every disagreement met, and an edit keeps its number
    when an earlier one is dropped, although its position moves. The ordinals are facts of a response, not arguments:
    many sets of them are decoded side by side.
    """

    def acts(history: History) -> Tensor:
        met = history.gated.tolist()
        return torch.tensor([n in facts.ordinals for n, facts in zip(met, history.facts, strict=True)])

    return Writer("donor_at_ordinals", lambda view: view.donor_argmax, acts=acts)


def host_second(allow_donor: bool = False) -> Writer:
    """The host's best token other than its own choice and the donor's."""

    def write(view: View) -> Tensor:
        candidates = best_tokens(view.host_logits, min(2 if allow_donor else 4, view.vocab)).ids
        allowed = _others(view, candidates, allow_donor)
        return _nth(view, candidates, allowed, torch.zeros_like(view.host_ids))

    return Writer(_control("host_second", allow_donor), write)


def host_random(k: int = 20, allow_donor: bool = False) -> Writer:
    """Uniform from the host's k best, never its own choice nor the donor's."""
    _at_least("k", k, 2)

    def write(view: View) -> Tensor:
        candidates = best_tokens(view.host_logits, k).ids  # (n, k)
        allowed = _others(view, candidates, allow_donor)
        return _nth(view, candidates, allowed, (view.noise.uniform("writer") * allowed.sum(-1)).long())

    return Writer(_control("host_random", allow_donor, k), write, random=True, top=k)


def host_sample(allow_donor: bool = False) -> Writer:
    """Drawn from the host's own probabilities without its own choice and the donor's.

    They are those that the host is sampled from; where the donor's token is allowed, those at temperature 1, as of old.
    """

    def write(view: View) -> Tensor:
        scores = (view.host if allow_donor else view.host_sampled) + view.noise.gumbel("writer", view.vocab)
        for ids in (view.host_ids,) if allow_donor else (view.host_ids, view.donor_argmax, view.donor_ids):
            scores = scores.scatter(1, ids[:, None], -math.inf)
        best = scores.max(-1)
        return torch.where(best.values > -math.inf, best.indices, view.host_ids)

    return Writer(_control("host_sample", allow_donor), write, random=True)


def rank_matched(*counts: int, allow_donor: bool = False) -> Writer:
    """The host's token of a rank drawn from counts: counts[0] is how often rank 2 was seen, counts[1] rank 3, ...

    Ranks at which the host's own choice or the donor's token stands are not drawn.
    """
    if not counts or min(counts) < 0 or not sum(counts):
        raise BadInput("rank_matched needs counts of the ranks 2, 3, ... with at least one above 0")
    often = torch.tensor(counts, dtype=torch.float64)

    def write(view: View) -> Tensor:
        candidates = best_tokens(view.host_logits, len(counts) + 1).ids[:, 1:]  # (n, ranks)
        weights = often.to(candidates.device).expand(candidates.shape)
        weights = weights if allow_donor else weights * _others(view, candidates, allow_donor)
        ladder = weights.cumsum(-1) / weights.sum(-1, keepdim=True)
        at = (ladder <= view.noise.uniform("writer")[:, None]).sum(-1)
        return torch.where(weights.any(-1), candidates.gather(1, at[:, None])[:, 0], view.host_ids)

    return Writer(_control("rank_matched", allow_donor, *counts), write, random=True, top=len(counts) + 1)


def _control(name: str, allow_donor: bool, *arguments: int) -> str:
    """The spec of a control: the bare one may write the donor's token, as those of old may."""
    words = [*map(str, arguments), *(() if allow_donor else ("without_donor",))]
    return f"{name}({', '.join(words)})" if words else name


def _others(view: View, ids: Int[Tensor, "n k"], allow_donor: bool) -> Bool[Tensor, "n k"]:
    """Which tokens a control may write: not the host's own choice nor, unless allowed, the donor's draw or its best."""
    own = ids != view.host_ids[:, None]
    return own if allow_donor else own & (ids != view.donor_argmax[:, None]) & (ids != view.donor_ids[:, None])


def _nth(view: View, ids: Int[Tensor, "n k"], allowed: Bool[Tensor, "n k"], n: Int[Tensor, " n"]) -> Tensor:
    """The n-th (from 0) of the tokens that are allowed; where none is, the host's own stands."""
    at = (allowed.cumsum(-1) == n[:, None] + 1).int().argmax(-1)
    return torch.where(allowed.any(-1), ids.gather(1, at[:, None])[:, 0], view.host_ids)


def donor_in_host_top(k: int) -> Writer:
    """The donor's best token among the host's k best."""
    _at_least("k", k, 1)

    def write(view: View) -> Tensor:
        ids = best_tokens(view.host_logits, k).ids.sort(-1).values  # by id, so that equal ones go to the smaller id
        return ids.gather(1, best_tokens(view.donor_logits.gather(1, ids), 1).ids)[:, 0]

    return Writer(f"donor_in_host_top({k})", write, top=k)


def mix(weight: float) -> Writer:
    """The best token (or a draw) of (1 − λ) log π_host + λ log π_donor; λ above 1 extrapolates (DIR, γ = λ − 1)."""
    if not math.isfinite(weight):
        raise BadInput(f"λ = {weight} is no number to mix with")

    def write(view: View) -> Tensor:
        mixed = (1 - weight) * view.host_logits + weight * view.donor_logits  # constants do not matter
        if view.sampling is None:
            return best_tokens(mixed, 1).ids[:, 0]
        return view.sampling.draw(mixed, view.noise, view.donor_stream)

    return Writer(f"mix({weight:g})", write)


# ---- arms ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Arm:
    """A gate, a writer and a host, with the seed of its noise and how both models are sampled (None: greedy)."""

    gate: Gate
    writer: Writer
    host: str = "base"
    seed: int = 0
    sampling: Sampling | None = None

    @property
    def spec(self) -> str:
        """The canonical name, which is the arm's key."""
        parts = [self.gate.spec, self.writer.spec, self.host]
        if self.sampling:
            parts.append(f"T={self.sampling.temperature:g},top_p={self.sampling.top_p:g}")
        if self.random:
            parts.append(f"seed={self.seed}")
        return " x ".join(parts)

    @property
    def random(self) -> bool:
        """Whether another seed could give another response."""
        return self.gate.random or self.writer.random or self.sampling is not None

    @property
    def needs_oracle(self) -> bool:
        """Whether the oracle's own edits on the same problem must be known first."""
        return any(word in self.gate.spec for word in ("replayed", "oracle_rate"))

    @property
    def asks_history(self) -> bool:
        """Whether what it does at a position depends on what it did before."""
        return self.writer.acts is not None or any(leaf.asks_history for leaf in self.gate.leaves)

    def check(self, vocab: int) -> None:
        """Raise BadInput if it looks at more tokens than there are."""
        top = max(self.gate.top, self.writer.top)
        if top > vocab:
            raise BadInput(f"{self.spec}: k is {top}, but the common vocabulary has {vocab} tokens")

    @property
    def donor(self) -> str:
        """The other model."""
        return MEMBERS[1 - MEMBERS.index(self.host)]

    @property
    def donor_stream(self) -> str:
        """The noise of the donor's draws: fresh where the gate has seen the host's, or as the writer says."""
        if self.writer.stream is not None:
            return self.writer.stream
        return "redraw" if any(leaf.sees_draw for leaf in self.gate.leaves) else "draw"


@dataclass(frozen=True, slots=True)
class Opinions:
    """What an arm makes of some positions before its history counts: a column each of `answers` is a leaf's."""

    host_ids: Int[Tensor, "..."]
    donor_ids: Int[Tensor, "..."]
    written: Int[Tensor, "..."]
    logprobs: Float[Tensor, "... 2"]  # the host's, of host_ids and of written
    answers: Bool[Tensor, "... leaves"]

    def at(self, positions: slice) -> "Opinions":
        """Those of some positions."""
        return Opinions(*(getattr(self, name)[positions] for name in self.__slots__))

    def on_cpu(self) -> "Opinions":
        """The same, where histories are kept and ids are looked up."""
        return Opinions(*(getattr(self, name).cpu() for name in self.__slots__))

    def settle(self, arm: Arm, history: History) -> tuple[Tensor, Tensor]:
        """(gated, emitted), given what was done before each position."""
        answers = [
            leaf.test(history) if leaf.asks_history else self.answers[..., i] for i, leaf in enumerate(arm.gate.leaves)
        ]
        gated = arm.gate.combine(answers)
        writes = gated if arm.writer.acts is None else gated & arm.writer.acts(history)
        return gated, torch.where(writes, self.written, self.host_ids)


def opinions(arm: Arm, view: View) -> Opinions:
    """Ask every leaf of the gate, and the writer, about the positions of a view."""
    written, own = arm.writer.write(view), view.host_ids
    nothing = torch.zeros_like(own, dtype=torch.bool)
    answers = [nothing if leaf.asks_history else leaf.test(view) for leaf in arm.gate.leaves]
    logprobs = view.host.gather(1, torch.stack([own, written], -1))
    return Opinions(own, view.donor_ids, written, logprobs, torch.stack(answers, -1))


def _at_least(name: str, value: float, least: float) -> None:
    if not value >= least:
        raise BadInput(f"{name} is {value:g}, and must be at least {least:g}")


def _probability(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise BadInput(f"{name} is {value:g}, and must be a probability from 0 to 1")


# name: function that makes one; its parameters are what stands after the colon of --gate NAME:ARG,ARG
GATES: dict[str, Callable[..., Gate]] = {
    "never": never,
    "always": always,
    "disagree": disagree,
    "reranked": reranked,
    "shifted": shifted,
    "entropy_above": entropy_above,
    "entropy_below": entropy_below,
    "margin_below": margin_below,
    "kl_above": kl_above,
    "js_above": js_above,
    "delta_below": delta_below,
    "sampled_delta_below": sampled_delta_below,
    "bernoulli": bernoulli,
    "before": before,
    "of_kind": of_kind,
    "replayed": replayed,
    "oracle_rate": oracle_rate,
    "first": first,
    "budget": budget,
}

WRITERS: dict[str, Callable[..., Writer]] = {
    "donor_argmax": donor_argmax,
    "donor_draw": donor_draw,
    "donor_residual": donor_residual,
    "host_second": host_second,
    "host_random": host_random,
    "host_sample": host_sample,
    "rank_matched": rank_matched,
    "donor_in_host_top": donor_in_host_top,
    "mix": mix,
}
