"""Fixes for people: a table of epochs, who was left out and why, and what all of them say."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from rich import box
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from clocksync.gnss.fix import Cause, Fix, Status
from clocksync.gnss.geodesy import Geodetic, LocalFrame, to_geodetic
from clocksync.gnss.instants import iso
from clocksync.gnss.run import Positioning
from clocksync.gnss.summary import Spread, Summary, Told
from clocksync.gnss.words import bound_words, clock_words, metres
from clocksync.runtime.units import format_duration

UNKNOWN = "–"
PIPE_WIDTH = 160
STYLES = {
    Status.SOLVED: "green",
    Status.UNCHECKED: "yellow",
    Status.INCONSISTENT: "bold red",
    Status.UNSOLVED: "red",
}
_REASONS_SHOWN = 12


def print_run(fixes: Iterable[Fix], summary: Summary, run: Positioning, rows: int) -> None:
    """Go through all fixes, then print a table of at most `rows` of them, spread evenly, and the
    summary. Holds no more fixes than it prints."""
    console = make_console()
    sample = Sample(rows)
    for fix in fixes:
        summary.add(fix)
        sample.add(fix)
    for part in render(sample, summary, run.cautions, console.width):
        console.print(part)


def render(
    sample: "Sample", summary: Summary, cautions: list[str], width: int
) -> list[RenderableType]:
    """The table and the lines below it, for a terminal of `width` columns."""
    parts: list[RenderableType] = [_table(sample.fixes, width)]
    if sample.stride > 1:
        parts.append(Text(f"(each {sample.stride}th of {summary.epochs:,} epochs)", "dim"))
    parts += _excluded_lines(summary)
    for told in _most_often(summary.reasons.values()):
        often = _epochs(told.count.total())
        parts.append(Text.assemble(("no position", "red"), f" in {often}: {told.example}"))
    parts += [Text(f"caution: {caution}", "yellow") for caution in cautions]
    return [*parts, Text(), *summary_lines(summary)]


@dataclass(slots=True)
class Sample:
    """At most so many of a stream of fixes, evenly spread, without knowing how many will come."""

    limit: int
    stride: int = 1
    fixes: list[Fix] = field(default_factory=list)
    _seen: int = 0

    def add(self, fix: Fix) -> None:
        """Keep each one whose place in the stream is a multiple of the stride."""
        if self._seen % self.stride == 0:
            self.fixes.append(fix)
            if len(self.fixes) > self.limit:
                self.fixes, self.stride = self.fixes[::2], 2 * self.stride
        self._seen += 1


def make_console() -> Console:
    """Standard output; a pipe, which has no width of its own, gets every column."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPE_WIDTH)


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    cell: Callable[[Fix], str | Text]
    right: bool = True
    worth: int = 0
    """0: always shown. Else the less, the sooner it goes where the terminal is narrow."""


def _table(fixes: list[Fix], width: int) -> Table:
    known = any(fix.header_position for fix in fixes)
    columns = [each for each in _COLUMNS if known or each.title != "from header"]
    cells = {each: [each.cell(fix) for fix in fixes] for each in columns}
    widths = {
        each: max(cell_len(str(cell)) for cell in (each.title, *cells[each])) + 2
        for each in columns
    }
    for each in sorted((c for c in columns if c.worth), key=lambda c: c.worth):
        if sum(widths[one] for one in columns) + len(columns) <= width:
            break
        columns.remove(each)
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1))
    for each in columns:
        table.add_column(each.title, justify="right" if each.right else "left", no_wrap=True)
    for row in zip(*(cells[each] for each in columns), strict=True):
        table.add_row(*row)
    return table


def _solved(fix: Fix, words: Callable[[Fix], str]) -> str:
    return UNKNOWN if fix.position is None else words(fix)


def _clock(fix: Fix) -> str:
    return clock_words(fix.clock_error_ns or 0.0, fix.clock_error_std_ns or 0.0)


def _bound(fix: Fix) -> str:
    return f"± {metres(fix.horizontal_bound_m or 0.0)}"


