"""``clocksync rbs``: reference broadcasts: a beacon, and receivers that compare clocks.  [I/O]

A beacon prints one line when it begins and one when it ends; a receiver prints its pairs at its
end. Exit 0: pairs were found; 1: broadcasts were heard, but no clock could be bounded; 2: no beacon
was heard, or it cannot be done as asked; then one line on stderr says why.
"""

import asyncio
import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clocksync.cli import options, peer_options
from clocksync.cli.options import duration
from clocksync.cli.stopping import until_told

if TYPE_CHECKING:
    from clocksync.peers.endpoint import PeerSettings
    from clocksync.rbs.beacon import Beacon
    from clocksync.rbs.receiver import Receiver, ReceiverSettings
    from clocksync.rbs.run import ReferenceBroadcasts

rbs = typer.Typer(
    name="rbs",
    help="Reference broadcasts: receivers of one broadcast compare when it came.",
    no_args_is_help=True,
)

Group = Annotated[
    str, typer.Option("--group", metavar="ADDRESS:PORT", help="The multicast group: 239.192.0.7.")
]
Interface = Annotated[
    str | None,
    typer.Option(
        "--interface", metavar="NAME", help="Multicast by this one.  [default: that of --listen]"
    ),
]


@rbs.command()
def beacon(
    id: peer_options.Id,
    listen: peer_options.Listen,
    group: Group,
    interface: Interface = None,
    interval: Annotated[
        int, typer.Option(parser=duration, metavar="DURATION", help="Between broadcasts.")
    ] = "10ms",  # type: ignore[assignment]
    count: Annotated[int | None, typer.Option(help="End after this many.")] = None,
    key: peer_options.KeyFile = None,
    insecure_plaintext: peer_options.Insecure = False,
    fleet: peer_options.Fleet = "clocks",
) -> None:
    """Multicast broadcasts: a number each, no time."""
    from clocksync.rbs.beacon import Beacon
    from clocksync.rbs.run import draw
    from clocksync.runtime.units import format_duration

    core = Beacon(draw(64), interval, count)

    async def run() -> None:
        host = peer_options.Host(id, listen, key, insecure_plaintext, fleet)
        settings = await host.settings(multicast=(group, interface))
        _say(f"beacon {id} to {group} every {format_duration(interval)}")
        await _broadcast(core, settings)

    asyncio.run(run())
    _say(f"sent {core.sent} broadcasts")


