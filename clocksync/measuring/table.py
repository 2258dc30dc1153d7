"""A measurement for people: a table, and one plain sentence for everything that is not well."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from clocksync.measuring.result import HostResult, Measurement, Verdict
from clocksync.runtime.units import format_duration

UNKNOWN = "–"
PIPE_WIDTH = 200
_STYLES = {
    Verdict.TRUECHIMER: "green",
    Verdict.FALSETICKER: "bold red",
    Verdict.UNDECIDED: "yellow",
    Verdict.UNSYNCHRONISED: "yellow",
    Verdict.KISS_OF_DEATH: "yellow",
    Verdict.INVALID: "red",
    Verdict.UNREACHABLE: "red",
}


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    cell: Callable[[HostResult], str | Text]
    right: bool = True
    needs: int = 0
    """Shown only on a terminal at least this wide."""


def _columns(to_reference: bool) -> Iterator[_Column]:
    yield _Column("host", lambda row: Text(row.host), right=False)
    yield _Column("local clock is", lambda row: clock_words(row.offset_ns))
    yield _Column("bound", lambda row: _bound(row.error_bound_ns))
    if to_reference:
        yield _Column("to reference", lambda row: _signed(row.offset_to_reference_ns))
        yield _Column("bound", lambda row: _bound(row.reference_error_bound_ns))
    yield _Column("delay", lambda row: _duration(row.delay_ns))
    yield _Column("jitter", lambda row: _duration(row.jitter_ns), needs=100)
    yield _Column("skew, ppm", _skew, needs=112)
    yield _Column(
        "stratum", lambda row: UNKNOWN if row.stratum is None else str(row.stratum), needs=90
    )
    yield _Column(
        "reference id", lambda row: Text(row.reference_id or UNKNOWN), right=False, needs=140
    )
    yield _Column("stamps", _stamps, right=False, needs=128)
    yield _Column("replies", lambda row: f"{row.answered}/{row.samples}", needs=70)
    yield _Column("verdict", lambda row: Text(row.verdict.value, _STYLES[row.verdict]), right=False)


def render(measurement: Measurement, width: int) -> list[RenderableType]:
    """The table and the lines below it, for a terminal of `width` columns."""
    to_reference = any(row.offset_to_reference_ns is not None for row in measurement.hosts)
    columns = [column for column in _columns(to_reference) if width >= column.needs]
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1))
    for column in columns:
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            no_wrap=column.title != "host",
        )
    for row in measurement.hosts:
        table.add_row(*(column.cell(row) for column in columns))
    lines = [
        Text.assemble((row.host, "bold"), f": {_remark(row)}")
        for row in measurement.hosts
        if row.reason
    ]
    lines += [Text(f"caution: {words}", "yellow") for words in measurement.cautions]
    return [table, *lines, summary(measurement)]


def print_table(measurement: Measurement) -> None:
    """Print to standard output; a pipe gets every column, as it has no width of its own."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPE_WIDTH)
    for part in render(measurement, console.width):
        console.print(part, soft_wrap=not isinstance(part, Table))


def summary(measurement: Measurement) -> Text:
    """The one sentence to take away."""
    combined = measurement.combined
    if combined is None:
        if any(row.verdict is Verdict.UNDECIDED for row in measurement.hosts):
            return Text("No majority of the servers agrees: no side is taken.", "bold yellow")
        return Text("No host gave a usable answer.", "bold red")
    interval = combined.interval
    usable = len(combined.truechimers) + len(combined.falsetickers)
    words = clock_words(interval.middle)
    if usable == 1:
        lead = f"By {combined.truechimers[0]}"
    else:
        lead = f"{len(combined.truechimers)} of {usable} agree:"
    return Text.assemble(
        f"{lead} the local clock is ", (f"{words} ± {format_duration(interval.error)}", "bold"), "."
    )


def clock_words(offset_ns: int | None) -> str:
    """What an offset (theirs minus ours) says of our clock, in words.

    >>> clock_words(412_000), clock_words(-3), clock_words(0)
    ('412 us slow', '3 ns fast', 'right')
    """
    if offset_ns is None:
        return UNKNOWN
    if offset_ns == 0:
        return "right"
    return f"{format_duration(abs(offset_ns))} {'slow' if offset_ns > 0 else 'fast'}"


def _remark(row: HostResult) -> str:
    if row.verdict is Verdict.TRUECHIMER:
        return row.reason or ""
    return f"{row.verdict.value}: {row.reason}"


def _duration(value: float | None) -> str:
    return UNKNOWN if value is None else format_duration(round(value))


def _bound(value: int | None) -> str:
    return UNKNOWN if value is None else f"± {format_duration(value)}"


def _signed(value: int | None) -> str:
    if value is None:
        return UNKNOWN
    return ("+" if value > 0 else "") + format_duration(value)


def _skew(row: HostResult) -> str:
    if row.skew_ppm is None or row.skew_bound_ppm is None:
        return UNKNOWN
    return f"{row.skew_ppm:+.2f} ± {row.skew_bound_ppm:.2f}"


def _stamps(row: HostResult) -> str:
    if row.timestamps is None:
        return UNKNOWN
    return row.timestamps.value + (", interleaved" if row.interleaved else "")
