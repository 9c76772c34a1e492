"""A check each time that weights are loaded: what decoding sees of a model is what the model says.

Decoding reads through lanes: rows of unequal length, in chunks, rewound, under a mask of our own, with the head cut to
the common vocabulary and whatever follows it done by us. The reference knows nothing of that: one plain forward pass
of the whole network over one text, with eager attention (its weights computed as the architecture's own code says),
which costs two passes a member in all. Log-probabilities over the common vocabulary have to agree at every position, in
float32 to a thousandth of a nat, in 16 bits to a few times what rounding is measured to make (a third pass). Where they
do not, or where a state cannot be rewound, the slower ways of reading (pairs/model.py) are held against the reference
in the same manner, and the pair is read by the first that both members pass; a pair that passes none is refused. Knows
no problems and no disk.
"""

import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rlprobe.decoding.lanes import Lanes
from rlprobe.decoding.steps import Steps, read_whole
from rlprobe.errors import IncompatiblePair, NotAvailable
from rlprobe.measures.head import Head, float32_products_in
from rlprobe.pairs import loading
from rlprobe.pairs.adapters import shares_weights
from rlprobe.pairs.architecture import sliding_window
from rlprobe.pairs.loading import SLOWLY, LocatedPair
from rlprobe.pairs.model import Model, ModelPair, Way

LONGEST = 512  # ids that are read
_SHORT = 64  # ids that are read where no window asks for more
_BEYOND = 24  # ids read beyond a window
_SLICE = 64  # positions whose logits are compared at once
EXACT = 1e-3  # nats; largest difference of log-probabilities that rounding makes in float32
MARGIN = 4.0  # in 16 bits: times what one rounding of the embeddings makes; 1.3 times is the most that was seen
TELLING = 0.1  # nats; a larger difference is told, though it be within the bound

# what an architecture's code raises that does not take positions, a mask and a cache as others do
_CRASHES = (ValueError, TypeError, AttributeError, IndexError, KeyError, RuntimeError, NotImplementedError)

_TEXT = (
    "Ann has 12 eggs and buys 3 boxes with 4 eggs each. How many eggs does she have now? First we count the new ones: "
    "3 * 4 = 12. Then we add them to what she had, so that she has 12 + 12 = 24 eggs. Let x be the price of one egg; "
    "if 24 eggs cost $6, then x = 6 / 24 = 0.25 and half of them cost 3 dollars. Wait, is that right? 12 * 0.25 = 3."
)

_log = logging.getLogger(__name__)
# by (whether the members are apart): located -> pair
_loaded: dict[bool, WeakKeyDictionary[LocatedPair, ModelPair]] = {apart: WeakKeyDictionary() for apart in (False, True)}


def load_checked(located: LocatedPair, apart: bool = False) -> ModelPair:
    """The pair with its weights, found to be read exactly; loaded once, as long as somebody holds `located`.

    `apart`: no weights are shared, and adapters are merged (pairs/loading.py).
    Raises what `loading.load` and `check` raise.
    """
    apart = apart and any(source.adapter for source in (located.base, located.rl))
    loaded = _loaded[apart]
    if located not in loaded:
        pair = loading.load(located, apart) if apart else loading.load(located)
        loaded[located] = check(pair, {"base": located.base.config, "rl": located.rl.config})
    return loaded[located]


@torch.no_grad()
def check(pair: ModelPair, configs: dict[str, Any]) -> ModelPair:
    """The pair, read by the fastest way that says what a plain forward pass does; also tell of members that say the
    very same.

    Raises IncompatiblePair where every way is wrong about a member, NotAvailable where logits are not finite.
    """
    with float32_products_in("ieee"):
        said = {name: _reference(member, pair, configs[name]) for name, member in pair.members.items()}
        pair = pair.read_by(_exact_way([(member, said[name]) for name, member in pair.members.items()]))
    _tell_the_same(pair.base, pair.rl, *(reference.logits for reference in said.values()))
    return pair


def _exact_way(members: list[tuple[Model, "_Reference"]]) -> Way:
    """The fastest way of reading by which every member says what its plain pass does, from the slowest they ask for.

    Raises IncompatiblePair where there is none.
    """
    ways, failed = list(Way), list[IncompatiblePair]()
    for way in ways[max(ways.index(model.way) for model, _ in members) :]:
        try:
            for model, said in members:
                _check_member(replace(model, way=way), said)
        except IncompatiblePair as error:
            failed.append(error)
            continue
        if failed:
            _log.warning("%s: %s", failed[0], SLOWLY)
        return way
    raise failed[-1]


def _tell_the_same(base: Model, rl: Model, of_base: Tensor, of_rl: Tensor) -> None:
    if of_base.shape == of_rl.shape and torch.equal(of_base.cpu(), of_rl.cpu()):
        _log.warning(
            "%s and %s say exactly the same at all %d positions of the check: is that the RL model?",
            *(base.name, rl.name, len(of_base)),
        )


