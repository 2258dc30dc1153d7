"""Process groups over one ring: joins and leaves are messages in its order.

What it promises: all processes of a ring know all groups, and agree on them at each place of the
order. Whoever is in a group sees its views and the messages delivered in them, and nothing of
others. Two processes that come to a view together and go on to the next one together deliver the
same messages in between. A process is in a group from the place where its own *join* is delivered
to the place of its *leave*.

When a ring ends, this happens, alike at all who go on together:

1. the transitional configuration: members of groups that are not in it are reported left, from what
   every process knows by itself (in corosync choosing one member's list misjudged paused members,
   23e17953);
2. the next ring: every member multicasts its *roll*, a safe message: the groups it is in. What is
   delivered meanwhile is held back;
3. when all rolls were delivered, the view *opens* the ring: who joined, who left (a *zombie*, which
   no roll names, corosync fbe8768f), whether this side has a quorum; then what was held back.

If the ring ends before that, nothing was opened: what was held back is delivered in the view
before, a new ring begins, and rolls of the old one are ignored.

Under extended virtual synchrony a roll delivered in the regular configuration is known to be
everywhere. If all were delivered there the view is *certain*: all who live come to it.

After corosync's CPG (exec/cpg.c, cpg_overview(8)). A group's number on the wire comes from its
name; that two names collide is found when the join is delivered, and the later one is refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from zlib import crc32

from clocksync.runtime.errors import BadConfig, MisusedCore
from vsync.events import Configuration, Kind, Messages, Moved
from vsync.identity import RingId, Service, group_number
from vsync.replication.channels import CONTROL, is_regular, tells_loss
from vsync.replication.control import NAME_MAX, Join, Leave, Roll, decode, encode, is_name
from vsync.replication.events import (
    Delivered,
    Effect,
    Effects,
    JoinRefused,
    LeaveRefused,
    Multicast,
    QuorumChanged,
    RollCall,
    View,
)
from vsync.replication.exchange import Exchange, Held, Request, Table
from vsync.replication.quorum import NO_QUORUM, NOTHING_KNOWN, Memory, Policy, Primary, merged


class Step(Enum):
    """How this process stands to a group."""

    JOINING = "its join is under way"
    JOINED = "it is in the group"
    LEAVING = "its leave is under way"


@dataclass(slots=True)
class Own:
    """A group of this process."""

    name: str
    step: Step = Step.JOINING

    @property
    def is_in(self) -> bool:
        return self.step is not Step.JOINING


class Groups:
    """All groups of a ring, at one of its members.

    Args:
        me: this member.
        policy: which side of a divided network has a quorum.
    """

    def __init__(self, me: int, policy: Policy = NO_QUORUM) -> None:
        self.me = me
        self.policy = policy
        self.memory: Memory = NOTHING_KNOWN
        self.quorum = False
        """Whether this side may go on, as of the ring opened last."""
        self.unknown_since: int | None = None
        """Since when nobody can tell, the ring being lost; None while it is there."""
        self.dropped = 0
        """Control messages that were none."""
        self._tables: dict[int, Table] = {}
        self._own: dict[int, Own] = {}
        self._ring: Configuration | None = None  # the one opened last
        self._line = f"begun by {me}"  # the name of the last view of all groups
        self._exchange: Exchange | None = None
        self._out: Effects = []

    # What an application asks

    def join(self, name: str, offer: object = None) -> Effects:
        """Be in a group: a view that names us comes when the join is delivered.

        Args:
            offer: what the others are told of our state: a value of JSON.

        Raises:
            BadConfig: no group can be called so.
            MisusedCore: we are in it, or about to be.
        """
        if not is_name(name):
            raise BadConfig(f"{name!r} names no group: 1 to {NAME_MAX} characters")
        number = group_number(name)
        if number in self._own:
            raise MisusedCore(f"join {name!r}: {self._own[number].step.value}")
        self._own[number] = Own(name)
        return [self._control(Join(name, offer))]

    def leave(self, name: str, if_unchanged: bool = False) -> Effects:
        """Be in a group no more, from the place where this is delivered.

        Args:
            if_unchanged: only if the group's view is the same there; else ``LeaveRefused`` is told.

        Raises:
            MisusedCore: we are not in it.
        """
        number = group_number(name)
        own = self._own.get(number)
        if own is None or own.step is not Step.JOINED:
            raise MisusedCore(f"leave {name!r}: this process is not in it")
        own.step = Step.LEAVING
        return [self._control(Leave(name, self._tables[number].view if if_unchanged else None))]

    def multicast(
        self, name: str, payloads: Sequence[bytes], service: Service = Service.AGREED
    ) -> Effects:
        """Send messages to a group we are in, or are joining. They must not overtake the join:
        :class:`~.member.Member` sees to it.

        Raises:
            MisusedCore: we are not in it, or leaving.
        """
        number = group_number(name)
        if number not in self._own or self._own[number].step is Step.LEAVING:
            raise MisusedCore(f"multicast to {name!r}: this process is not in it")
        return [Multicast(tuple(payloads), service, number)]

    def members(self, name: str) -> tuple[int, ...]:
        """Who is in a group, anybody's; nobody where the ring has none of that name."""
        table = self._tables.get(group_number(name))
        return table.members if table is not None and table.name == name else ()

    # Inputs

    def on_state(self, moved: Moved, now: int) -> Effects:
        """The ring's state moved."""
        match tells_loss(moved):
            case True if self.unknown_since is None and self._ring is not None:
                self.unknown_since = now
                return [QuorumChanged(None, now)]
            case False if self._exchange is None and self.unknown_since is not None:
                self.unknown_since = None
                return [QuorumChanged(self.quorum, now)]
        return []

    def on_configuration(self, configuration: Configuration, now: int) -> Effects:
        """A ring has ended, or begins."""
        if configuration.kind is Kind.TRANSITIONAL:
            if self._exchange is not None:
                self._exchange.held.append(configuration)
            else:
                self._part(configuration)
        else:
            if self._ring is None and self.unknown_since is None:
                self.unknown_since = now
            self._give_up()
            self._exchange = Exchange(configuration)
            self._emit(RollCall(configuration.ring))
        return self._said()

    def answer(self, offers: Mapping[str, object]) -> Effects:
        """Answer a roll call.

        Args:
            offers: what the replicas here tell of their state, by group.
        """
        assert self._exchange is not None, "a roll call is answered at once"
        groups = {own.name: offers.get(own.name) for own in self._own.values() if own.is_in}
        return [self._control(Roll(self._exchange.configuration.ring, self.memory, groups))]

    def on_messages(self, messages: Messages, now: int) -> Effects:
        """Messages of any group were delivered."""
        if messages.group == CONTROL:
            for index, payload in enumerate(messages.payloads):
                self._on_control(messages, index, payload, now)
        elif self._exchange is not None:
            if messages.group in self._own:
                self._exchange.held.append(messages)
        else:
            self._deliver(messages)
        return self._said()

    # The control channel

    def _on_control(self, messages: Messages, index: int, payload: bytes, now: int) -> None:
        match decode(payload):
            case None:
                self.dropped += 1
            case Roll() as roll:
                self._on_roll(messages, roll, now)
            case message:
                request = Request(messages.origin, message, messages, index)
                if self._exchange is not None:
                    self._exchange.held.append(request)
                else:
                    self._on_request(request)

    def _on_roll(self, messages: Messages, roll: Roll, now: int) -> None:
        exchange = self._exchange
        if exchange is None or roll.ring != exchange.configuration.ring:
            return  # of a ring that was never opened
        exchange.rolls[messages.origin] = roll
        if exchange.is_complete:
            self._exchange = None
            self._open(exchange, messages, now)
            self._take_held(exchange.held)

    def _on_request(self, request: Request) -> None:
        name = request.what.group
        number, origin = group_number(name), request.origin
        table = self._tables.get(number)
        members = table.members if table is not None else ()
        if isinstance(request.what, Leave):
            if table is None or table.name != name or origin not in members:
                return
            if request.what.view not in (None, table.view):
                self._refuse_leave(number, origin)
                return
            rest = tuple(member for member in members if member != origin)
            self._change(table, number, rest, request, left=(origin,))
        elif table is not None and table.name != name:
            if origin == self.me:
                self._refuse(number, table.name)
        elif origin not in members:
            table = table or Table(name, (), "")
            grown = tuple(sorted((*members, origin)))
            self._change(table, number, grown, request, joined=(origin,))

    def _change(
        self,
        table: Table,
        number: int,
        members: tuple[int, ...],
        request: Request,
        joined: tuple[int, ...] = (),
        left: tuple[int, ...] = (),
    ) -> None:
        table.members, table.view = members, self._place_name(request)
        self._keep(number, table)
        own = self._own.get(number)
        if own is not None and joined == (self.me,):
            own.step = Step.JOINED
        if own is not None and own.is_in:
            assert self._ring is not None, "requests are looked at on opened rings"
            what, place = request.what, request.place
            view = View(
                table.name,
                table.view,
                place.ring,
                members,
                joined,
                left,
                "join" if joined else "leave",
                self.quorum if is_regular(place) else None,
                place.timestamp + request.index,
                place.sequence,
                is_certain=is_regular(place),
                offers={request.origin: what.offer} if isinstance(what, Join) else {},
            )
            self._emit(view)
        if left == (self.me,):
            self._own.pop(number, None)

    # Rings

    def _part(self, configuration: Configuration) -> None:
        """Report those as left who do not go on with us."""
        name = self._line = self._view_name(configuration.id, configuration.ring)
        for number, table in sorted(self._tables.items()):
            stay = tuple(m for m in table.members if m in configuration.members)
            left = tuple(m for m in table.members if m not in configuration.members)
            table.members, table.view = stay, name
            self._keep(number, table)
            if number in self._own and self._own[number].is_in:
                self._emit(
                    View(
                        table.name,
                        name,
                        configuration.ring,
                        stay,
                        (),
                        left,
                        configuration.reason.value,
                        None,
                        configuration.timestamp,
                        is_transitional=True,
                    )
                )

    def _give_up(self) -> None:
        """The ring ended before it was opened."""
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        requests = [held for held in exchange.held if isinstance(held, Request)]
        self._take_held([held for held in exchange.held if not isinstance(held, Request)])
        # Who asked and was not answered asks again; who has left is in no roll from now on.
        for request in requests:
            if request.origin == self.me and isinstance(request.what, Join):
                self._emit(self._control(request.what))
            elif request.origin == self.me:
                self._on_request(request)

    def _take_held(self, held: list[Held]) -> None:
        for each in held:
            match each:
                case Messages():
                    self._deliver(each)
                case Configuration():
                    self._part(each)
                case Request():
                    self._on_request(each)

    def _open(self, exchange: Exchange, last: Messages, now: int) -> None:
        """All rolls are there: the ring's views."""
        configuration, rolls = exchange.configuration, exchange.rolls
        self._ring, self._line = configuration, str(configuration.ring)
        is_certain = is_regular(last)
        self._decide(configuration, rolls, is_certain, last, now)
        named = exchange.groups()
        for number in sorted({*named, *self._tables}):
            table = named.get(number, Table("", (), ""))
            known = self._tables[number].members if number in self._tables else ()
            own = self._own.get(number)
            self._keep(number, table)
            if own is None or not own.is_in:
                continue
            if own.name != table.name:
                self._refuse(number, table.name)
                continue
            self._emit(
                View(
                    table.name,
                    str(configuration.ring),
                    configuration.ring,
                    table.members,
                    tuple(member for member in table.members if member not in known),
                    tuple(member for member in known if member not in table.members),
                    configuration.reason.value,
                    self.quorum if is_certain else None,
                    configuration.timestamp,
                    is_certain=is_certain,
                    offers={m: rolls[m].groups[table.name] for m in table.members},
                )
            )

    def _decide(
        self,
        configuration: Configuration,
        rolls: Mapping[int, Roll],
        is_certain: bool,
        last: Messages,
        now: int,
    ) -> None:
        present = frozenset(configuration.members)
        voices = frozenset(member for member, roll in rolls.items() if roll.memory.has_voice)
        memory = merged(rolls[member].memory for member in sorted(voices))
        policy = self.policy
        self.quorum = policy.has_quorum(present, memory) and (
            not policy.rests_on_memory or policy.knows(voices, present, memory)
        )
        if self.quorum:
            memory = memory.formed(
                Primary(configuration.ring, 0, configuration.members), is_certain
            )
        if policy.rests_on_memory and (self.quorum or self.me in voices):
            self.memory = memory
        if is_certain:  # otherwise this ring has ended, too
            self.unknown_since = None
            self._emit(QuorumChanged(self.quorum, now))

    # Small things

    def _view_name(self, name: str, ring: RingId) -> str:
        """The name of a view. On a ring that was not opened, those who are together may have come
        from several views, and see several ones now."""
        if self._ring is not None and ring == self._ring.ring:
            return name
        return f"{name}.{crc32(self._line.encode()):x}"

    def _place_name(self, request: Request) -> str:
        place = request.place
        # In a transitional configuration not all members of the ring are with us.
        where = str(place.ring) if is_regular(place) else place.configuration
        return f"{self._view_name(where, place.ring)}/{place.sequence}.{request.index}"

    def _deliver(self, messages: Messages) -> None:
        number = messages.group
        if number in self._own and self._own[number].is_in:
            self._emit(Delivered(self._own[number].name, messages))

    def _keep(self, number: int, table: Table) -> None:
        if table.members:
            self._tables[number] = table
        else:
            self._tables.pop(number, None)

    def _refuse_leave(self, number: int, origin: int) -> None:
        if origin == self.me and number in self._own:
            self._own[number].step = Step.JOINED
            self._emit(LeaveRefused(self._own[number].name))

    def _refuse(self, number: int, other: str) -> None:
        own = self._own.pop(number)
        reason = f"its number is that of the group {other!r}: choose another name"
        self._emit(JoinRefused(own.name, reason))

    def _control(self, message: Roll | Join | Leave) -> Multicast:
        return Multicast((encode(message),), Service.SAFE, CONTROL)

    def _emit(self, effect: Effect) -> None:
        self._out.append(effect)

    def _said(self) -> Effects:
        out, self._out = self._out, []
        return out
