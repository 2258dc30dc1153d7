"""``vsync locks``: both ways of locking, side by side.  [I/O]"""

import json
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import MICROSECOND, parse_duration
from vsync.bench.lockrun import Plan, Row, measure, ratios, to_json

WAYS = {"server": "client and server", "agreed": "ring, AGREED", "safe": "ring, SAFE"}


def locks(
    bench: Annotated[bool, typer.Option("--bench", help="Measure; there is nothing else yet.")] = (
        False
    ),
    members: Annotated[int, typer.Option(help="How many ask for locks, 2 to 16.")] = 3,
    seconds: Annotated[float, typer.Option(help="How long each row is measured.")] = 1.0,
    outstanding: Annotated[
        str, typer.Option(help="Requests of each on their way; a list.")
    ] = "1,64",
    delay: Annotated[
        str, typer.Option(help="A second table, with so much delay each way; 0: none.")
    ] = "250us",
    mtu: Annotated[int, typer.Option(help="Of the links, bytes.")] = 1500,
    offload: Annotated[bool, typer.Option(help="Segment offload on the links.")] = True,
    insecure_plaintext: Annotated[
        bool, typer.Option("--insecure-plaintext", help="The ring without a key.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON.")] = False,
) -> None:
    """Compare two lock services: a server that is asked, and a ring whose members all know.

    The server takes a request and gives an answer for each lock, over TCP, unencrypted. On the ring
    a member holds a lock when its own request is delivered to it. Everybody asks for locks that
    nobody else wants.
    """
    if not bench:
        raise BadConfig("say --bench: `vsync locks --bench` measures both ways of locking")
    if not 2 <= members <= 16:
        raise BadConfig(f"--members {members} is not in 2 to 16")
    if not 0 < seconds <= 600:
        raise BadConfig(f"--seconds {seconds:g} is not in 0 to 600")
    if not 576 <= mtu <= 65_535:
        raise BadConfig(f"--mtu {mtu} is not in 576 to 65535")
    plan = Plan(
        members=members,
        seconds=seconds,
        outstanding=_counts(outstanding),
        delays_us=_delays(delay),
        mtu=mtu,
        insecure_plaintext=insecure_plaintext,
        offload=offload,
    )
    rows, loopback = measure(plan)
    if as_json:
        typer.echo(json.dumps(to_json(plan, rows, loopback)))
    else:
        _show(plan, rows, loopback)


def _counts(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and 1 <= int(part) <= 10_000 for part in parts):
        raise BadConfig(f"--outstanding {text!r}: numbers from 1 to 10000, with commas between")
    return tuple(dict.fromkeys(map(int, parts)))


def _delays(text: str) -> tuple[int, ...]:
    try:
        delay_us = parse_duration(text) // MICROSECOND if text != "0" else 0
    except ValueError as error:
        raise BadConfig(f"--delay: {error}") from None
    if not 0 <= delay_us <= 1_000_000:
        raise BadConfig(f"--delay {text} is not in 0 to 1s")
    return (0, delay_us) if delay_us else (0,)


def _show(plan: Plan, rows: Sequence[Row], loopback: str) -> None:
    console = Console(width=100, highlight=False)
    ring = "not protected" if plan.insecure_plaintext else "encrypted"
    where = (
        f"one loopback interface: {loopback}"
        if loopback
        else f"network namespaces, MTU {plan.mtu}, segment offload"
        f" {'on' if plan.offload else 'off'}"
    )
    typer.echo(f"{plan.members} members ask for locks; {where}; the ring is {ring}")
    for delay_us in dict.fromkeys(row.delay_us for row in rows):
        typer.echo("")
        typer.echo(
            f"with {delay_us} us of delay each way, no offload" if delay_us else "plain links"
        )
        console.print(_table([row for row in rows if row.delay_us == delay_us]))
    typer.echo("")
    for line in explained(rows):
        typer.echo(line)


def _table(rows: Sequence[Row]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("way", "on their way", "confirms"):
        table.add_column(title)
    for title in ("locks/s", "x server", "p50 us", "p99 us", "CPU %", "locks/frame"):
        table.add_column(title, justify="right")
    servers = {(r.outstanding, r.pipelined): r.locks_per_second for r in rows if r.way == "server"}
    for row in rows:
        base = servers.get((row.outstanding, row.pipelined), 0.0)
        table.add_row(
            WAYS[row.way],
            f"{row.outstanding} each",
            "grants" if row.pipelined else "and releases",
            f"{row.locks_per_second:,.0f}",
            f"{row.locks_per_second / base:.1f}" if base else "-",
            f"{row.latency_us['p50']:,.0f}",
            f"{row.latency_us['p99']:,.0f}",
            f"{row.busiest_cpu_percent:.0f}",
            f"{row.locks_per_frame:.0f}" if row.locks_per_frame else "",
        )
    return table


def explained(rows: Sequence[Row]) -> list[str]:
    """Where the gain comes from, by what was measured."""
    most = max(row.outstanding for row in rows)
    by_load = {(r.way, r.outstanding): r for r in rows if r.pipelined and r.delay_us == 0}
    server, agreed, safe = (by_load[way, most] for way in ("server", "agreed", "safe"))
    one = by_load["agreed", min(row.outstanding for row in rows)]
    lost = [ratio.safe_costs for ratio in ratios(rows) if ratio.pipelined and not ratio.delay_us]
    return [
        f"batching     one frame of the ring carries {agreed.locks_per_frame:.0f} locks with {most}"
        f" on their way, {one.locks_per_frame:.1f} with {one.outstanding}",
        f"no server    the busiest process takes"
        f" {agreed.busiest_cpu_percent / 100 / max(agreed.locks_per_second, 1) * 1e6:.1f} us of CPU"
        f" a lock of the group; the server and its clients"
        f" {server.busiest_cpu_percent / 100 / max(server.locks_per_second, 1) * 1e6:.1f} us",
        f"local reads  who holds a lock is known in {agreed.look_ns / 1000:.1f} us from memory;"
        f" asking the server takes {server.look_ns / 1000:.0f} us",
        f"SAFE costs   {100 * lost[0]:.0f} to {100 * lost[-1]:.0f} % of the rate: a grant waits"
        f" until every member has it ({safe.latency_us['p50']:,.0f} us instead of"
        f" {agreed.latency_us['p50']:,.0f})",
    ]
