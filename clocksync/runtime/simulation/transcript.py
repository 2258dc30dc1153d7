"""The transcript of a run: what happened, one line each, in the house form.

::

    0.000104512 3 > 5 Ping round=1         node 3 sent it
    0.000301077 5 < 3 Ping round=1         node 5 got it
    0.000301077 5 = Entered()              node 5 told its application
    0.000301077 5 @ retry                  a timer of node 5 ran out
    0.000301077 5 : acquire                the application of node 5 called a verb
    0.000301077 5 x 3 Ping round=1 (lost)  it never got there
    0.000301077 * crash 5                  somebody interfered

The number before is true time in seconds. Lines are made when they are asked for: a run keeps
plain tuples, and by default only the last few, which is what an error report shows.
"""

import hashlib
from collections import deque
from collections.abc import Hashable, Iterator

from clocksync.runtime.codec import Codec
from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.units import SECOND

SENT, RECEIVED, TOLD, TIMER, VERB, DROPPED, INTERFERENCE = ">", "<", "=", "@", ":", "x", "*"

Entry = tuple[int, str, Hashable, Hashable, object, str]
"""True time ns, sign, node, the other node, what, remark."""


class Transcript:
    """The last `keep` entries of a run, or all of them with ``keep=None``."""

    def __init__(self, keep: int | None = 50) -> None:
        self.entries: deque[Entry] = deque(maxlen=keep)
        self.codec: Codec | None = None

    def lines(self, with_time: bool = True) -> Iterator[str]:
        """The entries as text."""
        for entry in self.entries:
            text = describe(entry, self.codec)
            yield f"{entry[0] / SECOND:.9f} {text}" if with_time else text

    def digest(self) -> str:
        """SHA-256 over the lines with exact times: equal for equal runs."""
        sha = hashlib.sha256()
        for entry in self.entries:
            sha.update(f"{entry[0]} {describe(entry, self.codec)}\n".encode())
        return sha.hexdigest()

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def __len__(self) -> int:
        return len(self.entries)


def describe(entry: Entry, codec: Codec | None = None) -> str:
    """One entry as a line, without its time; dropped bytes are shown as the frame they were."""
    _, sign, node, other, what, remark = entry
    text = _read(what, codec) if isinstance(what, bytes) else str(what)
    match sign:
        case "*":
            line = f"* {text}"
        case ">" | "<" | "x":
            line = f"{node} {sign} {other} {text}"
        case _:
            line = f"{node} {sign} {text}"
    return f"{line} ({remark})" if remark else line


def _read(data: bytes, codec: Codec | None) -> str:
    try:
        if codec is not None:
            return str(codec.decode(data))
    except MalformedFrame:
        pass
    return f"{len(data)} bytes {data[:16].hex()}"
