"""The textbook's three clocks: 3:00, 3:25 and 2:50 agree on 3:05.

The daemon's clock shows 3:00 and it asks the others how far they are from that: +25 and -10
minutes. The average of 0, +25 and -10 is +5, so it tells them to go back by 20 and forward by 15,
and goes forward by 5 itself. Nobody sets a clock: all slew, and are monotone.

It runs in the simulator, over a network with delays, so the minutes come out with microseconds::

    python examples/berkeley_textbook.py
"""

from clocksync.berkeley import BerkeleyHost, BerkeleySettings, RoundDone
from clocksync.runtime.simulation import World
from clocksync.runtime.units import SECOND

MINUTE = 60 * SECOND
CLOCKS = {1: ("3:00", 0), 2: ("3:25", 25 * MINUTE), 3: ("2:50", -10 * MINUTE)}


def run(rounds: int = 3) -> list[RoundDone]:
    """What the daemon told after each round, and after the last."""
    world = World(seed=1989)
    for number, (_, offset) in CLOCKS.items():
        contact, planned = (None, rounds) if number == 1 else (1, None)
        settings = BerkeleySettings(id=number, contact=contact, rounds=planned, members=None)
        world.add(number, BerkeleyHost(settings, boot=number), offset_ns=offset)
    world.run(60 * SECOND)
    return [event for event in world.events(1) if isinstance(event, RoundDone)]


def main() -> None:
    told = run()
    for row in told[0].rows:
        shown, _ = CLOCKS[row.id]
        print(f"{shown}  adjusts by {row.adjustment / MINUTE:+.6f} minutes")
    for row in told[-1].rows:
        residual, bound = (row.residual or 0) / 1000, (row.bound or 0) / 1000
        print(f"host {row.id} is {residual:+.1f} us from the average in the end, ± {bound:.1f} us")


if __name__ == "__main__":
    main()
