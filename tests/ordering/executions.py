"""Random executions of a distributed program, and their happened-before relation by definition.

The oracle knows nothing of clocks: the past of an event is what the graph of "next at the same
process" and "message" edges reaches backwards.
"""

from dataclasses import dataclass

from hypothesis import strategies as st


@dataclass(frozen=True)
class Step:
    process: str
    kind: str  # "local", "send" or "receive"
    sent_at: int = -1  # for a receive: the number of the step that sent


@st.composite
def executions(draw, max_processes=4, max_steps=24):
    """Steps of an execution; a message may be received by several processes, late or never."""
    names = ["p", "q", "r", "s"][: draw(st.integers(1, max_processes))]
    steps: list[Step] = []
    for _ in range(draw(st.integers(1, max_steps))):
        process = draw(st.sampled_from(names))
        got = {step.sent_at for step in steps if step.process == process}
        offers = [
            number
            for number, step in enumerate(steps)
            if step.kind == "send" and step.process != process and number not in got
        ]
        kind = draw(st.sampled_from(["receive", "send", "local"] if offers else ["send", "local"]))
        sent_at = draw(st.sampled_from(offers)) if kind == "receive" else -1
        steps.append(Step(process, kind, sent_at))
    return steps


def pasts(steps):
    """For each step the set of steps that reach it in the graph, itself included."""
    reached: list[set[int]] = []
    last: dict[str, int] = {}
    for number, step in enumerate(steps):
        past = {number}
        if step.process in last:
            past |= reached[last[step.process]]
        if step.sent_at >= 0:
            past |= reached[step.sent_at]
        reached.append(past)
        last[step.process] = number
    return reached


def stamped(steps, clocks):
    """The stamp of every step, made by one clock per process."""
    stamps = []
    for step in steps:
        clock = clocks[step.process]
        if step.kind == "receive":
            stamps.append(clock.receive(stamps[step.sent_at]))
        else:
            stamps.append(clock.send() if step.kind == "send" else clock.tick())
    return stamps


PROCESSES = ["p", "q", "r", "s"]
