"""The envelope: MalformedFrame or a frame that encodes to the same datagram."""

from zlib import crc32

from clocksync.runtime.envelope import Envelope
from clocksync.runtime.errors import MalformedFrame
from tests.fuzz.mutation import main, one_line
from tests.runtime.shapes import ALL, Lengths, Nothing, One

CODEC = Envelope(ALL, cluster=7, sender=1)
SEEDS = (
    CODEC.encode(Nothing()),
    CODEC.encode(One(1)),
    CODEC.encode(Lengths(1, b"abc", b"de", (1, 2), bytes(4), -1, (3,), (4,))),
)


def one_input(data: bytes) -> None:
    _decode(data)
    # Behind the checksum, which mutations hardly ever get right by themselves.
    if len(data) >= 14:
        _decode(data[:10] + crc32(data[:10] + data[14:]).to_bytes(4, "big") + data[14:])


def _decode(data: bytes) -> None:
    try:
        sender, frame = CODEC.open(data)
    except MalformedFrame as error:
        one_line(error)
        return
    assert Envelope(ALL, 7, sender).encode(frame) == data


if __name__ == "__main__":
    main(one_input, SEEDS)
