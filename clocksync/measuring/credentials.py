"""How the hosts of a measurement are to prove that their answers are theirs."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from clocksync.measuring.settings import HostSpec
from clocksync.ntp.authentication import KeyAuthenticator
from clocksync.ntp.keys import KeySet
from clocksync.runtime.errors import BadConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Symmetric keys and NTS. The default asks for no proof."""

    keys: KeySet | None = None
    """What the keys' numbers mean; see :func:`clocksync.ntp.keyfile.read_keys`."""

    key: int | None = None
    """The number of the key of every host that has none of its own and does not use NTS."""

    key_of: Mapping[str, int] = field(default_factory=dict)
    """The numbers of the keys of hosts, by how those are named in the measurement."""

    nts: bool = False
    """Whether every host uses NTS, not only those named ``nts://HOST``."""

    nts_ca: str | os.PathLike[str] | None = None
    """Certificates to trust in NTS key establishment; None: those the system trusts."""

    def __post_init__(self) -> None:
        wanted = self.key is not None or bool(self.key_of)
        if wanted and self.keys is None:
            raise BadConfig("a key is named, but no file of keys: say --keys FILE")
        if self.keys is not None and not wanted:
            raise BadConfig("there is a file of keys, but none is named: say --key ID or HOST=ID")

    def check(self, specs: Sequence[HostSpec]) -> None:
        """Raise :class:`BadConfig` unless every host's key is there and every key has its host."""
        named = {spec.text for spec in specs} | {spec.name for spec in specs}
        for host in self.key_of:
            if host not in named:
                raise BadConfig(f"a key is named for {host}, which is not measured")
        for spec in specs:
            self.authenticator(spec)

    def authenticator(self, spec: HostSpec) -> KeyAuthenticator | None:
        """What authenticates a host by a symmetric key; None where none does.

        Raises:
            BadConfig: its key is not there or cannot be used.
        """
        own = self.key_of.get(spec.text, self.key_of.get(spec.name))
        if spec.ptp is not None:
            if own is not None or self.key is not None:
                raise BadConfig(
                    f"{spec.text} speaks PTP, which has no keys: name those of others as HOST=ID"
                )
            return None
        if own is not None and spec.nts:
            raise BadConfig(f"{spec.text} uses NTS, so it can have no symmetric key beside it")
        number = None if spec.nts else self.key if own is None else own
        if number is None or self.keys is None:
            return None
        return KeyAuthenticator(self.keys[number])

    @classmethod
    def parse_keys(cls, texts: Sequence[str]) -> tuple[int | None, dict[str, int]]:
        """Read ``ID`` and ``HOST=ID``, as on a command line.

        Raises:
            BadConfig: one is neither, or two name the same.

        >>> Credentials.parse_keys(["5", "ntp1.example:1123=7"])
        (5, {'ntp1.example:1123': 7})
        """
        default: int | None = None
        key_of: dict[str, int] = {}
        for text in texts:
            host, equals, number = text.rpartition("=")
            if not (number.isascii() and number.isdigit()) or (equals and not host):
                raise BadConfig(f"{text!r} names no key: write its number, or HOST=NUMBER")
            if host in key_of or (not host and default is not None):
                raise BadConfig(f"two keys for {host or 'all hosts'}: name one")
            if host:
                key_of[host] = int(number[:12])
            else:
                default = int(number[:12])
        return default, key_of
