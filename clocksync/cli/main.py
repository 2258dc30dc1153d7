"""The ``clocksync`` command.  [I/O]

It registers the subcommands.
"""

import typer

from clocksync.cli import options
from clocksync.cli.agent import agent
from clocksync.cli.berkeley import berkeley
from clocksync.cli.capture import capture
from clocksync.cli.convert import convert
from clocksync.cli.cristian import cristian
from clocksync.cli.dashboard import dashboard
from clocksync.cli.discipline import discipline
from clocksync.cli.doctor import doctor
from clocksync.cli.gnss import gnss
from clocksync.cli.key import key
from clocksync.cli.measure import measure
from clocksync.cli.mesh import mesh
from clocksync.cli.now import now
from clocksync.cli.plot import plot
from clocksync.cli.rbs import rbs
from clocksync.cli.running import run_app
from clocksync.cli.serve import serve
from clocksync.cli.waitsync import waitsync
from clocksync.cli.watch import watch

app = typer.Typer(
    name="clocksync",
    help="How far apart clocks are, with a bound you can trust.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Offsets are theirs minus ours: positive means that the local clock is behind.",
)
app.command()(measure)
app.command()(serve)
app.command()(now)
app.command()(gnss)
app.command()(watch)
app.command()(dashboard)
app.command()(plot)
app.command()(waitsync)
app.command()(doctor)
app.command()(cristian)
app.command()(agent)
app.add_typer(berkeley, name="berkeley")
app.command()(mesh)
app.command()(discipline)
app.command()(capture)
app.add_typer(key, name="key")
app.command()(convert)
app.add_typer(rbs, name="rbs")


@app.callback()
def _options(version: options.Version = False) -> None:
    """How far apart clocks are, with a bound you can trust."""


def run() -> None:
    """Run the command line and exit: an error is one line and a code."""
    run_app(app, "clocksync")
