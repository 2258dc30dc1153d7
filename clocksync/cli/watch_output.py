"""What ``clocksync watch`` prints, writes, draws and serves while it runs.  [I/O]"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import typer
from rich.console import Console
from rich.live import Live

from clocksync.cli.stopping import until_told
from clocksync.exposition import LOOPBACK
from clocksync.measuring.report import rfc3339
from clocksync.runtime.addresses import format_endpoint, parse_endpoint
from clocksync.runtime.errors import BadConfig
from clocksync.watching.alarms import by_host
from clocksync.watching.core import Report
from clocksync.watching.log import alarm_line, json_lines
from clocksync.watching.logfile import LogFile
from clocksync.watching.rows import Target
from clocksync.watching.run import WatchRun
from clocksync.watching.series import History
from clocksync.watching.settings import WatchSettings
from clocksync.watching.view import View, plain_line

REFRESH_S = 1.0
"""Between reports the view is drawn this often, so that one sees bounds grow."""


class Output:
    """Where reports go, according to the options.

    Raises:
        BadConfig: the log cannot be written.
    """

    def __init__(self, json: bool, quiet: bool, log: Path | None, plot: Path | None) -> None:
        self._json = json
        self._quiet = quiet
        self._log = None if log is None else LogFile(log)
        self._plot = plot
        self._history = None if plot is None else History()
        self._view = View()
        self._live: Live | None = None
        console = Console(highlight=False)
        if not json and not quiet and console.is_terminal:
            # Alarm lines go above the view where both go to one terminal, else to stderr itself.
            both = sys.stderr is not None and sys.stderr.isatty()
            self._live = Live(
                console=console, auto_refresh=False, redirect_stderr=both, transient=False
            )

    @property
    def is_live(self) -> bool:
        """Whether there is a view to refresh between reports."""
        return self._live is not None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
        if self._log is not None:
            self._log.close()

    def report(self, report: Report) -> None:
        """Take one report."""
        for change in report.changes:
            typer.echo(alarm_line(change), err=True)
        if self._log is not None:
            self._log.write(report)
        if self._history is not None:
            self._history.add(report)
        if self._json:
            for line in json_lines(report):
                typer.echo(line)
        elif self._live is not None:
            self._view.add(report)
            self.show(report)
        elif not self._quiet:
            alarms = by_host(report.alarms)
            at = rfc3339(report.at_ns)[:23] + "Z"
            for row in report.rows:
                typer.echo(plain_line(row, at, alarms.get(row.result.host, [])))
        sys.stdout.flush()

    def show(self, report: Report) -> None:
        """Draw the view."""
        if self._live is not None:
            size = self._live.console.size
            self._live.update(self._view.render(report, size.width, size.height), refresh=True)

    def reopen(self) -> None:
        """After the log was moved away."""
        if self._log is not None:
            self._log.reopen()

    def draw(self) -> None:
        """The picture, at the end."""
        if self._plot is not None and self._history is not None:
            from clocksync.watching.plot import draw

            draw(self._history, self._plot)


async def run_watch(
    targets: Sequence[Target],
    settings: WatchSettings,
    output: Output,
    metrics: tuple[str, int] | None,
    duration_ns: int | None,
    count: int | None,
    family: int | None,
    source: str | None,
) -> int:
    """Watch until it is over; the exit code."""
    run = WatchRun(targets, settings, on_report=output.report, family=family, source=source)
    with contextlib.ExitStack() as stack:
        if metrics is not None:
            from clocksync.watching.metrics import serving

            port = stack.enter_context(serving(metrics, run.core))
            typer.echo(f"metrics at http://{format_endpoint(metrics[0], port)}/metrics", err=True)
        stack.enter_context(_signals(run, output))
        async with asyncio.TaskGroup() as group:
            refreshing = group.create_task(_refresh(run, output)) if output.is_live else None
            await run.run(duration_ns, count)
            if refreshing is not None:
                refreshing.cancel()
    output.draw()
    if not run.core.ever_answered:
        return 2
    return 1 if run.core.alarms.raised else 0


async def _refresh(run: WatchRun, output: Output) -> None:
    while True:
        await asyncio.sleep(REFRESH_S)
        if run.core.rounds:
            output.show(run.core.look())


@contextlib.contextmanager
def _signals(run: WatchRun, output: Output) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the watch, a second one the program; SIGHUP reopens the log."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, output.reopen)
    try:
        with until_told(run.stop):
            yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


def metrics_address(text: str) -> tuple[str, int]:
    """Read ``[ADDRESS:]PORT``.

    Raises:
        BadConfig: it is none.
    """
    if text.isascii() and text.isdigit() and int(text) < 1 << 16:
        return LOOPBACK, int(text)
    try:
        return parse_endpoint(text)
    except BadConfig:
        raise BadConfig(
            f"--metrics {text!r}: write a port, or an address and a port: 9123, 0.0.0.0:9123"
        ) from None


def check_plot(path: Path) -> None:
    """Find out before the watch whether a picture can be drawn after it.

    Raises:
        MissingExtra: the extra is missing.
        BadConfig: the format is unknown, or the folder is not there.
    """
    from clocksync.watching.plot import check

    check(path)
