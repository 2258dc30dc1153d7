"""A tiny model of extended virtual synchrony that tells clean histories.

It shares nothing with the engine: there are no frames and no timers. A ring is a list of messages
in order; each member has received some of them, delivers what it may, and when the group is cut
anew each part agrees on what it has and goes on, as specification and recovery (``totem``, install)
demand. An attempt to go on may fail for some after all have promised.
"""

from dataclasses import dataclass, field
from random import Random

from clocksync.runtime.history import Event


@dataclass
class Sent:
    number: int
    sender: int
    service: str
    digest: str
    stamp: int


@dataclass
class Circle:
    """A ring."""

    name: str
    number: int
    members: tuple[int, ...]
    log: list[Sent] = field(default_factory=list)
    installed: set[int] = field(default_factory=set)
    is_broken: bool = False
    has: dict[int, set[int]] = field(default_factory=dict)
    """What each member has received, by number."""


@dataclass
class Member:
    me: int
    life: int = 0
    alive: bool = False
    is_untold: bool = False
    """It died, and nobody wrote that."""
    ring: Circle | None = None
    configuration: str = ""
    delivered: int = 0
    owes: set[int] = field(default_factory=set)
    handles: int = 0


class Model:
    """Random lives of a group; `events` is what is written of them."""

    def __init__(self, seed: int, nodes: int = 4, steps: int = 60) -> None:
        self.random = Random(f"model {seed}")
        self.events: list[Event] = []
        self.members = {me: Member(me) for me in range(1, nodes + 1)}
        self.now = 1000
        self.rings = 0
        for me in self.members:
            self.boot(me)
        for _ in range(steps):
            self.step()
        for member in self.members.values():
            if member.is_untold:
                self.tell(member.me, "crash")  # by who killed it
        self.events.append({"event": "healed", "at": self.now})
        alive = [one.me for one in self.members.values() if one.alive]
        if alive:
            self.regroup([tuple(alive)], fails=0.0)
            for me in alive:
                self.send(me)
            self.receive(1.0)
        self.events.append({"event": "quiet", "at": self.now + 10**6})

    def tell(self, me: int, event: str, **keys: object) -> None:
        self.now += 1
        head = {"node": me, "incarnation": f"{me}.{self.members[me].life}", "event": event}
        self.events.append({**head, "at": self.now, **keys})

    def tick(self) -> int:
        self.now += 10
        return self.now

    def step(self) -> None:
        random = self.random
        alive = [one.me for one in self.members.values() if one.alive]
        dead = [one.me for one in self.members.values() if not one.alive]
        what = random.choices(
            ("send", "receive", "regroup", "crash", "boot", "leave"), (30, 20, 8, 2, 4, 1)
        )[0]
        if what == "send" and alive:
            self.send(random.choice(alive))
        elif what == "receive":
            self.receive(random.choice((0.3, 0.7, 1.0)))
        elif what == "regroup" and alive:
            random.shuffle(alive)
            cut = random.randrange(len(alive) + 1)
            parts = [tuple(sorted(part)) for part in (alive[:cut], alive[cut:]) if part]
            self.regroup(parts, fails=0.4)
        elif what == "crash" and len(alive) > 1:
            self.die(random.choice(alive), random.choice(("crash", "crash", "")))
        elif what == "boot" and dead:
            self.boot(random.choice(dead))
        elif what == "leave" and len(alive) > 1:
            me = random.choice(alive)
            self.regroup([(me,)], fails=0.0)
            self.die(me, "leave")

    def boot(self, me: int) -> None:
        member = self.members[me]
        member.life += 1
        member.alive, member.is_untold, member.owes = True, False, set()
        loses = member.life > 1 and self.random.random() < 0.3
        self.tell(me, "boot", storage="lost" if loses else "kept")
        self.rings += 1
        number = 1 if loses else self.rings
        circle = Circle(f"{number}.{me}.{member.life}", number, (me,))
        self.install(me, circle, 1 if loses else self.tick())

    def die(self, me: int, how: str) -> None:
        member = self.members[me]
        member.alive, member.is_untold = False, not how
        if member.ring is not None:
            member.ring.is_broken = len(member.ring.members) > 1
        if how:
            self.tell(me, how)

    def send(self, me: int) -> None:
        member = self.members[me]
        ring = member.ring
        assert ring is not None, "who lives has a ring"
        if ring.is_broken:
            return
        member.handles += 1
        service = self.random.choice(("agreed", "safe"))
        number = len(ring.log) + 1
        message = Sent(number, me, service, f"d{me}.{member.life}.{member.handles}", self.tick())
        keys = {"handle": str(member.handles), "service": service, "digest": message.digest}
        self.tell(me, "submit", **keys)
        self.tell(me, "send", message=f"{ring.name}/{number}", **keys, true_time=message.stamp)
        ring.log.append(message)
        ring.has.setdefault(me, set()).add(number)
        self.deliver_regular(me, limit=0)

    def receive(self, chance: float) -> None:
        """Of every unbroken ring, messages arrive where its members are."""
        for ring in {id(one.ring): one.ring for one in self.members.values() if one.ring}.values():
            if ring.is_broken:
                continue
            for me in ring.installed:
                for message in ring.log:
                    if self.random.random() < chance:
                        ring.has.setdefault(me, set()).add(message.number)
            for me in sorted(ring.installed):
                self.deliver_regular(me, limit=0)

    def deliver_regular(self, me: int, limit: int) -> None:
        """What may be delivered: agreed ones without a gap, safe ones that all have, or up to the
        limit that is known."""
        member = self.members[me]
        ring = member.ring
        assert ring is not None, "who lives has a ring"
        while member.delivered + 1 in ring.has.get(me, set()):
            message = ring.log[member.delivered]
            # All of them, without a gap before it: who has one could not deliver it.
            prefix = set(range(1, message.number + 1))
            everybody = all(prefix <= ring.has.get(one, set()) for one in ring.members)
            everybody = everybody and ring.installed == set(ring.members) and not ring.is_broken
            if message.service == "safe" and not everybody and message.number > limit:
                break
            self.deliver(me, message)

    def deliver(self, me: int, message: Sent) -> None:
        member = self.members[me]
        assert member.ring is not None, "who lives has a ring"
        self.tell(
            me,
            "deliver",
            message=f"{member.ring.name}/{message.number}",
            origin=message.sender,
            service=message.service,
            digest=message.digest,
            timestamp=message.stamp,
            error=5,
            flags=[],
            configuration=member.configuration,
        )
        member.delivered = message.number

    def regroup(self, parts: list[tuple[int, ...]], fails: float) -> None:
        """Each part recovers together and installs a ring; those who fail stay where they are."""
        self.rings += 1
        for part in parts:
            self.rings += 1
            circle = Circle(f"{self.rings}.{part[0]}", self.rings, part)
            by_old: dict[int, list[int]] = {}
            for me in part:
                ring = self.members[me].ring
                assert ring is not None, "who lives has a ring"
                ring.is_broken = True
                by_old.setdefault(id(ring), []).append(me)
            failing = set()
            if self.random.random() < fails:
                failing = {me for me in part if self.random.random() < 0.5}
            agreed = [self.exchange(together, circle) for together in by_old.values()]
            stamp = self.tick()
            for together, (limit, owed) in zip(by_old.values(), agreed, strict=True):
                for me in together:
                    if me not in failing:
                        self.go_on(me, tuple(together), limit, owed, circle, stamp)
            circle.is_broken = bool(failing)

    def exchange(self, together: list[int], circle: Circle) -> tuple[int, set[int]]:
        """All get what any has, and promise; returns up to where anybody delivered, and what is
        owed."""
        ring = self.members[together[0]].ring
        assert ring is not None, "who lives has a ring"
        held = set().union(*(ring.has.get(me, set()) for me in together))
        owed = set(together).union(*(self.members[me].owes for me in together))
        for me in together:
            ring.has[me] = set(held)
            self.members[me].owes |= owed
            self.tell(me, "recovered", ring=circle.name, obligations=sorted(owed))
        return max(self.members[me].delivered for me in together), owed

    def go_on(
        self,
        me: int,
        together: tuple[int, ...],
        limit: int,
        owed: set[int],
        circle: Circle,
        stamp: int,
    ) -> None:
        member = self.members[me]
        ring = member.ring
        assert ring is not None, "who lives has a ring"
        self.deliver_regular(me, limit)
        identity = f"T{circle.name}.{together[0]}"
        self.change(me, identity, "transitional", ring.name, together, stamp - 1)
        at, after = member.delivered + 1, False
        while at <= len(ring.log):
            if at not in ring.has[me]:
                after = True
            elif not after or ring.log[at - 1].sender in owed:
                self.deliver(me, ring.log[at - 1])
            at += 1
        member.owes = set()
        self.install(me, circle, stamp)

    def install(self, me: int, circle: Circle, stamp: int) -> None:
        member = self.members[me]
        member.ring, member.delivered = circle, 0
        circle.installed.add(me)
        keys = {"ring_seq": circle.number}
        name, members = circle.name, circle.members
        self.change(me, f"R{name}", "regular", name, members, stamp, **keys)

    def change(
        self,
        me: int,
        identity: str,
        kind: str,
        ring: str,
        members: tuple[int, ...],
        stamp: int,
        **more: object,
    ) -> None:
        self.members[me].configuration = identity
        self.tell(
            me,
            "configuration",
            id=identity,
            kind=kind,
            ring=ring,
            **more,
            members=sorted(members),
            timestamp=stamp,
            error=5,
            reason="model",
        )
