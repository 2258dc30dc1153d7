"""``clocksync key`` and ``vsync key``: the keys that keep strangers out of a group.  [I/O]

Exit codes: 0 done; 1 what is in the key file is bad; 2 usage, a file that others may read, or one
that cannot be read or written.
"""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from clocksync.security import keys
from clocksync.security.keyring import KeyRing, Step

key = typer.Typer(
    help="Make, rotate and show the keys of a group.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

File = Annotated[Path, typer.Argument(metavar="FILE", help="The key file.")]


@key.command()
def generate(file: File) -> None:
    """Write a new file with a fresh key, which only its owner can read.

    Exit 0: written; 2: there is one, or it cannot be written.
    """
    ring = keys.generate(file)
    typer.echo(f"wrote {file}: {_named(ring, ring.used)}, for its owner only (mode 0600)")
    typer.echo("next: copy it to every member, over a channel that nobody else reads")


@key.command()
def rotate(context: typer.Context, file: File) -> None:
    """Take the next of three steps from a key to a new one, without stopping the group.

    After each step the file goes to every member, and each loads it again, before the next one.
    Exit 0: done; 1: the file is bad; 2: others may read it, or it cannot be read or written.
    """
    with _judged(context):
        step, ring = keys.rotate(file)
    newest = ring.keys[-1].id
    typer.echo(f"step {step.value} of 3: {_done(step, ring)}")
    if step is Step.DROP:
        typer.echo("next: copy the file to every member and let each load it again; that is all")
        return
    command = f"{_program(context)} key rotate {shlex.quote(str(file))}"
    typer.echo("next: copy the file to every member and let each load it again")
    typer.echo(f"then, and not before all of them have key {newest} so: {command}")


@key.command()
def show(context: typer.Context, file: File) -> None:
    """Print the numbers of the keys, which is used, and a check value of each; never a secret.

    Equal check values mean equal keys. Exit 0: good; 1: the file is bad; 2: others may read it, or
    it cannot be read.
    """
    with _judged(context):
        ring = keys.read(file)
    for one in ring.keys:
        state = "used" if one.id == ring.used else "accepted"
        typer.echo(f"{_named(ring, one.id)}: {state}")


@contextmanager
def _judged(context: typer.Context) -> Iterator[None]:
    try:
        yield
    except keys.UnsafeKeyFile:
        raise  # nothing was looked at: usage
    except keys.BadKeyFile as error:
        typer.echo(f"{_program(context)}: {error}", err=True)
        raise typer.Exit(1) from None


def _program(context: typer.Context) -> str:
    return context.find_root().command.name or "clocksync"


def _named(ring: KeyRing, number: int) -> str:
    value = next(one.check_value for one in ring.keys if one.id == number)
    return f"key {number} (check value {value})"


def _done(step: Step, ring: KeyRing) -> str:
    newest = _named(ring, ring.keys[-1].id)
    match step:
        case Step.ADD:
            return f"{newest} is new and accepted; key {ring.used} is still used"
        case Step.SWITCH:
            return f"{newest} is used now; key {ring.keys[0].id} is still accepted"
        case Step.DROP:
            return f"{newest} is the only one; the older key is gone"
