"""One replicated state machine in one group: the same commands, in the same order, everywhere.

What it promises to whoever submits a command is exactly one of

- ``Applied``: it was applied here, with its result; a read of the machine sees it. If it *is
  certain*, it stays. If not (delivered to us, and perhaps to nobody else, before we were cut off),
  it may later be told as ``Discarded``;
- ``Absorbed``: it is in the state we received, applied by others;
- ``Rejected``: nobody applied it; there was no quorum.

How. A view that opens a ring brings an offer of every replica, so all choose the same state
(:mod:`~.offers`). The *cut* is the view itself: the others receive the state as of that place, and
hold back what is delivered after it until they have it; the holders go on. A receiver that has
restored the state says so with a safe message, *synced*, and counts from its delivery on. A ring
that ends first ends the round; the next view begins another.

When is it a primary? Enough of those must be there who would know of the last primary (they have a
*voice*); then it is one as long as its *holders* are a quorum. Not those who are connected: a
command could then be acknowledged by a majority of which one member has the state, and be lost with
it. Until enough have received the state commands *wait*; where that cannot come about they are
rejected at once.

What is delivered in the transitional configuration after a primary is applied too, as its last
words: somebody who is not with us any more may have applied it in the regular one, and told so.

Under :class:`~.quorum.NoQuorum` every component goes on; where two meet, the longer history stays,
and what the other one applied meanwhile is discarded, and told.

Amir and Tutu, "From Total Order to Database Replication", ICDCS 2002 (its green actions are our
certain ones, its yellow ones the last words); Derecho (Jha et al., ACM TOCS 36(2), 2019).
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace

from clocksync.runtime.errors import MisusedCore
from vsync.events import Messages, Moved
from vsync.identity import NO_RING, Service, group_number
from vsync.replication import offers
from vsync.replication.accounts import NO_MAJORITY, Account, Awaited
from vsync.replication.channels import is_regular, tells_loss
from vsync.replication.events import (
    Effect,
    Effects,
    Multicast,
    PrimaryChanged,
    Rejected,
    Restored,
    View,
)
from vsync.replication.machine import Context, Replicated
from vsync.replication.offers import Offer
from vsync.replication.quorum import NO_QUORUM, Policy
from vsync.replication.rounds import Held, Receiver, Sender, Worth
from vsync.replication.standing import Standing
from vsync.replication.transfer import Chunk

COMMAND, CHUNK, SYNCED = b"c", b"s", b"d"
"""The first byte of a message of a replicated group."""

CHUNK_BYTES = 32 << 10
CHUNK_WINDOW = 4
"""How many chunks are under way at once: so much of a rotation a state takes, and no more."""


class Replica:
    """One member's replica of `machine`, in the group `name`.

    Args:
        me: this member.
        policy: the same at all members.
        service: of commands. With ``AGREED`` a result is told sooner, and is never certain.
        chunk_bytes: of a message that carries a part of a state.
    """

    def __init__(
        self,
        me: int,
        name: str,
        machine: Replicated,
        policy: Policy = NO_QUORUM,
        *,
        service: Service = Service.SAFE,
        chunk_bytes: int = CHUNK_BYTES,
        chunk_window: int = CHUNK_WINDOW,
    ) -> None:
        self.me, self.name, self.machine = me, name, machine
        self.policy, self.service = policy, service
        self.number = group_number(name)

        # What our state is worth
        self.position = NO_RING
        self.applied = 0
        self.has_voice = False
        self.account = Account(name)
        self._path: tuple[str, ...] = (f"begun by {me}",)
        self._fellows: frozenset[int] = frozenset()  # the members that it was told last
        self._gone: frozenset[int] = frozenset()  # those of them who have not come along

        # The ring
        self.standing = Standing()
        self.in_doubt = True
        """The ring is lost, or was not opened yet."""
        self._can_come_back = False
        self._waiting: list[Held] = []
        self._sender = Sender(chunk_bytes, chunk_window)
        self._receiver: Receiver | None = None  # None: we hold the state

        self._own: deque[int | None] = deque()  # what we multicast and was not delivered yet
        self._out: Effects = []

    @property
    def is_current(self) -> bool:
        """Whether we hold the state of our component."""
        return self._receiver is None

    @property
    def is_primary(self) -> bool:
        """Whether commands are applied here as a primary's. While `in_doubt` this is what it was
        before."""
        return self._receiver is None and self.standing.is_primary

    # What an application asks

    def submit(
        self, handle: int, commands: Sequence[bytes], service: Service | None = None
    ) -> Effects:
        """Multicast commands, to be applied in this order. What becomes of the first is told under
        `handle`, of the next under `handle` + 1."""
        self._own.extend(range(handle, handle + len(commands)))
        payloads = tuple(COMMAND + each for each in commands)
        return [Multicast(payloads, service or self.service, self.number)]

    def leaving(self) -> None:
        """This process is about to leave the group.

        Raises:
            MisusedCore: only we have the state, and others are receiving it.
        """
        if self._sender.is_busy and self.standing.holders == {self.me}:
            raise MisusedCore(f"leave {self.name!r}: others are still receiving its state from us")

    # Inputs

    def on_state(self, moved: Moved, now: int) -> Effects:
        """The ring's state moved."""
        match tells_loss(moved):
            case True if not self.in_doubt:
                self.in_doubt = self._can_come_back = True
            case False if self._can_come_back:
                self.in_doubt = self._can_come_back = False
        return []

    def on_ring_ended(self, now: int) -> Effects:
        """All of the old ring was delivered: our state is what it is. Comes before :meth:`offer`.

        A receiver that has not got the state by now keeps the one it had.
        """
        receiver, self._receiver = self._receiver, None
        waiting, self._waiting = self._waiting, []
        self._sender.stop()
        held = [each for each in receiver.backlog if isinstance(each, Held)] if receiver else []
        if self.policy.is_exclusive:
            self._await([*waiting, *held])
        else:
            for each in held:
                if each.payload[:1] == COMMAND:
                    self._apply(each.messages, each.place, each.payload, each.handle)
        return self._said()

    def offer(self) -> object:
        """What the others are told of our state."""
        memory = self.standing.memory
        return Offer(self.position, self.applied, self._path, self.has_voice, memory).to_json()

    def on_view(self, view: View, now: int) -> Effects:
        """The group's membership has changed, or a ring begins or ends."""
        if view.is_transitional:
            self._can_come_back = False
            self._part(view)
            if self._receiver is not None:
                self._receiver.backlog.append(view)
        elif view.ring != self.standing.ring:
            self._open(view)
        elif self._receiver is not None:
            self._receiver.backlog.append(view)
        else:
            self._change(view)
        return self._said()

    def on_messages(self, messages: Messages, now: int) -> Effects:
        """Messages of the group were delivered."""
        is_ours = messages.origin == self.me
        is_open = messages.ring == self.standing.ring
        for place, payload in enumerate(messages.payloads):
            handle = self._own.popleft() if is_ours else None
            if not is_open:
                self._on_unopened(messages, place, payload, handle)
            elif self._receiver is None:
                self._take(messages, place, payload, handle)
            elif payload[:1] == CHUNK:
                self._on_chunk(messages.origin, payload, self._receiver)
            else:
                self._receiver.backlog.append(Held(messages, place, handle))
        return self._said()

    def on_timer(self, timer: object, now: int) -> Effects:
        """A replica sets none."""
        return []

    # Messages

    def _take(self, messages: Messages, place: int, payload: bytes, handle: int | None) -> None:
        """A message of our ring, while we hold the state."""
        kind = payload[:1]
        if kind == COMMAND:
            if self.standing.is_primary:
                self._apply(messages, place, payload, handle)
            elif self.standing.may_be_primary(self.policy):
                self._waiting.append(Held(messages, place, handle))
            elif handle is not None:
                self._emit(Rejected(self.name, handle, NO_MAJORITY))
        elif kind == CHUNK and messages.origin == self.me:
            chunk = Chunk.decode(payload[1:])
            if chunk is not None:
                self._send(self._sender.delivered(chunk))
        elif kind == SYNCED:
            self._on_synced(messages, payload)

    def _on_unopened(
        self, messages: Messages, place: int, payload: bytes, handle: int | None
    ) -> None:
        """A message of a ring that was never opened, so that it had no quorum here."""
        if payload[:1] != COMMAND:
            return
        if self.policy.is_exclusive:
            self._await([Held(messages, place, handle)])
        else:
            self._apply(messages, place, payload, handle)

    def _apply(self, messages: Messages, place: int, payload: bytes, handle: int | None) -> None:
        ring, sequence, command = messages.ring, messages.sequence, payload[1:]
        timestamp, error, origin = messages.timestamp + place, messages.error, messages.origin
        context = Context(timestamp, error, origin, ring, sequence, place)
        result = self.machine.apply(command, context)
        self.applied += 1
        is_open = is_regular(messages)
        is_certain = is_open and messages.service is Service.SAFE and self.standing.is_certain
        self._out += self.account.applied(
            ring, sequence, command, handle, result, is_open, is_certain
        )

    def _await(self, held: Iterable[Held]) -> None:
        for messages, _, handle in held:
            if handle is not None:
                self.account.awaited.append(Awaited(messages.ring, messages.sequence, handle))

    # Who is there

    def _open(self, view: View) -> None:
        """A ring begins for us: everybody's offers, or our own join."""
        # A view that is not certain came when the ring had ended already.
        self.in_doubt = not view.is_certain
        was_primary = self.is_primary
        if view.step == 0 or view.members == (self.me,):
            found = offers.read(view.offers)
            self.standing = Standing.opening(view.ring, found, self.policy)
        else:
            # Who holds the state comes with it.
            self.standing = Standing(view.ring, frozenset(view.members))
        if self.me not in self.standing.holders:
            self._receiver = Receiver(self.me, view)
            self._tell_primary(was_primary)
            return
        self._path = (str(view.ring),)
        self._change_members(view)
        self._elect(view.step, view.is_certain, was_primary)
        if self.me == min(self.standing.holders):
            self._send_state(view, self.standing.members - self.standing.holders)

    def _part(self, view: View) -> None:
        """The ring has ended: some do not come along."""
        self._path += (view.id,)
        self._gone |= self._fellows - set(view.members)

    def _change(self, view: View) -> None:
        """Somebody joined or left the group, on our ring, while we hold the state."""
        standing, was_primary = self.standing, self.is_primary
        joined = offers.read(view.offers)
        if self.me in view.left or not (joined or view.left):
            return
        self._await(self._waiting)
        self._waiting = []
        sender = min(standing.holders, default=self.me)
        for member in joined:
            standing.join(member)
        for member in view.left:
            standing.leave(member)
            self._sender.forget(member)
        self._change_members(view)
        self._elect(view.step, view.is_certain, was_primary)
        if self.me == min(standing.holders, default=0):
            takes_over = self.me != sender
            self._send_state(view, standing.members - standing.holders if takes_over else joined)

    def _change_members(self, view: View) -> None:
        members = self.standing.members
        stayed = self._fellows - self._gone
        before, self._fellows, self._gone = self._fellows, members, frozenset()
        self.machine.members_changed(
            replace(
                view,
                members=tuple(sorted(members)),
                joined=tuple(sorted(members - stayed)),
                left=tuple(sorted(before - (members & stayed))),
            )
        )

    def _on_synced(self, messages: Messages, payload: bytes) -> None:
        standing, was_primary = self.standing, self.is_primary
        if payload[1:] == str(standing.ring).encode() and messages.origin in standing.members:
            standing.holders |= {messages.origin}
            self._elect(messages.sequence, is_regular(messages), was_primary)

    def _elect(self, step: int, is_certain: bool, was_primary: bool) -> None:
        standing, account = self.standing, self.account
        standing.elect(self.policy, step, is_certain)
        if not standing.is_primary:
            account.lineage.interrupt()
            self._tell_primary(was_primary)
            return
        if self.policy.is_exclusive:
            self.position = standing.ring
            self.has_voice |= self.me in standing.holders
        if is_certain:
            self._out += account.resolve()
            if self.policy.is_exclusive:
                self._out += account.settle()
        self._tell_primary(was_primary)
        waiting, self._waiting = self._waiting, []
        for held in waiting:
            self._apply(held.messages, held.place, held.payload, held.handle)

    def _tell_primary(self, was_primary: bool) -> None:
        if self.is_primary != was_primary:
            self._emit(PrimaryChanged(self.name, self.is_primary))

    # The state

    def _send_state(self, view: View, receivers: Iterable[int]) -> None:
        receivers = frozenset(receivers)
        if receivers:
            worth = Worth(self.position, self.applied, self.account.lineage, self.standing)
            self._send(self._sender.begin(view.id, receivers, worth, self.machine.snapshot()))

    def _send(self, chunks: Iterable[Chunk]) -> None:
        for chunk in chunks:
            self._multicast(CHUNK + chunk.encode(), Service.AGREED)

    def _on_chunk(self, sender: int, payload: bytes, receiver: Receiver) -> None:
        chunk = Chunk.decode(payload[1:])
        if chunk is not None:
            self._await(receiver.take(chunk))
            if receiver.is_complete:
                self._restore(sender, receiver)

    def _restore(self, sender: int, receiver: Receiver) -> None:
        """The state is there. What was delivered after its place is dealt with now."""
        worth, incoming = receiver.worth, receiver.incoming
        assert worth is not None, "a state that came has a header"
        assert incoming is not None, "and it came"
        self.machine.restore(incoming.pieces())
        self._receiver = None
        self.standing, self.position, self.applied = worth.standing, worth.position, worth.applied
        self._path = (str(self.standing.ring),)
        self._fellows, self._gone = self.standing.members, frozenset()
        self.account.replace(worth.lineage)
        if not self.policy.is_exclusive:
            self._out += self.account.resolve()
        self._emit(Restored(self.name, sender, self.applied))
        self._tell_primary(False)
        for each in receiver.backlog:
            if isinstance(each, Held):
                self._take(each.messages, each.place, each.payload, each.handle)
            elif each.is_transitional:
                self._part(each)
            else:
                self._change(each)
        self._multicast(SYNCED + str(self.standing.ring).encode(), Service.SAFE)

    # Small things

    def _multicast(self, payload: bytes, service: Service) -> None:
        self._own.append(None)
        self._emit(Multicast((payload,), service, self.number))

    def _emit(self, effect: Effect) -> None:
        self._out.append(effect)

    def _said(self) -> Effects:
        out, self._out = self._out, []
        return out
