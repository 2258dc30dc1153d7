"""A mesh for people: hosts, pairs, and one plain sentence for everything that is not well."""

from collections.abc import Iterator

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from clocksync.meshing.result import HostState, MeshResult, Path
from clocksync.runtime.units import format_duration

UNKNOWN = "–"
PIPE_WIDTH = 200
PAIRS_MAX = 15
"""More pairs are shown only when asked for."""
_PATHS_NAMED = 10


def render(result: MeshResult, all_pairs: bool = False) -> list[RenderableType]:
    """The tables and the lines below them."""
    parts: list[RenderableType] = [_hosts(result)]
    if result.pairs and (all_pairs or len(result.pairs) <= PAIRS_MAX):
        parts.append(_pairs(result))
    parts += [Text(line, "yellow") for line in asymmetries(result)]
    parts += [Text(f"caution: {words}", "bold yellow") for words in result.troubles]
    parts.append(summary(result))
    return parts


def print_result(result: MeshResult, all_pairs: bool = False) -> None:
    """Print to standard output; a pipe has no width of its own."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPE_WIDTH)
    for part in render(result, all_pairs):
        console.print(part, soft_wrap=not isinstance(part, Table))


def asymmetries(result: MeshResult) -> Iterator[str]:
    """A sentence for each path that is told to be asymmetric, the worst first.

    Without enough paths to tell which one it is, the loop is named where it is too large.
    """
    named = result.asymmetric
    for path in named[:_PATHS_NAMED]:
        yield asymmetry_words(path)
    if len(named) > _PATHS_NAMED:
        yield f"... and {len(named) - _PATHS_NAMED} more asymmetric paths (--json has them all)"


def asymmetry_words(path: Path) -> str:
    """Which way is slower, by how much at least, and how sure that is."""
    slow, fast = (path.a, path.b) if (path.asymmetry_ns or 0) > 0 else (path.b, path.a)
    proven = (
        f"proven: {format_duration(path.asymmetry_proven_ns)}"
        if path.asymmetry_proven_ns
        else "if most paths of each are symmetric"
    )
    return (
        f"path {path.a}-{path.b} is asymmetric by at least"
        f" {format_duration(path.asymmetry_least_ns)} ({proven}):"
        f" the way from {slow} to {fast} takes longer than back"
    )


def summary(result: MeshResult) -> Text:
    """The one sentence to take away."""
    if not result.pairs:
        return Text("Nothing could be told: no two hosts reached each other.", "bold red")
    worst = max(result.pairs, key=lambda pair: abs(pair.offset_ns))
    ends = f"{worst.a} and {worst.b}"
    apart = _resolved(abs(worst.offset_ns), worst.error_bound_ns)
    apart += f" ± {format_duration(worst.error_bound_ns)}"
    text = Text.assemble("Farthest apart: hosts ", (ends, "bold"), ", ", (apart, "bold"), ". ")
    if result.loop_residual_ns is None:
        return text.append("No loop of hosts: asymmetric paths cannot be seen.")
    around = "-".join(str(number) for number in (*result.worst_loop, result.worst_loop[0]))
    residual = format_duration(result.loop_residual_ns)
    return text.append(f"Loops close to within {residual} (worst: {around}).")


def _hosts(result: MeshResult) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1))
    for title, justify in (
        ("host", "left"),
        ("id", "right"),
        ("clock is", "right"),
        ("bound", "right"),
        ("skew, ppm", "right"),
    ):
        table.add_column(title, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for host in result.hosts:
        number = UNKNOWN if host.number is None else str(host.number)
        table.add_row(Text(host.name), number, *_cells(host))
    return table


def _cells(host: HostState) -> tuple[str, str, str]:
    if host.offset_ns is None or host.error_bound_ns is None or host.skew_ppm is None:
        return UNKNOWN, UNKNOWN, UNKNOWN
    if host.reference == host.number:
        return "the reference", "", ""
    if not host.offset_ns:
        words = f"the same as {host.reference}'s"
        return words, f"± {format_duration(host.error_bound_ns)}", _rate(host.skew_ppm)
    ahead = "ahead of" if host.offset_ns > 0 else "behind"
    words = f"{_resolved(abs(host.offset_ns), host.error_bound_ns)} {ahead} {host.reference}"
    return words, f"± {format_duration(host.error_bound_ns)}", _rate(host.skew_ppm)


def _pairs(result: MeshResult) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1))
    for title in ("pair", "second minus first", "bound", "skew, ppm", "delay", "alone", "residual"):
        table.add_column(title, justify="left" if title == "pair" else "right", no_wrap=True)
    paths = {(path.a, path.b): path for path in result.paths}
    for pair in result.pairs:
        path = paths.get((pair.a, pair.b))
        alone = (
            (
                format_duration(path.delay_ns),
                _signed(path.offset_ns, path.delay_ns),
                _signed(path.residual_ns),
            )
            if path
            else (UNKNOWN,) * 3
        )
        table.add_row(
            f"{pair.a}-{pair.b}",
            _signed(pair.offset_ns, pair.error_bound_ns),
            f"± {format_duration(pair.error_bound_ns)}",
            _rate(pair.skew_ppm),
            *alone,
        )
    return table


def _rate(ppm: float) -> str:
    return f"{round(ppm, 3) + 0.0:+.3f}"  # no -0.000


def _signed(value: int, error: int | None = None) -> str:
    return ("+" if value > 0 else "") + _resolved(value, error)


def _resolved(value: int, error: int | None) -> str:
    """With as many digits as it takes to see a tenth of the error."""
    if not error:
        return format_duration(value)
    return format_duration(value, max(3, len(str(abs(value))) - len(str(abs(error))) + 2))
