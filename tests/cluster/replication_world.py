"""Replicated groups under faults: what one seed makes happen, and what applications saw of it.

Four groups on one ring: a *ledger* (a dictionary and a queue, with a log of all commands), *locks*,
a plain group that members join and leave, and the ring's own views. What is kept is what
applications told and were told; the checks (:mod:`tests.cluster.replication_properties`) see that.
"""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random

from clocksync.runtime.errors import MisusedCore
from clocksync.runtime.simulation import Fault
from clocksync.runtime.simulation.nodes import Condition
from clocksync.runtime.units import MILLISECOND
from ordering.mutex.leases import EpochConfig as LeaseConfig
from vsync.engine import Engine
from vsync.identity import Service
from vsync.replication.events import Granted, Lost, View
from vsync.replication.locks import Locks
from vsync.replication.machine import Replicated
from vsync.replication.objects import Queue, ReplicatedDict
from vsync.replication.quorum import MajorityOfExpected, MajorityOfLast, NoQuorum, Policy
from vsync.replication.replica import Replica
from vsync.replication.simulation import Stage, Told
from vsync.simulation.group import FAULTS, Load
from vsync.simulation.node import Make
from vsync.simulation.run import Scenario, draw

LEDGER, LOCKS, TALK = "ledger", "locks", "talk"
NAMES = ("a", "b", "c")
KEYS = ("x", "y", "z")

LEASES = LeaseConfig(heartbeat_ns=20 * MILLISECOND, lease_ns=120 * MILLISECOND)
LONG_LEASES = LeaseConfig(heartbeat_ns=40 * MILLISECOND, lease_ns=500 * MILLISECOND)
"""Shorter and longer than it takes until a ring without the holder is there."""
HOLD_NS_MAX = 400 * MILLISECOND
LOOK_EVERY_NS = 7 * MILLISECOND

MS = MILLISECOND


class Ledger(Replicated):
    """A dictionary, a queue, and every command that made them, in order.

    Commands begin with the dictionary's or the queue's letter and a name of their own.
    """

    def __init__(self, seen):
        self.entries = ReplicatedDict()
        self.queue = Queue()
        self.log = []
        self.seen = seen
        """Takes the names of all commands that were ever in the log."""
        self._digest = 0

    def apply(self, command, context):
        name, _, inner = command.partition(b" ")
        self._note(command)
        part = self.queue if name.startswith(b"q") else self.entries
        return part.apply(inner, context)

    def _note(self, command):
        self.log.append(command)
        self.seen.add(command.partition(b" ")[0])
        self._digest = hash((self._digest, command))

    def snapshot(self):
        # Alternately by record and all in one, to meet both.
        log = list(self.log)
        return log if len(log) % 2 else [b"\n".join(log)]

    def restore(self, pieces):
        self.__init__(self.seen)
        for piece in pieces:
            for command in filter(None, piece.split(b"\n")):
                self.apply(command, None)

    def digest(self):
        return len(self.log), self._digest


@dataclass(frozen=True)
class Submitted:
    """A command that an application submitted."""

    time: int
    node: int
    incarnation: int
    handle: int
    name: bytes
    command: bytes


@dataclass
class Hold:
    """One time somebody was told that it holds a lock."""

    node: int
    incarnation: int
    lock: str
    token: int
    from_ns: int
    until_ns: int | None = None


@dataclass(frozen=True)
class Plan:
    """All that decides a run."""

    scenario: Scenario
    policy: str
    service: Service = Service.SAFE
    chunk_bytes: int = 60
    begins_together: bool = True
    """Whether faults begin when all have come together, or with the first boot."""
    leases: LeaseConfig = LEASES
    away: tuple[int, ...] = ()
    """Who crashes in the end, and does not come back: fewer than half."""

    @property
    def members(self) -> range:
        return range(1, self.scenario.nodes + 1)

    def make_policy(self) -> Policy:
        match self.policy:
            case "expected":
                return MajorityOfExpected(self.members)
            case "last":
                return MajorityOfLast(self.members)
        return NoQuorum()


