"""The comparison for people: a table, and a plot in SVG."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.table import Table

from clocksync.runtime.errors import MissingExtra
from clocksync.runtime.units import format_duration
from ordering.mutex.comparison import Row
from ordering.mutex.prediction import Range
from ordering.mutex.sockets import OnSockets

PLOTTED = {
    "messages": "messages per entry and exit",
    "messages_before": "delay before entry, one message at a time",
    "delay": "delay before entry, messages in parallel",
}


def number(value: float) -> str:
    """At most one decimal, none where it says nothing."""
    return f"{value:.1f}".removesuffix(".0")


def expected(bounds: Range) -> str:
    """A predicted range: one number, from-to, or from up."""
    least, most = bounds
    if most is None:
        return f"{number(least)}.."
    return number(least) if least == most else f"{number(least)}..{number(most)}"


def cost_table(rows: Sequence[Row], n: int) -> Table:
    """Messages and delays, predicted and measured."""
    table = Table(title=f"{n} members, in simulation: predicted / measured")
    table.add_column("algorithm")
    table.add_column("textbook\nmessages")
    for head in (
        "messages\nper entry and exit",
        "messages\nbefore entry",
        "delay before entry\nmessage times",
        "messages\ncontended",
        "between entries\ncontended",
        "as\npredicted",
    ):
        table.add_column(head, justify="right")
    for row in rows:
        predicted, measured = row.predicted, row.measured
        attempts = f", k = {number(measured.attempts)}" if row.algorithm == "voting" else ""
        table.add_row(
            row.algorithm,
            predicted.formula + attempts,
            f"{expected(predicted.messages)} / {number(measured.messages)}",
            f"{expected(predicted.messages_before)} / {number(measured.messages_before)}",
            f"{expected(predicted.delay)} / {number(measured.delay)}",
            f"{expected(predicted.contended)} / {number(measured.contended_messages)}",
            number(measured.contended_delay),
            "yes" if row.as_predicted else "NO",
        )
    return table


def crash_table(rows: Iterable[Row]) -> Table:
    """What a crash does to the others."""
    table = Table(title="when somebody dies, do the others still get in?")
    table.add_column("algorithm")
    for head in ("an idle member", "the first member", "the holder", "with epochs, after"):
        table.add_column(head)
    for row in rows:
        crashes = row.crashes
        recovery_ns = crashes.recovery_ns
        table.add_row(
            row.algorithm,
            _verdict(crashes.idle_member),
            _verdict(crashes.first_member),
            _verdict(crashes.holder),
            "no majority" if recovery_ns is None else format_duration(recovery_ns),
        )
    return table


def _verdict(goes_on: bool | None) -> str:
    return "-" if goes_on is None else "yes" if goes_on else "no: blocks"


def socket_table(rows: Iterable[OnSockets], n: int) -> Table:
    """The same on sockets."""
    table = Table(title=f"{n} members, on sockets of this machine, one process")
    table.add_column("algorithm")
    for head in ("messages\nper entry", "entry, median\nus", "entries/s\ncontended", "tokens grew"):
        table.add_column(head, justify="right")
    for row in rows:
        grew = "yes" if row.tokens_grew else "NO"
        per_s = f"{row.contended_per_s:,.0f}"
        table.add_row(row.algorithm, number(row.messages), f"{row.entry_us:.0f}", per_s, grew)
    return table


def require_plotting() -> None:
    """Load what plots need, without a display.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError:
        raise MissingExtra("matplotlib", "plot") from None
    matplotlib.use("Agg")


def write_plot(path: Path, by_members: Mapping[int, Sequence[Row]]) -> None:
    """Messages and delay over the number of members: lines predicted, dots measured.

    Raises:
        MissingExtra: matplotlib is not installed.
        OSError: the file cannot be written.
    """
    require_plotting()
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(15, 5), layout="constrained")
    sizes = sorted(by_members)
    names = [row.algorithm for row in by_members[sizes[0]]]
    for place, name in enumerate(names):
        rows = [next(r for r in by_members[n] if r.algorithm == name) for n in sizes]
        colour, mark = f"C{place}", "osD^vPX"[place % 7]
        for axis, what in zip(axes, PLOTTED, strict=True):
            bounds = [getattr(row.predicted, what) for row in rows]
            least = [low for low, _ in bounds]
            most = [low if high is None else high for low, high in bounds]
            axis.plot(sizes, [max(pair) for pair in zip(least, most, strict=True)], color=colour)
            measured = [getattr(row.measured, what) for row in rows]
            axis.plot(sizes, measured, mark, color=colour, label=name, mfc="none", ms=8)
    for axis, title in zip(axes, PLOTTED.values(), strict=True):
        axis.set(title=title, xlabel="members")
    axes[0].set_yscale("log")
    axes[0].text(
        *(
            0.02,
            0.98,
            "lines: predicted at most (at least, where there is no most)\nmarks: measured",
        ),
        transform=axes[0].transAxes,
        va="top",
        fontsize=8,
    )
    axes[1].legend(fontsize=8)
    pyplot.rcParams["svg.hashsalt"] = "clocksync"
    figure.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close(figure)
