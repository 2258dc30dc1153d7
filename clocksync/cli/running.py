"""How the toolkit's commands end.  [I/O]

The one place where an error becomes a line and an exit code: 0 good, 1 the thing looked at is bad,
2 usage or nothing reachable. Nobody sees a traceback for bad input.
"""

import contextlib
import io
import os
import sys
from typing import NoReturn

import typer

from clocksync.runtime.errors import ToolkitError


def run_app(app: typer.Typer, name: str) -> NoReturn:
    """Run a command line and exit: an error is one line and a code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without our signs gets a "?" each
            stream.reconfigure(errors="replace")
    try:
        code = _run(app, name)
        if sys.stdout is not None:
            sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except BrokenPipeError:
        # Whoever read our output has left (`| head`): nothing to say, and nobody to say it to.
        _silence()
        code = 1
    except OSError as error:
        code = 2
        if error.filename:
            typer.echo(f"{name}: {error.filename}: {error.strerror}", err=True)
        else:
            with contextlib.suppress(OSError):
                typer.echo(f"{name}: the system says: {error.strerror or error}", err=True)
            _silence()
    sys.exit(code)


def _run(app: typer.Typer, name: str) -> int:
    try:
        return app(standalone_mode=False) or 0
    except ToolkitError as error:
        typer.echo(f"{name}: {error}", err=True)
    except Exception as error:
        # Typer has had its own copy of click and has used the installed one: know a usage error
        # by what it can do.
        if not hasattr(error, "format_message"):
            raise
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(error.format_message(), err=True)
            return 2
        context = getattr(error, "ctx", None)
        command = context.command_path if context else name
        message = " ".join(error.format_message().split())
        typer.echo(f"{command}: {message} (try: {command} --help)", err=True)
    return 2


def _silence() -> None:
    """What is still buffered has nowhere to go; Python would complain of that at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            os.dup2(nowhere, stream.fileno())
