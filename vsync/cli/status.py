"""``vsync status``: ask the members that run on this machine how they are.  [I/O]"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from clocksync.runtime.units import SECOND, format_duration
from vsync.node import status as sockets
from vsync.states import State

LIST_SCHEMA = "vsync.members/1"
LOCKS_SHOWN = 10


def status(
    member: Annotated[
        str | None,
        typer.Argument(metavar="GROUP[-ID]", help="Which member; default: list all."),
    ] = None,
    socket: Annotated[
        Path | None, typer.Option("--socket", help="Its status socket, if it is not at its place.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON.")] = False,
) -> None:
    """Show how a member that runs on this machine is: its ring, rates, queues, the last changes.

    Exit 0: on a ring; 1: it is looking for one; 2: no such member, or it does not answer.
    """
    if member is None and socket is None:
        _list(as_json)
        return
    told = _checked(sockets.ask(socket or _chosen(member or "")), socket)
    if as_json:
        typer.echo(json.dumps(told))
    else:
        for line in described(told):
            typer.echo(_clean(line))
    if told["state"] != State.OPERATIONAL.value:
        raise typer.Exit(1)


def _chosen(member: str) -> Path:
    there = [(group, number, path) for group, number, path in sockets.found()]
    exact = [path for group, number, path in there if f"{group}-{number}" == member]
    of_group = [(number, path) for group, number, path in there if group == member]
    if exact:
        return exact[0]
    if len(of_group) == 1:
        return of_group[0][1]
    if of_group:
        names = ", ".join(f"{member}-{number}" for number, _ in of_group)
        raise sockets.NoStatus(f"{member} has several members here: name one of {names}")
    if not there:
        raise sockets.NoStatus(f"no member of {member} runs here; {_nobody()}")
    names = ", ".join(f"{group}-{number}" for group, number, _ in there)
    raise sockets.NoStatus(f"no member of {member} runs here; there are: {names}")


def _nobody() -> str:
    places = " or ".join(map(str, sockets.folders()))
    return f"no socket is in {places} (name another place: --socket PATH)"


def _checked(told: Mapping[str, Any], socket: Path | None) -> Mapping[str, Any]:
    """An answer that has all it should have.

    Raises:
        NoStatus: it has not.
    """
    try:
        list(described(told))
    except (KeyError, TypeError, ValueError, AttributeError):
        where = f"{socket}: " if socket else ""
        raise sockets.NoStatus(f"{where}a member of another version answers there") from None
    return told


# One member


def described(told: Mapping[str, Any]) -> Iterator[str]:
    """An answer in words, line by line."""
    yield f"{told['group']}, member {told['id']} (process {told['pid']}, version {told['version']})"
    for label, text in _facts(told):
        yield f"{label:<16}{text}"
    changes = told["changes"]
    yield f"the last {len(changes)} changes" if changes else "no changes yet"
    for change in changes:
        yield f"  {_age(change['age_ns']):>9} ago  {change['to']} ({change['cause']})"


def _facts(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    queue, configuration = told["send_queue"], told["configuration"]
    offload = told["offload"]
    yield "up", _age(told["uptime_ns"])
    yield "listens on", told["listen"]
    for member, name in told["names"].items():
        failures = f" (lookups in vain: {name['failures']:,})" if name["failures"] else ""
        yield f"member {member}", f"{name['name']}: {name['address'] or 'not found yet'}{failures}"
    yield "state", told["state"]
    yield "ring", told["ring"]["id"]
    yield "members", _numbers(told["ring"]["members"])
    if configuration is not None:
        yield "configuration", f"{configuration['id']} ({configuration['reason']})"
        moves = [
            f"{_numbers(configuration[what])} {what}"
            for what in ("joined", "left")
            if configuration[what]
        ]
        if moves:
            yield "", ", ".join(moves)
    rotation = told["rotation_ns"]
    yield (
        "rotation",
        "no token comes round"
        if rotation is None
        else f"{format_duration(rotation)} ({SECOND // max(1, rotation):,} /s)",
    )
    yield "accepted", f"{told['accepted']['messages']:,} messages to send"
    yield "sent again", f"{told['retransmissions']:,}"
    yield (
        "send queue",
        f"{queue['messages']:,} of {queue['messages_max']:,} messages,"
        f" {_fill(queue['bytes'], queue['bytes_max'])}",
    )
    yield "not taken yet", f"{told['backlog_bytes']:,} bytes"
    sent, received = told["datagrams"]["sent"], told["datagrams"]["received"]
    yield "datagrams", f"{sent:,} sent, {received:,} received"
    dropped = told["dropped"].items()
    yield "dropped", ", ".join(f"{count:,} {reason}" for reason, count in dropped) or "none"
    yield "transport", told["transport"]
    yield "protection", "encrypted" if told["encrypted"] else "NONE: plaintext"
    yield "offload", " and ".join(way for way in ("sends", "receives") if offload[way]) or "none"
    yield "clock", f"within {format_duration(told['clock_error_ns'])} of true time"
    source = told["time_source"]
    yield "time source", source["name"] + (f" ({source['state']})" if source["state"] else "")
    for member, apart in told["clocks"]["members"].items():
        way = "ahead of" if apart["offset_ns"] > 0 else "behind"
        by = format_duration(abs(apart["offset_ns"]))
        yield f"clock of {member}", f"{by} {way} ours, ± {format_duration(apart['error_ns'])}"
    yield from _locks(told["locks"] or ())


def _locks(locks: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for number, lock in enumerate(locks[:LOCKS_SHOWN]):
        holder = "nobody: its holder is gone, its lease runs out"
        if lock["holder"] is not None:
            holder = f"member {lock['holder']}"
        waiting = f"; {_numbers(lock['waiting'])} waiting" if lock["waiting"] else ""
        label = "" if number else "locks"
        yield label, f"{lock['name']} ({lock['service']}) held by {holder}{waiting}"
    if len(locks) > LOCKS_SHOWN:
        yield "", f"and {len(locks) - LOCKS_SHOWN} more: --json tells them"


def _numbers(members: Sequence[int]) -> str:
    return ", ".join(map(str, members))


def _fill(part: int, whole: int) -> str:
    return f"{100 * part / max(1, whole):.1f} % of its bytes"


def _age(ns: int) -> str:
    """A time in the past, as people say it.

    >>> _age(3_240_000_000), _age(200_000_000_000), _age(90_000_000_000_000)
    ('3.2 s', '3 min 20 s', '1 d 1 h')
    """
    seconds = ns // SECOND
    if seconds < 60:
        return f"{ns / SECOND:.1f} s"
    for unit, size, small, part in (
        ("d", 86_400, "h", 3600),
        ("h", 3600, "min", 60),
        ("min", 60, "s", 1),
    ):
        if seconds >= size:
            return f"{seconds // size} {unit} {seconds % size // part} {small}"
    raise AssertionError("a minute at least")


def _clean(line: str) -> str:
    """What a terminal can be shown: the answer may come from anybody."""
    return "".join(letter if letter.isprintable() else "·" for letter in line)


# All members


def _list(as_json: bool) -> None:
    rows = []
    for group, number, path in sockets.found():
        row = {"group": group, "id": number, "socket": str(path)}
        try:
            told = _checked(sockets.ask(path), path)
        except sockets.NoStatus as error:
            rows.append(row | {"error": str(error)})
        else:
            picked = {"group": told["group"], "state": told["state"]}
            rows.append(row | picked | {"members": told["ring"]["members"]})
    if as_json:
        typer.echo(json.dumps({"schema": LIST_SCHEMA, "members": rows}))
    elif not rows:
        raise sockets.NoStatus(f"no member runs here: {_nobody()}")
    else:
        _show(rows)
    if not rows or all("error" in row for row in rows):
        raise typer.Exit(2)


def _show(rows: Sequence[Mapping[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("group", "id", "state", "members", "socket"):
        table.add_column(title, overflow="fold")
    for row in rows:
        state = row.get("state", "no answer")
        members = _numbers(row.get("members", ()))
        texts = (row["group"], str(row["id"]), state, members, row["socket"])
        table.add_row(*map(_clean, texts))
    # However long a path is, it stays one word.
    width = 100 + max(len(row["socket"]) for row in rows)
    Console(width=width, highlight=False, markup=False).print(table)
    for row in rows:
        if "error" in row:
            typer.echo(f"vsync: {_clean(row['error'])}", err=True)
