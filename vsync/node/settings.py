"""A member's settings as text: TOML in, checked values out.

::

    group = "orders"
    id = 1
    listen = "10.0.0.1:5410"
    key_file = "/etc/vsync/orders.key"

    [peers]
    2 = "10.0.0.2:5410"

What may be there is declared in :mod:`~vsync.node.declared`. Every error names the file, the key,
and what is allowed. Nothing here reads a file or resolves a name.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from clocksync.runtime.addresses import is_numeric, parse_endpoint
from clocksync.runtime.errors import BadConfig
from vsync.config import RingConfig
from vsync.frames import NOBODY
from vsync.identity import Service
from vsync.node.declared import (
    DISCOVERY,
    ELSEWHERE,
    HOSTNAME,
    IDS,
    KEYS,
    RING,
    Key,
    Refused,
    filled,
    is_number,
    read_number,
    ring_key,
)
from vsync.node.presets import PRESETS

IPV4_HEADERS, IPV6_HEADERS = 28, 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """How the other members are found, when there is no list of them."""

    dns: str = ""
    """A name with ``{id}`` or ``{ordinal}`` (the id less one) in it; empty: by zeroconf."""
    members: int = 3
    port: int = 0

    def peers(self, me: int) -> dict[int, str]:
        """The others' endpoints, by number; none if they are to be found by zeroconf."""
        if not self.dns:
            return {}
        others = [number for number in range(1, self.members + 1) if number != me]
        return {number: f"{filled(self.dns, number)}:{self.port}" for number in others}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What was said; None where nothing was. Durations are ns."""

    group: str | None = None
    id: int | str | None = None
    listen: str | None = None
    peers: Mapping[int, str] = field(default_factory=dict)
    key_file: str | None = None
    insecure_plaintext: bool | None = None
    state: str | None = None
    history: str | None = None
    service: Service | None = None
    mtu: int | None = None
    multicast: bool | None = None
    token_timeout: int | None = None
    status_socket: str | None = None
    metrics: str | None = None
    wait_for_peers: int | None = None
    time_source: str | None = None
    preset: str | None = None
    discovery: Discovery | None = None
    ring: Mapping[str, Any] = field(default_factory=dict)
    """Fields of RingConfig."""

    def over(self, below: "Settings") -> "Settings":
        """These settings, and where they say nothing, those of `below`.

        Tables are taken whole, but ``ring``, where each key counts; where members are found comes
        from one place.
        """
        said = {name: getattr(self, name) for name in self.__slots__}
        lower = {name: getattr(below, name) for name in self.__slots__}
        if self.peers or self.discovery is not None:
            lower["peers"], lower["discovery"] = {}, None
        if self.key_file is not None or self.insecure_plaintext is not None:
            lower["key_file"] = lower["insecure_plaintext"] = None
        merged = {
            name: lower[name] if value is None or value == {} else value
            for name, value in said.items()
        }
        return Settings(**(merged | {"ring": {**below.ring, **self.ring}}))

    @property
    def mtu_in_force(self) -> int:
        """Of the network, bytes."""
        return self.mtu if self.mtu is not None else PRESETS[self.preset or "lan"].mtu

    def config(self) -> RingConfig:
        """The ring's settings that all this comes to.

        Raises:
            BadConfig: they contradict each other.
        """
        preset = PRESETS[self.preset or "lan"]
        timeout = preset.token_timeout if self.token_timeout is None else self.token_timeout
        host = parse_endpoint(self.listen)[0] if self.listen else ""
        # A name may turn out to mean an IPv6 address, and a datagram must fit then too.
        headers = IPV6_HEADERS if ":" in host or (host and not is_numeric(host)) else IPV4_HEADERS
        mtu = self.mtu_in_force
        more = {"datagram_bytes": mtu - headers} | dict(preset.differences(mtu))
        return RingConfig.within(timeout, **(more | dict(self.ring)))

    def all_peers(self, me: int) -> dict[int, str]:
        """The endpoints of the other members, by number; by zeroconf there are none yet."""
        found = self.discovery.peers(me) if self.discovery is not None else {}
        # A list that is the same for everybody names us too.
        return {peer: at for peer, at in (found | dict(self.peers)).items() if peer != me}


# Reading


def parse(text: str, file: str) -> Settings:
    """Read settings.

    Args:
        text: TOML.
        file: its name, for errors.

    Raises:
        BadConfig: the first thing that is wrong: file, key, what is allowed.
    """
    try:
        table = tomllib.loads(text)
    except ValueError as error:  # that of TOML, and that of a number with thousands of digits
        raise BadConfig(f"{file} is no TOML: {error}") from None
    except RecursionError:
        raise BadConfig(f"{file} is no TOML: it is nested too deeply") from None
    said = _values(table, KEYS, file, "", extra=("discovery", "ring"))
    if "ring" in table:
        said["ring"] = _ring(_table(table["ring"], file, "ring"), file)
    if "discovery" in table:
        if "peers" in table:
            raise BadConfig(f"{file}: peers and [discovery] contradict each other: leave out one")
        where = said.get("listen")
        said["discovery"] = _discovery(_table(table["discovery"], file, "discovery"), file, where)
    if "key_file" in said and said.get("insecure_plaintext"):
        raise BadConfig(f"{file}: key_file and insecure_plaintext contradict: leave out one")
    settings = Settings(**said)  # type: ignore[arg-type]
    try:
        settings.config()
    except BadConfig as error:
        raise BadConfig(f"{file}: [ring]: {error}") from None
    return settings


def _values(
    table: Mapping[str, object],
    keys: Mapping[str, Key],
    file: str,
    section: str,
    extra: tuple[str, ...] = (),
) -> dict[str, object]:
    found = {}
    for name, value in table.items():
        if name in extra:
            continue
        key = keys.get(name)
        if key is None:
            raise BadConfig(f"{file}: {section}{name} is no key{_meant(name, [*keys, *extra])}")
        found[name] = _value(key, value, f"{file}: {section}{name}")
    return found


def _value(key: Key, value: object, where: str) -> object:
    try:
        return key.read(value)
    except Refused:
        shown = f"{value!r:.60}"
        raise BadConfig(f"{where} = {shown}: allowed is {key.allowed}") from None


def _meant(name: str, names: list[str]) -> str:
    close = get_close_matches(name, names, 1)
    return f": did you mean {close[0]}?" if close else f"; there are {', '.join(sorted(names))}"


def _table(value: object, file: str, name: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise BadConfig(f"{file}: {name} = {value!r:.60}: allowed is a table, [{name}]")
    return value


def _ring(table: Mapping[str, object], file: str) -> dict[str, object]:
    found = {}
    for name, value in table.items():
        if (bare := name.removesuffix("_ns")) in ELSEWHERE:
            raise BadConfig(f"{file}: ring.{name} cannot be set here: {ELSEWHERE[bare]}")
        if name not in RING:
            raise BadConfig(f"{file}: ring.{name} is no key{_meant(name, list(RING))}")
        found[RING[name]] = _value(ring_key(RING[name]), value, f"{file}: ring.{name}")
    return found


def _discovery(table: Mapping[str, object], file: str, listen: object) -> Discovery:
    said = _values(table, DISCOVERY, file, "discovery.")
    uses_zeroconf = bool(said.pop("zeroconf", False))
    if uses_zeroconf == ("dns" in said):
        raise BadConfig(f"{file}: [discovery] needs one of dns and zeroconf = true")
    if "members" not in said:
        raise BadConfig(f"{file}: discovery.members is missing: {DISCOVERY['members'].allowed}")
    if "port" not in said:
        if listen is None:
            raise BadConfig(f"{file}: discovery.port is missing, and there is no listen to take it")
        said["port"] = parse_endpoint(str(listen))[1]
    return Discovery(**said)  # type: ignore[arg-type]


def number_of(said: int | str, hostname: str) -> int:
    """A member's number: as it was said, or by the host's name.

    Raises:
        BadConfig: the name does not end with a number.

    >>> number_of("hostname", "vsync-2"), number_of(7, "vsync-2")
    (3, 7)
    """
    if said != HOSTNAME:
        return int(said)
    bare = hostname.partition(".")[0]
    digits = bare[len(bare.rstrip("0123456789")) :]
    if not is_number(digits) or int(digits) + 1 >= NOBODY:
        raise BadConfig(
            f'id = "{HOSTNAME}": {bare!r:.60} does not end with a number, as vsync-0 does'
        )
    return int(digits) + 1


def read_id(text: str, where: str) -> int | str:
    """A member's number from the command line or the environment.

    Raises:
        BadConfig: it is none.
    """
    try:
        return read_number(int(text) if is_number(text) else text)
    except Refused:
        raise BadConfig(f'{where} {text:.60} is not in {IDS}, nor "{HOSTNAME}"') from None
