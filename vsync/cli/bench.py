"""``vsync bench``: how much would a group of mine carry?  [I/O]"""

import json
from typing import Annotated

import typer

from clocksync.runtime.errors import BadConfig
from vsync.bench.run import Plan, Result, measure
from vsync.identity import Service


def bench(
    members: Annotated[int, typer.Option(help="How many, 1 to 64.")] = 3,
    size: Annotated[int, typer.Option(help="Bytes of a message.")] = 64,
    senders: Annotated[int | None, typer.Option(help="How many of them send; default: all.")] = (
        None
    ),
    seconds: Annotated[float, typer.Option(help="How long it is measured.")] = 5.0,
    service: Annotated[Service, typer.Option(help="How messages are ordered.")] = Service.AGREED,
    outstanding: Annotated[
        int, typer.Option(help="Messages of each sender on their way; 0: enough to fill the ring.")
    ] = 0,
    mtu: Annotated[int, typer.Option(help="Of the links, bytes.")] = 1500,
    offload: Annotated[
        bool, typer.Option(help="Segment offload on the links: a veth then carries 60 kB at once.")
    ] = True,
    multicast: Annotated[bool, typer.Option(help="IP multicast, where it works.")] = True,
    insecure_plaintext: Annotated[
        bool, typer.Option("--insecure-plaintext", help="Without a key and unprotected.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON.")] = False,
) -> None:
    """Start a group on this machine, let it multicast, and say how much it carries.

    Members are processes in network namespaces on one bridge (as root), else on loopback.
    """
    chosen = members if senders is None else senders
    if not 1 <= members <= 64:
        raise BadConfig(f"--members {members} is not in 1 to 64")
    if not 1 <= chosen <= members:
        raise BadConfig(f"--senders {chosen} is not in 1 to {members}")
    if not 0 < seconds <= 3600:
        raise BadConfig(f"--seconds {seconds:g} is not in 0 to 3600")
    if not 0 <= size <= 64 << 20:
        raise BadConfig(f"--size {size} is not in 0 to {64 << 20}")
    if outstanding < 0:
        raise BadConfig(f"--outstanding {outstanding}: at least 0")
    if not 576 <= mtu <= 65_535:
        raise BadConfig(f"--mtu {mtu} is not in 576 to 65535")
    plan = Plan(
        members=members,
        size=size,
        senders=chosen,
        seconds=seconds,
        service=service.value,
        outstanding=outstanding,
        mtu=mtu,
        insecure_plaintext=insecure_plaintext,
        offload=offload,
        multicast=multicast,
    )
    result = measure(plan)
    if as_json:
        typer.echo(json.dumps(result.to_json()))
    else:
        _show(result)


def _show(result: Result) -> None:
    link = f"MTU {result.mtu}, segment offload {'on' if result.offload else 'off'}"
    where = (
        f"on one loopback interface: {result.loopback}"
        if result.loopback
        else f"in network namespaces, {link}"
    )
    rate, volume = result.messages_per_second, result.bytes_per_second
    p50, p99 = result.latency_us["p50"], result.latency_us["p99"]
    for label, text in (
        ("group", f"{result.members} members {where}"),
        ("datagrams", "encrypted" if result.encrypted else "not protected"),
        ("messages leave by", result.transport),
        (
            "load",
            f"{result.senders} send {result.size} bytes {result.service},"
            f" {result.outstanding:,} on their way each",
        ),
        ("delivered", f"{rate:,.0f} messages/s at every member, {volume / 1e6:,.1f} MB/s"),
        ("to our own delivery", f"{p50:,.0f} us median, {p99:,.0f} us 99th percentile"),
        ("shares", "  ".join(f"{100 * share:.1f} %" for share in result.shares)),
        ("CPU", "  ".join(f"{percent:.0f} %" for percent in result.cpu_percent)),
        ("rotations", f"{result.rotations_per_second:,.0f} /s"),
    ):
        typer.echo(f"{label:<20} {text}")
