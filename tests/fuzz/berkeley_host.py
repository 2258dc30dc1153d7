"""A member and a daemon, fed frames that authentication lets through and nobody honest sends.

They raise nothing, and whatever they send can be encoded.
"""

from clocksync.berkeley import FRAMES, BerkeleyHost, BerkeleySettings
from clocksync.berkeley.frames import Answer, Join, Order, Poll
from clocksync.runtime.core import Arrival, Send, Stamp, StampSource
from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.units import SECOND
from tests.fuzz.mutation import main

KERNEL = StampSource.KERNEL
WORST = (1 << 63) - 1
# Each seed: which host, which frame, then the frame.
FRAMES_OF_SEEDS = (
    Join(2, 9, 0, 0, 0, b""),
    Poll(3, 1, 1, 0, SECOND, 0xFFFF_FFFF, -WORST, b"1= 2=10.0.0.2:3190", 1),
    Answer(1, 1, 7, 9, 0, WORST, -WORST, -WORST, 1, 1 << 63, (7 << 32) + 1),
    Order(3, 1, 7, 0, 0, WORST, -(1 << 31), WORST, 0, 5),
)
SEEDS = tuple(
    bytes([place, FRAMES.index(type(frame))]) + frame.encode()
    for frame in FRAMES_OF_SEEDS
    for place in (0, 1)
)


def _host(place: int) -> BerkeleyHost:
    """A daemon in a round, or a member that has been polled."""
    settings = BerkeleySettings(id=1 if place == 0 else 2, contact=None if place == 0 else 1)
    host = BerkeleyHost(settings, 7)
    host.start(0)
    if place == 0:
        host.on_frame(Arrival(Join(2, 9, 0, 0, 0, b""), 2, Stamp(5 * SECOND, KERNEL)), 1)
        for effect in host._begin_round(2):
            if isinstance(effect, Send):
                host.on_sent(effect.tag, Stamp(5 * SECOND, KERNEL), 3)
    else:
        poll = Poll(3, 1, 1, 0, SECOND, 0xFFFF_FFFF, 0, b"1= 2=", 9)
        host.on_frame(Arrival(poll, 1, Stamp(5 * SECOND, KERNEL)), 1)
    return host


def one_input(data: bytes) -> None:
    if len(data) < 2:
        return
    host = _host(data[0] % 2)
    try:
        frame = FRAMES[data[1] % len(FRAMES)].decode(data[2:])
    except MalformedFrame:
        return
    sender = 1 if host.daemon is None else 2
    effects = host.on_frame(Arrival(frame, sender, Stamp(5 * SECOND + 9, KERNEL)), 10)
    if host.daemon is not None and host._in_round:
        effects += host._close(20)
    for effect in effects:
        if isinstance(effect, Send):
            effect.frame.encode()
    status = host.status(6 * SECOND)
    assert status.bound is None or status.bound >= 0


if __name__ == "__main__":
    main(one_input, SEEDS)
