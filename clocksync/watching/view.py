"""A watch for a terminal: a row for each host, what is wrong, and what is right. Pure."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rich import box
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clocksync.measuring.result import Verdict
from clocksync.measuring.table import STYLES, UNKNOWN, clock_words
from clocksync.runtime.units import format_duration, to_seconds
from clocksync.watching.alarms import Alarm, by_host
from clocksync.watching.core import Report
from clocksync.watching.rows import Row
from clocksync.watching.sparkline import sparkline

SPARK = 24
ALARMS_SHOWN = 8
_AROUND = 2
_HOST_WIDTH_KEPT = 24
_LINES_AROUND = 9  # what the view needs beside its rows
_OK = "ok"


@dataclass(slots=True)
class _Past:
    offsets: deque[float | None] = field(default_factory=lambda: deque(maxlen=SPARK))
    bounds: deque[float | None] = field(default_factory=lambda: deque(maxlen=SPARK))


@dataclass(frozen=True, slots=True)
class _Line:
    row: Row
    past: _Past
    alarms: Sequence[Alarm]


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    cell: Callable[[_Line], Text]
    right: bool = True
    worth: int = 0
    """0: always shown. Else the less, the sooner it goes where the terminal is narrow."""


class View:
    """Remembers what sparklines show; :meth:`add` each report, then :meth:`render`."""

    def __init__(self) -> None:
        self._past: dict[str, _Past] = {}
        self._ever: int = 0

    def add(self, report: Report) -> None:
        """Take one more report into the sparklines."""
        self._ever += sum(change.raised for change in report.changes)
        for row in report.rows:
            past = self._past.setdefault(row.result.host, _Past())
            answered = row.reach & 1 and row.result.offset_ns is not None
            past.offsets.append(row.result.offset_ns if answered else None)
            past.bounds.append(row.result.error_bound_ns)

    def render(self, report: Report, width: int, height: int | None = None) -> RenderableType:
        """All of it for a terminal of that size; the worst hosts first where not all fit."""
        alarms = by_host(report.alarms)
        lines = [
            _Line(row, self._past.get(row.result.host) or _Past(), alarms.get(row.result.host, []))
            for row in report.rows
        ]
        room = len(lines) if height is None else max(1, height - _LINES_AROUND)
        hidden = max(0, len(lines) - room)
        if hidden:
            lines = sorted(lines, key=_badness)[:room]
        parts: list[RenderableType] = [_table(lines, width)]
        if hidden:
            parts.append(Text(f"  and {hidden} more, no worse than these", "dim"))
        shown = report.alarms[-ALARMS_SHOWN:]
        parts += [_alarm_text(alarm, report.at_ns) for alarm in shown]
        if len(report.alarms) > len(shown):
            parts.append(Text(f"  and {len(report.alarms) - len(shown)} older alarms", "dim"))
        parts.append(self._summary(report))
        return Group(*parts)

    def _summary(self, report: Report) -> Text:
        text = Text()
        combined = report.combined
        if combined is not None:
            agreeing, others = len(combined.truechimers), len(combined.falsetickers)
            words = clock_words(combined.interval.middle)
            lead = (
                f"By {combined.truechimers[0]}"
                if agreeing + others == 1
                else f"{agreeing} of {agreeing + others} agree:"
            )
            bound = format_duration(combined.interval.error)
            text.append(f"{lead} the local clock is ").append(f"{words} ± {bound}", "bold")
            text.append(".  ")
        elif any(row.result.verdict is Verdict.UNDECIDED for row in report.rows):
            text.append("No majority of the servers agrees.  ", "bold yellow")
        else:
            text.append("No host has given a usable answer.  ", "bold red")
        active = f"{len(report.alarms)} active, {self._ever} raised" if self._ever else "none"
        style = "bold red" if report.alarms else "dim"
        text.append(f"alarms: {active}", style)
        return text.append(f"   {_clock(report.elapsed_ns)}, report {report.number}", "dim")


def plain_line(row: Row, at: str, alarms: Sequence[Alarm]) -> str:
    """One host in one line, where there is no terminal."""
    result = row.result
    if result.offset_ns is None or result.error_bound_ns is None:
        return f"{at} {result.host} {result.verdict.value}: {result.reason}"
    words = f"local clock is {clock_words(result.offset_ns)}"
    words += f" ± {format_duration(result.error_bound_ns)}"
    skew = "" if result.skew_ppm is None else f", skew {result.skew_ppm:+.3f} ppm"
    wrong = "".join(f" [{alarm.cause.kind.value}]" for alarm in alarms)
    return f"{at} {result.host} {words}{skew}, {result.verdict.value}{wrong}"


def _columns(grouped: bool) -> list[_Column]:
    columns = [_Column("host", lambda line: Text(line.row.result.host), right=False)]
    if grouped:
        columns.append(_Column("group", lambda line: Text(line.row.group or ""), False, worth=3))
    return [
        *columns,
        _Column("local clock is", lambda line: Text(clock_words(line.row.result.offset_ns))),
        _Column("bound", lambda line: _bound(line.row)),
        _Column("offset", lambda line: _spark(line.past.offsets, False), False, worth=7),
        _Column("bound over time", lambda line: _spark(line.past.bounds, True), False, worth=5),
        _Column("skew, ppm", lambda line: _skew(line.row), worth=4),
        _Column("delay", lambda line: _duration(line.row.result.delay_ns), worth=2),
        _Column("jitter", lambda line: _duration(line.row.result.jitter_ns), worth=1),
        _Column("reach", lambda line: _reach(line.row), False, worth=6),
        _Column("age", lambda line: _age(line.row), worth=8),
        _Column("is", _standing, right=False),
    ]


def _table(lines: Sequence[_Line], width: int) -> Table:
    columns = _columns(any(line.row.group for line in lines))
    filled = {column: [column.cell(line) for line in lines] for column in columns}
    widths = {
        column: max(cell_len(column.title), *(cell.cell_len for cell in cells)) + _AROUND
        for column, cells in filled.items()
    }
    free = width - sum(widths.values())
    free += widths[columns[0]] - min(widths[columns[0]], _HOST_WIDTH_KEPT)
    for column in sorted((c for c in columns if c.worth), key=lambda c: c.worth):
        if free >= 0:
            break
        columns.remove(column)
        free += widths[column]
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(
            column.title, justify="right" if column.right else "left", no_wrap=True,
            overflow="ellipsis",
        )  # fmt: skip
    for place in range(len(lines)):
        table.add_row(*(filled[column][place] for column in columns))
    return table


def _badness(line: _Line) -> tuple[bool, bool, int]:
    result = line.row.result
    reached = abs(result.offset_ns or 0) + (result.error_bound_ns or 0)
    return not line.alarms, result.verdict is Verdict.TRUECHIMER, -reached


def _standing(line: _Line) -> Text:
    verdict = line.row.result.verdict
    kinds = [alarm.cause.kind.value for alarm in line.alarms]
    words = _OK if verdict is Verdict.TRUECHIMER else verdict.value
    kinds = [kind for kind in kinds if kind != words]
    if not kinds:
        return Text(words, STYLES[verdict])
    if words == _OK:
        return Text(", ".join(kinds), "bold red")
    return Text.assemble((words, STYLES[verdict]), (" " + ", ".join(kinds), "bold red"))


def _alarm_text(alarm: Alarm, at_ns: int) -> Text:
    age = _clock(max(0, at_ns - alarm.since_ns))
    cause = alarm.cause
    return Text.assemble(
        ("! ", "bold red"),
        (f"{cause.host} {cause.kind.value}", "bold"),
        f" for {age}: {cause.detail}",
        overflow="ellipsis",
        no_wrap=True,
    )


def _spark(values: Sequence[float | None], from_zero: bool) -> Text:
    return Text(sparkline(list(values), SPARK, from_zero), "cyan" if not from_zero else "blue")


def _bound(row: Row) -> Text:
    error = row.result.error_bound_ns
    return Text(UNKNOWN if error is None else f"± {format_duration(error)}")


def _duration(value: float | None) -> Text:
    return Text(UNKNOWN if value is None else format_duration(round(value)))


def _skew(row: Row) -> Text:
    skew, bound = row.result.skew_ppm, row.result.skew_bound_ppm
    return Text(UNKNOWN if skew is None or bound is None else f"{skew:+.2f} ± {bound:.2f}")


def _reach(row: Row) -> Text:
    """The last eight requests, newest on the right: answered or not."""
    text = Text()
    asked = min(8, row.result.samples)
    for bit in range(7, -1, -1):
        answered = row.reach >> bit & 1
        if bit >= asked:
            text.append("·", "dim")
        else:
            text.append("●" if answered else "○", "green" if answered else "red")
    return text


def _age(row: Row) -> Text:
    return Text(UNKNOWN if row.age_ns is None else _clock(row.age_ns))


def _clock(duration_ns: int) -> str:
    """A while, for people.

    >>> _clock(5 * 10**9), _clock(3_700 * 10**9), _clock(200_000 * 10**9)
    ('5 s', '1 h 01 min', '2 d 07 h')
    """
    seconds = int(to_seconds(duration_ns))
    if seconds < 60:
        return f"{seconds} s"
    minutes, hours = seconds // 60 % 60, seconds // 3600
    if hours == 0:
        return f"{minutes} min {seconds % 60:02} s"
    if hours < 24:
        return f"{hours} h {minutes:02} min"
    return f"{hours // 24} d {hours % 24:02} h"
