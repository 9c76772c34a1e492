"""`rlprobe workers`: the machines that workers could run on, and how many workers of a pair fit there."""

from collections.abc import Iterator

from rlprobe.commands.crew import Node, connection, fitting
from rlprobe.pairs.adapters import shares_weights
from rlprobe.pairs.loading import LocatedPair, locate
from rlprobe.settings import WorkersSettings

COLUMNS = ("machine", "processors", "GPUs", "cards", "memory")
GB = 1e9


def machines(settings: WorkersSettings) -> tuple[list[tuple[str, ...]], list[str]]:
    """A row of text a machine, in the order of COLUMNS, and what fits there, a line each.

    Raises NotAvailable without Ray or where no cluster answers, BadInput where no worker fits.
    """
    located = locate(settings.pair)
    with connection(settings.crew) as nodes:
        return [_row(node) for node in nodes], list(_fits(nodes, settings, located))


def _row(node: Node) -> tuple[str, ...]:
    return (node.name[:8], f"{node.cpus:g}", f"{node.gpus:g}", node.card or "–", f"{node.memory / GB:.1f} GB")


def _fits(nodes: list[Node], settings: WorkersSettings, located: LocatedPair) -> Iterator[str]:
    base, rl = located.base, located.rl
    weights = max(base.weight_bytes, rl.weight_bytes)
    weights = weights if shares_weights(base, rl) else base.weight_bytes + rl.weight_bytes
    fit = fitting(nodes, settings.crew, settings.pair.threads)
    threads = f"{fit.threads} thread{'s' if fit.threads > 1 else ''}"
    yield f"{fit.count} workers fit, each with {fit.words}, computing with {threads}"
    where = f"{weights / GB / max(1, fit.gpus):.3g} GB on each GPU" if fit.gpus else f"{weights / GB:.3g} GB of memory"
    yield f"the weights of {base.name} and {rl.full_name} take {where} of a worker, and decoding some more"
    if not fit.gpus and (most := int(sum(node.memory for node in nodes) // max(1, weights))) < fit.count:
        yield f"memory is enough for {most} of them: give --workers {max(1, most)}"
