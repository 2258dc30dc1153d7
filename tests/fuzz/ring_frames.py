"""Frames of the ring as engines read them: canonical, no larger than the datagram, or refused."""

from clocksync.runtime.envelope import HEADER_BYTES, Envelope
from clocksync.runtime.errors import MalformedFrame
from tests.fuzz.mutation import main, one_line
from vsync.frames import (
    FIRST,
    FRAMES,
    LAST,
    NOBODY,
    SAFE,
    Commit,
    CommitEntry,
    Data,
    HoldCancel,
    Join,
    Merge,
    Recovered,
    Token,
)

RING = (5, 1, 7)
DATA = Data(*RING, 9, 3, FIRST | LAST | SAFE, 2, 1_800_000_000_000_000_000, 20, 6, (1, 2), b"abc")
ENTRY = CommitEntry(1, 17, *RING, 9, 8, 0, 0, 0, 19, 20, 21, (1, 2))
EXAMPLES = (
    DATA,
    Data(*RING, 1, 3, FIRST, 0, -5, 0, 0, (), b"piece"),
    Recovered(9, 1, 8, 2, 4, DATA.encode()),
    Token(*RING, 16, 9, 4, 3, 17, 18, 1, 19, 20, (5, 6, 8, 8), (7, 8, 0, 0)),
    Token(*RING, 1, 0, 0, NOBODY, 0, 0, 0, 0, 0, (), (0, 0)),
    Join(1, 9, 0, 2, (1, 3), (3,)),
    Commit(*RING, 1, ENTRY.encode() + ENTRY.encode().replace(b"\0\1", b"\0\2", 1)),
    Merge(*RING, 8),
    HoldCancel(*RING),
)
_SENDER = Envelope(FRAMES, 0, 2)
# The first byte chooses the class; its body follows, without an envelope.
SEEDS = tuple(bytes([FRAMES.index(type(frame))]) + frame.encode() for frame in EXAMPLES)


def one_input(data: bytes) -> None:
    cls = FRAMES[data[0] % len(FRAMES)] if data else FRAMES[0]
    body = data[1:]
    try:
        frame = cls.decode(body)
    except MalformedFrame as error:
        one_line(error)
        return
    assert frame.encode() == body
    held = sum(len(value) for value in _parts(frame))
    assert held <= len(body)
    reason = frame.check()  # type: ignore[attr-defined]
    assert reason is None or reason.strip()
    if isinstance(frame, Commit):
        _table(frame)
    # Sealed, it comes out as it went in.
    raw = _SENDER.encode(frame)
    assert len(raw) == HEADER_BYTES + len(body)
    assert Envelope(FRAMES, 0, 1).open(raw) == (2, frame)


def _parts(frame: object) -> list[bytes | tuple[int, ...]]:
    values = [getattr(frame, name) for name in frame.__slots__]  # type: ignore[attr-defined]
    return [value for value in values if isinstance(value, bytes | tuple)]


def _table(commit: Commit) -> None:
    try:
        entries = commit.entries()
    except MalformedFrame as error:
        one_line(error)
        return
    assert b"".join(entry.encode() for entry in entries) == commit.table


if __name__ == "__main__":
    main(one_input, SEEDS)
