"""Certificates for tests: a CA of their own, and what it signs.

::

    ca = Authority(folder)
    server = ca.sign("server", names=["ntp.test"], addresses=["127.0.0.1"])
    # ca.file, server.certificate, server.key are paths of PEM files
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)
_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, as PEM files; the key for its owner only."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority that lives as long as the test."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}.pem"
        certificate = (
            self._builder(self._name, timedelta(0), 30 * DAY)
            .public_key(self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file.write_bytes(certificate.public_bytes(Encoding.PEM))

    def sign(
        self,
        name: str,
        names: Sequence[str] = (),
        addresses: Sequence[str] = ("127.0.0.1",),
        since: timedelta = timedelta(0),
        until: timedelta = 7 * DAY,
    ) -> Pair:
        """A certificate for `names` and `addresses`, valid between these ages from now, with the
        common name `name`, which nobody must look at."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives: list[x509.GeneralName] = [x509.DNSName(one) for one in names]
        alternatives += [x509.IPAddress(ipaddress.ip_address(one)) for one in addresses]
        builder = self._builder(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), since, until
        ).public_key(key.public_key())
        if alternatives:
            extension = x509.SubjectAlternativeName(alternatives)
            builder = builder.add_extension(extension, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        pair = Pair(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        pair.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
        pair.key.touch(mode=0o600)
        pair.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return pair

    def _builder(
        self, subject: x509.Name, since: timedelta, until: timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.fromtimestamp(_now(), UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + since - timedelta(hours=1))
            .not_valid_after(now + until)
        )


def _now() -> float:
    import time

    return time.time_ns() / 1e9
