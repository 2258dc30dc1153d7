"""The simulation for people: what a microsecond of clock error does, step by step."""

from rich import box
from rich.table import Table
from rich.text import Text

from clocksync.gnss.fix import Cause, Status
from clocksync.gnss.simulation import PLACE, Scene
from clocksync.gnss.table import STYLES, make_console
from clocksync.gnss.words import clock_words, metres
from clocksync.runtime.units import format_duration


def print_lesson(scene: Scene) -> None:
    """The pseudoranges and their parts, the position with and without solving for the clock."""
    console = make_console()
    console.print(
        f"A receiver in Arlington, Texas ({PLACE}) sees {len(scene.truths)} satellites. "
        f"Its clock is {_clock(scene.clock_error_ns)}.\n"
    )
    console.print(_table(scene))
    for paragraph in _paragraphs(scene):
        console.print(paragraph)
        console.print()


def _table(scene: Scene) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1))
    table.add_column("satellite")
    table.add_column("elevation", justify="right")
    titles = ["distance, m", "− its clock, m", "+ receiver's clock, m", "+ air, m"]
    noisy = any(each.noise_m for each in scene.truths)
    titles += ["+ noise, m"] if noisy else []
    titles += ["+ lie, m"] if scene.liar else []
    for title in [*titles, "= pseudorange, m"]:
        table.add_column(title, justify="right", no_wrap=True)
    for each in scene.truths:
        parts = [each.distance_m, -each.satellite_clock_m, each.receiver_clock_m, each.air_m]
        parts += [each.noise_m] if noisy else []
        parts += [each.lie_m] if scene.liar else []
        cells = [f"{part:,.2f}" for part in (*parts, each.pseudorange_m)]
        style = "bold red" if each.lie_m else ""
        table.add_row(each.satellite, f"{each.elevation_deg:.0f}°", *cells, style=style)
    return table


def _paragraphs(scene: Scene) -> list[Text]:
    error, shift = scene.clock_error_ns, abs(scene.truths[0].receiver_clock_m)
    found = [
        Text(
            f"c times {format_duration(abs(error))} is {metres(shift)}: so much is every "
            f"pseudorange too {'long' if error >= 0 else 'short'}, the same for all. The "
            "satellites' own clocks are wrong, too, but their messages say by how much."
        )
    ]
    if scene.trusting_m is not None:
        found.append(
            Text.assemble(
                "Believing its own clock and solving for x, y, z, the receiver is wrong by ",
                (metres(scene.trusting_m), "bold red"),
                ".",
            )
        )
    return [*found, _solution(scene), *_liar(scene)]


def _solution(scene: Scene) -> Text:
    fix, wrong = scene.fix, scene.error_m
    if wrong is None or fix.clock_error_ns is None:
        return Text.assemble(
            "Solving for x, y, z and its clock: ",
            (fix.status.value, STYLES[fix.status]),
            f", {fix.reason}.",
        )
    style = "green" if scene.is_right else "bold red"
    clock = clock_words(fix.clock_error_ns, 0.1)
    return Text.assemble(
        "Solving for x, y, z ",
        ("and", "bold"),
        f" its clock ({len(fix.used)} equations, 4 unknowns), it is wrong by ",
        (metres(wrong), style),
        f" (bound ± {metres(fix.horizontal_bound_m or 0.0)} horizontally) and finds its clock ",
        (clock, style),
        f" (in truth {_clock(scene.clock_error_ns)}; bound ± "
        f"{format_duration(round(fix.clock_error_bound_ns or 0), 2)}).",
    )


def _liar(scene: Scene) -> list[Text]:
    liar, fix = scene.liar, scene.fix
    if liar is None:
        if fix.status is Status.UNCHECKED:
            words = "Nobody lies here, but nothing would show it: four equations, four unknowns."
            return [Text(words, "yellow")]
        return []
    start = f"{liar.satellite} lies by {metres(abs(liar.lie_m))}. "
    named = next((e for e in fix.excluded if e.cause is Cause.LIES), None)
    if named is not None and named.satellite == liar.satellite:
        return [Text.assemble(start, ("Found out", "green"), f": {named.reason}.")]
    if named is not None:
        return [
            Text.assemble(start, (f"But {named.satellite} was taken for the liar.", "bold red"))
        ]
    if fix.status is Status.INCONSISTENT:
        words = "With one satellite to spare a receiver notices that somebody lies, but not who."
        return [Text.assemble(start, (words, "yellow"))]
    if fix.status is Status.UNCHECKED:
        words = "It cannot be detected: with four satellites every lie fits some place and clock."
        return [Text.assemble(start, (words, "bold red"), " The receiver says ‘unchecked’.")]
    if fix.status is Status.SOLVED:
        return [Text(f"{start}Too small to tell from noise; it is within the bound.")]
    return [Text(start)]


def _clock(error_ns: int) -> str:
    if not error_ns:
        return "right"
    return f"{format_duration(abs(error_ns))} {'fast' if error_ns > 0 else 'slow'}"
