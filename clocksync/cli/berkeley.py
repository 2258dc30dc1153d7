"""``clocksync berkeley``: hosts that agree on a time among themselves.  [I/O]

Exit codes: 0 done as asked; 1 no majority of the clocks agreed in the end; 2 usage, or nobody was
there.
"""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from clocksync.cli import peer_options
from clocksync.cli.options import duration
from clocksync.cli.stopping import when_told

if TYPE_CHECKING:
    from clocksync.berkeley import BerkeleySettings
    from clocksync.berkeley.run import BerkeleyNode
    from clocksync.peers.endpoint import PeerSettings

berkeley = typer.Typer(
    help="Bring the clocks of one's own hosts together, without a reference.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Rounds = Annotated[
    int | None, typer.Option(metavar="N", help="End after so many rounds.  [default: go on]")
]
Drift = Annotated[
    float,
    typer.Option(
        metavar="PPM", help="Largest rate difference of two clocks that bounds allow for."
    ),
]
Slew = Annotated[float, typer.Option(metavar="PPM", help="How fast our clock is slewed.")]
Adjust = Annotated[
    str,
    typer.Option(metavar="S", help="As a member, follow an order no further than this a round."),
]
Interval = Annotated[str, typer.Option(metavar="S", help="From round to round.")]
Gamma = Annotated[
    str | None,
    typer.Option(
        metavar="S",
        help="As the daemon: leave out of the average what is not within this of the others."
        "  [default: by how far apart they are]",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document at the end.")]


@berkeley.command()
def daemon(
    id_: peer_options.Id,
    listen: peer_options.Listen,
    rounds: Rounds = None,
    interval: Interval = "1s",
    members: Annotated[
        int | None,
        typer.Option(metavar="N", help="Begin once so many members have joined."),
    ] = None,
    gather: Annotated[
        str,
        typer.Option(
            metavar="S", help="Without --members: begin when nobody has joined for this long."
        ),
    ] = "3s",
    settle: Annotated[
        str,
        typer.Option(
            metavar="S", help="After the last round wait for clocks that still slew, up to this."
        ),
    ] = "10s",
    gamma: Gamma = None,
    offset: peer_options.Offset = "0",
    rate: peer_options.Rate = 0.0,
    max_drift: Drift = 500.0,
    max_slew: Slew = 83_333.333,
    max_adjust: Adjust = "1h",
    steer_rate: Annotated[bool, typer.Option(help="Correct rates too.")] = True,
    key: peer_options.KeyFile = None,
    insecure_plaintext: peer_options.Insecure = False,
    fleet: peer_options.Fleet = "clocks",
    json: Json = False,
) -> None:
    """Poll the members, average, tell each by how much to adjust.

    If a daemon of lower number rules already, this becomes a member.
    """
    from clocksync.berkeley import BerkeleySettings

    settings = BerkeleySettings(
        id=id_,
        rounds=rounds,
        interval_ns=duration(interval),
        gamma_ns=None if gamma is None else duration(gamma),
        members=members,
        gather_ns=duration(gather),
        settle_ns=duration(settle),
        max_drift_ppm=max_drift,
        max_slew_ppm=max_slew,
        max_adjust_ns=duration(max_adjust),
        steers_rate=steer_rate,
    )
    host = peer_options.Host(id_, listen, key, insecure_plaintext, fleet)
    asyncio.run(_run(settings, host, None, duration(offset), rate, json))


@berkeley.command()
def member(
    id_: peer_options.Id,
    listen: peer_options.Listen,
    daemon: Annotated[
        str, typer.Option(metavar="ADDRESS:PORT", help="Where the daemon is, or any member.")
    ],
    rounds: Rounds = None,
    gamma: Gamma = None,
    patience: Annotated[
        str, typer.Option(metavar="S", help="Give up if no daemon is heard; 0: never.")
    ] = "60s",
    offset: peer_options.Offset = "0",
    rate: peer_options.Rate = 0.0,
    max_drift: Drift = 500.0,
    max_slew: Slew = 83_333.333,
    max_adjust: Adjust = "1h",
    key: peer_options.KeyFile = None,
    insecure_plaintext: peer_options.Insecure = False,
    fleet: peer_options.Fleet = "clocks",
    json: Json = False,
) -> None:
    """Answer the daemon, and follow it; succeed it if it dies and no lower number is alive.

    Ends when the daemon says that all rounds are done, or after --rounds of its own.
    """
    from clocksync.berkeley import BerkeleySettings

    settings = BerkeleySettings(
        id=id_,
        contact=("", 0),
        rounds=rounds,
        gamma_ns=None if gamma is None else duration(gamma),
        max_drift_ppm=max_drift,
        max_slew_ppm=max_slew,
        max_adjust_ns=duration(max_adjust),
        patience_ns=duration(patience),
    )
    host = peer_options.Host(id_, listen, key, insecure_plaintext, fleet)
    asyncio.run(_run(settings, host, daemon, duration(offset), rate, json))


async def _run(
    settings: "BerkeleySettings",
    host: peer_options.Host,
    contact: str | None,
    offset_ns: int,
    rate_ppm: float,
    as_json: bool,
) -> None:
    from dataclasses import replace

    from clocksync.berkeley.run import BerkeleyNode
    from clocksync.peers.steady import SteadyClock
    from clocksync.runtime.addresses import numeric

    where = None if contact is None else await numeric(contact)
    peers: PeerSettings = await host.settings(() if where is None else (where,))
    if where is not None:
        settings = replace(settings, contact=where)
    clock = SteadyClock(offset_ns, rate_ppm)
    shown = _Shown(settings.id, as_json)
    node = BerkeleyNode(settings, peers, clock=clock, on_event=shown.event)
    async with node:
        shown.opened(node, contact)
        when_told(node.leave)
        await node.finished()
    if as_json:
        from clocksync.berkeley.report import to_json

        typer.echo(to_json(node.document()))
    raise typer.Exit(node.exit_code)


class _Shown:
    """Events on standard error; tables, unless a document is asked for, on standard output."""

    def __init__(self, id_: int, as_json: bool) -> None:
        from rich.console import Console

        self._id, self._as_json = id_, as_json
        console = Console(highlight=False)
        wide = Console(highlight=False, width=160)
        self._console = console if console.is_terminal else wide

    def opened(self, node: "BerkeleyNode", contact: str | None) -> None:
        from clocksync.runtime.addresses import format_endpoint

        at = format_endpoint(*node.address)
        waits = "waiting for members" if contact is None else f"asking {contact} to be let in"
        self._say(f"listening on {at}, {waits}")

    def event(self, event: object) -> None:
        from clocksync.berkeley import Obeyed, RoundDone, report

        line = report.event_line(event)
        if line is not None:
            self._say(line)
        elif self._as_json:
            return
        elif isinstance(event, RoundDone):
            self._console.print(report.round_title(event), style="bold", soft_wrap=True)
            self._console.print(report.round_table(event))
        elif isinstance(event, Obeyed):
            typer.echo(report.obeyed_line(event))

    def _say(self, words: str) -> None:
        typer.echo(f"clocksync berkeley: host {self._id}: {words}", err=True)
