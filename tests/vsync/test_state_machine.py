"""Two or three engines on a table, whose datagrams, timers, disks and crashes Hypothesis plays.

No simulated world between: any datagram may come next, come twice, or never; any process may be
late; a disk keeps any prefix of what it was told to. After each step what can be said of the order
is checked; at the end everything is healed, all must find together again, and the history is
judged.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from importlib import import_module

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from clocksync.runtime.envelope import Envelope
from clocksync.runtime.interval import Interval
from tests.vsync.talk import EPOCH, MS
from vsync.config import RingConfig
from vsync.engine import Engine
from vsync.events import (
    Accepted,
    BootState,
    CancelTimer,
    Configuration,
    Datagram,
    Kind,
    Messages,
    Multicast,
    Persist,
    Persisted,
    SendTo,
    SetTimer,
    Start,
    Submit,
    TimerExpired,
)
from vsync.frames import FRAMES
from vsync.history import Chronicler
from vsync.identity import Service, message_name
from vsync.states import State

HOP_NS = 100_000
"""What it takes to hand in one datagram, in calm times."""

NODES = st.integers(1, 3)
ANY = st.integers(0, 10_000)


@dataclass
class Node:
    """One incarnation of a process, and what its machine keeps."""

    me: int
    life: int
    engine: Engine
    disk: BootState
    alive: bool = True
    timers: dict = field(default_factory=dict)
    writes: list = field(default_factory=list)
    chronicler: Chronicler = field(default_factory=Chronicler)
    word: list = field(default_factory=list)
    """Its configurations."""
    accepted: list = field(default_factory=list)
    own: list = field(default_factory=list)
    """Its own messages, as delivered to itself."""
    places: dict = field(default_factory=lambda: defaultdict(int))
    """How many messages it delivered in each configuration."""


class Table(RuleBasedStateMachine):
    """The table, and who plays at it."""

    def __init__(self):
        super().__init__()
        self.now = 0
        self.nodes = {}
        self.bag = []
        self.apart = set()
        self.events = []
        self.order = defaultdict(list)
        """The messages of each configuration, by whoever is furthest."""
        self.contents = {}
        self.safe = []
        """Ring, number and members of safe messages delivered in a regular configuration."""
        self.stamps = {}
        self.submitted = 0
        self.peace = 0

    @initialize(
        count=st.integers(2, 3),
        accelerated=st.sampled_from([0, 0, 2]),
        misses=st.integers(1, 2),
        calm=st.sampled_from([True, True, True, False]),
    )
    def begin(self, count, accelerated, misses, calm):
        self.config = RingConfig.simulated(
            accelerated=accelerated, misses=misses, backoff_ns=(30 * MS, 120 * MS), visit_max=4
        )
        for me in range(1, count + 1):
            self.boot(me, 1, BootState())
        if calm:
            self.run_until(self.now + 150 * MS)

    # The machine of a node

    def boot(self, me, life, disk):
        node = Node(me, life, Engine(self.config, me, disk, f"{me}/{life}"), disk)
        self.nodes[me] = node
        self.note(node, event="boot", storage="kept")
        self.step(node, Start())

    def note(self, node, **keys):
        who = {"node": node.me, "incarnation": f"{node.me}.{node.life}", "at": self.now}
        self.events.append(who | keys)

    def step(self, node, event):
        clock = Interval.around(EPOCH + self.now + 100_000 * node.me, MS)
        for effect in node.engine.step(self.now, clock, event):
            for keys in node.chronicler.describe(effect, EPOCH + self.now):
                self.note(node, **keys)
            match effect:
                case SetTimer(timer, generation, at):
                    node.timers[timer] = (at, generation)
                case CancelTimer(timer):
                    node.timers.pop(timer, None)
                case Persist(ticket, state):
                    node.writes.append((ticket, state))
                case SendTo(peer, frame):
                    self.send(node, [peer], frame)
                case Multicast(frame):
                    self.send(node, sorted(self.nodes), frame)
                case Accepted():
                    node.accepted.append(self.payload)
                case Configuration():
                    self.on_configuration(node, effect)
                case Messages():
                    self.on_messages(node, effect)
                case _:
                    pass

    def send(self, node, peers, frame):
        assert frame.check() is None, frame
        raw = Envelope(FRAMES, 0, node.me).encode(frame)
        for peer in peers:
            if peer != node.me and (node.me in self.apart) == (peer in self.apart):
                self.bag.append((peer, raw))

    def hand_in(self, peer, raw):
        node = self.nodes[peer]
        if node.alive:
            self.step(node, Datagram(raw))

    def expire(self, node, timer):
        at, generation = node.timers.pop(timer)
        self.now = max(self.now, at)
        self.step(node, TimerExpired(timer, generation))

    def written(self, node):
        ticket, node.disk = node.writes.pop(0)
        self.step(node, Persisted(ticket))

    def pending(self):
        """Every timer that will run out, the next one first."""
        return sorted(
            (at, node.me, timer.value, timer)
            for node in self.nodes.values()
            if node.alive
            for timer, (at, _) in node.timers.items()
        )

    def run_until(self, until):
        """Calm times: disks are quick, datagrams come in the order in which they were sent."""
        while True:
            for node in self.nodes.values():
                while node.alive and node.writes:
                    self.written(node)
            timers = self.pending()
            due = timers[0][0] if timers else until
            if self.bag and due > self.now + HOP_NS:
                self.now += HOP_NS
                self.hand_in(*self.bag.pop(0))
            elif not timers or due > until:
                break
            else:
                self.expire(self.nodes[timers[0][1]], timers[0][3])
        self.now = max(self.now, until)

    # What is promised

    def on_configuration(self, node, configuration):
        kind, word = configuration.kind, node.word
        is_first = not word
        assert (kind is Kind.REGULAR) == (is_first or word[-1].kind is Kind.TRANSITIONAL)
        assert node.me in configuration.members
        assert configuration.id not in {each.id for each in word}
        if kind is Kind.TRANSITIONAL:
            assert set(configuration.members) <= set(word[-1].members)
            assert configuration.ring == word[-1].ring
            assert configuration.timestamp == self.stamps[node.me]
        else:
            assert is_first or set(word[-1].members) <= set(configuration.members)
            self.stamp(node, configuration.timestamp)
        word.append(configuration)

    def stamp(self, node, timestamp):
        assert timestamp > self.stamps.get(node.me, 0)
        self.stamps[node.me] = timestamp

    def on_messages(self, node, messages):
        present = node.word[-1]
        assert messages.configuration == present.id
        order = self.order[present.id]
        for index, payload in enumerate(messages.payloads):
            self.stamp(node, messages.timestamp + index)
            name = message_name(messages.ring, messages.sequence, index if messages.whole else None)
            said = (messages.origin, payload, messages.timestamp + index, messages.error)
            assert self.contents.setdefault(name, said) == said
            place = node.places[present.id]
            if place == len(order):
                order.append(name)
            assert order[place] == name, f"{node.me} in {present.id}"
            node.places[present.id] += 1
            if messages.origin == node.me:
                node.own.append(payload)
        if messages.service is Service.SAFE and present.kind is Kind.REGULAR:
            self.safe.append((messages.ring, messages.sequence, present.members))

    @invariant()
    def own_messages_come_back_in_the_order_in_which_they_were_accepted(self):
        for node in self.nodes.values():
            assert node.own == node.accepted[: len(node.own)]

    @invariant()
    def what_was_delivered_as_safe_is_held_by_every_member(self):
        for ring, number, members in self.safe[-20:]:
            for member in members:
                engine = self.nodes[member].engine
                if engine.ring.id == ring:
                    assert engine.ring.log.contiguous >= number
                elif engine.recovery is not None and engine.recovery.ring.id == ring:
                    assert engine.recovery.ring.log.contiguous >= number

    @invariant()
    def what_is_forgotten_was_delivered(self):
        for node in self.nodes.values():
            ring = node.engine.ring
            assert ring.log.released <= min(ring.delivered, ring.safe)
            assert ring.delivered <= ring.log.contiguous

    # What may happen

    @rule(
        me=NODES,
        sizes=st.lists(st.sampled_from([0, 5, 60, 450]), min_size=1, max_size=6),
        service=st.sampled_from(Service),
    )
    def submit(self, me, sizes, service):
        node = self.nodes.get(me)
        for size in sizes if node is not None and node.alive else ():
            self.submitted += 1
            self.payload = b"%d:" % self.submitted + bytes(size)
            node.chronicler.submitting(self.submitted, self.payload, service)
            self.step(node, Submit(self.submitted, (self.payload,), service))

    @precondition(lambda self: self.bag)
    @rule(count=st.integers(1, 12))
    def some_come(self, count):
        """In the order in which they were sent."""
        for _ in range(min(count, len(self.bag))):
            self.now += HOP_NS
            self.hand_in(*self.bag.pop(0))

    @precondition(lambda self: self.bag)
    @rule(which=ANY)
    def one_comes(self, which):
        self.now += HOP_NS
        self.hand_in(*self.bag.pop(which % len(self.bag)))

    @precondition(lambda self: self.bag)
    @rule(which=ANY)
    def one_comes_twice(self, which):
        peer, raw = self.bag[which % len(self.bag)]
        self.hand_in(peer, raw)

    @precondition(lambda self: self.bag)
    @rule(which=ANY, count=st.integers(1, 4))
    def some_are_lost(self, which, count):
        at = which % len(self.bag)
        del self.bag[at : at + count]

    @precondition(lambda self: self.pending())
    @rule(me=st.one_of(st.none(), NODES))
    def a_timer_runs_out(self, me):
        """The next one of all, or one of a node while the others are late."""
        for _, owner, _, timer in self.pending():
            if me is None or owner == me:
                self.expire(self.nodes[owner], timer)
                return

    @rule(me=NODES)
    def a_write_is_done(self, me):
        node = self.nodes.get(me)
        if node is not None and node.alive and node.writes:
            self.written(node)

    @rule(for_ms=st.sampled_from([1, 3, 10, 60, 150]))
    def calm(self, for_ms):
        self.peace += 1
        self.run_until(self.now + for_ms * MS)

    # Harm comes after some peace: rings that never form have nothing to lose.

    @precondition(lambda self: self.peace > 1)
    @rule(me=NODES, done=st.integers(0, 3))
    def crash(self, me, done):
        node = self.nodes.get(me)
        if node is not None and node.alive:
            self.peace = 0
            node.alive = False
            for _, state in node.writes[:done]:
                node.disk = state
            self.note(node, event="crash")

    @rule(me=NODES)
    def come_back(self, me):
        node = self.nodes.get(me)
        if node is not None and not node.alive:
            self.boot(me, node.life + 1, node.disk)

    @precondition(lambda self: self.peace > 1)
    @rule(apart=st.sets(NODES, min_size=1, max_size=2))
    def cut(self, apart):
        self.peace = 0
        self.apart = apart

    @rule()
    def heal(self):
        self.apart = set()

    # The end

    def teardown(self):
        if not self.nodes:
            return
        self.apart = set()
        for me, node in list(self.nodes.items()):
            if not node.alive:
                self.boot(me, node.life + 1, node.disk)
        healed = self.now
        self.events.append({"event": "healed", "at": healed})
        while not self.is_settled():
            assert self.now < healed + 3000 * MS, "they do not find together"
            self.run_until(self.now + 50 * MS)
        # And so it stays.
        self.run_until(2 * self.now - healed + 50 * MS)
        self.events.append({"event": "quiet", "at": self.now})
        assert self.is_settled()
        self.own_messages_come_back_in_the_order_in_which_they_were_accepted()
        self.what_was_delivered_as_safe_is_held_by_every_member()
        verdict = _judge(self.events)
        assert verdict is None or verdict, verdict.violations

    def is_settled(self):
        rings = {node.engine.ring.id for node in self.nodes.values()}
        return len(rings) == 1 and all(
            node.engine.state is State.OPERATIONAL
            and node.engine.ring.members == tuple(sorted(self.nodes))
            and node.own == node.accepted
            for node in self.nodes.values()
        )


def _judge(events):
    """By the checker, which sees nothing but the history; None where there is no checker."""
    try:
        check = import_module("vsync.check")
    except ImportError:
        return None
    return check.judge(events)


# Each example is many steps of several engines: fewer of them in the suite, and time to shrink one.
Table.TestCase.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
TestAnythingThatCanHappenOnATable = pytest.mark.timeout(600)(Table.TestCase)
