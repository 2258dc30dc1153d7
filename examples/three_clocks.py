"""Three processes whose clocks tick 6, 8 and 10 per step, and Lamport's correction of them.

Four messages pass. By the clocks as they run, two of them arrive before they were sent: sent at 60
and received at 56, sent at 64 and received at 54. With Lamport's rule a receiver that is behind
jumps past the stamp (to 61, and to 70), and every message arrives after it was sent.

Run it to see both tables; give a directory to get both pictures too::

    python examples/three_clocks.py [DIRECTORY]
"""

import sys
from pathlib import Path

from ordering import LamportClock, LamportStamp
from ordering.diagram import draw
from ordering.trace import Kind, Run
from ordering.trace.stamping import Unstamped, stamp_events

RATES = {"P1": 6, "P2": 8, "P3": 10}
STEPS = 10

# message: (sender, step of the sending, receiver, step of the receipt)
MESSAGES = {
    "A": ("P1", 1, "P2", 2),
    "B": ("P2", 3, "P3", 4),
    "C": ("P3", 6, "P2", 7),
    "D": ("P2", 8, "P1", 9),
}

Readings = dict[str, list[int]]


def as_they_run() -> Readings:
    """What each clock shows at every step if nobody corrects it."""
    return {name: [rate * step for step in range(STEPS + 1)] for name, rate in RATES.items()}


def corrected() -> Readings:
    """What each clock shows at every step under Lamport's rule."""
    clocks = {name: LamportClock(name, step=rate) for name, rate in RATES.items()}
    readings: Readings = {name: [clock.time] for name, clock in clocks.items()}
    sent: dict[str, LamportStamp] = {}
    for step in range(1, STEPS + 1):
        for name, clock in clocks.items():
            arriving = [m for m, (_, _, to, at) in MESSAGES.items() if (to, at) == (name, step)]
            stamp = clock.receive(sent[arriving[0]]) if arriving else clock.tick()
            readings[name].append(stamp.time)
            leaving = [m for m, (by, at, _, _) in MESSAGES.items() if (by, at) == (name, step)]
            sent.update((message, stamp) for message in leaving)
    return readings


def as_run(readings: Readings) -> Run:
    """The same story as a run whose physical times are the clocks' readings."""
    role: dict[tuple[str, int], tuple[Kind, str]] = {}
    for message, (sender, sent_at, receiver, received_at) in MESSAGES.items():
        role[sender, sent_at] = (Kind.SEND, message)
        role[receiver, received_at] = (Kind.RECEIVE, message)
    events = []
    for name, times in readings.items():
        for step, time in enumerate(times):
            kind, message = role.get((name, step), (Kind.LOCAL, ""))
            text = f"{time}  {'sends' if kind is Kind.SEND else 'gets'} {message}"
            text = text if message else str(time)
            events.append(Unstamped(name, kind, text, message or None, time, None))
    return Run(stamp_events(events))


def table(readings: Readings) -> str:
    """One row a step, one column a clock."""
    rows = [" ".join(f"{name:>5}" for name in readings)]
    rows += [" ".join(f"{time:>5}" for time in row) for row in zip(*readings.values(), strict=True)]
    return "\n".join(rows)


def main() -> None:
    stories = {"As the clocks run": as_they_run(), "As Lamport corrects them": corrected()}
    for title, readings in stories.items():
        run = as_run(readings)
        print(f"{title}\n\n{table(readings)}\n")
        for message in run.received_before_sent():
            sent, received = message.sent.at_ns, message.received.at_ns
            print(f"  {message.sent.message} was sent at {sent} and received at {received}!\n")
        if len(sys.argv) > 1:
            path = Path(sys.argv[1]) / f"{title.lower().replace(' ', '-')}.svg"
            path.write_text(draw(run, title=title), "utf-8")
            print(f"  drawn in {path}\n")


if __name__ == "__main__":
    main()
