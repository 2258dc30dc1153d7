"""A measurement for people: a table, and one plain sentence for everything that is not well."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from clocksync.measuring.result import HostResult, Measurement, Verdict
from clocksync.runtime.units import format_duration, format_signed

UNKNOWN = "–"
PIPE_WIDTH = 200
_AROUND = 3  # what the table puts between two columns
_HOST_WIDTH_KEPT = 28
_ROWS_IN_TABLE_MAX = 500
"""Rich lays out a cell in about 40 us: ten thousand hosts would wait five seconds."""
STYLES = {
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
    worth: int = 0
    """0: always shown. Else the less, the sooner it goes where the terminal is narrow."""


def _columns(to_reference: bool, authenticated: bool) -> Iterator[_Column]:
    yield _Column("host", lambda row: Text(row.host), right=False)
    own = 8 if to_reference else 0  # who names a reference is asking about that
    yield _Column("local clock is", lambda row: clock_words(row.offset_ns), worth=own)
    yield _Column("bound", lambda row: _bound(row.error_bound_ns), worth=own)
    if to_reference:
        yield _Column("to reference", lambda row: _signed(row.offset_to_reference_ns))
        yield _Column("bound", lambda row: _bound(row.reference_error_bound_ns))
    yield _Column("delay", lambda row: _duration(row.delay_ns), worth=6)
    yield _Column("jitter", lambda row: _duration(row.jitter_ns), worth=4)
    yield _Column("skew, ppm", _skew, worth=3)
    yield _Column("stratum", lambda row: _number(row.stratum), worth=5)
    yield _Column("reference id", lambda row: Text(row.reference_id or UNKNOWN), False, worth=1)
    yield _Column("stamps", _stamps, right=False, worth=2)
    if authenticated:
        yield _Column("proof", lambda row: row.authentication, right=False, worth=8)
    yield _Column("replies", lambda row: f"{row.answered}/{row.samples}", worth=7)
    yield _Column("verdict", lambda row: Text(row.verdict.value, STYLES[row.verdict]), right=False)


@dataclass(frozen=True, slots=True)
class _Filled:
    """A column with its cells, and how wide it wants to be with the space around it."""

    column: _Column
    cells: list[str | Text]
    width: int


def _fitting(measurement: Measurement, width: int) -> list[_Filled]:
    """The columns that fit, the most worthy ones if not all do. The host's is last to give way:
    it is cut short, but never below a readable rest."""
    to_reference = any(row.offset_to_reference_ns is not None for row in measurement.hosts)
    filled = []
    authenticated = any(row.authentication != "none" for row in measurement.hosts)
    for column in _columns(to_reference, authenticated):
        cells = [column.cell(row) for row in measurement.hosts]
        widest = max(cell_len(str(cell)) for cell in (column.title, *cells))
        filled.append(_Filled(column, cells, widest + _AROUND))
    free = width - sum(each.width for each in filled)
    free += filled[0].width - min(filled[0].width, _HOST_WIDTH_KEPT)
    for each in sorted((f for f in filled if f.column.worth), key=lambda f: f.column.worth):
        if free >= 0:
            break
        filled.remove(each)
        free += each.width
    return filled


def render(measurement: Measurement, width: int) -> list[RenderableType]:
    """The table and the lines below it, for a terminal of `width` columns."""
    filled = _fitting(measurement, width)
    room = width - sum(each.width for each in filled[1:]) - _AROUND
    widths = [each.width - _AROUND for each in filled]
    widths[0] = min(room, widths[0])
    large = len(measurement.hosts) > _ROWS_IN_TABLE_MAX
    table = _aligned(filled, widths) if large else [_table(filled, widths)]
    lines = [
        Text.assemble((row.host, "bold"), f": {_remark(row)}")
        for row in measurement.hosts
        if row.reason
    ]
    lines += [Text(f"caution: {words}", "yellow") for words in measurement.cautions]
    return [*table, *lines, summary(measurement)]


def _table(filled: list[_Filled], widths: list[int]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1))
    for each, width in zip(filled, widths, strict=True):
        table.add_column(
            each.column.title,
            justify="right" if each.column.right else "left",
            no_wrap=True,
            width=width,
        )
    for cells in zip(*(each.cells for each in filled), strict=True):
        table.add_row(*cells)
    return table


def _aligned(filled: list[_Filled], widths: list[int]) -> list[RenderableType]:
    """The same table as lines of text, which cost a tenth."""
    right = [each.column.right for each in filled]
    head = [Text(each.column.title, "bold") for each in filled]
    rows = [head, *zip(*(each.cells for each in filled), strict=True)]
    return [
        Text(" " * _AROUND).join(
            _set(cell, width, to_right)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        )
        for row in rows
    ]


def _set(cell: str | Text, width: int, right: bool) -> Text:
    text = cell.copy() if isinstance(cell, Text) else Text(cell)
    text.truncate(width, overflow="ellipsis")
    missing = width - text.cell_len
    if right:
        text.pad_left(missing)
    else:
        text.pad_right(missing)
    return text


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
    agreeing, others = (
        len({(row.address, row.port) for row in measurement.hosts if row.verdict is verdict})
        for verdict in (Verdict.TRUECHIMER, Verdict.FALSETICKER)
    )
    words = clock_words(interval.middle)
    if agreeing + others == 1:
        lead = f"By {combined.truechimers[0]}"
    else:
        lead = f"{agreeing} of {agreeing + others} agree:"
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


def _number(value: int | None) -> str:
    return UNKNOWN if value is None else str(value)


def _signed(value: int | None) -> str:
    return UNKNOWN if value is None else format_signed(value)


def _skew(row: HostResult) -> str:
    if row.skew_ppm is None or row.skew_bound_ppm is None:
        return UNKNOWN
    return f"{row.skew_ppm:+.2f} ± {row.skew_bound_ppm:.2f}"


def _stamps(row: HostResult) -> str:
    if row.timestamps is None:
        return UNKNOWN
    return row.timestamps.value + (", interleaved" if row.interleaved else "")
