"""A history, taken apart: incarnations, the configurations each went through, and the messages.

What is no event of the format (``docs/history.md``) is a :class:`MalformedHistory`; what is one and
cannot be is a violation, found by the rules. Messages and rings become small numbers here, so that
the rules compare integers.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from clocksync.runtime.history import Event, MalformedHistory
from vsync.check.verdict import KEPT_PER_RULE, Place, Verdict, Violation

AGREED, SAFE = "agreed", "safe"


@dataclass(slots=True)
class Span:
    """One configuration in the life of one incarnation, and what happened in it."""

    id: str
    is_regular: bool
    ring: str
    ring_seq: int
    members: tuple[int, ...]
    timestamp: int
    error: int
    line: int
    sends: list[int] = field(default_factory=list)
    delivers: list[int] = field(default_factory=list)
    """Messages, by number."""
    steps: list[int] = field(default_factory=list)
    """Both in order: a delivery is the message's number, a sending its complement."""


@dataclass(slots=True)
class Life:
    """One incarnation of one node."""

    node: int
    name: str
    index: int
    line: int
    lost: bool
    spans: list[Span] = field(default_factory=list)
    submits: dict[str, int] = field(default_factory=dict)
    """Handle, and its line."""
    sent_handles: dict[str, int] = field(default_factory=dict)
    """Handle, and the message it became."""
    promises: list[tuple[int, str, tuple[int, ...], int]] = field(default_factory=list)
    """Index of the span, ring, obligations, line."""
    ended: str = ""
    """How: ``crash``, ``leave``, or not."""
    end_line: int = 0


@dataclass(slots=True)
class Message:
    """One message, by what was said of it first."""

    name: str
    ring: str
    place: tuple[int, int]
    """Its order in the ring."""
    sender: Life | None = None
    sent_in: Span | None = None
    send_line: int = 0
    service: str = ""
    digest: str = ""
    true_time: int | None = None
    origin: int | None = None
    timestamp: int | None = None
    error: int = 0
    flags: tuple[str, ...] = ()
    deliver_line: int = 0

    @property
    def node(self) -> int | None:
        """Who sent it."""
        return self.sender.node if self.sender is not None else self.origin


