"""Timestamps: alike everywhere (T1, found while reading), growing, causal, and true within their
bounds. T2 to T4."""

from dataclasses import dataclass

from vsync.check.reading import History


def judge_stamps(history: History) -> None:
    """All rules of this module."""
    growing(history)
    causal(history)
    true(history)


def growing(history: History) -> None:
    """T2: at each process the timestamps of messages and regular configurations grow strictly, over
    restarts too, unless storage was lost."""
    last: dict[int, tuple[int, str, int]] = {}
    messages = history.messages
    for life in history.lives:
        if life.lost:
            last.pop(life.node, None)
        highest = last.get(life.node)
        for span in life.spans:
            told = [(span.timestamp, span.id, span.line)] if span.is_regular else []
            stamped = [
                (messages[n].timestamp or 0, messages[n].name, line)
                for n, line in zip(span.delivers, span.deliver_lines, strict=True)
            ]
            for entry in told + stamped:
                if highest is not None and entry[0] <= highest[0]:
                    what = f"node {life.node}: {entry[1]} has {entry[0]}"
                    behind = f"after {highest[1]} with {highest[0]}"
                    history.complain("T2", f"{what} {behind}", highest[2], entry[2])
                highest = entry
        if highest is not None:
            last[life.node] = highest


def causal(history: History) -> None:
    """T3: what a process delivered or sent before it sends a message has an earlier timestamp, and
    so has what it observed of elsewhere; over restarts too, unless storage was lost."""
    last: dict[int, _Latest] = {}
    for life in history.lives:
        latest = _Latest() if life.lost else last.get(life.node, _Latest())
        for span in life.spans:
            observed = iter([*span.observed, (len(span.steps) + 1, 0, 0)])
            after, timestamp, line = next(observed)
            for place, step in enumerate(span.steps):
                while after <= place:
                    latest.follow(timestamp, "what it observed", line)
                    after, timestamp, line = next(observed)
                _pass(history, latest, step)
            while after <= len(span.steps):
                latest.follow(timestamp, "what it observed", line)
                after, timestamp, line = next(observed)
        last[life.node] = latest


@dataclass(slots=True)
class _Latest:
    """The largest timestamp among a process's causes, and which that is."""

    timestamp: int | None = None
    name: str = ""
    line: int = 0

    def follow(self, timestamp: int, name: str, line: int) -> None:
        if self.timestamp is None or timestamp > self.timestamp:
            self.timestamp, self.name, self.line = timestamp, name, line


def _pass(history: History, latest: _Latest, step: int) -> None:
    message = history.messages[step if step >= 0 else ~step]
    timestamp = message.timestamp
    if timestamp is None:
        return
    if step < 0 and latest.timestamp is not None and timestamp <= latest.timestamp:
        what = f"{message.name} has {timestamp}"
        behind = f"and its cause {latest.name} {latest.timestamp}"
        history.complain("T3", f"{what} {behind}", latest.line, message.send_line)
    latest.follow(timestamp, message.name, message.deliver_line)


def true(history: History) -> None:
    """T4: a timestamp differs from true time at the sending by no more than its bound; only
    simulations know true time, and only of nodes whose clocks keep their own bounds."""
    for message in history.messages:
        if message.true_time is None or message.timestamp is None:
            continue
        off = abs(message.timestamp - message.true_time)
        if off > message.error:
            what = f"{message.name} is off by {off} ns, its bound is {message.error}"
            history.complain("T4", what, message.send_line, message.deliver_line)
