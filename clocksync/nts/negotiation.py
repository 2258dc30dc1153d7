"""What NTS key establishment agrees on (RFC 8915 section 4), without TLS and without I/O.

The client asks for NTPv4 and AEAD_AES_SIV_CMAC_256, the server confirms both and hands out cookies.
Everything else is refused with a reason: in words to the client's user, as an error record to the
server's client. The keys themselves are never sent; both ends export them from the TLS session.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from clocksync.nts import COOKIES, NTP_PORT
from clocksync.nts.aead import AES_SIV_CMAC_256
from clocksync.nts.cookies import ClientKeys
from clocksync.nts.records import Record, Type, encode, numbered
from clocksync.runtime.errors import MalformedFrame

NTPV4 = 0
"""The next protocol's number (section 7.7)."""
UNRECOGNISED, BAD_REQUEST, INTERNAL = 0, 1, 2
_ERRORS = {
    UNRECOGNISED: "it does not know a critical record of ours",
    BAD_REQUEST: "it calls our request bad",
    INTERNAL: "it has an internal error",
}
_HOST = re.compile(r"[0-9A-Za-z]([0-9A-Za-z.:_-]{0,253}[0-9A-Za-z])?", re.ASCII)
TO_SERVER, TO_CLIENT = 0, 1

Export = Callable[[int], bytes]
"""The key of a direction, from the TLS exporter."""


class Refused(Exception):
    """A negotiation that came to nothing; the message says why, in one line."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """What a server granted: cookies, and where it says the time server is."""

    cookies: tuple[bytes, ...]
    server: str | None
    port: int


def export_context(direction: int) -> bytes:
    """What tells the keys of one TLS session apart (section 5.1)."""
    return NTPV4.to_bytes(2, "big") + AES_SIV_CMAC_256.to_bytes(2, "big") + bytes([direction])


def request() -> bytes:
    """What a client sends."""
    return encode((numbered(Type.NEXT_PROTOCOL, NTPV4), numbered(Type.AEAD, AES_SIV_CMAC_256)))


def judge_answer(records: Sequence[Record]) -> Agreed:
    """What a server's answer grants.

    Raises:
        Refused: it grants nothing that can be used.
    """
    protocol = algorithm = server = port = None
    cookies: list[bytes] = []
    try:
        for record in records:
            match record.type:
                case Type.NEXT_PROTOCOL:
                    protocol = _once(protocol, record)
                case Type.AEAD:
                    algorithm = _once(algorithm, record)
                case Type.COOKIE:
                    cookies.append(record.body)
                case Type.SERVER:
                    server = _once(server, record)
                case Type.PORT:
                    port = _once(port, record)
                case Type.ERROR | Type.WARNING:
                    _tell(record)
                case _ if record.critical:
                    raise Refused(f"its answer has a critical record of unknown type {record.type}")
        if protocol is None or protocol.numbers() != (NTPV4,):
            raise Refused("it offers no keys for NTP version 4")
        if algorithm is None or algorithm.numbers() != (AES_SIV_CMAC_256,):
            raise Refused("it does not have AEAD_AES_SIV_CMAC_256")
        if not any(cookies):
            raise Refused("it gave no cookies")
        return Agreed(
            tuple(cookie for cookie in cookies if cookie)[:COOKIES],
            None if server is None else _host(server),
            NTP_PORT if port is None else _port(port),
        )
    except MalformedFrame as error:
        raise Refused(f"its answer holds {error.reason}") from None


def _once(known: Record | None, record: Record) -> Record:
    if known is not None:
        raise Refused(f"its answer has two records of type {record.type}")
    return record


def _tell(record: Record) -> NoReturn:
    codes = record.numbers()
    kind = "an error" if record.type == Type.ERROR else "a warning"
    code = codes[0] if codes else -1
    words = _ERRORS.get(code) if record.type == Type.ERROR else None
    raise Refused(words or f"it answers with {kind} of number {code}")


def _host(record: Record) -> str:
    name = record.body.decode("ascii", "replace")
    if not _HOST.fullmatch(name):
        raise Refused("it names a time server that can be none")
    return name


def _port(record: Record) -> int:
    numbers = record.numbers()
    if len(numbers) != 1 or not numbers[0]:
        raise Refused("it names a port that can be none")
    return numbers[0]


def answer(
    records: Sequence[Record],
    export: Export,
    make_cookie: Callable[[ClientKeys], bytes],
    ntp_port: int = NTP_PORT,
) -> bytes:
    """What a server answers to a client's records: keys confirmed, or an error record.

    `make_cookie` is called for each cookie; `ntp_port` is told where it is not the usual one.
    """
    protocols = algorithms = None
    try:
        for record in records:
            if record.type == Type.NEXT_PROTOCOL and protocols is None:
                protocols = record.numbers()
            elif record.type == Type.AEAD and algorithms is None:
                algorithms = record.numbers()
            elif record.type in (Type.SERVER, Type.PORT):
                continue  # a client's wish, which a server is free to leave unheard
            elif record.type in (Type.NEXT_PROTOCOL, Type.AEAD, Type.ERROR, Type.COOKIE):
                return refusal(BAD_REQUEST)
            elif record.critical:
                return refusal(UNRECOGNISED)
    except MalformedFrame:
        return refusal(BAD_REQUEST)
    if not protocols:
        return refusal(BAD_REQUEST)
    if NTPV4 not in protocols:
        return encode((numbered(Type.NEXT_PROTOCOL),))
    if not algorithms:
        return refusal(BAD_REQUEST)
    agreed = [numbered(Type.NEXT_PROTOCOL, NTPV4)]
    if AES_SIV_CMAC_256 not in algorithms:
        return encode((*agreed, numbered(Type.AEAD)))
    agreed.append(numbered(Type.AEAD, AES_SIV_CMAC_256))
    if ntp_port != NTP_PORT:
        agreed.append(numbered(Type.PORT, ntp_port))
    keys = ClientKeys(export(TO_SERVER), export(TO_CLIENT))
    agreed += [Record(Type.COOKIE, make_cookie(keys)) for _ in range(COOKIES)]
    return encode(agreed)


def refusal(code: int) -> bytes:
    """A message of one error record."""
    return encode((numbered(Type.ERROR, code),))