@rbs.command()
def receiver(
    id: peer_options.Id,
    listen: Annotated[
        list[str],
        typer.Option(
            metavar="ADDRESS:PORT", help="Where this host is reached; one for each --group."
        ),
    ],
    group: Annotated[
        list[str],
        typer.Option(
            metavar="ADDRESS:PORT",
            help="The multicast group; several times to join what hears different beacons.",
        ),
    ],
    interface: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Multicast by this one; one for each --group.  [default: that of --listen]",
            show_default=False,
        ),
    ] = None,
    broadcasts: Annotated[
        int | None,
        typer.Option(
            metavar="M",
            help="End after so many; offsets are means of the last M.  [default: 30, or, with "
            "--duration, as many as come]",
            show_default=False,
        ),
    ] = None,
    duration: Annotated[
        int | None,
        typer.Option(parser=duration, metavar="DURATION", help="End after this time."),
    ] = None,
    timeout: Annotated[
        int,
        typer.Option(
            parser=options.duration, metavar="DURATION", help="End when no beacon is heard so long."
        ),
    ] = "5s",  # type: ignore[assignment]
    two_way: Annotated[
        bool,
        typer.Option(
            "--two-way/--no-two-way",
            help="Probe the other receivers: it bounds errors and finds the bias of switches.",
        ),
    ] = True,
    arrival_spread: Annotated[
        int | None,
        typer.Option(
            parser=options.duration,
            metavar="DURATION",
            help="With --no-two-way: assume that a broadcast reaches all within this time.",
        ),
    ] = None,
    max_drift: options.MaxDrift = 500.0,
    offset: peer_options.Offset = "0",
    rate: peer_options.Rate = 0.0,
    key: peer_options.KeyFile = None,
    insecure_plaintext: peer_options.Insecure = False,
    fleet: peer_options.Fleet = "clocks",
    json: options.Json = False,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw precision against M: .svg, .png or .pdf."),
    ] = None,
) -> None:
    """Compare clocks with other receivers; print all pairs."""
    from clocksync.peers.endpoint import wrong_clock
    from clocksync.rbs import report
    from clocksync.rbs.receiver import Ended, ReceiverSettings
    from clocksync.runtime.clocks import reading_precision
    from clocksync.runtime.errors import BadConfig
    from clocksync.runtime.udp import SystemStampClock

    if broadcasts is None and duration is None:
        broadcasts = 30
    if plot is not None:
        _check_plot(plot)
    clock = wrong_clock(options.duration(offset), rate)
    settings = ReceiverSettings(
        broadcasts=broadcasts,
        duration_ns=duration,
        silence_ns=timeout,
        two_way=two_way,
        arrival_spread_ns=arrival_spread,
        max_drift_ppm=max_drift,
        precision_ns=2 * reading_precision(SystemStampClock()),
    )

    async def run() -> "ReferenceBroadcasts":
        from clocksync.rbs.run import ReferenceBroadcasts

        networks = []
        for where, by in _networks(listen, group, interface or []):
            host = peer_options.Host(id, where, key, insecure_plaintext, fleet)
            networks.append(await host.settings(multicast=by))
        whole = ReferenceBroadcasts(networks, settings, clock=clock)
        await _receive(whole, None if json else f"receiver {id} of {', '.join(group)}")
        return whole

    core = asyncio.run(run()).core
    if core.ended is Ended.SILENCE:
        if core.is_beacons_namesake:
            raise BadConfig(f"the beacon is numbered {id} as well: give each host its own --id")
        raise BadConfig(_nothing_heard(group, settings))
    _print(core, json)
    if plot is not None:
        from clocksync.rbs.plot import draw_receiver

        draw_receiver(core, plot)
    raise typer.Exit(0 if report.to_document(core, time.monotonic_ns())["pairs"] else 1)


def _nothing_heard(group: list[str], settings: "ReceiverSettings") -> str:
    from clocksync.runtime.units import format_duration

    waited = format_duration(settings.silence_ns)
    return (
        f"no beacon was heard on {', '.join(group)} in {waited}: does one run, with the same --key"
        " and --fleet, and does the network carry multicast?"
    )


def _networks(
    listen: list[str], group: list[str], interface: list[str]
) -> list[tuple[str, tuple[str, str | None]]]:
    """For each network where to listen, and its group and interface."""
    from clocksync.runtime.errors import BadConfig

    for option, given in (("--listen", listen), ("--interface", interface)):
        if len(given) != len(group) and (given or option == "--listen"):
            raise BadConfig(
                f"{len(group)} times --group and {len(given)} times {option}: one for each"
            )
    interfaces: list[str | None] = [*interface] or [None] * len(group)
    return list(zip(listen, zip(group, interfaces, strict=True), strict=True))


async def _broadcast(core: "Beacon", settings: "PeerSettings") -> None:
    """Run a beacon until it is done or told to stop."""
    from clocksync.peers.endpoint import Endpoint
    from clocksync.rbs.receiver import FRAMES

    done = asyncio.Event()
    with until_told(done.set):
        async with Endpoint(core, FRAMES, settings, on_event=lambda _: done.set()):
            await done.wait()


async def _receive(whole: "ReferenceBroadcasts", greeting: str | None) -> None:
    """Run a receiver to its end; the first Ctrl-C lets it end with what it has."""
    async with whole:
        if greeting is not None:
            _say(greeting)
        with until_told(whole.finish):
            await whole.ended()


def _check_plot(path: Path) -> None:
    from clocksync.rbs.plot import require

    require(path)


def _print(core: "Receiver", as_json: bool) -> None:
    from clocksync.rbs import report

    if as_json:
        typer.echo(report.to_json(core, time.monotonic_ns()))
        return
    from rich.console import Console

    relations = core.relations()
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=160)
    if relations:
        console.print(report.table(core, relations))
    for caution in report.cautions(core, relations):
        console.print(f"caution: {caution}", style="yellow", soft_wrap=True)
    console.print(report.summary(core, relations), soft_wrap=True)


def _say(line: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        typer.echo(line)
