"""``clocksync cristian HOST --within 200us``: read a remote clock to within a bound.  [I/O]

Exit codes: 0 the bound was reached; 1 it was not, and the best there was is printed; 2 usage, or
there is no reading.
"""

import asyncio
import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from clocksync.cli import options, peer_options
from clocksync.cli.options import duration
from clocksync.cli.stopping import when_told

if TYPE_CHECKING:
    from clocksync.cristian.clock import CristianClock
    from clocksync.cristian.report import Followed
    from clocksync.peers.endpoint import PeerSettings

REPORT_NS = 1_000_000_000
LOOK_NS = 20_000_000


def cristian(
    host: Annotated[str, typer.Argument(metavar="HOST[:PORT]", help="Whose clock to read.")],
    within: Annotated[
        int, typer.Option(parser=duration, metavar="DURATION", help="The bound to reach.")
    ],
    attempts: Annotated[
        int, typer.Option("--attempts", "-n", help="At the most, for a reading.")
    ] = 20,
    interval: Annotated[
        int | None,
        typer.Option(
            parser=duration,
            metavar="DURATION",
            help="Between attempts.  [default: 100ms, 2s for a public address]",
            show_default=False,
        ),
    ] = None,
    timeout: Annotated[
        int,
        typer.Option(
            parser=duration,
            metavar="DURATION",
            help="Wait this long for an answer; twice as long after each silence.",
        ),
    ] = "1s",  # type: ignore[assignment]
    min_delay: Annotated[
        int,
        typer.Option(
            parser=duration,
            metavar="DURATION",
            help="What a datagram is known to take at the least, one way: taken off the bound.",
        ),
    ] = "0",  # type: ignore[assignment]
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on reading, and steer a clock to the remote one.")
    ] = False,
    run_for: Annotated[
        int | None,
        typer.Option(
            "--duration",
            parser=duration,
            metavar="DURATION",
            help="With --follow: end after this time.",
            show_default=False,
        ),
    ] = None,
    max_drift: options.MaxDrift = 500.0,
    max_slew: Annotated[
        float, typer.Option(metavar="PPM", help="How fast the steered clock is slewed.")
    ] = 83_333.333,
    offset: peer_options.Offset = "0",
    rate: peer_options.Rate = 0.0,
    key: peer_options.KeyFile = None,
    agent: Annotated[
        bool,
        typer.Option(
            "--agent", help="HOST is no NTP server but a `clocksync agent`; so it is with --key."
        ),
    ] = False,
    id_: Annotated[
        int,
        typer.Option("--id", metavar="N", help="Our number for the agent, in no use elsewhere."),
    ] = 65_000,
    listen: Annotated[
        str, typer.Option(metavar="ADDRESS:PORT", help="Where we ask an agent from.")
    ] = "",
    insecure_plaintext: peer_options.Insecure = False,
    fleet: peer_options.Fleet = "clocks",
    json: options.Json = False,
) -> None:
    """Read the clock of HOST: ask until the answer is quick enough for the bound that is wanted.

    HOST is any NTP server, or with --key one of our own hosts. The system's clock is not touched.
    """
    from clocksync.runtime.errors import BadConfig

    if run_for is not None and not follow:
        raise BadConfig("--duration is for --follow: a reading ends by itself")
    is_agent = agent or key is not None or insecure_plaintext
    host_options = peer_options.Host(id_, listen, key, insecure_plaintext, fleet)
    asyncio.run(
        _run(
            host,
            within,
            interval,
            host_options if is_agent else None,
            (duration(offset), rate),
            (follow, run_for, json),
            attempts=attempts,
            timeout_ns=timeout,
            min_delay_ns=min_delay,
            max_drift_ppm=max_drift,
            max_slew_ppm=max_slew,
        )
    )