def _place(fix: Fix) -> Geodetic:
    return to_geodetic(fix.position or (0.0, 0.0, 0.0))


def _left_out(fix: Fix) -> Text:
    lies = sum(each.cause is Cause.LIES for each in fix.excluded)
    text = Text(str(len(fix.excluded)) if fix.excluded else UNKNOWN)
    if lies:
        text.append(f" ({lies} lying)", "bold red")
    return text


def _from_header(fix: Fix) -> str:
    if fix.header_position is None or fix.position is None:
        return UNKNOWN
    east, north, _ = LocalFrame.at(fix.header_position).enu(fix.position)
    return metres(math.hypot(east, north))


_COLUMNS = (
    _Column("GPS time", lambda fix: iso(fix.time)[:-6].replace("T", " "), right=False),
    _Column("receiver's clock is", lambda fix: _solved(fix, _clock)),
    _Column("bound", lambda fix: _solved(fix, bound_words), worth=8),
    _Column(
        "latitude", lambda fix: _solved(fix, lambda f: f"{_place(f).latitude_deg:.6f}°"), worth=4
    ),
    _Column(
        "longitude", lambda fix: _solved(fix, lambda f: f"{_place(f).longitude_deg:.6f}°"), worth=3
    ),
    _Column("height", lambda fix: _solved(fix, lambda f: metres(_place(f).height_m)), worth=2),
    _Column("bound", lambda fix: _solved(fix, _bound), worth=7),
    _Column("from header", lambda fix: _solved(fix, _from_header), worth=6),
    _Column("used", lambda fix: str(len(fix.used)), worth=5),
    _Column("left out", _left_out, worth=1),
    _Column("status", lambda fix: Text(fix.status.value, STYLES[fix.status]), right=False),
)


def _excluded_lines(summary: Summary) -> Iterator[Text]:
    """One line for satellites left out for alike reasons."""
    order = list(Cause)
    for key in sorted(summary.left_out, key=lambda each: (order.index(each[0]), each[1])):
        told = summary.left_out[key]
        names = [
            name if count == summary.epochs else f"{name} ({count}×)"
            for name, count in sorted(told.count.items())
        ]
        varies = told.count.total() > 1 and "#" in key[1]
        style = "bold red" if key[0] is Cause.LIES else "dim"
        yield Text.assemble(
            ("left out", style),
            f" {', '.join(names)}{', for example' if varies else ''}: {told.example}",
        )


def _most_often(told: Iterable[Told]) -> list[Told]:
    return sorted(told, key=lambda each: -each.count.total())[:_REASONS_SHOWN]


def summary_lines(summary: Summary) -> Iterator[Text]:
    """What all epochs say: how many were solved, how wrong, and how the clock ran."""
    counts = [
        Text(f"{summary.statuses[each]:,} {each.value}", STYLES[each])
        for each in Status
        if summary.statuses[each]
    ]
    yield Text.assemble(f"{_epochs(summary.epochs)}: ", Text(", ").join(counts))
    horizontal, vertical = summary.horizontal, summary.vertical
    if horizontal and vertical:
        inside = len(summary.easts) - summary.outside
        yield Text(
            f"from the header's position: horizontally {_spread(horizontal)}; "
            f"vertically {_spread(vertical)}"
        )
        yield Text(f"which is within the bound in {inside:,} of {len(summary.easts):,} epochs")
    drift = summary.drift
    if drift is not None:
        way = "gains" if drift.ppb > 0 else "loses"
        text = f"the receiver's clock {way} {abs(drift.ppb):,.1f} ± {drift.std_ppb:.1f} ppb"
        if drift.jumps:
            jump = format_duration(round(abs(drift.largest_jump_ns)))
            text += (
                f", {drift.jumps} jump{'s' if drift.jumps > 1 else ''} taken out (largest {jump})"
            )
        yield Text(text)


def _spread(spread: Spread) -> str:
    return (
        f"median {metres(spread.median_m)}, 95 % {metres(spread.p95_m)}, "
        f"largest {metres(spread.max_m)}"
    )


def _epochs(count: int) -> str:
    return f"{count:,} epoch{'s' if count != 1 else ''}"