def plan_of(seed: int | str) -> Plan:
    """The schedule of a seed."""
    random = Random(f"{seed}/replication")
    nodes = random.choice((2, 3, 3, 3, 4, 5))
    is_storm = random.random() < 0.5
    duration = random.randint(250, 500) * MS * (1 + is_storm)
    kinds = tuple(kind for kind in FAULTS if random.random() < 0.5) or (random.choice(FAULTS),)
    scenario = draw(seed, nodes, duration, kinds, random.randint(4, 14))
    config = replace(
        scenario.config,
        backoff_ns=(20 * MS, 60 * MS),
        token_retransmit_ns=16 * MS,
        token_hold_ns=12 * MS,
        idle_visits=2,
    )
    load = Load(every_ns=random.choice((15, 30, 60)) * MS)
    faults = storm(random, nodes, duration) if is_storm else scenario.faults
    scenario = replace(
        scenario, config=config, load=load, faults=faults, quiet_end=random.random() < 0.6
    )
    away = random.sample(range(1, nodes + 1), (nodes - 1) // 2) if random.random() < 0.3 else []
    return Plan(
        scenario,
        random.choice(("expected", "expected", "last", "last", "none")),
        random.choice((Service.SAFE, Service.SAFE, Service.AGREED)),
        random.choice((40, 200, 2000)),
        random.random() < 0.75,
        random.choice((LEASES, LONG_LEASES)),
        tuple(away),
    )


def storm(random: Random, nodes: int, duration: int) -> tuple[Fault, ...]:
    """Faults that last long enough for the ring to notice, one after the other: partitions chiefly,
    so that components part, meet and part again."""
    faults, at = [], 0
    members = range(1, nodes + 1)
    while (at := at + random.randint(40, 160) * MS) < duration:
        kind = random.choice(("partition",) * 5 + ("crash", "restart", "pause", "asymmetric"))
        many = random.randint(1, max(1, nodes // 2)) if kind in ("partition", "asymmetric") else 1
        lasts = 0 if kind == "restart" else min(random.randint(70, 300) * MS, duration - at)
        faults.append(Fault(at, kind, tuple(random.sample(members, many)), lasts))
    return tuple(faults)


@dataclass
class Played:
    """A run from outside."""

    plan: Plan
    stage: Stage = field(init=False)
    submitted: list[Submitted] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    held: dict[tuple[int, int, int], Hold] = field(default_factory=dict)
    """By node, incarnation and request."""
    wants: dict[tuple[int, int, int], str] = field(default_factory=dict)
    overlaps: list[str] = field(default_factory=list)
    totals: Counter[str] = field(default_factory=Counter)
    is_quiet: bool = False
    is_settling: bool = False
    left: dict[tuple[int, int], int] = field(default_factory=dict)
    """When an incarnation of a member left a group with a state, last."""
    seen: dict[tuple[int, int], set[bytes]] = field(default_factory=dict)
    """The commands that were in the ledger of an incarnation since it joined last."""
    _requests: int = 0
    _names: int = 0

    def incarnation(self, me: int) -> int:
        return self.stage.world.node(me).incarnation

    def exists(self, me: int) -> bool:
        """Whether a member's process is there, if only standing still."""
        node = self.stage.world.node(me)
        return bool(node.started) and node.condition is not Condition.DOWN

    # The applications

    def work(self, stage: Stage, me: int, random: Random) -> None:
        for _ in range(random.randint(1, 3)):
            self._write(me, random)
        if random.random() < 0.5:
            self._lock(me, random)
        if random.random() < 0.3:
            self._talk(me, random)
        if random.random() < 0.02 and not self.is_settling:
            self._leave(me, random.choice((LEDGER, LOCKS)))

    def _leave(self, me: int, group: str) -> None:
        """Leave a group that keeps a state; what is told then makes the member join again."""
        with suppress(MisusedCore):
            if group in self.stage.member(me).cores:
                self.stage.do(me, lambda member, now: member.leave(group))

    def _join_again(self, me: int, incarnation: int, group: str) -> None:
        if incarnation != self.incarnation(me) or not self.exists(me):
            return
        core = build(self, me)[group]
        if not self.stage.do(me, lambda member, now: member.join(group, core)):
            self.stage.world.after(5 * MS, partial(self._join_again, me, incarnation, group))

    def write_everywhere(self) -> None:
        for me in self.stage.members:
            if self.stage.runs(me):
                self._write(me, self.stage.random)

    def _write(self, me: int, random: Random) -> None:
        self._names += 1
        key = random.choice(KEYS)
        value = [me, self._names]
        kind = random.randrange(7)
        command = (
            ReplicatedDict.set(key, value),
            ReplicatedDict.compare_and_set(key, value, [0]),
            ReplicatedDict.create(key, value),
            ReplicatedDict.delete(key),
            ReplicatedDict.read(key),
            Queue.put(value),
            Queue.take(),
        )[kind]
        name = f"{'d' if kind < 5 else 'q'}{me}.{self._names}".encode()
        whole = name + b" " + command
        now = self.stage.world.now
        handles = self.stage.submit_to(me, LEDGER, [whole])
        if handles is not None:
            self.submitted.append(Submitted(now, me, self.incarnation(me), handles[0], name, whole))

    def _lock(self, me: int, random: Random) -> None:
        mine = [key for key in self.wants if key[:2] == (me, self.incarnation(me))]
        if len(mine) >= 2:
            return
        self._requests += 1
        request, lock = self._requests, random.choice(NAMES)
        if not self.stage.runs(me):
            return
        # Alone on its ring, a member is answered before its verb returns.
        key = (me, self.incarnation(me), request)
        self.wants[key] = lock
        asked = self.stage.ask(me, LOCKS, lambda core, now: core.acquire(request, [lock], now))
        if not asked:
            del self.wants[key]
        elif random.random() < 0.1:
            self.stage.world.after(random.randint(1, 10) * MS, partial(self.give_back, key))

    def _talk(self, me: int, random: Random) -> None:
        verb = random.choice(("join", "leave", "say", "say"))
        stage = self.stage
        if not stage.runs(me):
            return
        self._names += 1
        said = f"{me}.{self._names}".encode()
        with suppress(MisusedCore):
            match verb:
                case "join":
                    stage.do(me, lambda member, now: member.join(TALK))
                case "leave":
                    stage.do(me, lambda member, now: member.leave(TALK))
                case "say":
                    stage.do(me, lambda member, now: member.multicast(TALK, [said]))

    def give_back(self, key: tuple[int, int, int]) -> None:
        me, incarnation, request = key
        if incarnation != self.incarnation(me) or key not in self.wants:
            return
        if self.stage.ask(me, LOCKS, lambda core, now: core.release([request], now)):
            self._ends(key)
        elif self.exists(me):
            self.stage.world.after(5 * MS, partial(self.give_back, key))

    def _ends(self, key: tuple[int, int, int]) -> None:
        self.wants.pop(key, None)
        hold = self.held.pop(key, None)
        if hold is not None:
            hold.until_ns = self.stage.world.now

    # The end

    def settle(self) -> None:
        """Heal, let the group come together, do some more, and wait until nothing is owed."""
        stage, self.is_settling = self.stage, True
        stage.heal()
        wait = stage.settling_ns() + 8 * self.plan.leases.silence_ns
        stage.world.run_until(self.is_together, stage.world.now + wait)
        if self.plan.away:
            stage.work(stage.world.now + 40 * MS)
            stage.world.run_for(30 * MS)
            for me in self.plan.away:
                stage.world.crash(me)
            stage.world.run_until(self.is_together, stage.world.now + wait)
        stage.work(stage.world.now + 60 * MS)
        stage.world.run_for(60 * MS)
        limit = stage.world.now + wait
        stage.world.run_until(lambda: self.is_together() and not self.owed(), limit)
        stage.world.run_for(20 * MS)  # what was delivered to its sender is delivered to all
        self.is_quiet = True

    @property
    def running(self) -> list[int]:
        return [me for me in self.stage.members if self.stage.runs(me)]

    def is_together(self) -> bool:
        """Whether all who run are on one ring, and hold one state as a primary."""
        stage, running = self.stage, self.running
        if len({stage.node(me).engine.ring.id for me in running}) != 1:
            return False
        if any(name not in stage.member(me).cores for me in running for name in (LEDGER, LOCKS)):
            return False
        replicas = [_replica(stage.core(me, name)) for me in running for name in (LEDGER, LOCKS)]
        return all(
            each.is_primary and not each.in_doubt and each.standing.holders == set(running)
            for each in replicas
        )

    def owed(self) -> int:
        """What applications that run still wait for."""
        mine = [self.stage.node(me) for me in self.running]
        locks = [self.stage.core(node.me, LOCKS) for node in mine]
        return (
            sum(node.owed for node in mine)
            + sum(len(core.wanted) for core in locks)
            + sum(len(core.table.condemned) for core in locks)
        )

    # What they are told

    def on_told(self, told: Told) -> None:
        self.totals[type(told.event).__name__] += 1
        match told.event:
            case Granted(_, requests, tokens):
                for request, token in zip(requests, tokens, strict=True):
                    self._is_granted((told.node, told.incarnation, request), token)
                self.look()
            case View(group="ledger" | "locks" as group) as view if told.node in view.left:
                if told.node not in view.members and view.reason == "leave":
                    who = (told.node, told.incarnation)
                    self.left[who] = stage_now = self.stage.world.now
                    wait = self.stage.random.randint(1, 30 * MS)
                    self.stage.world.at(stage_now + wait, partial(self._join_again, *who, group))
                    if group == LOCKS:  # what it asked for while its leave was under way
                        for key in [key for key in self.wants if key[:2] == who]:
                            self._ends(key)
            case Lost(_, requests):
                for request in requests:
                    self._ends((told.node, told.incarnation, request))

    def _is_granted(self, key: tuple[int, int, int], token: int) -> None:
        lock, now = self.wants[key], self.stage.world.now
        assert key not in self.held, f"{key} was granted twice"
        hold = self.held[key] = Hold(key[0], key[1], lock, token, now)
        self.holds.append(hold)
        wait = round(HOLD_NS_MAX * 100 ** -self.stage.random.random())
        self.stage.world.after(wait, partial(self.give_back, key))

    def look(self) -> None:
        """Who may act on which lock at this instant, as each application would ask."""
        inside: dict[str, list[int]] = {}
        for (me, incarnation, request), hold in self.held.items():
            if incarnation != self.incarnation(me) or not self.exists(me):
                continue
            core = self.stage.core(me, LOCKS)
            if core.holds(request, self.stage.world.node(me).monotonic.read()):
                inside.setdefault(hold.lock, []).append(me)
        for lock, holders in inside.items():
            if len(holders) > 1 and len(self.overlaps) < 10:
                self.overlaps.append(f"{holders} hold {lock!r} at {self.stage.world.now}")

    def look_now_and_then(self) -> None:
        self.look()
        self.stage.world.after(LOOK_EVERY_NS, self.look_now_and_then)


def _replica(core):
    return core.replica if isinstance(core, Locks) else core


def build(played: Played, me: int):
    """What a member that boots joins."""
    plan, policy = played.plan, played.plan.make_policy()
    chunks = {"chunk_bytes": plan.chunk_bytes}
    # Who joins again, or boots, begins with nothing: what it had is gone with it.
    seen = played.seen[me, played.incarnation(me)] = set()
    return {
        LEDGER: Replica(me, LEDGER, Ledger(seen), policy, service=plan.service, **chunks),
        LOCKS: Locks(me, LOCKS, policy, leases=plan.leases, service=plan.service, **chunks),
    }


def play(plan: Plan, make: Make = Engine, keep: int | None = 50) -> Played:
    """Let a plan happen.

    Raises:
        SimulationFailure: a core raised, or did what none may do.
    """
    played, scenario = Played(plan), plan.scenario
    stage = played.stage = Stage(
        seed=scenario.seed,
        count=scenario.nodes,
        config=scenario.config,
        make=make,
        load=scenario.load,
        link=scenario.link,
        keep=keep,
        build=partial(build, played),
        policy=plan.make_policy(),
        workload=played.work,
    )
    stage.listeners.append(played.on_told)
    played.look_now_and_then()
    if plan.begins_together:
        stage.world.run_until(played.is_together, 400 * MS)
    begun = stage.world.now
    stage.work(begun + scenario.duration_ns)
    stage.inflict([replace(fault, at_ns=begun + fault.at_ns) for fault in scenario.faults])
    for fault in scenario.faults:
        # What is under way as something breaks is where promises are broken.
        just_before = begun + fault.at_ns - stage.random.randint(0, 4 * MS)
        stage.world.at(max(just_before, stage.world.now), played.write_everywhere)
    stage.world.run_for(scenario.duration_ns)
    if scenario.quiet_end:
        played.settle()
    return played
