"""What a settings file may say: its keys, how each value is read, what is allowed.

The table of keys in ``docs/operations.md`` is made from this.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import SECOND, parse_duration
from vsync.config import RingConfig
from vsync.frames import NOBODY
from vsync.identity import Service
from vsync.node.names import place
from vsync.node.presets import PRESETS
from vsync.node.timesource import servers_of

HOSTNAME = "hostname"
"""In place of a number: that at the end of the host's name, and one (``vsync-0`` is member 1)."""

MTU_MIN, MTU_MAX = 576, 65_000
PATH_MAX = 4096
NUMBER_DIGITS = 9
DURATION_MAX = 24 * 3600 * SECOND


class Refused(Exception):
    """A value that cannot be; what is allowed."""


class Key(NamedTuple):
    """One key: how its value is read, what it is if left out, what it means."""

    read: Callable[[object], object]
    allowed: str
    default: str
    meaning: str


def is_number(text: str) -> bool:
    """Whether these are digits, and so few that they can be a port or a member."""
    return text.isascii() and text.isdigit() and len(text) <= NUMBER_DIGITS


def _text(value: object) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise Refused
    return value


def _path(value: object) -> str:
    text = _text(value)
    if len(text) > PATH_MAX:
        raise Refused
    return text


def _whole(low: int, high: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise Refused
        return value

    return read


def _one_of(*names: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not isinstance(value, str) or value not in names:
            raise Refused
        return value

    return read


def _yes_or_no(value: object) -> bool:
    if not isinstance(value, bool):
        raise Refused
    return value


def _duration(value: object) -> int:
    if not isinstance(value, str):  # a bare number is easily taken for another unit
        raise Refused
    try:
        ns = parse_duration(value)
    except ValueError:
        raise Refused from None
    if not 0 <= ns <= DURATION_MAX:
        raise Refused
    return ns


def read_number(value: object) -> int | str:
    """A member's number, or the word for that of the host.

    Raises:
        Refused: neither.
    """
    return HOSTNAME if value == HOSTNAME else _whole(1, NOBODY - 1)(value)


def _endpoint(value: object) -> str:
    try:
        place(_text(value))
    except ValueError:  # BadConfig among them
        raise Refused from None
    return str(value)


def _time_source(value: object) -> str:
    said = ",".join(map(_text, value)) if isinstance(value, list) else _text(value)
    try:
        servers_of(said)
    except BadConfig:
        raise Refused from None
    return said


def _metrics(value: object) -> str:
    text = _text(value)
    return text if is_number(text) and int(text) < 1 << 16 else _endpoint(text)


def _peers(value: object) -> dict[int, str]:
    if not isinstance(value, dict):
        raise Refused
    found: dict[int, str] = {}
    for name, endpoint in value.items():
        if not (is_number(name) and 0 < int(name) < NOBODY):
            raise Refused
        found[int(name)] = _endpoint(endpoint)
    return found


def filled(pattern: str, number: int) -> str:
    """The name of member `number`, by a pattern."""
    return pattern.replace("{id}", str(number)).replace("{ordinal}", str(number - 1))


def _pattern(value: object) -> str:
    text = _text(value)
    name = filled(text, 1)
    if name == text or any(letter in name for letter in "{}:"):
        raise Refused
    _endpoint(f"{name}:1")
    return text


IDS = f"1 to {NOBODY - 1}"
KEYS: Mapping[str, Key] = {
    "group": Key(_text, "a name", "none: needed", "the group's name; others are not heard"),
    "id": Key(
        read_number,
        f'{IDS}, or "{HOSTNAME}"',
        "none: needed",
        "this member's number, its own in the group",
    ),
    "listen": Key(
        _endpoint, '"host:port" or "[v6]:port"', "none: needed", "the address to receive on"
    ),
    "peers": Key(
        _peers,
        f'a table of ids ({IDS}) = "host:port"',
        "nobody",
        "the other members; this one may be among them",
    ),
    "key_file": Key(_path, "a path", "none: needed", "the group's key (`vsync key generate`)"),
    "insecure_plaintext": Key(
        _yes_or_no, "true or false", "false", "go without a key and unprotected"
    ),
    "state": Key(_path, "a path", "none", "folder for what must outlive a crash"),
    "history": Key(_path, "a path", "none", "append what happens to this file"),
    "service": Key(
        lambda value: Service(_one_of("agreed", "safe")(value)),
        '"agreed" or "safe"',
        '"agreed"',
        "how what is sent here is ordered",
    ),
    "preset": Key(
        _one_of(*PRESETS),
        '"loopback", "lan" or "wan"',
        '"lan"',
        "where the defaults below come from",
    ),
    "mtu": Key(_whole(MTU_MIN, MTU_MAX), f"{MTU_MIN} to {MTU_MAX}", "the preset's", "bytes"),
    "multicast": Key(_yes_or_no, "true or false", "true", "IP multicast, where it works"),
    "token_timeout": Key(
        _duration,
        'a duration such as "500ms"',
        "the preset's",
        "silence after which a member is given up",
    ),
    "status_socket": Key(
        _path, 'a path, a folder, or "none"', "in a folder of the user", "where `vsync status` asks"
    ),
    "metrics": Key(
        _metrics,
        '"port" (of 127.0.0.1) or "host:port"',
        "off",
        "serve Prometheus metrics by HTTP there",
    ),
    "wait_for_peers": Key(
        _duration,
        'a duration such as "60s"',
        '"0s"; with [discovery] "30s"',
        "how long to wait for members to be found; names may be found later, too",
    ),
    "time_source": Key(
        _time_source,
        '"kernel", "chronyd", "none", NTP servers: "ntp1,ntp2" or a list, or "ptp://HOST%IFACE"',
        '"kernel"',
        "what tells the time, and how far it can be off",
    ),
}
DISCOVERY: Mapping[str, Key] = {
    "dns": Key(_pattern, "a host name with {id} or {ordinal} in it", "none", "the members' names"),
    "zeroconf": Key(
        _yes_or_no, "true or false", "false", "find members on the local network (extra discovery)"
    ),
    "members": Key(_whole(1, 256), "1 to 256", "none: needed", "how many there are, from id 1 up"),
    "port": Key(_whole(1, 65_535), "1 to 65535", "that of `listen`", "the other members' port"),
}

ELSEWHERE = {
    "cluster": "it comes from the group's name",
    "token_loss": "say token_timeout, outside of [ring]",
    "datagram_bytes": "say mtu, outside of [ring]",
    "envelope_bytes": "it comes from the key",
}
"""Fields of RingConfig that are set by other means."""


def ring_key(name: str) -> Key:
    """What may be said for this field of RingConfig."""
    annotation = RingConfig.__annotations__[name]
    if name == "backoff_ns":
        return Key(_two_durations, 'two durations such as ["250ms", "30s"]', "", "")
    if name.endswith("_ns"):
        return Key(_duration, 'a duration such as "30ms"', "", "")
    if annotation is bool:
        return Key(_yes_or_no, "true or false", "", "")
    if annotation is float:
        return Key(_number, "a number", "", "")
    low = 0 if name == "accelerated" else 1
    return Key(_whole(low, 1 << 62), f"a whole number from {low}", "", "")


def _two_durations(value: object) -> tuple[int, ...]:
    if not isinstance(value, list) or len(value) != 2:
        raise Refused
    return tuple(map(_duration, value))


def _number(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Refused
    return float(value)


RING: Mapping[str, str] = {
    name.removesuffix("_ns"): name
    for name in RingConfig.__annotations__
    if name.removesuffix("_ns") not in ELSEWHERE
}
"""Keys of [ring], and the field of RingConfig of each."""


def reference() -> str:
    """The keys as a table in Markdown: what ``docs/operations.md`` holds."""
    lines = ["| key | allowed | if left out | meaning |", "| --- | --- | --- | --- |"]
    for section, keys in (("", KEYS), ("discovery.", DISCOVERY)):
        lines += [
            f"| `{section}{name}` | {key.allowed} | {key.default} | {key.meaning} |"
            for name, key in keys.items()
        ]
    lines += [
        f"| `ring.{name}` | {ring_key(where).allowed} | by preset and token_timeout |"
        f" `{where}` of RingConfig |"
        for name, where in RING.items()
    ]
    return "\n".join(lines) + "\n"
