"""A check each time that weights are loaded: what decoding sees of a model is what the model says.

Decoding reads through lanes: rows of unequal length, in chunks, rewound, under a mask of our own, with the head cut to
the common vocabulary and whatever follows it done by us. The reference knows nothing of that: one plain forward pass
of the whole network over one text, with eager attention (its weights computed as the architecture's own code says),
which costs two passes a member in all. Log-probabilities over the common vocabulary have to agree at every position, in
float32 to a thousandth of a nat, in 16 bits to a few times what rounding is measured to make (a third pass); where they
do not, this architecture is read wrongly here, and the pair is refused. Knows no problems and no disk.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rlprobe.decoding.lanes import Lanes
from rlprobe.errors import IncompatiblePair, NotAvailable
from rlprobe.measures.head import Head, float32_products_in
from rlprobe.pairs import loading
from rlprobe.pairs.architecture import sliding_window
from rlprobe.pairs.loading import LocatedPair
from rlprobe.pairs.model import Model, ModelPair

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
        check(pair, {"base": located.base.config, "rl": located.rl.config})
        loaded[located] = pair
    return loaded[located]


@torch.no_grad()
def check(pair: ModelPair, configs: dict[str, Any]) -> None:
    """Compare both members' lanes with a plain forward pass, and tell where the two members say the very same.

    Raises IncompatiblePair where the lanes are wrong about a member, NotAvailable where its logits are not finite.
    """
    with float32_products_in("ieee"):
        said = [_check_member(member, pair, configs[name]) for name, member in pair.members.items()]
    if said[0].shape == said[1].shape and torch.equal(said[0], said[1]):
        _log.warning(
            "%s and %s say exactly the same at all %d positions of the check: is that the RL model?",
            *(pair.base.name, pair.rl.name, len(said[0])),
        )


def _check_member(model: Model, pair: ModelPair, config: Any) -> Float[Tensor, "n vocab"]:
    ids = _ids(pair, _length(model, config))
    logits = _plain(model, ids)[:, pair.vocabulary.ids.to(model.head_weight.device)]
    if not logits.isfinite().all():
        raise NotAvailable(
            f"the logits of {model.name} are not finite: its weights are damaged, or it overflows in "
            f"{str(model.dtype).removeprefix('torch.')} (try --dtype float32)"
        )
    bound = EXACT if model.dtype == torch.float32 else MARGIN * _rounding(model, ids, logits, pair)
    kind = f"{config.model_type}, {'eager' if model.eager else 'fused'} attention"
    try:
        largest = max(_difference(model, hidden, logits[at]) for hidden, at in _through_lanes(model, ids))
    except _CRASHES as error:
        raise IncompatiblePair(
            f"{model.name} ({kind}) cannot be read in rows of unequal length "
            f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no reason given'}); "
            "rlprobe does not know this architecture"
        ) from error
    if not largest <= bound:
        raise IncompatiblePair(
            f"{model.name} ({kind}) is not read exactly: decoding and a plain forward pass differ by up to "
            f"{largest:.2g} nats in a log-probability, where rounding makes at most {bound:.2g}; "
            "rlprobe does not know this architecture"
        )
    tell = _log.warning if largest > TELLING else _log.info
    tell("%s (%s): decoding and a plain forward pass differ by up to %.2g nats", model.name, kind, largest)
    return logits


def _rounding(model: Model, ids: Tensor, logits: Tensor, pair: ModelPair) -> float:
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


def _ids(pair: ModelPair, n: int) -> Int[Tensor, " n"]:
    """Ordinary ids of the common vocabulary: a text about eggs, again and again."""
    special = set(pair.tokenizer.all_special_ids)
    text = pair.tokenizer(_TEXT, add_special_tokens=False)["input_ids"]
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


def _difference(model: Model, hidden: Float[Tensor, "m width"], logits: Float[Tensor, "m vocab"]) -> float:
    """The largest difference of log-probabilities over the common vocabulary, nats; infinite where ours has none."""
    head, worst = Head.of(model), 0.0
    for start in range(0, len(hidden), _SLICE):
        here = slice(start, start + _SLICE)
        ours = head(hidden[here].to(model.head_weight.device)).log_softmax(-1)
        difference = (ours - logits[here].float().log_softmax(-1)).abs().max()
        worst = max(worst, float(difference) if difference.isfinite() else float("inf"))
    return worst
