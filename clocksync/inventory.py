"""A file of named hosts: who they are, which group they belong to, what each of them may be.

::

    [defaults]
    max_offset = "1ms"

    [groups.core]
    max_offset = "100us"

    [hosts.ntp1]
    address = "ntp1.example.org"
    group = "core"

    [hosts.lab]
    address = "10.0.0.7"
    port = 1123
    samples = 16

What a host does not say its group says, and what that does not, the defaults do. Reading is strict:
a key that means nothing is an error, and every error is one line that names the line and the key.
"""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

from clocksync.measuring.settings import SAMPLES_MAX, HostSpec, NamedHost
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import parse_duration
from clocksync.watching.rows import Target
from clocksync.watching.settings import Limits

HOSTS_MAX = 10_000
BYTES_MAX = 8 << 20
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,99}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One host of an inventory."""

    name: str
    spec: HostSpec
    group: str | None = None
    samples: int | None = None
    offset_max_ns: int | None = None
    error_max_ns: int | None = None

    @property
    def host(self) -> NamedHost:
        """For measuring it."""
        return NamedHost(
            name=self.name,
            spec=self.spec,
            group=self.group,
            samples=self.samples,
            offset_max_ns=self.offset_max_ns,
        )

    @property
    def target(self) -> Target:
        """For watching it."""
        limits = Limits(offset_ns=self.offset_max_ns, error_ns=self.error_max_ns)
        return Target(self.name, self.spec, self.group, limits)


class _Key(NamedTuple):
    read: Callable[[object], object]
    allowed: str


class _Refused(Exception):
    pass


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise _Refused
    return value


def _name(value: object) -> str:
    if not NAME.fullmatch(_text(value)):
        raise _Refused
    return str(value)


def _whole(low: int, high: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise _Refused
        return value

    return read


def _duration(value: object) -> int:
    try:
        ns = parse_duration(_text(value))  # a bare number is easily taken for another unit
    except ValueError:
        raise _Refused from None
    if ns < 0:
        raise _Refused
    return ns


_LIMIT = _Key(_duration, 'a duration in quotes, such as "250us" or "5ms"')
_SHARED = {
    "port": _Key(_whole(1, 65_535), "a whole number from 1 to 65535"),
    "samples": _Key(_whole(1, SAMPLES_MAX), f"a whole number from 1 to {SAMPLES_MAX}"),
    "max_offset": _LIMIT,
    "max_error": _LIMIT,
}
_OF_HOST = {
    "address": _Key(_text, "a name or an address in quotes"),
    "group": _Key(_name, "the name of a group in quotes"),
    **_SHARED,
}


def parse_inventory(text: str, file: str = "inventory") -> tuple[Entry, ...]:
    """The hosts of an inventory, in its order; `file` is what errors call it.

    Raises:
        BadConfig: it is no inventory; the message names the line and the key.
    """
    reader = _Reader(text, file)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\s*\(at line (\d+), column \d+\)", str(error))
        line = f":{found[1]}" if found else ""
        words = str(error).replace(found[0], "") if found else str(error)
        raise BadConfig(f"{file}{line}: no TOML: {words[:1].lower()}{words[1:]}") from None
    except RecursionError:
        raise BadConfig(f"{file}: no inventory: it is nested too deeply") from None
    for key in document:
        if key not in ("defaults", "groups", "hosts"):
            reader.fail((key,), "unknown; there are defaults, groups and hosts")
    defaults = reader.table(("defaults",), document.get("defaults", {}), _SHARED)
    groups = {
        name: reader.table(("groups", name), table, _SHARED)
        for name, table in reader.named("groups", document.get("groups", {})).items()
    }
    hosts = reader.named("hosts", document.get("hosts", {}))
    if not hosts:
        raise BadConfig(f"{file}: names no host: write [hosts.NAME] and address = ...")
    if len(hosts) > HOSTS_MAX:
        raise BadConfig(f"{file}: names {len(hosts):,} hosts; at most {HOSTS_MAX:,}")
    return tuple(_entry(reader, name, table, groups, defaults) for name, table in hosts.items())


def _entry(
    reader: "_Reader",
    name: str,
    table: object,
    groups: Mapping[str, Mapping[str, Any]],
    defaults: Mapping[str, Any],
) -> Entry:
    path = ("hosts", name)
    own = reader.table(path, table, _OF_HOST)
    group = own.get("group")
    if group is not None and groups and group not in groups:
        reader.fail((*path, "group"), f"no such group; there are {', '.join(groups)}")
    said = {**defaults, **groups.get(group or "", {}), **own}
    try:
        spec = HostSpec.parse(said.get("address", name), default_port=said.get("port"))
    except BadConfig as error:
        reader.fail((*path, "address"), str(error))
    if "port" in own and spec.port != own["port"]:
        reader.fail((*path, "port"), "contradicts the port of the address")
    return Entry(
        name,
        spec,
        group,
        said.get("samples"),
        said.get("max_offset"),
        said.get("max_error"),
    )


def select(entries: Sequence[Entry], groups: Sequence[str], file: str) -> tuple[Entry, ...]:
    """The hosts of these groups; all hosts where none is named.

    Raises:
        BadConfig: a group has no host.
    """
    for group in groups:
        if all(entry.group != group for entry in entries):
            known = ", ".join(dict.fromkeys(e.group for e in entries if e.group)) or "no groups"
            raise BadConfig(f"{file}: no host is of the group {group!r}: there are {known}")
    return tuple(entry for entry in entries if not groups or entry.group in groups)


class _Reader:
    """Checks tables, and knows where in the text a key is."""

    def __init__(self, text: str, file: str) -> None:
        self._text, self._file = text, file

    def fail(self, path: tuple[str, ...], words: str) -> NoReturn:
        line = _line_of(self._text, path)
        where = f"{self._file}:{line}" if line else self._file
        raise BadConfig(f"{where}: {'.'.join(path)}: {words}")

    def named(self, key: str, value: object) -> dict[str, object]:
        if not isinstance(value, dict):
            self.fail((key,), f"must be tables, such as [{key}.NAME]")
        for name in value:
            if not NAME.fullmatch(name):
                self.fail((key, name), "no name: up to 100 letters, digits and . _ : -")
        return value

    def table(
        self, path: tuple[str, ...], value: object, keys: Mapping[str, _Key]
    ) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.fail(path, f"must be a table, such as [{'.'.join(path)}]")
        read = {}
        for key, said in value.items():
            if key not in keys:
                self.fail((*path, str(key)), f"unknown; there are {', '.join(keys)}")
            try:
                read[key] = keys[key].read(said)
            except _Refused:
                self.fail((*path, key), f"must be {keys[key].allowed}")
        return read


def _line_of(text: str, path: tuple[str, ...]) -> int | None:
    """The line that says `path`, or else the table it belongs to; None where it is not found."""
    table: tuple[str, ...] = ()
    nearest: int | None = None
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\[?\s*(.+?)\s*\]\]?\s*(#.*)?$", line)
        if header:
            table = _parts(header[1])
            if path == table[: len(path)]:
                return number
            if path[: len(table)] == table:
                nearest = number
            continue
        key = re.match(r"\s*(.+?)\s*=", line)
        if key:
            here = (*table, *_parts(key[1]))
            if here == path:
                return number
            if path[: len(here)] == here:
                nearest = number
    return nearest


def _parts(dotted: str) -> tuple[str, ...]:
    """The parts of a dotted key, quotes taken away."""
    found = re.findall(r"\"([^\"]*)\"|'([^']*)'|([A-Za-z0-9_-]+)", dotted)
    return tuple(next((part for part in parts if part), "") for parts in found)
