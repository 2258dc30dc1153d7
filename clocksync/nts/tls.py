"""TLS 1.3 for NTS key establishment, over memory instead of sockets.  [I/O]

pyOpenSSL, because a client and a server of NTS derive their keys with TLS's exporter, which
Python's own ``ssl`` does not have. It reads certificates and keys from files; who moves the bytes
is :mod:`clocksync.nts.establish` and :mod:`clocksync.nts.ke_server`.
"""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from clocksync.nts import ALPN
from clocksync.nts.aead import KEY_BYTES
from clocksync.nts.names import Names, address_of, to_ascii
from clocksync.nts.negotiation import Refused, export_context
from clocksync.runtime.errors import BadConfig, MissingExtra
from clocksync.security.private_file import read_private

EXPORTER = b"EXPORTER-network-time-security"
PEM_BYTES_MAX = 1 << 20
_PIECE = 16_384
# OpenSSL's x509_vfy.h; all others are told in OpenSSL's own words.
_EXPIRED, _NOT_YET, _SELF_SIGNED, _SELF_SIGNED_IN_CHAIN = 10, 9, 18, 19
_UNKNOWN = frozenset({2, 20, 21, _SELF_SIGNED, _SELF_SIGNED_IN_CHAIN})


@functools.cache
def library() -> ModuleType:
    """pyOpenSSL's ``SSL``.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        from OpenSSL import SSL
    except ImportError:
        raise MissingExtra("pyOpenSSL, which NTS needs,", "nts") from None
    return SSL


class Tls:
    """One end of a TLS session: bytes that came go in, bytes to send come out."""

    def __init__(self, context: Any, host: str | None = None) -> None:
        self._ssl = library()
        self._connection = self._ssl.Connection(context, None)
        if host is None:
            self._connection.set_accept_state()
        else:
            name = to_ascii(host)
            if name and address_of(host) is None:
                self._connection.set_tlsext_host_name(name.encode())
            self._connection.set_connect_state()

    def verify(self, judge: Callable[..., bool]) -> None:
        """Let `judge` see what is wrong with the peer's certificate (pyOpenSSL's callback)."""
        self._connection.set_verify(self._ssl.VERIFY_PEER, judge)

    def outgoing(self) -> bytes:
        """What waits to be sent."""
        pieces = []
        while True:
            try:
                pieces.append(self._connection.bio_read(_PIECE))
            except self._ssl.WantReadError:
                return b"".join(pieces)

    def incoming(self, data: bytes) -> None:
        """What has come."""
        at = 0
        while at < len(data):
            at += self._connection.bio_write(data[at:])

    def handshake(self) -> bool:
        """Go on with the handshake; whether it is through.

        Raises:
            Refused: it failed, or this is not ``ntske/1``.
        """
        try:
            self._connection.do_handshake()
        except self._ssl.WantReadError:
            return False
        except self._ssl.Error as error:
            raise Refused(_words(error)) from None
        if self._connection.get_alpn_proto_negotiated() != ALPN:
            raise Refused("it speaks TLS, but not NTS key establishment (no ntske/1)")
        return True

    def write(self, data: bytes) -> None:
        """Encrypt what is to be said."""
        self._connection.sendall(data)

    def read(self) -> bytes | None:
        """What was said; None when there is nothing yet, empty when the peer has closed.

        Raises:
            Refused: the session broke.
        """
        try:
            return bytes(self._connection.recv(_PIECE))
        except self._ssl.WantReadError:
            return None
        except self._ssl.ZeroReturnError:
            return b""
        except self._ssl.Error as error:
            raise Refused(_words(error)) from None

    def close(self) -> None:
        """Say that this is all."""
        try:
            self._connection.shutdown()
        except self._ssl.Error:
            return

    def export(self, direction: int) -> bytes:
        """The key of a direction (RFC 8915 section 5.1)."""
        context = export_context(direction)
        return bytes(self._connection.export_keying_material(EXPORTER, KEY_BYTES, context))

    def peer_names(self) -> Names:
        """The names in the peer's certificate."""
        from cryptography import x509

        certificate = self._connection.get_peer_certificate(as_cryptography=True)
        try:
            extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except (x509.ExtensionNotFound, ValueError):
            return Names()
        names = extension.value
        addresses = names.get_values_for_type(x509.IPAddress)
        return Names(names.get_values_for_type(x509.DNSName), [str(one) for one in addresses])


