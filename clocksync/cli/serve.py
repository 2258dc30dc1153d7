"""``clocksync serve``: an NTP server over a clock that may be wrong on purpose.  [I/O]

Prints one line when it listens, and one when it ends. Exits 0 when it was told to stop, 2 when it
cannot serve as asked; then one line on stderr says why.
"""

import contextlib
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clocksync.cli import options

if TYPE_CHECKING:
    from clocksync.ntp.access import RateLimit
    from clocksync.nts.service import NtsService
    from clocksync.runtime.mmsg import Address
    from clocksync.serve import Server


def serve(
    port: Annotated[int, typer.Option(help="UDP port; 0 takes any free one.")] = 1123,
    bind: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help="Address to serve on, several times for several; 0.0.0.0 and :: for all."
            "  [default: 127.0.0.1]",
            show_default=False,
        ),
    ] = None,
    offset: Annotated[
        str, typer.Option(metavar="S", help="Serve a clock ahead by this: 0.005, 5ms, -20us.")
    ] = "0",
    rate: Annotated[
        float, typer.Option(metavar="PPM", help="Serve a clock faster by this, parts per million.")
    ] = 0.0,
    stratum: Annotated[
        int, typer.Option(help="1 to 15; 0 and 16 say that the clock is not synchronised.")
    ] = 8,
    leap: Annotated[
        int | None,
        typer.Option(help="Leap indicator, 0 to 3.  [default: what the stratum implies]"),
    ] = None,
    reference_id: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Up to four letters, or an IPv4 address."),
    ] = None,
    root_delay: Annotated[
        str, typer.Option(metavar="S", help="Round trip to the reference clock.")
    ] = "0",
    root_dispersion: Annotated[
        str, typer.Option(metavar="S", help="Largest error since the reference clock.")
    ] = "0",
    interleaved: Annotated[bool, typer.Option(help="Offer interleaved mode (RFC 9769).")] = True,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="NETWORK", help="Answer only these; the most specific one decides."),
    ] = None,
    deny: Annotated[
        list[str] | None,
        typer.Option(metavar="NETWORK", help="Do not answer these."),
    ] = None,
    denied: Annotated[
        str, typer.Option(metavar="HOW", help="What the denied get: silence, DENY or RSTR.")
    ] = "silence",
    limit_interval: Annotated[
        str | None,
        typer.Option(
            metavar="S",
            help="Rate limit: a client may ask once per this time on average; beyond, it gets a "
            "RATE kiss once per interval, else silence.  [default: no limit]",
        ),
    ] = None,
    limit_burst: Annotated[int, typer.Option(help="Requests a client may send at once.")] = 8,
    keys: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Symmetric keys, as chrony and ntpsec write them."),
    ] = None,
    keys_format: options.KeysFormat = options.Dialect.AUTO,
    require_key: Annotated[
        bool,
        typer.Option(
            "--require-key", help="Answer only what is authenticated, by a key or by NTS."
        ),
    ] = False,
    nts: Annotated[bool, typer.Option("--nts", help="Offer NTS; needs --cert and --key.")] = False,
    cert: Annotated[
        Path | None,
        typer.Option("--cert", metavar="FILE", help="NTS: the certificate and its chain, PEM."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option("--key", metavar="FILE", help="NTS: the certificate's private key, PEM."),
    ] = None,
    nts_port: Annotated[
        int, typer.Option(help="NTS: TCP port of key establishment; 0 takes any free one.")
    ] = 4460,
    nts_rotate: Annotated[
        str,
        typer.Option(metavar="S", help="NTS: seal cookies with a new key this often."),
    ] = "24h",
    count: Annotated[int | None, typer.Option(help="End after this many answers.", min=1)] = None,
    duration: Annotated[str | None, typer.Option(metavar="S", help="End after this time.")] = None,
) -> None:
    """Serve time by NTP: a responder for tests and small networks.

    It answers with the system's clock, or with one that is off by --offset and --rate; the system's
    clock itself is never touched.
    """
    from clocksync.ntp.access import AccessList
    from clocksync.ntp.keyfile import read_keys
    from clocksync.ntp.keys import Dialect
    from clocksync.ntp.responder import (
        KISS_DENY,
        KISS_RESTRICT,
        Reference,
        parse_reference_id,
    )
    from clocksync.ntp.timestamps import to_precision
    from clocksync.runtime.clocks import SoftwareClock, SystemClock, reading_precision
    from clocksync.runtime.errors import BadConfig, MissingExtra
    from clocksync.runtime.units import parse_duration
    from clocksync.serve import Server

    try:
        if denied not in ("silence", "DENY", "RSTR"):
            raise BadConfig(f"--denied {denied!r} is none of silence, DENY, RSTR")
        reference = Reference(
            stratum=stratum,
            leap=leap,
            precision=to_precision(reading_precision(SystemClock())),
            root_delay_ns=parse_duration(root_delay),
            root_dispersion_ns=parse_duration(root_dispersion),
            reference_id=None if reference_id is None else parse_reference_id(reference_id),
        )
        offset_ns = parse_duration(offset)
        if not abs(rate) < 1_000_000:  # nor is it when it is not a number
            raise BadConfig(f"--rate {rate} is no clock: write less than 1000000 ppm")
        server = Server(
            SoftwareClock(SystemClock(), offset_ns, rate) if offset_ns or rate else SystemClock(),
            bind=bind or "127.0.0.1",
            port=port,
            reference=reference,
            access=AccessList(allow or (), deny or ()),
            limit=_limit(limit_interval, limit_burst),
            denied_kiss={"DENY": KISS_DENY, "RSTR": KISS_RESTRICT}.get(denied),
            interleaved=interleaved,
            keys=None if keys is None else read_keys(keys, Dialect(keys_format.value)),
            nts=_nts(nts, cert, key, nts_port, nts_rotate),
            authenticated_only=require_key,
        )
        duration_ns = None if duration is None else parse_duration(duration)
        server.open()
    except (ValueError, MissingExtra) as error:
        typer.echo(f"clocksync serve: {error}", err=True)
        raise typer.Exit(2) from None
    _run(server, _describe(stratum, offset_ns, rate), count, duration_ns)