class Turns:
    """The two members of a located pair, of which one is held at a time; each is checked whenever it is loaded."""

    def __init__(self, located: LocatedPair):
        self.located = located
        self.held = ""
        self._model: Model | None = None
        self._heads: dict[str, Model] = {}
        self._said: dict[str, Tensor] = {}

    def member(self, name: str) -> Model:
        """A member by name; the other one is let go. Raises what `check` raises."""
        if shares_weights(self.located.base, self.located.rl):
            return load_checked(self.located).member(name)
        if name != self.held or self._model is None:
            self._model, self.held = None, ""
            gc.collect()
            torch.cuda.empty_cache()
            self._model, self.held = self._loaded(name), name
        return self._model

    def head(self, name: str) -> Model:
        """What is left of a member that is let go: its head, and how it is called."""
        if name not in self._heads:
            self._heads[name] = replace(self.member(name), network=None)
        return self._heads[name]

    @torch.no_grad()
    def _loaded(self, name: str) -> Model:
        source, model = getattr(self.located, name), loading.load_member(self.located, name)
        with float32_products_in("ieee"):
            said = _reference(model, self.located, source.config)
            model = replace(model, way=_exact_way([(model, said)]))
        self._heads[name] = replace(model, network=None)
        if len(self._heads) == 2 and name not in self._said:
            base, rl = self._heads["base"], self._heads["rl"]
            if base.way is not rl.way:
                raise IncompatiblePair(
                    f"base is read by {base.way} and rl by {rl.way}: both are read alike, without --one-at-a-time"
                )
            _tell_the_same(base, rl, said.logits, *self._said.values())
        self._said[name] = said.logits
        return model


@dataclass(frozen=True)
class _Reference:
    """What a plain forward pass says, and by how much a way of reading may differ, nats."""

    kind: str
    ids: Int[Tensor, " n"]
    logits: Float[Tensor, "n vocab"]
    bound: float


def _reference(model: Model, pair: ModelPair | LocatedPair, config: Any) -> _Reference:
    ids = _ids(pair, _length(model, config))
    logits = _plain(model, ids)[:, pair.vocabulary.ids.to(model.head_weight.device)]
    if not logits.isfinite().all():
        raise NotAvailable(
            f"the logits of {model.name} are not finite: its weights are damaged, or it overflows in "
            f"{str(model.dtype).removeprefix('torch.')} (try --dtype float32)"
        )
    bound = EXACT if model.dtype == torch.float32 else MARGIN * _rounding(model, ids, logits, pair)
    return _Reference(f"{config.model_type}, {'eager' if model.eager else 'fused'} attention", ids, logits, bound)


def _check_member(model: Model, said: _Reference) -> None:
    """Raise IncompatiblePair, with the difference in nats, where reading it is not exact."""
    about = f"{model.name} ({said.kind})"
    try:
        largest = max(
            _difference(model, hidden, said.logits[at]) for hidden, at in _THROUGH[model.way](model, said.ids)
        )
    except torch.OutOfMemoryError:
        raise  # that says nothing of the architecture
    except _CRASHES as error:
        raise IncompatiblePair(
            f"{about} cannot be read {_HOW[model.way]} "
            f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no reason given'}); "
            "rlprobe does not know this architecture"
        ) from error
    if not largest <= said.bound:
        raise IncompatiblePair(
            f"{about} is not read exactly {_HOW[model.way]}: that and a plain forward pass differ by up to "
            f"{largest:.2g} nats in a log-probability, where rounding makes at most {said.bound:.2g}; "
            "rlprobe does not know this architecture"
        )
    tell = _log.warning if largest > TELLING else _log.info
    tell("%s: decoding and a plain forward pass differ by up to %.2g nats", about, largest)


def _rounding(model: Model, ids: Tensor, logits: Tensor, pair: ModelPair | LocatedPair) -> float:
    """What rounding makes of this model's log-probabilities, nats, in 16 bits: measured, since models differ widely.

    A second plain pass whose embeddings are moved, at random, by up to one unit in their last place.
    """
    generator = torch.Generator().manual_seed(0)

    def move(_module: Any, _inputs: Any, output: Tensor) -> Tensor:
        noise = 2 * torch.rand(output.shape, generator=generator).to(output.device) - 1
        return (output.float() * (1 + torch.finfo(output.dtype).eps * noise)).to(output.dtype)

    hook = model.network.get_input_embeddings().register_forward_hook(move)
    try:
        moved = _plain(model, ids)[:, pair.vocabulary.ids.to(logits.device)]
    finally:
        hook.remove()
    return max(
        float((moved[at].float().log_softmax(-1) - logits[at].float().log_softmax(-1)).abs().max())
        for at in (slice(start, start + _SLICE) for start in range(0, len(ids), _SLICE))
    )


