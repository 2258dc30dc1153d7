"""Logs for ShiViz and TSViz, the viewers of the GoVector family.

Both read two lines an event, ``host {"host":n,...}`` and its text; TSViz wants the physical time,
ns, in front. The first line of a file is the regular expression that reads it, the second an empty
delimiter (one execution). Both demand that each host counts its own events from 1 without a gap,
that it appears in its own clocks, and that clocks name only hosts that have events.
"""

import json
import re

from ordering.process import Process, process_text
from ordering.trace.events import BadTrace, Event
from ordering.trace.run import Run

SHIVIZ_EXPRESSION = r"(?<host>\S*) (?<clock>{.*})\n(?<event>.*)"
TSVIZ_EXPRESSION = r"(?<timestamp>(\d*)) (?<host>\S*) (?<clock>{.*})\n(?<event>.*)"


def to_shiviz(run: Run) -> str:
    """The run as a file for ShiViz.

    >>> from ordering.trace import Recorder
    >>> recorder = Recorder("a", reading=lambda: 7)
    >>> event = recorder.local("starts")
    >>> print(to_shiviz(Run(recorder.events)))
    (?<host>\\S*) (?<clock>{.*})\\n(?<event>.*)
    <BLANKLINE>
    a {"a":1}
    starts
    <BLANKLINE>
    """
    hosts = _hosts(run)
    lines = [SHIVIZ_EXPRESSION, ""]
    for event in run.events:
        lines += (f"{hosts[event.process]} {_clock(event, hosts)}", _text(event))
    return "\n".join([*lines, ""])


def to_tsviz(run: Run) -> str:
    """The run as a file for TSViz.

    Raises:
        BadTrace: an event has no physical time, or one before the epoch.
    """
    hosts = _hosts(run)
    lines = [TSVIZ_EXPRESSION, ""]
    for event in run.events:
        if event.at_ns is None or event.at_ns < 0:
            raise BadTrace(f"{event.name} has no physical time that TSViz could show")
        # TSViz compares times as texts and drops three leading digits: nineteen keep both right.
        head = f"{event.at_ns:019} {hosts[event.process]} {_clock(event, hosts)}"
        lines += (head, _text(event))
    return "\n".join([*lines, ""])


def _hosts(run: Run) -> dict[Process, str]:
    """A name without blanks for every process, unique in the run."""
    hosts: dict[Process, str] = {}
    taken: set[str] = set()
    for process in run.processes:
        plain = process if isinstance(process, str) else process_text(process)
        name = wanted = re.sub(r"\s", "_", plain)
        again = 2
        while name in taken:
            name, again = f"{wanted}_{again}", again + 1
        hosts[process] = name
        taken.add(name)
    return hosts


def _clock(event: Event, hosts: dict[Process, str]) -> str:
    counts = {hosts[process]: n for process, n in event.vector.items() if process in hosts}
    return json.dumps(counts, separators=(",", ":"))


def _text(event: Event) -> str:
    # A line break would end the event, an empty line would not match.
    return " ".join(event.text.split()) or event.kind.value
