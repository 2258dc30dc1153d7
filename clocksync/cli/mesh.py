"""``clocksync mesh HOST...``: how far apart the clocks of our own hosts are, all pairs.  [I/O]"""

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from clocksync.cli import options, peer_options
from clocksync.cli.options import duration as as_duration
from clocksync.cli.stopping import when_told

if TYPE_CHECKING:
    from clocksync.meshing.coordinator import Probing
    from clocksync.meshing.result import MeshResult
    from clocksync.meshing.settings import MeshSettings


def mesh(
    hosts: Annotated[
        list[str],
        typer.Argument(
            metavar="HOST[:PORT]...",
            help="Hosts that run `clocksync agent`; port 3190 by default.",
            show_default=False,
        ),
    ],
    key: peer_options.KeyFile = None,
    insecure_plaintext: peer_options.Insecure = False,
    duration: Annotated[
        int,
        typer.Option(parser=as_duration, metavar="DURATION", help="Let them probe for this long."),
    ] = "2s",  # type: ignore[assignment]
    interval: Annotated[
        int,
        typer.Option(
            parser=as_duration,
            metavar="DURATION",
            help="Each probes each other this often; two probes leave together.",
        ),
    ] = "20ms",  # type: ignore[assignment]
    samples: Annotated[
        int | None,
        typer.Option(
            "--samples",
            "-n",
            min=2,
            help="About so many exchanges each way of a pair, instead of --duration.",
        ),
    ] = None,
    timeout: Annotated[
        int,
        typer.Option(
            parser=as_duration, metavar="DURATION", help="Wait this long for hosts to answer."
        ),
    ] = "3s",  # type: ignore[assignment]
    liars: Annotated[
        int,
        typer.Option(
            help="So many hosts may tell different others different times, and bounds between "
            "honest ones hold; 0 believes all, for the tightest bounds."
        ),
    ] = 1,
    max_drift: options.MaxDrift = 500.0,
    max_offset: Annotated[
        int | None,
        typer.Option(
            parser=as_duration,
            metavar="DURATION",
            help="Exit with 1 if |offset| + bound of any pair exceeds this.",
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Again and again, until interrupted.")
    ] = False,
    pairs: Annotated[bool, typer.Option("--pairs", help="Show every pair, however many.")] = False,
    json: options.Json = False,
    id_: Annotated[
        int | None,
        typer.Option(
            "--id", metavar="N", help="Our own number here.  [default: drawn from 60000 up]"
        ),
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Ask from this local address.")
    ] = None,
    fleet: peer_options.Fleet = "clocks",
) -> None:
    """Have HOSTS probe each other, and say how far apart their clocks are, all pairs.

    Each needs a `clocksync agent`. No clock is touched. Loops of three show which paths are
    asymmetric; bounds hold whatever paths are like. Exits with 0 if all is well, 1 if something is
    wrong with a host or a clock (or a pair exceeds --max-offset), 2 if nothing could be told.
    """
    from clocksync.meshing.run import own_number
    from clocksync.meshing.settings import MeshSettings

    settings = MeshSettings(
        duration_ns=duration if samples is None else max(1, samples // 2) * interval,
        interval_ns=interval,
        timeout_ns=timeout,
        liars=liars,
        max_drift_ppm=max_drift,
        key_file=key,
        insecure_plaintext=insecure_plaintext,
        fleet=fleet,
        id=own_number() if id_ is None else id_,
        source=source,
    )
    show = _Watching(json, pairs) if watch else _Once(json, pairs)
    code = 130
    with show:
        try:
            while (result := asyncio.run(_until_interrupted(hosts, settings, show))) is not None:
                show.result(result)
                code = _code(result, max_offset)
                if not watch:
                    break
        except KeyboardInterrupt:  # between two measurements: how watching ends
            if not watch:
                raise
    raise typer.Exit(code)


def _code(result: "MeshResult", max_offset: int | None) -> int:
    from clocksync.runtime.units import format_duration

    if max_offset is None or not result.pairs:
        return result.exit_code
    reach = {pair: abs(pair.offset_ns) + pair.error_bound_ns for pair in result.pairs}
    worst = max(reach, key=lambda pair: reach[pair])
    if reach[worst] <= max_offset:
        return result.exit_code
    apart, limit = format_duration(reach[worst]), format_duration(max_offset)
    line = f"hosts {worst.a} and {worst.b} may be {apart} apart: more than {limit}"
    typer.echo(f"clocksync mesh: {line}", err=True)
    return 1


async def _until_interrupted(
    hosts: list[str], settings: "MeshSettings", show: "_Once"
) -> "MeshResult | None":
    """One measurement; None where it was interrupted: the agents have been told then."""
    from clocksync.meshing.run import mesh

    task = asyncio.ensure_future(mesh(hosts, settings, on_probing=show.probing))
    when_told(task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return None


class _Once:
    """What is shown of one measurement: a line on a terminal's standard error while it works, then
    the result."""

    def __init__(self, as_json: bool, all_pairs: bool) -> None:
        self._as_json, self._all_pairs = as_json, all_pairs

    def __enter__(self) -> "_Once":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def probing(self, event: "Probing") -> None:
        """Who takes part is known."""
        from clocksync.runtime.units import format_duration

        if sys.stderr is not None and sys.stderr.isatty():
            lasts = format_duration(event.lasts_ns)
            with contextlib.suppress(OSError):
                typer.echo(f"{event.hosts} hosts, {event.pairs} pairs, {lasts}", err=True)

    def result(self, result: "MeshResult") -> None:
        """It is done."""
        if self._as_json:
            from clocksync.meshing.report import to_json

            typer.echo(to_json(result))
        else:
            from clocksync.meshing.table import print_result

            print_result(result, self._all_pairs)


class _Watching(_Once):
    """A table that is replaced by the next one on a terminal; elsewhere one follows the other."""

    def __init__(self, as_json: bool, all_pairs: bool) -> None:
        super().__init__(as_json, all_pairs)
        self._live = None
        if not as_json and sys.stdout is not None and sys.stdout.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(highlight=False), auto_refresh=False, screen=False)

    def __enter__(self) -> "_Watching":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def probing(self, event: "Probing") -> None:
        return None

    def result(self, result: "MeshResult") -> None:
        if self._live is None:
            super().result(result)
            return
        from rich.console import Group

        from clocksync.meshing.table import render

        self._live.update(Group(*render(result, self._all_pairs)), refresh=True)
