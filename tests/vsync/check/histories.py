"""Histories written by hand: one builder, a line for each event.

::

    story = Story()
    story.ring("R5", 1, 2)          # 1 and 2 boot alone, and come together
    story.send(1, "R5", 1)          # message R5/1
    story.deliver([1, 2], "R5", 1)

Times and bounds are filled in so that they are right, unless given.
"""

from clocksync.runtime.history import Event


class Story:
    """Builds a history. Rings are named ``R<number>``; message `n` of a ring is ``R5/n``."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.current: dict[int, str] = {}
        self.regular: dict[int, str] = {}
        self.lives: dict[int, int] = {}
        self._stamps: dict[str, int] = {}
        self._sent: dict[str, tuple[int, str]] = {}
        self._clock = 1000

    def add(self, node: int, event: str, **keys: object) -> "Story":
        head = {"node": node, "incarnation": f"i{self.lives.get(node, 0)}", "event": event}
        self.events.append({**head, "at": len(self.events), **keys})
        return self

    def stamp(self, what: str) -> int:
        if what not in self._stamps:
            self._clock += 10
            self._stamps[what] = self._clock
        return self._stamps[what]

    def boot(self, *nodes: int, storage: str = "kept", alone: int = 1) -> "Story":
        """Each begins alone, on a ring of its own with the number `alone`."""
        for node in nodes:
            self.lives[node] = self.lives.get(node, 0) + 1
            self.add(node, "boot", storage=storage)
            self.configure([node], f"R{alone}.{node}.{self.lives[node]}", [node], alone)
        return self

    def configure(self, nodes, name, members, number, **more) -> "Story":
        """A regular configuration."""
        stamp = self.stamp(name)
        for node in nodes:
            self.add(
                node,
                "configuration",
                **{
                    "id": name,
                    "kind": "regular",
                    "ring": name,
                    "ring_seq": number,
                    "members": sorted(members),
                    "timestamp": stamp,
                    "error": 5,
                    "reason": "because",
                    **more,
                },
            )
            self.current[node] = self.regular[node] = name
        return self

    def transit(self, nodes, name, members=None, **more) -> "Story":
        """A transitional configuration; `members` are `nodes` unless given."""
        for node in nodes:
            self.add(
                node,
                "configuration",
                **{
                    "id": name,
                    "kind": "transitional",
                    "ring": self.regular[node],
                    "members": sorted(members or nodes),
                    "timestamp": 1,
                    "error": 5,
                    "reason": "because",
                    **more,
                },
            )
            self.current[node] = name
        return self

    def ring(self, ring: str, *members: int) -> "Story":
        """All boot, and install a ring together."""
        self.boot(*members)
        for member in members:
            self.transit([member], f"T{ring}.{member}")
        return self.configure(members, ring, members, int(ring[1:]))

    def send(self, node: int, ring: str, n: int, service: str = "agreed", **more) -> "Story":
        name = f"{ring}/{n}"
        self._sent.setdefault(name, (node, service))
        self.stamp(name)
        keys = {"message": name, "handle": name, "service": service, "digest": f"d{n}"}
        return self.add(node, "send", **{**keys, **more})

    def deliver(self, nodes, ring: str, *numbers: int, **more) -> "Story":
        for node in nodes:
            for n in numbers:
                name = f"{ring}/{n}"
                origin, service = self._sent.get(name, (0, "agreed"))
                keys = {
                    "message": name,
                    "origin": origin,
                    "service": service,
                    "digest": f"d{n}",
                    "timestamp": self.stamp(name),
                    "error": 5,
                    "flags": [],
                    "configuration": self.current.get(node, "none"),
                }
                self.add(node, "deliver", **{**keys, **more})
        return self

    def apart(self, name: str, number: int, *parts: tuple[int, ...]) -> "Story":
        """The members of a ring part: each part by its own transitional configuration."""
        for at, part in enumerate(parts):
            self.transit(part, f"T{name}{at}")
            self.configure(part, f"R{number + at}", part, number + at)
        return self

    def end(self, event: str, *nodes: int) -> "Story":
        for node in nodes:
            self.add(node, event)
        return self

    def mark(self, event: str, at: int | None = None) -> "Story":
        self.events.append({"event": event, "at": len(self.events) if at is None else at})
        return self
