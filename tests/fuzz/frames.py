"""Every frame the packages declare and every shape there is: canonical, or MalformedFrame."""

from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.wire import Frame
from tests.fuzz.mutation import main, one_line
from tests.runtime.shapes import ALL, Lengths, Numbers, One, Packed
from tools import wire_tables

CLASSES: tuple[type[Frame], ...] = (*ALL, *wire_tables.frames())
# The first byte chooses the class.
SEEDS = (
    *(bytes([i]) + bytes(64) for i in range(len(CLASSES))),
    bytes([ALL.index(One)]) + One(1).encode(),
    bytes([ALL.index(Numbers)]) + Numbers(1, 2, 3, 4, -5, -6, -7, -8).encode(),
    bytes([ALL.index(Packed)]) + Packed(1, 1, 1, 1, 1, 1, 1, 1, b"abc", 1, 1).encode(),
    bytes([ALL.index(Lengths)])
    + Lengths(1, b"abc", b"de", (1, 2), bytes(4), -1, (3,), (4,)).encode(),
)


def one_input(data: bytes) -> None:
    cls = CLASSES[data[0] % len(CLASSES)] if data else CLASSES[0]
    try:
        frame, end = cls.decode_prefix(memoryview(data)[1:])
    except MalformedFrame as error:
        one_line(error)
        return
    assert frame.encode() == data[1 : 1 + end]
    assert str(frame).startswith(cls.__name__)


if __name__ == "__main__":
    main(one_input, SEEDS)
