"""Workers that make shards: Ray actors on this machine (`--workers`) or on a cluster (`--ray`). Ray is imported here.

A worker holds one placement of a pair: a bundle of processors and GPUs on one node, in which both members lie. It gets
a piece of work, a shard and what that needs of the run (work.py), and returns tables; this process alone reads and
writes the run. The longest shards go first. On each node workers start one after the other, since all at once would
ask for memory at once. A worker that is lost, or cannot be reached, is replaced, and its shard is asked for again; a
shard of which three workers died is set aside and named, when all others are there.
"""

import heapq
import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pyarrow.compute as pc
import torch

from rlprobe import own
from rlprobe.commands.progress import Reporter
from rlprobe.commands.work import Bench, Handed, Made, Piece, Site, Tools
from rlprobe.decoding.check import load_checked
from rlprobe.decoding.engine import Watch
from rlprobe.errors import BadInput, NotAvailable, ProblemsLeftOut, RlprobeError
from rlprobe.fingerprint import version_of
from rlprobe.pairs import devices
from rlprobe.pairs.loading import LocatedPair
from rlprobe.pairs.sources import find_source
from rlprobe.records import MEMBERS
from rlprobe.runs import Run, Shard
from rlprobe.settings import WorkerChoice, Workers

TRIES = 3  # workers that may die of a shard
STARTS = 3  # workers that may die before they are ready, one after the other
LOOK = 0.1  # seconds between two looks at bundles that are not reserved yet
PATIENCE = 30.0  # seconds after which it is said that no worker could be placed
RAY_SETTINGS = {
    "RAY_worker_niceness": "0",  # workers are the work: they do not stand back behind others
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
STORE = 2**29  # bytes of Ray's own memory on this machine, for what is handed over


# ---- what there is, and what fits ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Node:
    """A machine of the cluster, and what it has."""

    name: str
    cpus: float
    gpus: float = 0.0
    memory: float = 0.0  # bytes
    card: str = ""


@dataclass(frozen=True)
class Fit:
    """So many workers, each with GPUs, processors (as Ray counts them) and threads to compute with."""

    count: int
    gpus: float
    cpus: float
    threads: int

    @property
    def words(self) -> str:
        """What a worker reserves."""
        gpus = f"{self.gpus:g} GPUs and " if self.gpus else ""
        return f"{gpus}{self.cpus:g} processors"

    @property
    def bundle(self) -> dict[str, float]:
        """What a worker reserves on one node."""
        return {"CPU": self.cpus} | ({"GPU": self.gpus} if self.gpus else {})


def fitting(nodes: Sequence[Node], choice: WorkerChoice, threads: int | None) -> Fit:
    """The workers that a choice means on these machines.

    With GPUs as many as there are for; without any a worker a core. `threads` None is what leaves each worker its share
    of the cores. Raises BadInput where no worker fits, or not as many as were asked for.
    """
    asked = choice.workers.count if choice.workers else None
    gpus = choice.gpus_per_worker
    if gpus is None:
        gpus = 1.0 if any(node.gpus for node in nodes) else 0.0
    usable = [node for node in nodes if node.gpus >= gpus and node.cpus >= 1]
    if not usable:
        most = max((node.gpus for node in nodes), default=0)
        raise BadInput(f"no machine has {gpus:g} GPUs for a worker, the most is {most:g}: give --gpus-per-worker")
    if not gpus:
        count = asked or max(1, sum(int(node.cpus // (threads or 1)) for node in usable))
        return Fit(count, 0.0, *_on_processors([node.cpus for node in usable], count, threads))
    places = [int(node.gpus / gpus + 1e-9) for node in usable]
    if asked and asked > sum(places):
        raise BadInput(f"{sum(places)} workers of {gpus:g} GPUs fit, not {asked}: give fewer, or --gpus-per-worker")
    share = min(node.cpus / n for node, n in zip(usable, places, strict=True))
    threads = threads or max(1, int(share))
    return Fit(asked or sum(places), gpus, _counted(min(threads, share)), threads)


def _on_processors(cpus: Sequence[float], count: int, threads: int | None) -> tuple[float, int]:
    """(processors that each of `count` workers reserves, threads of each); more workers than processors share them."""
    for each in (threads,) if threads else range(int(max(cpus)), 0, -1):
        if sum(n // each for n in cpus) >= count:
            return float(each), each
    return _counted(min(cpus) / math.ceil(count / len(cpus))), threads or 1


def _counted(cpus: float) -> float:
    """As Ray counts processors: whole ones, or a part of one."""
    return float(math.floor(cpus)) if cpus >= 1 else math.floor(cpus * 1e4) / 1e4


def _ray() -> Any:
    try:
        import ray
        import ray.util.placement_group
        import ray.util.scheduling_strategies
    except ImportError:
        raise NotAvailable(
            "workers need Ray: pip install 'rlprobe[ray]'; without it, --shard shares work out"
        ) from None
    return ray


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def connection(choice: WorkerChoice) -> Iterator[list[Node]]:
    """Ray, started here or at the address of a cluster, while this is open, and the machines that it has.

    Raises NotAvailable where Ray is not installed, or nothing answers at the address.
    """
    ray = _ray()
    begun = not ray.is_initialized()
    if begun:
        for name, value in RAY_SETTINGS.items():
            os.environ.setdefault(name, value)
        here = {"num_cpus": cores(), "object_store_memory": STORE, "include_dashboard": False}
        asked = {"address": choice.ray} if choice.ray else {"address": "local", **here}
        try:
            ray.init(**asked, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise NotAvailable(f"Ray does not answer at {choice.ray or 'this machine'}: {reason}") from None
    try:
        yield [_node(each) for each in ray.nodes() if each["Alive"]]
    finally:
        if begun:
            ray.shutdown()


def _node(told: dict[str, Any]) -> Node:
    has = told["Resources"]
    cards = [name.removeprefix("accelerator_type:") for name in has if name.startswith("accelerator_type:")]
    return Node(told["NodeID"], has.get("CPU", 0.0), has.get("GPU", 0.0), has.get("memory", 0.0), ", ".join(cards))


@contextmanager
def connected(settings: Any) -> Iterator[Any]:
    """The settings of a command that was asked for workers, with what that means here, while Ray is there.

    The number of threads is part of a run: what is not asked for is each worker's share of the cores.
    """
    choice = getattr(settings, "crew", None)
    if choice is None or not choice.asked:
        yield settings
        return
    pair = getattr(settings, "pair", None)
    with connection(choice) as nodes:
        fit = fitting(nodes, choice, pair.threads if pair else None)
        settings = replace(settings, crew=replace(choice, workers=Workers(fit.count), gpus_per_worker=fit.gpus))
        yield replace(settings, pair=replace(pair, threads=fit.threads)) if pair else settings


# ---- a worker --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Done:
    """What a worker returns: what it made, and what would have been told while it did."""

    made: Made
    tokens: int
    halved: list[int]
    cards: list[dict[str, str]]


class Worker:
    """One placement of a pair, in a process of its own."""

    def __init__(self, threads: int, folder: str, functions: bytes) -> None:
        with suppress(OSError):
            os.chdir(folder)  # as the command was called: models may be named from there
        torch.set_num_threads(threads)
        own.unpack(functions)
        self._tools, self._settled = Tools(), dict[int, Any]()
        self._located: LocatedPair | None = None

    def begin(self, prepared: bytes | None, is_elsewhere: bool, packages: dict[str, str]) -> list[str]:
        """Load the models, and see that they, and what computes, are what the run says; returns what was said of them.

        Raises NotAvailable where they are not.
        """
        for name, version in packages.items():
            if (mine := version_of(name)) != version:
                raise NotAvailable(f"a worker has {name} {mine}, and the run {version}: install the same on every node")
        if prepared is None:
            return []
        located = own.loads(prepared).located
        if is_elsewhere:
            _refuse_other_files(located)
        with _warnings() as said:
            self._located = placed(located)
            load_checked(self._located)
        return said

    def make(self, number: int, prepared: bytes | None, piece: bytes, shard: Shard, handed: Handed) -> Done:
        """A shard. What is settled is known by its number, since one crew serves several parts of a run."""
        heard, halved = [0], list[int]()

        def emitted(tokens: int) -> None:
            heard[0] += tokens

        bench = Bench(handed, Watch(emitted, halved.append), self._tools, self._prepared(number, prepared))
        made = own.loads(piece).make(bench, shard)
        cards = [devices.card(name) for name in self._located.devices] if self._located else []
        return Done(made, heard[0], halved, [card for card in cards if card])

    def _prepared(self, number: int, prepared: bytes | None) -> Any:
        if prepared is not None and number not in self._settled:
            settled = own.loads(prepared)
            self._located = self._located or placed(settled.located)
            self._settled[number] = replace(settled, located=self._located)
        return self._settled.get(number)


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """What is logged meanwhile that a user should know."""
    said: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    handler, logger = Kept(logging.WARNING), logging.getLogger("rlprobe")
    logger.addHandler(handler)
    try:
        yield said
    finally:
        logger.removeHandler(handler)


def placed(located: LocatedPair) -> LocatedPair:
    """The pair on the GPUs that this process sees, an equal share for either member; on a CPU as it is.

    Raises NotAvailable where a GPU was meant and none is here.
    """
    if all(getattr(located, member).first_device.type == "cpu" for member in MEMBERS):
        return located
    count = torch.cuda.device_count()
    if not count:
        raise NotAvailable("a worker sees no GPU, and the run computes on one: give --gpus-per-worker")
    is_whole = any(getattr(located, member).adapter for member in MEMBERS)  # what an adapter lies on is not spread
    names = [f"cuda:{i}" for i in range(1 if is_whole else count)]
    half = math.ceil(len(names) / 2)
    lies = names[:half], names[half:] or names
    base, rl = (replace(getattr(located, m), device=",".join(d)) for m, d in zip(MEMBERS, lies, strict=True))
    return replace(located, base=base, rl=rl)


def _refuse_other_files(located: LocatedPair) -> None:
    """Raise NotAvailable where this machine has other files under the same names."""
    like = None
    for member in MEMBERS:
        source = getattr(located, member)
        if own.is_key(source.name):
            continue  # it came with the worker, under the hash of its content
        revision = source.adapter_revision if source.adapter else source.revision
        here = find_source(source.full_name, revision, source.device, like, source.trust_remote_code)
        if here.files != source.files:
            raise NotAvailable(f"{source.full_name} has other files on another node: put the same there")
        like = like or here


# ---- a crew ----------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Hand:
    """A worker as the crew knows it: where it lies, and the bundle that it holds."""

    actor: Any
    group: Any
    node: str


@dataclass
class _Desk:
    """What is to be made of one piece of work: shards, the longest first, and how many workers died of each."""

    piece: Any  # in Ray's memory
    settled: tuple[int, Any]  # the number of what was settled, and where that lies in Ray's memory
    hand: Callable[[Shard], Handed]
    wanted: list[tuple[float, Shard]]  # a heap; the cost is negative
    deaths: dict[Shard, int] = field(default_factory=dict)
    aside: list[Shard] = field(default_factory=list)

    def again(self, cost: float, shard: Shard) -> None:
        """Its worker died: it waits again, or is set aside."""
        self.deaths[shard] = self.deaths.get(shard, 0) + 1
        if self.deaths[shard] >= TRIES:
            self.aside.append(shard)
        else:
            heapq.heappush(self.wanted, (cost, shard))


class Crew:
    """Workers for the parts of one run, hired when there is something to do, and let go by `close`."""

    def __init__(self, fit: Fit, packages: dict[str, str]) -> None:
        self.fit, self.lost = fit, 0  # workers that died
        self._packages, self._ray = packages, _ray()
        self._idle: list[_Hand] = []
        self._placing: list[Any] = []  # bundles that are not reserved yet
        self._placed: dict[str, list[Any]] = {}  # node -> bundles in which nothing runs yet
        self._starting: dict[Any, _Hand] = {}
        self._busy: dict[Any, tuple[_Hand, float, Shard]] = {}
        self._settled: dict[int, tuple[int, Any, Any]] = {}  # id of what was settled -> its number, it, in Ray's memory
        self._failed, self._said, self._since = 0, set[str](), time.monotonic()

    @classmethod
    def of(cls, choice: WorkerChoice, threads: int, packages: dict[str, str]) -> "Crew | None":
        """The crew of a choice; None where no workers were asked for. Ray is there (`connected`)."""
        if not choice.asked:
            return None
        with connection(choice) as nodes:
            return cls(fitting(nodes, choice, threads), packages)

    def begin(self, prepared: Any, reporter: Reporter, workers: int = 1) -> None:
        """Have some workers load the models before there is work. Raises what that raises."""
        self._known(prepared)
        while len(self._idle) < workers:
            self._hire(workers)
            for _ in self._hear(reporter, None):
                pass

    def make(self, site: Site, piece: Piece, shards: Sequence[Shard], watch: Watch) -> Iterator[tuple[Shard, Made]]:
        """What `piece` makes of shards, in the order in which it is there.

        Raises ProblemsLeftOut at the end for those of which workers died, and whatever a worker raised at once.
        """
        if len(shards) < self.fit.count:
            self._say(
                site.reporter,
                "there are fewer shards to make than workers, and some of these have nothing to do: a new run takes a "
                "smaller --shard-size",
            )
        wanted = [(-_cost(site.run, piece, shard), shard) for shard in shards]
        heapq.heapify(wanted)
        hand = partial(Handed.of, site.run, piece)
        desk = _Desk(self._ray.put(own.dumps(piece)), self._known(site.prepared), hand, wanted)
        while desk.wanted or self._busy:
            self._hire(len(desk.wanted) + len(self._busy))
            while self._idle and desk.wanted:
                self._ask(desk)
            for shard, done in self._hear(site.reporter, desk):
                watch.tokens(done.tokens)
                for rows in done.halved:
                    watch.halved(rows)
                if site.prepared:
                    site.run.made_on = done.cards
                yield shard, done.made
        if desk.aside:
            names = ", ".join(f"{shard.arm} {shard.file_name}" for shard in sorted(desk.aside))
            raise ProblemsLeftOut(
                f"{TRIES} workers died of each of these shards, which were set aside: {names}; the others are in "
                f"{site.run.path}, and the same command asks for these again"
            )

    def close(self) -> None:
        """Let all workers go."""
        for hand in (*self._idle, *self._starting.values(), *(hand for hand, _, _ in self._busy.values())):
            self._end(hand)
        for group in (*self._placing, *(group for there in self._placed.values() for group in there)):
            self._ray.util.remove_placement_group(group)
        for each in (self._idle, self._placing, self._placed, self._starting, self._busy, self._settled):
            each.clear()

    # ---- hiring ------------------------------------------------------------------------------------------------------

    def _hire(self, wanted: int) -> None:
        """Reserve bundles until there are as many workers, or bundles for them, as there is work for."""
        there = sum(map(len, (self._idle, self._placing, self._starting, self._busy, *self._placed.values())))
        if not there:
            self._since = time.monotonic()
        for _ in range(min(self.fit.count, wanted) - there):
            self._placing.append(self._ray.util.placement_group([self.fit.bundle], strategy="STRICT_PACK"))

    def _look(self, reporter: Reporter) -> None:
        """Start workers in the bundles that are reserved by now."""
        for group in list(self._placing):
            told = self._ray.util.placement_group_table(group)
            if told["state"] == "CREATED":
                self._placing.remove(group)
                node = told["bundles_to_node_id"][0]
                self._placed.setdefault(node, []).append(group)
                self._start(node)
        if self._idle or self._starting or self._busy:
            self._since = time.monotonic()
        elif time.monotonic() - self._since > PATIENCE:
            self._say(reporter, f"no worker could be placed yet: each needs {self.fit.words} on one machine")

    def _start(self, node: str) -> None:
        """Start a worker on a node where a bundle waits and no other one is starting."""
        waiting = self._placed.get(node, [])
        if not waiting or any(hand.node == node for hand in self._starting.values()):
            return
        group, fit = waiting.pop(0), self.fit
        strategy = self._ray.util.scheduling_strategies.PlacementGroupSchedulingStrategy(group)
        kind = self._ray.remote(Worker).options(num_cpus=fit.cpus, num_gpus=fit.gpus, scheduling_strategy=strategy)
        actor = kind.remote(fit.threads, os.getcwd(), own.pack())
        _, _, prepared = next(iter(self._settled.values()), (0, None, None))
        is_elsewhere = node != self._ray.get_runtime_context().get_node_id()
        self._starting[actor.begin.remote(prepared, is_elsewhere, self._packages)] = _Hand(actor, group, node)

    def _known(self, prepared: Any) -> tuple[int, Any]:
        """The number of what was settled, and where it lies in Ray's memory."""
        if prepared is None:
            return 0, None
        if id(prepared) not in self._settled:
            self._settled[id(prepared)] = len(self._settled), prepared, self._ray.put(own.dumps(prepared))
        number, _, there = self._settled[id(prepared)]
        return number, there

    def _end(self, hand: _Hand) -> None:
        """A worker is no more, or is to be no more: it is killed, lest it come back, and its bundle is given back."""
        self._ray.kill(hand.actor, no_restart=True)
        self._ray.util.remove_placement_group(hand.group)

    def _say(self, reporter: Reporter, line: str) -> None:
        """Once."""
        if line not in self._said:
            reporter.note(line)
        self._said.add(line)

    # ---- working -----------------------------------------------------------------------------------------------------

    def _ask(self, desk: _Desk) -> None:
        cost, shard = heapq.heappop(desk.wanted)
        hand = self._idle.pop()
        asked = hand.actor.make.remote(*desk.settled, desk.piece, shard, desk.hand(shard))
        self._busy[asked] = hand, cost, shard

    def _hear(self, reporter: Reporter, desk: _Desk | None) -> Iterator[tuple[Shard, Done]]:
        """Wait until something has happened, or for a moment, and take note of it."""
        self._look(reporter)
        asked = [*self._starting, *self._busy]
        if not asked:
            time.sleep(LOOK)
            return
        ready, _ = self._ray.wait(asked, num_returns=1, timeout=LOOK if self._placing else None)
        for each in ready:
            if each in self._starting:
                self._begun(each, reporter)
            elif desk:
                yield from self._heard(each, desk)

    def _begun(self, each: Any, reporter: Reporter) -> None:
        hand = self._starting.pop(each)
        try:
            said = self._got(each)
        except lost() as error:
            self._end(hand)
            self._failed, self.lost = self._failed + 1, self.lost + 1
            if self._failed >= STARTS:
                raise NotAvailable(f"{STARTS} workers died before they were ready: {_line(error)}") from None
        except Exception:
            self._end(hand)
            raise
        else:
            self._failed = 0
            self._idle.append(hand)
            for line in said:
                self._say(reporter, line)
        self._start(hand.node)

    def _heard(self, each: Any, desk: _Desk) -> Iterator[tuple[Shard, Done]]:
        hand, cost, shard = self._busy.pop(each)
        try:
            done = self._got(each)
        except lost():
            self.lost += 1
            self._end(hand)
            desk.again(cost, shard)
        except Exception:
            self._end(hand)
            raise
        else:
            self._idle.append(hand)
            yield shard, done

    def _got(self, each: Any) -> Any:
        """What a worker returned. Raises what it raised, as itself."""
        try:
            return self._ray.get(each)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, RlprobeError):
                raise error.cause from None
            raise


@contextmanager
def hired(choice: WorkerChoice) -> "Iterator[Crew | None]":
    """The crew of a choice that needs no models, let go at the end."""
    crew = Crew.of(choice, 1, {})
    try:
        yield crew
    finally:
        if crew:
            crew.close()


def lost() -> tuple[type[BaseException], ...]:
    """What says that a worker is gone, cannot be reached, or took its answer with it."""
    of = _ray().exceptions
    return (of.ActorDiedError, of.ActorUnavailableError, of.NodeDiedError, of.ObjectLostError, of.OutOfMemoryError)


def _line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _cost(run: Run, piece: Piece, shard: Shard) -> float:
    """How long a shard may take beside others: by the tokens of the responses that it is made of, else by problems."""
    needs = [need for need in piece.needs(shard) if need.layer == "rollouts"][:1]
    parts = [run.read_shard("rollouts", each, ["response_ids"]) for need in needs for each in need.shards(run, shard)]
    tokens = sum(pc.sum(pc.list_value_length(part["response_ids"])).as_py() or 0 for part in parts)
    return float(tokens or shard.stop - shard.start)
