"""``vsync check-config``: would ``vsync join --config FILE`` start?  [I/O]"""

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from clocksync.measuring.settings import NTP_PORT, HostSpec
from clocksync.runtime.addresses import parse_endpoint
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import MILLISECOND, SECOND, format_duration
from clocksync.security import keys
from vsync.cli.effective import Effective, effective, read_file
from vsync.config import RingConfig
from vsync.node.declared import ELSEWHERE
from vsync.node.lookups import look_up, numeric
from vsync.node.settings import Settings, read_id
from vsync.node.timesource import bound_now, servers_of

SCHEMA = "vsync.config/1"


def check_config(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Settings (TOML).")],
    id: Annotated[
        str | None,
        typer.Option("--id", envvar="VSYNC_ID", help="As this member, whatever the file says."),
    ] = None,
    resolve: Annotated[
        bool, typer.Option("--resolve/--no-resolve", help="See that all names resolve.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON.")] = False,
) -> None:
    """Print the settings that a file comes to, defaults and all, and look whether they can work.

    Never a secret is printed. Exit 0: good; 1: something in it is bad; 2: it cannot be read.
    """
    try:
        said = read_file(file)
        given = Settings(id=None if id is None else read_id(id, "--id"))
        member = effective(given.over(said), None)
    except BadConfig as error:
        typer.echo(f"vsync: {_placed(str(error), file)}", err=True)
        raise typer.Exit(1) from None
    problems = list(_problems(member, resolve))
    rows = list(described(member))
    if as_json:
        told = {"schema": SCHEMA, "settings": dict(rows), "problems": problems}
        typer.echo(json.dumps(told))
    else:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        for name, value in rows:
            table.add_row(name, value)
        Console(width=100, highlight=False, markup=False).print(table)
    for problem in problems:
        typer.echo(f"vsync: {file}: {problem}", err=True)
    if problems:
        raise typer.Exit(1)
    if not as_json:
        typer.echo(f"{file} is good")


def _placed(message: str, file: Path) -> str:
    return message if message.startswith(str(file)) else f"{file}: {message}"


def _problems(member: Effective, resolve: bool) -> Iterator[str]:
    """What would keep the member from starting, or from being heard."""
    said = member.settings
    if said.key_file is not None:
        try:
            keys.read(said.key_file)
        except BadConfig as error:
            yield f"key_file: {error}"
        except OSError as error:
            yield f"key_file: {said.key_file}: {error.strerror}"
    ends = {"listen": member.listen} | {f"peers.{n}": at for n, at in member.peers.items()}
    families = set()
    for name, endpoint in ends.items() if resolve else ():
        try:
            families.add(":" in numeric(endpoint)[0])
        except BadConfig as error:
            yield f"{name}: {error}"
    for server in servers_of(member.time_source) if resolve else ():
        if not look_up((HostSpec.parse(server).name, NTP_PORT)):
            yield f"time_source: {server} cannot be resolved"
    try:
        bound_now(member.time_source)
    except BadConfig as error:
        yield str(error)
    if len(families) > 1:
        yield "listen and peers are not of one family, v4 or v6"
    if not member.peers and said.discovery is None:
        yield "peers: there are none, and no [discovery]: this member will stay alone"
    _, port = parse_endpoint(member.listen)
    if port == 0:
        yield f"listen = {member.listen}: others cannot know a port that is chosen at the start"
    for name, path in (("state", said.state), ("history", said.history)):
        if path is not None and name == "history" and not Path(path).parent.is_dir():
            yield f"{name}: {Path(path).parent} is no folder"
        if path is not None and name == "state" and Path(path).exists() and not Path(path).is_dir():
            yield f"{name}: {path} is no folder"


def described(member: Effective) -> Iterator[tuple[str, str]]:
    """Every setting in force, by its key; of secrets only where they are."""
    said = member.settings
    yield "group", member.group
    yield "id", str(member.id)
    yield "listen", member.listen
    for peer, endpoint in sorted(member.peers.items()):
        yield f"peers.{peer}", endpoint
    if said.discovery is not None and not said.discovery.dns:
        yield "discovery", f"zeroconf, {said.discovery.members} members"
    yield "key_file", said.key_file or "none: PLAINTEXT"
    yield "state", said.state or "none: a restart is a member that lost its disk"
    yield "history", said.history or "none"
    yield "service", member.service.value
    yield "preset", said.preset or "lan"
    yield "mtu", str(said.mtu_in_force)
    yield "multicast", "where it works" if said.multicast is not False else "off"
    yield "token_timeout", exact(member.config.token_loss_ns)
    where, _ = member.status_socket(lambda folder: folder)  # a look makes nothing
    yield "status_socket", "none" if where is None else str(where)
    at = member.metrics
    yield "metrics", "off" if at is None else f"{at[0]}:{at[1]}"
    yield "wait_for_peers", exact(member.wait_ns)
    yield "time_source", _with_its_bound(member.time_source)
    yield from _ring(member.config)


def _with_its_bound(source: str) -> str:
    try:
        bound = bound_now(source)
    except BadConfig:  # which is a problem, and told as one
        bound = None
    return source if bound is None else f"{source}: within {format_duration(bound)} now"


def _ring(config: RingConfig) -> Iterator[tuple[str, str]]:
    for field in fields(config):
        value, name = getattr(config, field.name), field.name.removesuffix("_ns")
        if name in ELSEWHERE:
            continue
        if isinstance(value, tuple):
            yield f"ring.{name}", " to ".join(map(exact, value))
        elif field.name.endswith("_ns"):
            yield f"ring.{name}", exact(value)
        else:
            yield f"ring.{name}", str(value).lower()


def exact(ns: int) -> str:
    """A duration as a file would say it, nothing rounded.

    >>> exact(1_500_000_000), exact(2_000_000_000), exact(1_234)
    ('1500ms', '2s', '1234ns')
    """
    for unit, size in (("s", SECOND), ("ms", MILLISECOND), ("us", 1000)):
        if ns % size == 0:
            return f"{ns // size}{unit}"
    return f"{ns}ns"
