"""A history's lines as messages for the page, and few enough of them. Pure.

What changes a group is always told. Of the messages that members send and deliver a share is: one
is chosen by a hash of its name, so that all members choose the same, and everything that befalls a
chosen one is told. All are counted. A line that is not chosen is not even parsed: a pattern finds
its name, and costs a microsecond.

>>> translator = Translator(Share(), origin_ns=0)
>>> translator.line(b'{"node":1,"incarnation":"a","event":"boot","at":5000000,"storage":"kept"}\\n')
[{'kind': 'boot', 'at_s': 0.005, 'node': 1, 'storage': 'kept'}]
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from zlib import crc32

from clocksync.dashboard.log import Message
from clocksync.runtime.history import Event, MalformedHistory, parse_history
from clocksync.runtime.units import SECOND

_HASHES = 1 << 32
_MANY = re.compile(
    rb'\{"node":(\d{1,9}),"incarnation":"[^"]*",(?:"at":(-?\d{1,20}),)?'
    rb'"event":"(send|deliver)",(?:"at":(-?\d{1,20}),)?(?:"[a-z_]+":"?[^",]*"?,)??"message":"([^"]*)"'
)
_UNTOLD = (b'"event":"submit"', b'"event":"observe"')


class Share:
    """Which messages are told: the share of all names whose hash is small.

    >>> share = Share()
    >>> share.has(b"5.1.a/17")
    True
    >>> share.thin()
    >>> share.of_all
    0.5
    """

    def __init__(self, of_all: float = 1.0) -> None:
        self.of_all = of_all
        self._below = round(of_all * _HASHES)

    def has(self, name: bytes) -> bool:
        """Whether the message of this name is told."""
        return crc32(name) < self._below

    def thin(self) -> None:
        """Half as many from now on."""
        self.of_all /= 2
        self._below //= 2


class Load:
    """How many messages were sent and delivered, by member and stretch of time. All are counted.

    The stretches become longer when they become many.

    >>> load = Load(width_ns=100)
    >>> load.count(1, 50, "send"); load.count(1, 60, "deliver"); load.count(1, 110, "deliver")
    >>> load.told()[0]
    {'kind': 'load', 'at_s': 0.0, 'width_s': 1e-07, 'node': 1, 'sent': 1, 'got': 1}
    """

    MOST = 4_000

    def __init__(self, width_ns: int = SECOND // 10) -> None:
        self.width_ns = width_ns
        self._counts: dict[tuple[int, int], list[int]] = {}

    def count(self, node: int, at_ns: int, event: str) -> None:
        """One message was sent or delivered."""
        key = at_ns // self.width_ns, node
        found = self._counts.get(key)
        if found is None:
            found = self._counts[key] = [0, 0]
        found[event == "deliver"] += 1
        if len(self._counts) > self.MOST:
            self._widen()

    def _widen(self) -> None:
        self.width_ns *= 2
        old, self._counts = self._counts, {}
        for (place, node), (sent, got) in old.items():
            found = self._counts.setdefault((place // 2, node), [0, 0])
            found[0] += sent
            found[1] += got

    def told(self, before_ns: int | None = None) -> list[Message]:
        """What was counted since the last time, of stretches that ended before `before_ns`."""
        width = self.width_ns
        over = [
            key
            for key in sorted(self._counts)
            if before_ns is None or (key[0] + 1) * width <= before_ns
        ]
        told = []
        for key in over:
            sent, got = self._counts.pop(key)
            told.append(
                {
                    "kind": "load",
                    "at_s": key[0] * width / SECOND,
                    "width_s": width / SECOND,
                    "node": key[1],
                    "sent": sent,
                    "got": got,
                }
            )
        return told


class Translator:
    """Turns the lines of one history into messages.

    Args:
        origin_ns: what is 0 s on the page; None: the first line.
        name: for what is wrong in it.
    """

    def __init__(
        self, share: Share, load: Load | None = None, origin_ns: int | None = None, name: str = ""
    ) -> None:
        self.share, self.load = share, load or Load()
        self.origin_ns = origin_ns
        self.newest_s = 0.0
        self._name = name
        self._lines = 0
        self._members: dict[int, tuple[int, ...]] = {}

    def line(self, line: bytes) -> list[Message]:
        """One line, with its newline.

        Raises:
            MalformedHistory: it is no event.
        """
        self._lines += 1
        many = _MANY.match(line)
        at = many and (many[2] or many[4])
        if many is not None and at:
            at_ns = int(at)
            self.load.count(int(many[1]), at_ns - self._saw(at_ns), many[3].decode())
            if not self.share.has(many[5]):
                return []
        elif any(part in line for part in _UNTOLD):
            return []
        return [
            message
            for event in self._parsed(line)
            if at or self._is_told(event)
            for message in self.event(event)
        ]

    def _parsed(self, line: bytes) -> Iterator[Event]:
        try:
            yield from parse_history([line], "")
        except MalformedHistory as error:
            why = str(error).removeprefix(":1: ")
            raise MalformedHistory(f"{self._name}:{self._lines}: {why}") from None

    def _is_told(self, event: Event) -> bool:
        """Count an event that was written in another way than ours, and say whether it is told."""
        what, at = event["event"], event.get("at")
        if what == "token":
            return self.share.of_all >= 1
        if what not in ("send", "deliver") or not isinstance(at, int):
            return True
        self.load.count(event["node"], at - self._saw(at), what)
        return self.share.has(str(event.get("message")).encode())

    def event(self, event: Event) -> list[Message]:
        """One event that is told; one that is not gives nothing."""
        what, at = event["event"], event.get("at")
        make = _MAKERS.get(what)
        if make is None or not isinstance(at, int):
            return []
        head = {"at_s": (at - self._saw(at)) / SECOND, "node": event["node"]}
        try:
            made = make(self, event)
        except (KeyError, TypeError, ValueError):
            return []  # it is vsync check's to complain
        return [{"kind": made.pop("kind"), **head, **made}]

    def _saw(self, at_ns: int) -> int:
        """It is that late; what is 0 s."""
        if self.origin_ns is None:
            self.origin_ns = at_ns
        self.newest_s = max(self.newest_s, (at_ns - self.origin_ns) / SECOND)
        return self.origin_ns

    # What events become

    def _boot(self, event: Event) -> Message:
        self._members.pop(event["node"], None)
        return {"kind": "boot", "storage": str(event["storage"])}

    def _change(self, event: Event) -> Message:
        node, members = event["node"], tuple(map(int, event["members"]))
        before = self._members.get(node, ())
        self._members[node] = members
        return {
            "kind": "change",
            "is_regular": event["kind"] == "regular",
            "id": str(event["id"]),
            "ring": str(event["ring"]),
            "members": list(members),
            "joined": [each for each in members if each not in before],
            "left": [each for each in before if each not in members],
            "reason": str(event.get("reason", "")),
        }

    def _sent(self, event: Event) -> Message:
        return {"kind": "sent", "message": event["message"], "service": event["service"]}

    def _got(self, event: Event) -> Message:
        stamp = event["timestamp"]
        return {
            "kind": "got",
            "message": event["message"],
            "origin": event["origin"],
            "service": event["service"],
            "stamp": str(int(stamp)),
            "error_bound_s": int(event["error"]) / SECOND,
            "flags": [str(flag) for flag in event["flags"]],
        }

    def _token(self, event: Event) -> Message:
        return {"kind": "token", "to": int(event["to"]), "ring": str(event["ring"])}

    def _end(self, event: Event) -> Message:
        return {"kind": "end", "how": str(event["event"]), "why": ""}


_MAKERS: Mapping[str, Any] = {
    "boot": Translator._boot,
    "configuration": Translator._change,
    "send": Translator._sent,
    "deliver": Translator._got,
    "token": Translator._token,
    "crash": Translator._end,
    "leave": Translator._end,
}


def share_for(size: int, most: int, line: int = 190) -> float:
    """The share that makes about `most` messages out of `size` bytes of histories.

    >>> share_for(1_000, 100), share_for(190 * 400, 100)
    (1.0, 0.25)
    """
    lines = size / line
    return 1.0 if lines <= most else most / lines


def head(lines: Iterable[bytes], name: str) -> tuple[int | None, int | None]:
    """When a history begins by its own clock, and how far that is ahead of the group's time: the
    least of a delivery's time minus its timestamp. None: it does not say."""
    first: int | None = None
    least: int | None = None
    for event in parse_history(lines, name):
        at = event.get("at")
        if not isinstance(at, int):
            continue
        first = at if first is None else min(first, at)
        stamp = event.get("timestamp")
        if event["event"] == "deliver" and isinstance(stamp, int):
            least = at - stamp if least is None else min(least, at - stamp)
    return first, least


def origins(heads: Sequence[tuple[int | None, int | None]], apart_ns: int) -> list[int | None]:
    """What is 0 s in each of several histories: the beginning of the first of them.

    Histories of one machine have one clock. Where clocks are more than `apart_ns` apart they are
    those of several machines, and laid over each other by the timestamps of messages, which are the
    same everywhere: each so that its quickest delivery came at once.

    >>> origins([(100, 90), (150, 91)], apart_ns=10)
    [100, 100]
    >>> origins([(100, 90), (5150, 5090)], apart_ns=10)
    [100, 5100]
    """
    ahead = [least for _, least in heads]
    known = [least for least in ahead if least is not None]
    is_one = not known or max(known) - min(known) <= apart_ns
    shifts = [0 if is_one or least is None else least - known[0] for least in ahead]
    begins = [
        first - shift for (first, _), shift in zip(heads, shifts, strict=True) if first is not None
    ]
    if not begins:
        return [None] * len(heads)
    return [min(begins) + shift for shift in shifts]
