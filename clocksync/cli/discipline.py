"""``clocksync discipline HOST...``: a software clock kept to hosts, and what it shows.  [I/O]"""

from typing import Annotated

import typer

from clocksync.cli import options
from clocksync.cli.options import duration


def discipline(
    hosts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="HOST[:PORT]...", help="NTP servers; port 123 by default.", show_default=False
        ),
    ] = None,
    servo: Annotated[str, typer.Option(metavar="NAME", help="kalman or pi.")] = "kalman",
    min_poll: Annotated[
        int, typer.Option(metavar="N", help="Ask each host every 2^N s at the most often.")
    ] = 4,
    max_poll: Annotated[
        int, typer.Option(metavar="N", help="Ask each host every 2^N s at the least often.")
    ] = 10,
    timeout: options.Timeout = "1s",  # type: ignore[assignment]
    min_sources: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="So many hosts must agree.  [default: half of them, rounded up]",
            show_default=False,
        ),
    ] = None,
    max_drift: Annotated[
        float, typer.Option(metavar="PPM", help="Largest frequency error that bounds allow for.")
    ] = 500.0,
    wander: Annotated[
        float,
        typer.Option(metavar="PPM", help="Largest change of it within an hour, likewise."),
    ] = 4.0,
    ipv4: options.IPv4 = False,
    ipv6: options.IPv6 = False,
    source: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Send from this local address.")
    ] = None,
    interval: Annotated[
        int,
        typer.Option(parser=duration, metavar="DURATION", help="Between two status lines."),
    ] = "10s",  # type: ignore[assignment]
    for_: Annotated[
        int | None,
        typer.Option("--duration", parser=duration, metavar="DURATION", help="End after this."),
    ] = None,
    serve: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS:PORT", help="Answer NTP with the disciplined clock."),
    ] = None,
    system: Annotated[
        bool,
        typer.Option("--system", help="Steer the system's clock as well: Linux, CAP_SYS_TIME."),
    ] = False,
    step: Annotated[
        int | None,
        typer.Option(
            parser=duration,
            metavar="DURATION",
            help="With --system: step it where it is off by more, instead of slewing.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --system: say what would be done, do nothing.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print changes of state only.")
    ] = False,
) -> None:
    """Keep a software clock to HOSTS: its time with a bound, its frequency, its state.

    Needs no privileges and never touches the system clock, unless --system says so. Exits with 0 if
    the clock is locked at the end, 1 if it is not, 2 if no host ever answered.
    """
    from clocksync.cli.discipline_run import Wishes, run
    from clocksync.runtime.errors import BadConfig
    from clocksync.steering.settings import DisciplineSettings

    if not hosts:
        raise BadConfig("name at least one host, for example: clocksync discipline pool.ntp.org")
    if json and quiet:
        raise BadConfig("--json and --quiet exclude each other")
    if not system and (step is not None or dry_run):
        raise BadConfig("--step and --dry-run say how --system works: add it, or leave them out")
    for name, value in (("--interval", interval), ("--duration", for_), ("--step", step)):
        if value is not None and value <= 0:
            raise BadConfig(f"{name} must be longer than nothing")
    settings = DisciplineSettings(
        servo=servo,
        poll_min=min_poll,
        poll_max=max_poll,
        timeout_ns=timeout,
        sources_min=min_sources,
        max_drift_ppm=max_drift,
        wander_ppm_per_hour=wander,
    )
    wishes = Wishes(
        hosts=hosts,
        settings=settings,
        family=options.family(ipv4, ipv6),
        source=source,
        interval_ns=interval,
        duration_ns=for_,
        serve=serve,
        system=system,
        step_ns=step,
        dry_run=dry_run,
        json=json,
        quiet=quiet,
    )
    raise typer.Exit(run(wishes))
