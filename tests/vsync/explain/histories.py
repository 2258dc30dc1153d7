"""Histories as the format has them, written without an engine: what they hold is known here."""

from hashlib import sha256
from random import Random
from typing import Any

MS = 1_000_000
EPOCH = 1_790_000_000_000_000_000


class Tale:
    """A group that does as it is told; every step takes some time."""

    def __init__(self, seed: int = 1) -> None:
        self.events: list[dict[str, Any]] = []
        self.at = 0
        self.random = Random(seed)
        self.ring: dict[int, str] = {}
        self.view: dict[int, str] = {}
        self.members: dict[str, list[int]] = {}
        self.ring_of: dict[str, int] = {}
        self.sequence: dict[str, int] = {}
        self.origin: dict[str, tuple[int, str]] = {}
        self.boots: dict[int, int] = {}

    def wait(self, ns: int) -> None:
        self.at += ns

    def tell(self, node: int, event: str, **keys: Any) -> None:
        self.at += self.random.randint(20_000, 90_000)
        self.events.append(
            {"node": node, "incarnation": f"{node}{self.boots[node]:03x}", "event": event}
            | {"at": self.at, **keys}
        )

    def note(self, event: str) -> None:
        self.at += 50_000
        self.events.append({"event": event, "at": self.at})

    def boot(self, *nodes: int, storage: str = "kept") -> None:
        for node in nodes:
            self.boots[node] = self.boots.get(node, 0) + 1
            self.tell(node, "boot", storage=storage)
            self._enter(self._new_ring([node]), node, "boot")

    def crash(self, node: int, event: str = "crash") -> None:
        self.tell(node, event)
        self.view.pop(node)
        self.ring.pop(node)

    def _new_ring(self, members: list[int]) -> str:
        before = max(
            (self.ring_of[self.ring[node]] for node in members if node in self.ring), default=0
        )
        number = (
            max(
                [
                    before,
                    *(n for ring, n in self.ring_of.items() if min(members) in self.members[ring]),
                ]
            )
            + 4
        )
        ring = f"{number}.{min(members)}.{sha256(str((number, members)).encode()).hexdigest()[:2]}"
        self.members[ring], self.ring_of[ring], self.sequence[ring] = members, number, 0
        return ring

    def _enter(self, ring: str, node: int, reason: str) -> None:
        self.ring[node], self.view[node] = ring, f"R{ring}"
        self.tell(
            node,
            "configuration",
            id=f"R{ring}",
            kind="regular",
            ring=ring,
            ring_seq=self.ring_of[ring],
            members=self.members[ring],
            timestamp=EPOCH + self.at,
            error=50_000,
            reason=reason,
        )

    def change(
        self, members: list[int], reason: str, left: dict[int, list[str]] | None = None
    ) -> None:
        """All of `members` go to a new ring; `left` is what each delivers on the way."""
        old = {node: self.ring[node] for node in members}
        ring = self._new_ring(members)
        for node in members:
            together = [other for other in members if old[other] == old[node]]
            self.tell(node, "recovered", ring=ring, obligations=together)
        for node in members:
            together = [other for other in members if old[other] == old[node]]
            self.view[node] = f"T{ring}.{min(together)}"
            self.tell(
                node,
                "configuration",
                id=self.view[node],
                kind="transitional",
                ring=old[node],
                members=together,
                timestamp=EPOCH + self.at,
                error=50_000,
                reason=reason,
            )
            for message in (left or {}).get(node, []):
                self.deliver(node, message)
            self._enter(ring, node, reason)

    def send(self, node: int, service: str = "agreed", count: int = 1) -> list[str]:
        ring = self.ring[node]
        names = []
        for _ in range(count):
            self.sequence[ring] += 1
            name = f"{ring}/{self.sequence[ring]}.0"
            handle = str(self.sequence[ring])
            keys = {"handle": handle, "service": service, "digest": digest(name)}
            self.tell(node, "submit", **keys)
            self.tell(node, "send", message=name, **keys)
            self.origin[name] = node, service
            names.append(name)
        return names

    def deliver(self, node: int, *messages: str) -> None:
        for message in messages:
            origin, service = self.origin[message]
            self.tell(
                node,
                "deliver",
                message=message,
                origin=origin,
                service=service,
                digest=digest(message),
                timestamp=EPOCH + 1000 * int(message.rpartition("/")[2].partition(".")[0]),
                error=50_000,
                flags=[],
                configuration=self.view[node],
            )

    def exchange(self, node: int, service: str = "agreed", count: int = 1) -> list[str]:
        """Messages that all members of the ring deliver."""
        names = self.send(node, service, count)
        members = self.members[self.ring[node]]
        if service == "safe":
            self.wait(len(members) * MS // 2)
        for other in members:
            self.deliver(other, *names)
        return names

    def pass_token(self, node: int, to: int) -> None:
        self.tell(node, "token", to=to, ring=self.ring[node])


def digest(name: str) -> str:
    return sha256(name.encode()).hexdigest()[:16]


def life_of_three() -> list[dict[str, Any]]:
    """Three merge, one is cut off and comes back, one crashes and starts again."""
    tale = Tale()
    tale.boot(1, 2, 3)
    tale.wait(2 * MS)
    tale.change([1, 2, 3], "a process asked for a new ring")
    for node, service in ((1, "agreed"), (2, "safe"), (3, "agreed"), (1, "safe")):
        tale.exchange(node, service)
    late = tale.send(2, "safe", 2)
    tale.deliver(2, late[0])
    alone = tale.send(1, "safe")
    tale.wait(180 * MS)
    tale.change([2, 3], "the token was lost", {2: [late[1]], 3: late})
    tale.exchange(3, "agreed", 2)
    tale.change([1], "the token was lost", {1: [late[0], *alone]})
    tale.exchange(1, "safe")
    tale.exchange(2, "safe")
    tale.note("healed")
    tale.wait(60 * MS)
    tale.change([1, 2, 3], "a foreign ring was heard")
    tale.exchange(2, "agreed")
    tale.crash(3)
    tale.wait(150 * MS)
    tale.change([1, 2], "the token was lost")
    tale.exchange(1, "safe")
    tale.boot(3, storage="lost")
    tale.change([1, 2, 3], "a process asked for a new ring")
    tale.exchange(3, "agreed")
    tale.exchange(1, "safe")
    tale.crash(2, "leave")
    tale.note("quiet")
    return tale.events


def worked_example() -> list[dict[str, Any]]:
    """Extended virtual synchrony's own example: {p,q,r} parts into {p} and {q,r}, and these meet
    {s,t}. p = 1, q = 2, and so on."""
    tale = Tale(2)
    tale.boot(1, 2, 3, 4, 5)
    tale.change([1, 2, 3], "boot")
    tale.change([4, 5], "boot")
    m1, m2, m3, m4, m5 = (tale.send(node, "safe")[0] for node in (1, 2, 1, 3, 1))
    tale.deliver(1, m1, m2)
    tale.deliver(2, m1)
    tale.deliver(3, m1)
    tale.exchange(4, "agreed", 2)
    tale.wait(200 * MS)
    tale.change([1], "the token was lost", {1: [m3, m4, m5]})
    tale.change([2, 3, 4, 5], "the token was lost", {2: [m2, m4], 3: [m2, m4]})
    tale.exchange(5, "safe", 2)
    return tale.events


def big(nodes: int = 5, least: int = 3000, seed: int = 3) -> list[dict[str, Any]]:
    """Much traffic, now and then a partition or a crash."""
    tale = Tale(seed)
    everyone = list(range(1, nodes + 1))
    tale.boot(*everyone)
    tale.change(everyone, "boot")
    turn = 0
    while len(tale.events) < least:
        for _ in range(8 * nodes):
            turn += 1
            service = tale.random.choice(("agreed", "safe"))
            tale.exchange(1 + turn % nodes, service, tale.random.randint(1, 4))
        victim = tale.random.choice(everyone)
        rest = [node for node in everyone if node != victim]
        if turn % 3:
            late = tale.send(victim, "safe", 2)
            tale.wait(200 * MS)
            tale.change(rest, "the token was lost")
            tale.change([victim], "the token was lost", {victim: late})
        else:
            tale.crash(victim)
            tale.wait(200 * MS)
            tale.change(rest, "the token was lost")
            tale.boot(victim)
        tale.exchange(rest[0], "agreed", 3)
        tale.change(everyone, "a foreign ring was heard")
    tale.note("healed")
    tale.exchange(1, "safe", 3)
    tale.note("quiet")
    return tale.events


def with_tokens() -> list[dict[str, Any]]:
    """Two members, and the way of their token."""
    tale = Tale(5)
    tale.boot(1, 2)
    tale.change([1, 2], "boot")
    for turn in range(8):
        node = 1 + turn % 2
        tale.exchange(node, "agreed", turn % 3)
        tale.pass_token(node, 3 - node)
    return tale.events


def as_real_nodes_write(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same, one node after the other, each by a clock of its own: no time is common."""
    found: list[dict[str, Any]] = []
    for node in sorted({event["node"] for event in events if "node" in event}):
        found += [
            {**event, "at": event["at"] // 2 + node * 1_000 * MS}
            for event in events
            if event.get("node") == node
        ]
    return found + [event for event in events if "node" not in event]
