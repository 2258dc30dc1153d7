"""A receiver of reference broadcasts that hears whatever decodes: it never raises, and what it then
says itself fits the wire."""

from clocksync.peers.frames import Echo, Probe
from clocksync.rbs.contact import probe_number
from clocksync.rbs.frames import Broadcast, Relations, Report, unsigned
from clocksync.rbs.receiver import FRAMES, Receiver, ReceiverSettings, _Timer
from clocksync.rbs.report import to_json
from clocksync.runtime.core import Arrival, Send, Stamp, StampSource
from clocksync.runtime.errors import MalformedFrame
from tests.fuzz.mutation import main

START = 1_790_000_000 * 10**9
US = 1_000


def told(count: int = 1) -> Relations:
    numbers = tuple(range(4, 4 + count))
    ones = (1,) * count
    far = (unsigned(-50 * US),) * count
    width = (30 * US,) * count
    lists = (numbers, ones, (0,) * count, ones, ones, far, width, width, ones, ones, ones)
    return Relations(2, START, *lists)


FIRST = probe_number(2, 1, 7)
SEEDS = (
    bytes([0]) + Broadcast(1, 5).encode(),
    bytes([1]) + Report(2, 9, 1, 1, START, (0, (1 << 48) + 10_000_000)).encode(),
    bytes([1]) + Report(2, 0, 0, 0, 0, ()).encode(),
    bytes([2]) + told().encode(),
    bytes([2]) + told(3).encode(),
    bytes([3]) + Probe(probe_number(7, 2, 9)).encode(),
    bytes([4]) + Echo(START, START, 0, 0, 0, FIRST).encode(),
)


def one_input(data: bytes) -> None:
    """A few frames, each behind a byte that says of what kind, and timers in between."""
    core, now = Receiver(1, 7, ReceiverSettings(broadcasts=3)), 0
    effects = core.start(now)
    for sender in (2, 3):
        core.on_frame(arrival(Report(sender, 0, 0, 0, 0, ()), sender, now), now)
    rest = data
    for step in range(3):
        now += 10_000_000
        effects += core.on_timer(_Timer.PROBE, now) if step < 2 else []
        effects += core.on_frame(arrival(Broadcast(9, step), 50, now), now)
        if rest:
            cls = FRAMES[rest[0] % len(FRAMES)]
            try:
                frame, end = cls.decode_prefix(rest[1:])
            except MalformedFrame:
                rest = b""
            else:
                effects += core.on_frame(arrival(frame, 2 + step % 2, now), now)
                rest = rest[1 + end :]
        for effect in effects:
            if isinstance(effect, Send):
                assert effect.frame.encode()
                if effect.tag is not None:
                    core.on_sent(effect.tag, Stamp(START + now, StampSource.KERNEL), now)
        effects = []
    for effect in [*core.on_timer(_Timer.REPORT, now), *core.on_timer(_Timer.RELATE, now)]:
        if isinstance(effect, Send):
            assert effect.frame.encode()
    if len(data) % 8 == 0:  # it takes as long as all the rest
        assert to_json(core, now)


def arrival(frame, sender: int, now: int) -> Arrival:
    return Arrival(frame, sender, Stamp(START + now + 20 * US, StampSource.KERNEL))


if __name__ == "__main__":
    main(one_input, SEEDS)
