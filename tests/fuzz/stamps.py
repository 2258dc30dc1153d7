"""The stamps of logical clocks: canonical bytes or MalformedFrame; texts or ValueError."""

from collections.abc import Callable
from typing import Any

from clocksync.runtime.errors import MalformedFrame
from ordering.dotted import DottedVersionVector
from ordering.hybrid import HybridStamp
from ordering.interval_tree import IntervalTreeClock, IntervalTreeStamp
from ordering.lamport import LamportStamp
from ordering.vector import VectorStamp
from tests.fuzz.mutation import main, one_line

DECODERS: tuple[Callable[[bytes], Any], ...] = (
    LamportStamp.decode,
    VectorStamp.decode,
    HybridStamp.decode,
    DottedVersionVector.decode,
    IntervalTreeStamp.decode,
    IntervalTreeClock.decode,
)
PARSERS: tuple[Callable[[str], Any], ...] = (
    LamportStamp.parse,
    VectorStamp.parse,
    HybridStamp.parse,
    DottedVersionVector.parse,
    IntervalTreeStamp.parse,
)
SEEDS = (
    b"17@a",
    b"{a:2, b:1}",
    b"a:3|{b:1}",
    b"(1, 2, 0)",
    str(HybridStamp(0, "a")).encode(),
    LamportStamp(17, "a").encode(),
    HybridStamp(1 << 40, 7).encode(),
    VectorStamp.parse("{a:2, b:1}").encode(),
    DottedVersionVector.parse("a:3|{b:1}").encode(),
    IntervalTreeStamp.parse("(1, 2, 0)").encode(),
)


def one_input(data: bytes) -> None:
    for decode in DECODERS:
        try:
            stamp = decode(data)
        except MalformedFrame as error:
            one_line(error)
        else:
            assert stamp.encode() == data, decode
    text = data.decode("utf-8", "surrogateescape")
    for parse in PARSERS:
        try:
            stamp = parse(text)
        except ValueError as error:
            one_line(error)
            continue
        assert parse(str(stamp)) == stamp, parse


if __name__ == "__main__":
    main(one_input, SEEDS)
