"""``clocksync plot LOG...``: pictures of what a watch wrote down.  [I/O]"""

from pathlib import Path
from typing import Annotated

import typer


def plot(
    logs: Annotated[
        list[Path], typer.Argument(metavar="LOG...", help="Logs of clocksync watch, oldest first.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="FILE.svg, .png or .pdf.")
    ] = Path("watch.svg"),
    hosts: Annotated[
        list[str] | None,
        typer.Option("--host", metavar="NAME", help="Only this host; repeatable."),
    ] = None,
) -> None:
    """Draw offsets with their bounds, and the Allan deviation, from the LOGs of a watch.

    Needs the extra plot. Exits with 2 if there is nothing to draw.
    """
    from clocksync.measuring.result import counted
    from clocksync.runtime.errors import BadConfig
    from clocksync.watching.plot import check, draw
    from clocksync.watching.series import History

    check(output)
    history = History()
    for log in logs:
        try:
            with log.open(encoding="utf-8", errors="replace", newline="") as file:
                history.read(file, str(log))
        except OSError as error:
            raise BadConfig(f"{log} cannot be read: {error.strerror}") from None
    missing = [host for host in hosts or [] if host not in history.series]
    if missing:
        known = ", ".join(history.series)
        raise BadConfig(f"no host {missing[0]!r} in the log: there are {known}")
    if hosts:
        history.series = {host: history.series[host] for host in hosts}
    drawn = draw(history, output)
    if history.bad_lines:
        typer.echo(f"clocksync: {history.bad_lines} lines were none of a watch's log", err=True)
    typer.echo(f"{output}: {counted(drawn, 'host')}")
