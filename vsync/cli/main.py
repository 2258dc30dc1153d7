"""The ``vsync`` command.  [I/O]

Exit codes: 0 good; 1 what was looked at is bad (a history that violates a promise); 2 usage, or a
file that cannot be read.
"""

import typer

from clocksync.cli import options
from clocksync.cli.key import key
from clocksync.cli.running import run_app
from vsync.cli.bench import bench
from vsync.cli.check import check
from vsync.cli.check_config import check_config
from vsync.cli.dashboard import dashboard
from vsync.cli.explain import explain
from vsync.cli.join import join
from vsync.cli.locks import locks
from vsync.cli.playground import playground
from vsync.cli.simulate import simulate
from vsync.cli.status import status
from vsync.cli.timestamps import timestamps

app = typer.Typer(
    name="vsync",
    help="Virtual synchrony: the same messages, the same changes, in the same order.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(join)
app.command()(status)
app.command("check-config")(check_config)
app.command()(bench)
app.command()(locks)
app.command()(dashboard)
app.command()(playground)
app.command()(simulate)
app.command()(check)
app.command()(explain)
app.command()(timestamps)
app.add_typer(key, name="key")


@app.callback()
def _vsync(version: options.Version = False) -> None:
    """Virtual synchrony: the same messages, the same changes, in the same order."""


def run() -> None:
    """Run the command line and exit: an error is one line and a code."""
    run_app(app, "vsync")