async def _run(
    host: str,
    within_ns: int,
    interval_ns: int | None,
    agent: peer_options.Host | None,
    wrong: tuple[int, float],
    how: tuple[bool, int | None, bool],
    **settings: float,
) -> None:
    from clocksync.cristian import report
    from clocksync.cristian.clock import CristianClock
    from clocksync.peers.steady import SteadyClock

    follow, run_for, as_json = how
    failures: list[str] = []
    clock = CristianClock(
        host,
        within_ns,
        interval_ns=interval_ns,
        peers=await _peers(agent, host) if agent is not None else None,
        clock=SteadyClock(*wrong),
        follows=follow,
        on_event=lambda event: _note(event, failures, follow),
        **settings,
    )
    followed = None
    async with clock:
        if follow:
            followed = await _follow(clock, run_for, as_json)
            followed.failures = len(failures)
        else:
            await _unless_interrupted(clock)
        core = clock.core
    why = None if core.reading is not None else (failures or ["it was not read in time"])[-1]
    if as_json:
        document = report.to_document(
            host, clock.address, core.settings, core.reading, why, followed
        )
        typer.echo(report.to_json(document))
    elif core.reading is not None and not follow:
        typer.echo("\n".join(report.sentences(host, core.settings, core.reading)))
    if core.reading is None:
        if not as_json and not follow:
            typer.echo(f"clocksync cristian: {host}: {why}", err=True)
        raise typer.Exit(2)
    is_good = core.reading.is_within
    if followed is not None:
        is_good = followed.seen == followed.within
    raise typer.Exit(0 if is_good else 1)


async def _peers(agent: peer_options.Host, host: str) -> "PeerSettings":
    from dataclasses import replace

    from clocksync.peers.endpoint import DEFAULT_PORT
    from clocksync.runtime.addresses import is_loopback, numeric

    where = await numeric(host, DEFAULT_PORT)
    if not agent.listen:
        is_local = is_loopback(where[0])
        any_address = ("[::1]" if is_local else "[::]") if ":" in where[0] else None
        bind = any_address or ("127.0.0.1" if is_local else "0.0.0.0")
        agent = replace(agent, listen=f"{bind}:0")
    return await agent.settings((where,))


def _note(event: object, failures: list[str], follow: bool) -> None:
    from clocksync.cristian.reader import Failed, Stepped
    from clocksync.runtime.units import format_duration

    if isinstance(event, Failed):
        failures.append(event.why)
        if follow:
            typer.echo(f"clocksync cristian: no reading: {event.why}; going on", err=True)
    elif isinstance(event, Stepped):
        gap = format_duration(event.gap_ns)
        typer.echo(
            f"clocksync cristian: readings contradict each other by {gap}: a clock was set",
            err=True,
        )


async def _unless_interrupted(clock: "CristianClock") -> None:
    """Wait for the reading, or for Ctrl-C."""
    ended = asyncio.Event()
    when_told(ended.set)
    clock.when_read(ended.set)
    await ended.wait()


async def _follow(clock: "CristianClock", run_for: int | None, as_json: bool) -> "Followed":
    """Print a line a second, and watch the bound in between."""
    from clocksync.cristian.report import Followed

    followed = Followed(0, 0, 0, 0, 0, None)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    when_told(ended.set)
    began, said = loop.time(), 0.0
    within_ns = clock.core.settings.within_ns
    while not ended.is_set():
        elapsed = loop.time() - began
        if run_for is not None and elapsed >= run_for / 1e9:
            break
        bound = clock.error_bound()
        if bound is not None and not clock.core.steering.pending(clock.clock.read()):
            followed.seen += 1
            followed.within += bound <= within_ns
            followed.worst_bound = max(bound, followed.worst_bound or 0)
        if elapsed >= said and not as_json and bound is not None:
            said = elapsed + REPORT_NS / 1e9
            _say_state(clock, bound)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_NS / 1e9):
                await ended.wait()
    core = clock.core
    followed.duration = round((loop.time() - began) * 1e9)
    followed.readings, followed.steps = core.readings, core.steps
    followed.attempts = core.total_attempts
    return followed


def _say_state(clock: "CristianClock", bound_ns: int) -> None:
    from clocksync.measuring.report import rfc3339
    from clocksync.runtime.units import format_duration

    own, shown = clock.clock.read(), clock.read()
    pending = clock.core.steering.pending(own)
    slews = f", {format_duration(abs(pending))} to slew" if pending else ""
    typer.echo(
        f"{rfc3339(shown)} ± {format_duration(bound_ns)}{slews}"
        f" ({clock.core.readings} readings, {clock.core.total_attempts} attempts,"
        f" rate {clock.core.steering.rate_ppm:+.2f} ppm)"
    )
