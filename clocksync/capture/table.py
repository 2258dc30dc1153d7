"""A capture's result for people: a table of pairs, and plain sentences for the rest."""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clocksync.capture.book import Clock
from clocksync.capture.result import Place, Reading, Result, Row, host_name
from clocksync.runtime.units import format_duration, format_signed
from clocksync.watching.sparkline import sparkline

UNKNOWN = "–"
PIPE_WIDTH = 200
_POINTS = 16
_STYLES = {"measured": "green", "out of bounds": "bold red"}


def print_table(result: Result, rows_max: int = 50) -> None:
    """Print to standard output; a pipe gets every column."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPE_WIDTH)
    narrow = console.width < 130
    titles = ["", "client", "server", "exchanges", "server − client", "server − capture"]
    titles += ["delay"] if narrow else ["client − capture", "delay", "course", "least … greatest"]
    titles += ["observer at", "verdict"]
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1))
    for title in titles:
        right = title not in ("", "client", "server", "course", "observer at", "verdict")
        table.add_column(title, justify="right" if right else "left", no_wrap=not narrow)
    for row in result.rows[:rows_max]:
        table.add_row(*_cells(row, narrow))
    if result.rows:
        console.print(table)
    if len(result.rows) > rows_max:
        console.print(f"... and {len(result.rows) - rows_max:,} more pairs (--rows, --json)")
    for row in result.rows[:rows_max]:
        if row.remarks:
            names = f"{host_name(row.pair, False)} → {host_name(row.pair, True)}"
            console.print(Text(f"{names}: {'; '.join(row.remarks)}"), soft_wrap=True)
    for words in result.cautions:
        console.print(Text(f"caution: {words}", "yellow"), soft_wrap=True)
    console.print(Text(summary(result), "bold"), soft_wrap=True)


def _cells(row: Row, narrow: bool) -> list[str | Text]:
    pair = row.pair
    server = row.readings.get(Clock.SERVER)
    main = row.headline or server
    between = row.headline if row.relative_to == "client" else None
    cells: list[str | Text] = [pair.protocol.value, host_name(pair, False), host_name(pair, True)]
    cells += [f"{pair.exchanges:,}", _offset(between), _offset(server)]
    if not narrow:
        cells.append(_client(row))
    cells.append(UNKNOWN if main is None else format_duration(main.delay_ns))
    if not narrow:
        cells.append(_course(main) if main else "")
        cells.append(_range(main))
    place = row.place.value if row.place is not Place.UNKNOWN else UNKNOWN
    return [*cells, place, Text(row.verdict, _STYLES.get(row.verdict, "yellow"))]


def _client(row: Row) -> str:
    floor = row.pair.client_floor
    if Clock.CLIENT not in row.readings and floor.count:
        return f"≥ {format_signed(floor.value_ns)}"
    return _offset(row.readings.get(Clock.CLIENT))


def _offset(reading: Reading | None) -> str:
    if reading is None:
        return UNKNOWN
    found = reading.estimate
    return f"{format_signed(found.offset_ns)} ± {format_duration(found.error_bound_ns)}"


def _range(reading: Reading | None) -> str:
    if reading is None:
        return UNKNOWN
    return f"{format_signed(reading.course.least_ns)} … {format_signed(reading.course.greatest_ns)}"


def _course(reading: Reading) -> str:
    """The offsets over the whole capture, at most `_POINTS` of them, evenly taken."""
    values = reading.course.offsets_ns
    if len(values) > _POINTS:
        values = [values[i * (len(values) - 1) // (_POINTS - 1)] for i in range(_POINTS)]
    return sparkline(values, len(values))


def summary(result: Result) -> str:
    """One sentence on what was read, one on the toolkit's own frames if there were any."""
    seen = result.observer.looked_at
    parts = ", ".join(
        f"{seen[name]:,} {name}" for name in ("NTP", "PTP", "clocksync") if seen[name]
    )
    words = (
        f"{result.observer.packets:,} packets in {format_duration(result.duration_ns)}: {parts}."
    )
    frames = result.observer.toolkit.frames
    if frames:
        words += " Frames: " + ", ".join(f"{n:,} {name}" for name, n in frames.most_common()) + "."
    return words
