"""Histories that cannot happen, told as if they had: one for each of the four properties.

A tale is written by hand, line by line; that it is a lie is found by the judge of histories
(:func:`vsync.check.judge`), the same that judges real ones. After S. Dake, "Inside Virtual
Synchrony" (2005), whose "can't happen" these are.
"""

from collections.abc import Callable, Mapping, Sequence

from clocksync.runtime.history import Event
from clocksync.runtime.units import MILLISECOND, SECOND
from vsync.check import judge
from vsync.dashboard.translating import Share, Translator
from vsync.playground.ring.judged import verdict
from vsync.playground.ring.words import braced
from vsync.playground.stage import Action, Control, Message, NotPossible, Scene

HOP_MS = 10
RING = "5.1.1"
EPOCH_NS = 1_790_000_000 * SECOND


class Tale:
    """Builds a history of three members, and what is to be seen of it. Times are in ms."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.shown: list[Message] = []
        self.members = (1, 2, 3)
        self._names: dict[int, str] = {}
        self._of: dict[int, tuple[int, str]] = {}
        self._where: dict[int, tuple[str, str]] = {}
        self._frames = 0
        for me in self.members:
            self._add(-3, me, "boot", storage="kept")
            alone = f"1.{me}.1"
            self._regular(-3, (me,), (me,), alone, "the process started")
            self._transitional(-2, (me,), (me,), f"T{RING}.{me}", alone)
        self._regular(-1, self.members, self.members, RING, "the process started")

    def _add(self, at_ms: float, node: int, event: str, **keys: object) -> None:
        head = {"node": node, "incarnation": "a", "event": event}
        self.events.append({**head, "at": round(at_ms * MILLISECOND), **keys})

    def _regular(
        self, at_ms: float, who: Sequence[int], members: Sequence[int], ring: str, why: str
    ) -> None:
        for node in who:
            self._where[node] = f"R{ring}", f"in the configuration {braced(members)}"
            self._add(
                at_ms, node, "configuration", id=f"R{ring}", kind="regular", ring=ring,
                ring_seq=int(ring.partition(".")[0]), members=list(members),
                timestamp=_stamp(ring), error=1000, reason=why,
            )  # fmt: skip

    def _transitional(
        self, at_ms: float, who: Sequence[int], members: Sequence[int], name: str, ring: str
    ) -> None:
        for node in who:
            self._where[node] = name, f"in the transitional configuration {braced(members)}"
            self._add(
                at_ms, node, "configuration", id=name, kind="transitional", ring=ring,
                members=list(members), timestamp=_stamp(ring), error=1000, reason="made up",
            )  # fmt: skip

    def send(
        self, at_ms: float, node: int, n: int, service: str = "agreed", lost: Sequence[int] = ()
    ) -> "Tale":
        """Message M`n`; it does not reach those in `lost`."""
        name = self._names[n] = f"{RING}/{n}"
        self._of[n] = node, service
        self._add(at_ms, node, "send", message=name, handle=name, service=service, digest=f"d{n}")
        for other in self.members:
            if other == node:
                self.why(at_ms, node, n, "waits", "has it")
                continue
            self._frames += 1
            why = f"the link {node} → {other} is cut" if other in lost else ""
            self.shown.append(
                {
                    "kind": "frame", "at_s": at_ms / 1000, "got_s": (at_ms + HOP_MS) / 1000,
                    "id": self._frames, "from": node, "to": other, "what": "message",
                    "ring": RING, "messages": [name], "lost": why,
                }
            )  # fmt: skip
            text = f"does not have it: {why}" if why else "does not have it yet"
            self.why(at_ms, other, n, "coming", text)
            if not why:
                self.why(at_ms + HOP_MS, other, n, "waits", "has it")
        return self

    def deliver(self, at_ms: float, node: int, n: int) -> "Tale":
        """It is delivered."""
        configuration, words = self._where[node]
        origin, service = self._of[n]
        self._add(
            at_ms, node, "deliver", message=self._names[n], origin=origin, service=service,
            digest=f"d{n}", timestamp=_stamp(RING) + n, error=1000, flags=[],
            configuration=configuration,
        )  # fmt: skip
        self.why(at_ms, node, n, "got", f"delivered, {words}")
        return self

    def why(self, at_ms: float, node: int, n: int, state: str, text: str) -> "Tale":
        """How it is with a message at a member."""
        told = {"kind": "why", "at_s": at_ms / 1000, "node": node, "message": self._names[n]}
        self.shown.append({**told, "state": state, "text": text})
        return self

    def go_on(self, at_ms: float, members: Sequence[int], number: int) -> "Tale":
        """Members go on together: transitional, then regular configuration."""
        ring = f"{number}.{members[0]}.1"
        self._transitional(at_ms, members, members, f"T{ring}.{members[0]}", RING)
        self._regular(at_ms, members, members, ring, "the token did not come back in time")
        return self

    def cut(self, at_ms: float, one: int, other: int) -> "Tale":
        """The link between two is cut."""
        for a, b in ((one, other), (other, one)):
            told = {"kind": "link", "at_s": at_ms / 1000, "from": a, "to": b, "is_cut": True}
            self.shown.append(told)
        return self

    def kill(self, at_ms: float, node: int) -> "Tale":
        """A member dies."""
        self._add(at_ms, node, "crash")
        told = {"kind": "member", "at_s": at_ms / 1000, "node": node, "state": "down", "queued": 0}
        self.shown.append(told)
        return self


def _stamp(ring: str) -> int:
    return EPOCH_NS + 1000 * int(ring.partition(".")[0])


def self_delivery() -> Tale:
    """1 sends M1, which 2 and 3 deliver; it is cut off, goes on, and never delivered it."""
    tale = Tale().send(20, 1, 1)
    tale.deliver(45, 2, 1).deliver(55, 3, 1)
    tale.cut(90, 1, 2).cut(90, 1, 3)
    tale.go_on(170, (1,), 9).go_on(190, (2, 3), 11)
    return tale.why(170, 1, 1, "never", "never delivered it, though it is its own")


def agreed() -> Tale:
    """2 delivers M4 before M3; all others as they were numbered."""
    tale = Tale()
    for n, node in enumerate((1, 2, 3, 1), 1):
        tale.send(20 * n, node, n)
    for n in (1, 2, 3, 4):
        tale.deliver(20 * n + 14, 1, n)
        tale.deliver(20 * n + 26, 3, n)
    tale.deliver(40, 2, 1).deliver(62, 2, 2).deliver(104, 2, 4)
    tale.why(72, 2, 3, "waits", "has it, and puts it off")
    return tale.deliver(124, 2, 3)


def safe() -> Tale:
    """1 delivers the safe M3 at once, while 2 and 3 do not have it; then they lose each other."""
    tale = Tale()
    tale.send(20, 1, 1, "safe").send(40, 1, 2, "safe")
    for n in (1, 2):
        for node in (1, 2, 3):
            tale.deliver(60 + 20 * n + 3 * node, node, n)
    tale.cut(115, 1, 2).cut(115, 1, 3)
    tale.send(120, 1, 3, "safe", lost=(2, 3)).deliver(130, 1, 3)
    tale.go_on(215, (1,), 9).go_on(225, (2, 3), 11)
    for node in (2, 3):
        tale.why(225, node, 3, "never", "went on without it: neither 2 nor 3 has it")
    return tale


def virtual_synchrony() -> Tale:
    """3 sends M4, which reaches 1 only, and dies. 1 and 2 go on together: 1 with M4, 2 without."""
    tale = Tale()
    for n, node in enumerate((1, 2, 3), 1):
        tale.send(20 * n, node, n)
        for other in (1, 2, 3):
            tale.deliver(20 * n + 11 + other, other, n)
    tale.cut(76, 3, 2).send(80, 3, 4, lost=(2,)).kill(86, 3)
    tale.deliver(92, 1, 4).why(86, 3, 4, "never", "killed before it delivered it")
    tale.go_on(190, (1, 2), 9)
    return tale.why(190, 2, 4, "never", "went on with 1, and without what 1 has delivered")


LIES: Mapping[str, Callable[[], Tale]] = {
    "self-delivery": self_delivery,
    "agreed": agreed,
    "safe": safe,
    "virtual-synchrony": virtual_synchrony,
}


class LyingStage:
    """Tells a history that cannot happen, as the ring tells of itself.

    Args:
        lie: its name in :data:`LIES`.
    """

    name = "ring"
    title = "What cannot happen"
    intro = "A history that somebody made up."
    pace = 0.04
    controls: Sequence[Control] = (
        Control("judge", "Ask the judge", "button", "Check all that happened against every rule."),
    )
    scenes: Sequence[Scene] = ()

    def __init__(self, lie: str) -> None:
        tale = LIES[lie]()
        self.history = tale.events
        self._translator = Translator(Share(), origin_ns=0)
        self._now_s = 0.0
        self._beginning: list[Message] = []
        self._coming: list[Message] = []
        self._labels: dict[str, str] = {}
        names = self._labels
        for event in sorted(tale.events, key=lambda event: event["at"]):
            if event["event"] == "send":
                names[event["message"]] = f"M{event['message'].partition('/')[2]}"
            for message in self._translator.event(event):
                name = message.get("message")
                told = message | ({"label": names[name]} if name in names else {})
                (self._beginning if event["at"] < 0 else self._coming).append(told)
        self._coming += tale.shown
        self._coming.sort(key=lambda message: message["at_s"])

    def begin(self) -> list[Message]:
        """Three members on a ring."""
        last = {
            (one["kind"], one["node"]): one | {"at_s": 0.0}
            for one in self._beginning
            if one.get("is_regular", True)
        }
        members = [
            {"kind": "member", "at_s": 0.0, "node": node, "state": "on a ring", "queued": 0}
            for node in (1, 2, 3)
        ]
        can: list[Message] = [
            {"kind": "can", "at_s": 0.0, "lane": node, "names": []} for node in (1, 2, 3)
        ]
        links = [
            {"kind": "link", "at_s": 0.0, "from": a, "to": b, "is_cut": False}
            for a in (1, 2, 3)
            for b in (1, 2, 3)
            if a != b
        ]
        return [*last.values(), *members, *can, *links]

    def advance(self, to_s: float) -> list[Message]:
        """What is told until then."""
        self._now_s = max(self._now_s, to_s)
        due = sum(1 for message in self._coming if message["at_s"] <= to_s)
        told, self._coming = self._coming[:due], self._coming[due:]
        return told

    def act(self, action: Action) -> list[Message]:
        """Nothing but asking the judge.

        Raises:
            NotPossible: it is something else.
        """
        if action.get("do") != "judge":
            raise NotPossible("this was made up: there is nothing to be done about it")
        return [verdict(self._now_s, judge(self.history), self._labels)]
