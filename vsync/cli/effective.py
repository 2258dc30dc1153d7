"""A member's settings in force: the command line over the environment over a file.  [I/O]"""

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clocksync.exposition import LOOPBACK
from clocksync.runtime.addresses import parse_endpoint
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.mmsg import Address
from clocksync.runtime.units import SECOND, parse_duration
from vsync.config import RingConfig
from vsync.identity import Service
from vsync.node.declared import is_number
from vsync.node.finding import announced, resolved
from vsync.node.joining import NO_KEY, Endpoint
from vsync.node.lookups import Note, numeric
from vsync.node.names import place
from vsync.node.presets import PRESETS
from vsync.node.settings import Settings, number_of, parse, read_id
from vsync.node.status import default_folder, placed, private_folder, socket_name
from vsync.node.timesource import KERNEL, servers_of

FILE_BYTES_MAX = 1 << 20
NO_SOCKET = "none"
DISCOVERY_WAIT_NS = 30 * SECOND
"""How long members that are to be found may take, if nothing was said."""


@dataclass(frozen=True, slots=True)
class Effective:
    """Settings with nothing missing."""

    settings: Settings
    group: str
    id: int
    listen: str
    peers: dict[int, str]
    config: RingConfig

    @property
    def service(self) -> Service:
        """How what is sent here is ordered."""
        return self.settings.service or Service.AGREED

    @property
    def metrics(self) -> tuple[str, int] | None:
        """Where metrics are served; None: nowhere."""
        said = self.settings.metrics
        if said is None:
            return None
        return (LOOPBACK, int(said)) if said.isdigit() else parse_endpoint(said)

    @property
    def wait_ns(self) -> int:
        """How long members may take to be found, ns."""
        if self.settings.wait_for_peers is not None:
            return self.settings.wait_for_peers
        return DISCOVERY_WAIT_NS if self.settings.discovery is not None else 0

    @property
    def time_source(self) -> str:
        """What tells the time: see :mod:`vsync.node.timesource`."""
        return self.settings.time_source or KERNEL

    def status_socket(
        self, place: Callable[[Path], Path] = private_folder
    ) -> tuple[Path | None, bool]:
        """Where status is told, None: nowhere; and whether it was said so, or is our idea.

        Args:
            place: makes a folder, or sees that it is ours alone.
        """
        said = self.settings.status_socket
        if said == NO_SOCKET:
            return None, False
        if said is not None:
            if said.endswith("/"):
                return place(Path(said)) / socket_name(self.group, self.id), True
            return placed(said, self.group, self.id), True
        try:
            return place(default_folder()) / socket_name(self.group, self.id), False
        except BadConfig:
            return None, False


@contextmanager
def peers_of(
    member: Effective, note: Note
) -> Iterator[tuple[Mapping[int, Endpoint], Mapping[int, Address]]]:
    """The other members as they were named, and the addresses of those that were found, which may
    take its time.

    Raises:
        BadConfig: zeroconf does not find them in the time there is, or one cannot have that name.
    """
    said = member.settings
    listen = numeric(member.listen)
    wait = member.wait_ns
    if said.discovery is None or said.discovery.dns:
        yield member.peers, resolved(member.peers, listen, wait, note)
        return
    count = said.discovery.members
    with announced(member.group, member.id, listen, count, wait, note) as found:
        yield found, found


def read_file(path: Path) -> Settings:
    """The settings in a file.

    Raises:
        OSError: it cannot be read.
        BadConfig: something in it is wrong.
    """
    with path.open("rb") as file:
        raw = file.read(FILE_BYTES_MAX + 1)
    if len(raw) > FILE_BYTES_MAX:
        raise BadConfig(f"{path} is too long for settings: {FILE_BYTES_MAX >> 20} MiB at most")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise BadConfig(f"{path} is no text in UTF-8, at byte {error.start}") from None
    return parse(text, str(path))


def said_on_the_command_line(
    *,
    group: str | None,
    id: str | None,
    peer: Sequence[str],
    token_timeout: str | None,
    wait_for_peers: str | None,
    metrics: str | None,
    preset: str | None,
    time_source: str | None,
    **rest: object,
) -> Settings:
    """Options as settings; what was left out is None.

    Raises:
        BadConfig: an option is none; the message names it.
    """
    if preset is not None and preset not in PRESETS:
        raise BadConfig(f"--preset {preset}: there are {', '.join(PRESETS)}")
    return Settings(
        group=group,
        preset=preset,
        id=None if id is None else read_id(id, "--id"),
        peers=dict(map(_peer, peer)),
        token_timeout=_duration("--token-timeout", token_timeout),
        wait_for_peers=_duration("--wait-for-peers", wait_for_peers),
        metrics=_metrics(metrics),
        time_source=_time_source(time_source),
        **rest,  # type: ignore[arg-type]
    )


def effective(said: Settings, config: Path | None) -> Effective:
    """Settings in force, all there.

    Raises:
        OSError: the file cannot be read.
        BadConfig: something is wrong or missing; the message says what.
    """
    settings = said if config is None else said.over(read_file(config))
    where = "" if config is None else f", or in {config}"
    if not settings.group:
        raise BadConfig(f"a group needs a name: give it as GROUP{where}")
    if settings.id is None:
        raise BadConfig(f"--id is missing: this member's number, its own in the group{where}")
    if settings.listen is None:
        raise BadConfig(f"--listen is missing: HOST:PORT to receive on{where}")
    if settings.key_file is None and not settings.insecure_plaintext:
        raise BadConfig(NO_KEY)
    if settings.key_file is not None and settings.insecure_plaintext:
        raise BadConfig("a key and --insecure-plaintext contradict each other: leave out one")
    me = number_of(settings.id, socket.gethostname())
    peers = settings.all_peers(me)
    return Effective(settings, settings.group, me, settings.listen, peers, settings.config())


def _peer(text: str) -> tuple[int, str]:
    number, equals, endpoint = text.partition("=")
    if not equals or not is_number(number):
        raise BadConfig(f"--peer {text!r}: write it as ID=HOST:PORT, such as 2=10.0.0.2:5410")
    place(endpoint)
    return int(number), endpoint


def _duration(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        ns = parse_duration(text)
    except ValueError as error:
        raise BadConfig(f"{option}: {error}") from None
    if ns < 0:
        raise BadConfig(f"{option} {text}: at least 0")
    return ns


def _metrics(text: str | None) -> str | None:
    if text is not None and not (is_number(text) and int(text) < 1 << 16):
        parse_endpoint(text)
    return text


def _time_source(text: str | None) -> str | None:
    if text is not None:
        servers_of(text)
    return text