class History:
    """A history in memory. Reading it judges what shows while reading (B3, B4, B5, T1)."""

    def __init__(self, events: Iterable[Event], name: str = "history") -> None:
        self.verdict = Verdict()
        self.name = name
        self.lives: list[Life] = []
        self.messages: list[Message] = []
        self.healed_at: int | None = None
        self.quiet_at: int | None = None
        self.changes: list[tuple[int, int]] = []
        """(at, line) of every configuration event."""
        self._life: dict[tuple[int, str], Life] = {}
        self._last: dict[int, Life] = {}
        self._numbers: dict[str, int] = {}
        self._delivered: set[tuple[int, int]] = set()
        self._lines: dict[int, Event] = {}
        self._label: dict[int, str] = {}
        handlers = {
            "boot": self._boot,
            "configuration": self._configuration,
            "submit": self._submit,
            "send": self._send,
            "deliver": self._deliver,
            "recovered": self._recovered,
            "crash": self._end,
            "leave": self._end,
        }
        self.events = events if isinstance(events, list) else list(events)
        for line, event in enumerate(self.events, start=1):
            kind = event.get("event")
            if kind == "quiet":
                self.verdict.ends_quiet, self.quiet_at = True, event.get("at")
            elif kind == "healed":
                self.healed_at = event.get("at")
            elif kind in handlers:
                self._take(line, event, handlers[kind])
        self.verdict.events = len(self.events)
        self.present = {life.node for life in self.lives}
        """Nodes whose logs are here."""
        self.verdict.nodes = len(self.present)
        self.verdict.messages = len(self.messages)
        ids = {span.id for life in self.lives for span in life.spans}
        self.verdict.configurations = len(ids)

    def complain(self, rule: str, text: str, *lines: int) -> None:
        """Note a violation."""
        verdict = self.verdict
        if sum(v.rule == rule for v in verdict.violations) >= KEPT_PER_RULE:
            verdict.more[rule] = verdict.more.get(rule, 0) + 1
            return
        places = tuple(self._place(line) for line in lines if line)
        verdict.violations.append(Violation(rule, text, places))

    def _place(self, line: int) -> Place:
        event = self.events[line - 1]
        name, number = event.get("_place", (self.name, line))
        head = f"node {event.get('node')} {event.get('event')}"
        keys = ("id", "message", "configuration", "members", "timestamp", "service", "ring")
        rest = " ".join(f"{key}={event[key]}" for key in keys if key in event)
        return Place(number, name, f"{head} {rest}".rstrip())

    def malformed(self, line: int, what: str) -> MalformedHistory:
        name, number = self.events[line - 1].get("_place", (self.name, line))
        return MalformedHistory(f"{name}:{number}: {what}")

    # Events

    def _take(self, line: int, event: Event, handler: Any) -> None:
        try:
            node, incarnation = event["node"], event["incarnation"]
        except KeyError as error:
            raise self.malformed(line, f"no {error.args[0]!r}") from None
        if type(node) is not int or not isinstance(incarnation, str):
            raise self.malformed(line, '"node" is no integer or "incarnation" no string')
        life = self._life.get((node, incarnation))
        if event["event"] == "boot":
            if life is not None:
                self.complain("B5", f"node {node} boots twice as {incarnation}", life.line, line)
                return
        elif life is None:
            self.complain("B5", f"node {node} acts before it booted", line)
            life = self._born(node, incarnation, line, lost=False)
        elif life.ended:
            how = f"node {node} acts after its {life.ended}"
            self.complain("B5", how, life.end_line, line)
            return
        try:
            handler(line, event, life)
        except KeyError as error:
            raise self.malformed(line, f"{event['event']} without {error.args[0]!r}") from None
        except (TypeError, ValueError) as error:
            raise self.malformed(line, f"{event['event']}: {error}") from None

    def _born(self, node: int, incarnation: str, line: int, lost: bool) -> Life:
        life = Life(node, incarnation, len(self.lives), line, lost)
        before = self._last.get(node)
        if before is not None and not before.ended:
            before.ended, before.end_line = "crash", line  # nobody could write it down
        self.lives.append(life)
        self._life[node, incarnation] = self._last[node] = life
        return life

    def _boot(self, line: int, event: Event, life: Life | None) -> None:
        storage = event["storage"]
        if storage not in ("kept", "lost"):
            raise ValueError(f"storage {storage!r} is neither kept nor lost")
        self._born(event["node"], event["incarnation"], line, storage == "lost")

    def _configuration(self, line: int, event: Event, life: Life) -> None:
        kind, members = event["kind"], event["members"]
        if kind not in ("regular", "transitional"):
            raise ValueError(f"kind {kind!r} is neither regular nor transitional")
        if not isinstance(members, list) or members != sorted(set(map(_integer, members))):
            raise ValueError("members are no sorted list of numbers")
        life.spans.append(
            Span(
                _text(event["id"]),
                kind == "regular",
                _text(event["ring"]),
                _integer(event["ring_seq"]) if kind == "regular" else 0,
                tuple(members),
                _integer(event["timestamp"]),
                _integer(event["error"]),
                line,
            )
        )
        if isinstance(event.get("at"), int):
            self.changes.append((event["at"], line))

    def _submit(self, line: int, event: Event, life: Life) -> None:
        life.submits[str(event["handle"])] = line

    def _number(self, name: str) -> int:
        number = self._numbers.get(name)
        if number is None:
            ring, slash, place = _text(name).rpartition("/")
            sequence, dot, index = place.partition(".")
            if not (slash and ring and _is_number(sequence)) or (dot and not _is_number(index)):
                raise ValueError(f"{name!r} is no message: RING/NUMBER or RING/NUMBER.INDEX")
            number = self._numbers[name] = len(self.messages)
            self.messages.append(Message(name, ring, (int(sequence), int(index or 0))))
        return number

    def _send(self, line: int, event: Event, life: Life) -> None:
        number = self._number(event["message"])
        message = self.messages[number]
        service, digest, handle = _service(event), _text(event["digest"]), str(event["handle"])
        if message.sender is not None:
            self.complain("B4", f"{message.name} was sent twice", message.send_line, line)
            return
        message.sender, message.send_line = life, line
        if message.deliver_line and (message.service, message.digest) != (service, digest):
            what = f"{message.name} is delivered as another message"
            self.complain("B3", what, line, message.deliver_line)
        message.service, message.digest = service, digest
        if event.get("true_time") is not None:
            message.true_time = _integer(event["true_time"])
        life.sent_handles[handle] = number
        if not life.spans:
            self.complain("B5", f"node {life.node} sends before its first configuration", line)
            return
        span = life.spans[-1]
        message.sent_in = span
        span.sends.append(number)
        span.steps.append(~number)
        if not span.is_regular:
            self.complain("B5", f"{message.name} was sent in a transitional configuration", line)
        elif span.ring != message.ring:
            self.complain("B3", f"{message.name} was sent in {span.id}, of another ring", line)

    def _deliver(self, line: int, event: Event, life: Life) -> None:
        number = self._number(event["message"])
        message = self.messages[number]
        told = (
            _integer(event["origin"]),
            _service(event),
            _text(event["digest"]),
            _integer(event["timestamp"]),
            _integer(event["error"]),
            tuple(map(_text, event["flags"])),
        )
        configuration = _text(event["configuration"])
        if not message.deliver_line:
            message.deliver_line = line
            message.origin, _, _, message.timestamp, message.error, message.flags = told
            if message.sender is None:
                message.service, message.digest = told[1], told[2]
        first = (message.origin, message.timestamp, message.error, message.flags)
        if (told[0], *told[3:]) != first:
            what = f"{message.name} is not alike everywhere"
            self.complain("T1", what, message.deliver_line, line)
        if told[1:3] != (message.service, message.digest):
            where = message.send_line or message.deliver_line
            self.complain("B3", f"{message.name} is delivered as another message", where, line)
        if not life.spans:
            what = f"node {life.node} delivers before its first configuration"
            self.complain("B5", what, line)
            return
        span = life.spans[-1]
        if (life.index, number) in self._delivered:
            self.complain("B4", f"node {life.node} delivers {message.name} twice", line)
            return
        self._delivered.add((life.index, number))
        span.delivers.append(number)
        span.steps.append(number)
        if configuration != span.id:
            what = f"node {life.node} delivers {message.name} in {configuration}"
            self.complain("B3", f"{what}, and is in {span.id}", span.line, line)
        elif message.ring != span.ring:
            what = f"node {life.node} delivers {message.name} in {span.id}, of another ring"
            self.complain("B3", what, span.line, line)

    def _recovered(self, line: int, event: Event, life: Life) -> None:
        obligations = tuple(map(_integer, event["obligations"]))
        life.promises.append((len(life.spans) - 1, _text(event["ring"]), obligations, line))

    def _end(self, line: int, event: Event, life: Life) -> None:
        life.ended, life.end_line = event["event"], line


def _integer(value: object) -> int:
    if type(value) is not int:
        raise ValueError(f"{value!r} is no integer")
    return value


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20


def _text(value: object) -> str:
    if type(value) is not str:
        raise ValueError(f"{value!r} is no string")
    return value


def _service(event: Event) -> str:
    service = event["service"]
    if service not in (AGREED, SAFE):
        raise ValueError(f"service {service!r} is neither agreed nor safe")
    return str(service)
