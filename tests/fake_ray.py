"""Ray as far as rlprobe's crew uses it, in this process: nodes, and workers that die as they are told.

What is asked of an actor happens when it is waited for, one call after the other. `deaths` says of which calls a worker
dies: (name of the method, its shard or None) -> how often.
"""

from collections import Counter
from dataclasses import dataclass, field
from types import SimpleNamespace


class ActorDiedError(Exception):
    pass


class ActorUnavailableError(Exception):
    pass


class NodeDiedError(Exception):
    pass


class ObjectLostError(Exception):
    pass


class OutOfMemoryError(Exception):
    pass


class RayTaskError(Exception):
    def __init__(self, cause):
        super().__init__(str(cause))
        self.cause = cause


@dataclass(eq=False)
class Asked:
    actor: "Actor"
    name: str
    arguments: tuple
    answer: object = None
    error: Exception | None = None
    done: bool = False


@dataclass(eq=False)
class Group:
    bundles: list
    strategy: str
    node: str | None = None


@dataclass(eq=False)
class Actor:
    ray: "FakeRay"
    thing: object
    group: Group
    dead: bool = False

    def __getattr__(self, name):
        return SimpleNamespace(remote=lambda *arguments: self.ray.asked(Asked(self, name, arguments)))


@dataclass
class FakeRay:
    nodes: dict[str, dict[str, float]]
    deaths: Counter = field(default_factory=Counter)
    error: type[Exception] = ActorDiedError
    groups: list[Group] = field(default_factory=list)
    starting: list[str] = field(default_factory=list)  # nodes on which a worker is starting now
    most_starting: int = 0
    most_used: dict[str, Counter] = field(default_factory=dict)
    order: list = field(default_factory=list)  # shards in the order in which they were asked for

    def __post_init__(self):
        errors = (ActorDiedError, ActorUnavailableError, NodeDiedError, ObjectLostError, OutOfMemoryError, RayTaskError)
        self.exceptions = SimpleNamespace(**{error.__name__: error for error in errors})
        strategies = SimpleNamespace(PlacementGroupSchedulingStrategy=lambda group: group)
        self.util = SimpleNamespace(
            placement_group=self._reserve,
            placement_group_table=self._table,
            remove_placement_group=self._give_back,
            scheduling_strategies=strategies,
        )

    # ---- bundles

    def _reserve(self, bundles, strategy):
        self.groups.append(Group(bundles, strategy))
        return self.groups[-1]

    def used(self, node):
        return sum((Counter(bundle) for g in self.groups if g.node == node for bundle in g.bundles), Counter())

    def _table(self, group):
        for node, has in self.nodes.items():
            need = sum(map(Counter, group.bundles), Counter())
            if group.node is None and all(has.get(k, 0) >= self.used(node)[k] + n - 1e-9 for k, n in need.items()):
                group.node = node
                self.most_used[node] = self.most_used.get(node, Counter()) | self.used(node)
        return {"state": "CREATED" if group.node else "PENDING", "bundles_to_node_id": {0: group.node}}

    def _give_back(self, group):
        if group in self.groups:
            self.groups.remove(group)

    # ---- actors

    def put(self, thing):
        return thing

    def remote(self, kind):
        def options(num_cpus, num_gpus, scheduling_strategy):
            bundle = scheduling_strategy.bundles[0]
            assert (bundle["CPU"], bundle.get("GPU", 0)) == (num_cpus, num_gpus)
            make = lambda *arguments: Actor(self, kind(*arguments), scheduling_strategy)  # noqa: E731
            return SimpleNamespace(remote=make)

        return SimpleNamespace(options=options)

    def kill(self, actor, no_restart):
        assert no_restart
        actor.dead = True
        actor.thing._tools.close()  # what it had started ends with its process

    def get_runtime_context(self):
        return SimpleNamespace(get_node_id=lambda: next(iter(self.nodes)))

    def asked(self, asked):
        if asked.name == "begin":
            self.starting.append(asked.actor.group.node)
            self.most_starting = max(self.most_starting, *Counter(self.starting).values())
        else:
            self.order.append(asked.arguments[3])
        return asked

    def wait(self, asked, num_returns, timeout=None):
        done, others = asked[:num_returns], asked[num_returns:]
        for each in done:
            self._do(each)
        return done, others

    def _do(self, asked):
        asked.done = True
        key = (asked.name, asked.arguments[3] if asked.name == "make" else None)
        if asked.name == "begin":
            self.starting.remove(asked.actor.group.node)
        if self.deaths[key] > 0:
            self.deaths[key] -= 1
            asked.actor.dead, asked.error = True, self.error(f"it died of {key}")
            return
        try:
            asked.answer = getattr(asked.actor.thing, asked.name)(*asked.arguments)
        except Exception as error:
            asked.error = RayTaskError(error)

    def get(self, asked):
        assert asked.done
        assert not asked.actor.dead or asked.error
        if asked.error:
            raise asked.error
        return asked.answer