def _length(model: Model, config: Any) -> int:
    """How many ids are read: beyond a sliding window where that can be reached."""
    window, length = sliding_window(config), _SHORT
    if window is not None:
        if window + _BEYOND <= min(LONGEST, model.context):
            length = max(length, window + _BEYOND)
        else:
            _log.info("%s: the check reads %d ids and does not reach its window of %d", model.name, length, window)
    return min(length, model.context)


def _ids(pair: ModelPair | LocatedPair, n: int) -> Int[Tensor, " n"]:
    """Ordinary ids of the common vocabulary: a text about eggs, again and again."""
    special = set(pair.tokenizer.all_special_ids)
    text = pair.tokenizer(_TEXT, add_special_tokens=False, verbose=False)["input_ids"]
    allowed = set(pair.vocabulary.ids.tolist()) - special
    ids = [i for i in text if i in allowed] or sorted(allowed)[:_SHORT] or pair.vocabulary.ids[:1].tolist()
    return torch.tensor([ids[i % len(ids)] for i in range(n)])


def _plain(model: Model, ids: Int[Tensor, " n"]) -> Float[Tensor, "n rows"]:
    """The logits of the whole network, in its own words."""
    with model.as_member(), _eager(model.network):
        logits = model.network(input_ids=ids[None].to(model.device), use_cache=False).logits[0]
    return logits.to(model.head_weight.device)


@contextmanager
def _eager(network: Any) -> Iterator[None]:
    """Attention as the architecture's own code computes it; a fused kernel knows no caps, sinks or biases."""
    before = network.config._attn_implementation
    if before == "eager":
        yield
        return
    network.set_attn_implementation("eager")
    try:
        yield
    finally:
        network.set_attn_implementation(before)


def _through_lanes(model: Model, ids: Int[Tensor, " n"]) -> Iterator[tuple[Float[Tensor, "m width"], slice]]:
    """(hidden states, the positions that they are of) of two rows: the text and its beginning, each in two chunks.

    A prefix of a text has the text's own logits, so one reference does for both. Before its second chunk each row is
    rewound, by different lengths, and reads those ids again.
    """
    n = len(ids)
    ends, first, rewind = (n, max(1, 2 * n // 3)), (max(1, n // 2), max(1, n // 5)), (3, 1)
    lanes = Lanes(model, 2)
    spans = [(0, stop) for stop in first]
    for _ in range(2):
        texts = [ids[start:stop] for start, stop in spans]
        counts = torch.tensor([len(text) for text in texts])
        hidden = lanes.read(torch.nn.utils.rnn.pad_sequence(list(texts), batch_first=True), counts)
        for row, (start, stop) in enumerate(spans):
            yield hidden[row, : stop - start], slice(start, stop)
        back = [min(r, stop - 1) for r, stop in zip(rewind, first, strict=True)]
        lanes.lengths -= torch.tensor(back)
        spans = [(stop - r, end) for stop, r, end in zip(first, back, ends, strict=True)]
        if n < 2:
            return


def _by_steps(model: Model, ids: Int[Tensor, " n"]) -> Iterator[tuple[Float[Tensor, "m width"], slice]]:
    """The same of whole texts, and of rows that go on token by token while another text does, in the same model."""
    n = len(ids)
    texts = [ids.tolist(), ids[: n // 2 + 1].tolist(), ids.tolist()]
    for text, hidden in zip(texts, read_whole(model, texts), strict=True):
        yield hidden, slice(0, len(text))
    begun, copies = max(1, n - _BEYOND), 1 if model.way is Way.ALONE else 2
    rows, other = Steps(model), Steps(model)
    for start, stop in [(0, begun), *((i, i + 1) for i in range(begun, n))]:
        hidden = rows.read(ids[start:stop].repeat(copies, 1))
        other.read(ids.flip(0)[None, start:stop])
        for row in hidden:
            yield row[None], slice(stop - 1, stop)


def _difference(model: Model, hidden: Float[Tensor, "m width"], logits: Float[Tensor, "m vocab"]) -> float:
    """The largest difference of log-probabilities over the common vocabulary, nats; infinite where ours has none."""
    head, worst = Head.of(model), 0.0
    for start in range(0, len(hidden), _SLICE):
        here = slice(start, start + _SLICE)
        ours = head(hidden[here].to(model.head_weight.device)).log_softmax(-1)
        difference = (ours - logits[here].float().log_softmax(-1)).abs().max()
        worst = max(worst, float(difference) if difference.isfinite() else float("inf"))
    return worst


_THROUGH = {Way.LANES: _through_lanes, Way.STEPS: _by_steps, Way.ALONE: _by_steps, Way.WHOLE: _by_steps}
_HOW = {
    Way.LANES: "in rows of unequal length",
    Way.STEPS: "token by token",
    Way.ALONE: "token by token, one text at a time",
    Way.WHOLE: "by whole passes",
}