def _nts(
    wanted: bool, certificate: Path | None, key: Path | None, port: int, rotate: str
) -> "NtsService | None":
    from clocksync.runtime.errors import BadConfig
    from clocksync.runtime.units import parse_duration

    if not wanted:
        if certificate is not None or key is not None:
            raise BadConfig("a certificate or its key is named, but no NTS: say --nts too")
        return None
    if certificate is None or key is None:
        raise BadConfig("NTS needs a certificate and its key: say --cert FILE --key FILE")
    from clocksync.nts.service import NtsService

    return NtsService(certificate, key, port, parse_duration(rotate))


def _limit(interval: str | None, burst: int) -> "RateLimit | None":
    from clocksync.ntp.access import RateLimit
    from clocksync.runtime.units import parse_duration

    return None if interval is None else RateLimit(parse_duration(interval), burst)


def _describe(stratum: int, offset_ns: int, rate: float) -> str:
    from clocksync.runtime.units import format_duration

    if not offset_ns and not rate:
        return f"stratum {stratum}, system clock"
    sign = "+" if offset_ns >= 0 else ""
    return f"stratum {stratum}, clock {sign}{format_duration(offset_ns)} {rate:+g} ppm"


def _run(server: "Server", description: str, count: int | None, duration_ns: int | None) -> None:
    """Serve until told to stop, saying so before and after. A reader that has gone is no reason to
    fail."""
    before = {}
    where = _listed(server.addresses)
    if server.nts is not None:
        description += f", NTS on TCP {_listed(server.nts.addresses)}"
    try:
        with contextlib.suppress(ValueError):  # not the main thread: there the caller stops us
            for number in (signal.SIGINT, signal.SIGTERM):
                before[number] = signal.signal(number, lambda *_: server.stop())
        _say(f"serving on {where} ({description})")
        server.serve_forever(count, duration_ns)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    _say(server.summary())


def _listed(addresses: "list[Address]") -> str:
    from clocksync.runtime.addresses import format_endpoint

    return " and ".join(format_endpoint(*address) for address in addresses)


def _say(line: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        typer.echo(line)