class Client:
    """What all sessions of a client share: whom it trusts.

    Args:
        ca: a file of certificates in PEM; None takes the system's.

    Raises:
        BadConfig: the file holds no certificate.
        MissingExtra: pyOpenSSL is not installed.
    """

    def __init__(self, ca: str | os.PathLike[str] | None = None) -> None:
        ssl = library()
        self._context = ssl.Context(ssl.TLS_CLIENT_METHOD)
        self._context.set_min_proto_version(ssl.TLS1_3_VERSION)
        self._context.set_alpn_protos([ALPN])
        if ca is None:
            self._context.set_default_verify_paths()
        else:
            try:
                self._context.load_verify_locations(os.fspath(ca))
            except ssl.Error:
                with Path(ca).open("rb"):  # the system says why, if it is that it cannot be read
                    raise BadConfig(f"{ca} holds no certificates in PEM") from None

    def session(self, host: str) -> tuple[Tls, Callable[[], str]]:
        """A session with `host`, and what was wrong with its certificate, in words, where that is
        why the handshake failed."""
        failures: list[str] = []

        def verify(_: Any, certificate: Any, number: int, depth: int, good: int) -> bool:
            if not good:
                failures.append(_certificate_words(certificate.to_cryptography(), number, depth))
            return bool(good)

        tls = Tls(self._context, host)
        tls.verify(verify)
        return tls, lambda: failures[0] if failures else ""


class Server:
    """What all sessions of a server share: its certificate and key, read from PEM files.

    Raises:
        BadConfig: a file does not hold what it should, the key can be read by others, or the two
            do not belong together.
        MissingExtra: pyOpenSSL is not installed.
    """

    def __init__(self, certificate: str | os.PathLike[str], key: str | os.PathLike[str]) -> None:
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        ssl = library()
        self._context = ssl.Context(ssl.TLS_SERVER_METHOD)
        self._context.set_min_proto_version(ssl.TLS1_3_VERSION)
        self._context.set_alpn_select_callback(_select)
        self._context.set_session_cache_mode(ssl.SESS_CACHE_OFF)
        try:
            self._context.use_certificate_chain_file(os.fspath(certificate))
        except ssl.Error:
            with Path(certificate).open("rb"):
                raise BadConfig(f"{certificate} holds no certificate in PEM") from None
        text = read_private(Path(key), PEM_BYTES_MAX, "name a private key in PEM")
        try:
            private = load_pem_private_key(text, None)
            self._context.use_privatekey(private)
        except TypeError:
            raise BadConfig(
                f"{key} is protected by a password: name a key without, readable by its owner only"
            ) from None
        except (ValueError, ssl.Error):
            raise BadConfig(
                f"{key} is no private key in PEM that belongs to {certificate}"
            ) from None

    def session(self) -> Tls:
        """A session with whoever has connected."""
        return Tls(self._context)


def _select(_: Any, offered: list[bytes]) -> Any:
    return ALPN if ALPN in offered else library().NO_OVERLAPPING_PROTOCOLS


def _certificate_words(certificate: Any, number: int, depth: int) -> str:
    whose = "its certificate" if depth == 0 else "a certificate above its own"
    if number == _EXPIRED:
        until = f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        return f"{whose} was valid until {until} (or the local clock is wrong)"
    if number == _NOT_YET:
        since = f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        return f"{whose} is not valid before {since} (or the local clock is wrong)"
    if number in _UNKNOWN:
        return "its certificate is signed by nobody who is trusted here (--nts-ca names others)"
    return f"{whose} is not accepted (OpenSSL's error {number})"


def _words(error: Exception) -> str:
    """What OpenSSL says, in its shortest form."""
    reasons = error.args[0] if error.args and isinstance(error.args[0], list) else []
    text = str(reasons[-1][-1]) if reasons and reasons[-1][-1] else ""
    if "alert" in text:
        return f"it refuses us: {text}"
    if "wrong version number" in text or "record" in text:
        return "it does not speak TLS"
    return f"TLS failed: {text or 'the connection broke off'}"
