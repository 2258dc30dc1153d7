"""A lock service without a server: every member holds the table, and asks by multicast.

What it promises, under a majority policy:

- at most one member holds a lock, as long as clock *rates* are within ``drift_ppm``. No bound on
  message delay is assumed; what is, is that nobody acts on a lease without looking at the clock.
  For who does (a paused process), each grant has a fencing token (:mod:`~.locktable`);
- a minority grants nothing. Requests made there wait, and are made again when there is a quorum;
- a holder hears ``Suspended`` as soon as the ring is lost, then ``Resumed`` or ``Lost``;
- waiting is fair; a member that is cut off, and comes back, queues anew.

Grants rest on *safe* messages. An agreed one can be known to a single member, which is then cut
off with a grant nobody else has heard of; with ``service=AGREED`` a grant is told one to two
rotations sooner, and this can happen.

**Leases.** A holder may act until `lease_ns` after it *sent* the last command that was certain:
every member of its ring had that one then, so none of them had left the ring before it was sent.
Who finds that a holder has left waits `silence_ns` after *that*, by its own clock, before its
locks are granted again; whoever gets the table later waits from then on. The smallest member that
holds the table says so, in the order, and all grant at the same place. While it holds or wants
anything a member sends a small safe message every `heartbeat_ns`.

Under :class:`~.quorum.NoQuorum` each component grants for itself: a side that was cut off goes on
as if the others were dead, so two may hold one lock. There are no leases then.

Burrows, "The Chubby Lock Service", OSDI 2006 (sequencers); Kleppmann, "How to do distributed
locking", 2016; Gray and Cheriton, "Leases", SOSP 1989.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

from clocksync.runtime.errors import BadConfig, MisusedCore
from clocksync.runtime.units import MILLISECOND, SECOND
from ordering.mutex.leases import EpochConfig as LeaseConfig
from vsync.events import Messages, Moved
from vsync.identity import Service
from vsync.replication.events import (
    Absorbed,
    Applied,
    Discarded,
    Effect,
    Effects,
    Granted,
    Lost,
    PrimaryChanged,
    Rejected,
    Released,
    Restored,
    Resumed,
    SetTimer,
    Settled,
    Suspended,
    View,
)
from vsync.replication.locktable import (
    ACQUIRE,
    CONFIRM,
    EXPIRE,
    RELEASE,
    RENEW,
    SEPARATOR,
    LockTable,
    Run,
    encode,
)
from vsync.replication.quorum import NO_QUORUM, Policy
from vsync.replication.replica import CHUNK_BYTES, Replica

LEASES = LeaseConfig(heartbeat_ns=500 * MILLISECOND, lease_ns=4 * SECOND)
"""A lease should outlast the loss of a token and the ring that follows, or every change of the ring
costs its members their locks."""

LEASE_ENDED = "its lease ended before the ring was back"
CUT_OFF = "this member was cut off, and counted as gone"


class Sent(NamedTuple):
    """A command of ours that is under way."""

    at_ns: int
    requests: tuple[int, ...]
    is_renewal: bool = False


class Locks:
    """One member's part of the lock service in the group `name`.

    Args:
        me: this member.
        policy: the same at all members.
        leases: how long a lease lasts, and how well clocks run; the same at all members.
        service: of requests.
    """

    def __init__(
        self,
        me: int,
        name: str,
        policy: Policy = NO_QUORUM,
        *,
        leases: LeaseConfig = LEASES,
        service: Service = Service.SAFE,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        self.me, self.name, self.leases = me, name, leases
        self.has_leases = policy.is_exclusive
        self.table = LockTable(me, has_leases=self.has_leases)
        self.replica = Replica(
            me, name, self.table, policy, service=service, chunk_bytes=chunk_bytes
        )
        self.wanted: dict[int, bytes] = {}
        """Our requests that were not released: the lock of each."""
        self.held: dict[int, int] = {}
        """Those of them that are granted, as far as the application was told: the token of each."""
        self._lease_from: int | None = None
        self._is_sure = False
        self._is_stale = False  # the table may not say what we asked for
        self._sent: dict[int, Sent] = {}
        self._under_way: set[int] = set()  # requests in them
        self._giving_back: set[int] = set()
        self._handle = 0
        self._deadlines: dict[int, int] = {}
        self._asked: set[int] = set()
        self._timers: set[str] = set()
        self._out: Effects = []

    # What an application asks

    def acquire(self, first: int, names: Sequence[str], now: int) -> Effects:
        """Ask for locks; ``Granted`` is told when we hold them.

        Args:
            first: our number for the first one; the next is `first` + 1. Numbers are used once.

        Raises:
            BadConfig: a name is empty, or holds the character NUL.
            MisusedCore: a number is in use.
        """
        joined = "\0".join(names).encode()
        keys = joined.split(SEPARATOR)
        if len(keys) != len(names) or not all(keys):
            raise BadConfig("the name of a lock is not empty, and holds no NUL")
        requests = range(first, first + len(names))
        if not self.wanted.keys().isdisjoint(requests):
            raise MisusedCore(f"acquire: a request from {first} on is waiting, or holds its lock")
        self.wanted.update(zip(requests, keys, strict=True))
        self._ask([Run(ACQUIRE, requests, keys)], tuple(requests), now)
        self._keep_lease(now)
        return self._said()

    def release(self, requests: Sequence[int], now: int) -> Effects:
        """Give locks back, or take back requests that still wait. What is neither is no error: it
        may have been lost just now."""
        mine = [request for request in requests if request in self.wanted]
        if mine:
            keys = [self.wanted.pop(request) for request in mine]
            for request in mine:
                self.held.pop(request, None)
            self._giving_back.update(mine)
            self._ask([Run(RELEASE, mine, keys)], tuple(mine), now)
        return self._said()

    def holds(self, request: int, now: int) -> bool:
        """Whether we hold that lock now: to be asked before acting on it."""
        return request in self.held and self._has_lease(now)

    @property
    def until_ns(self) -> int | None:
        """When our lease ends, by our monotonic clock; None where it does not."""
        if not self.has_leases or self._lease_from is None:
            return None
        return self._lease_from + self.leases.lease_ns

    def leaving(self) -> None:
        """This process is about to leave the group.

        Raises:
            MisusedCore: it holds locks, or others are receiving the table from it.
        """
        if self.wanted:
            raise MisusedCore(f"leave {self.name!r}: release {len(self.wanted)} locks first")
        self.replica.leaving()

    # Inputs

    def offer(self) -> object:
        """See :meth:`Replica.offer`."""
        return self.replica.offer()

    def on_ring_ended(self, now: int) -> Effects:
        """See :meth:`Replica.on_ring_ended`."""
        return self._follow(self.replica.on_ring_ended(now), now)

    def on_state(self, moved: Moved, now: int) -> Effects:
        """The ring's state moved."""
        return self._follow(self.replica.on_state(moved, now), now)

    def on_view(self, view: View, now: int) -> Effects:
        """The group's membership has changed."""
        self._asked.clear()
        return self._follow(self.replica.on_view(view, now), now)

    def on_messages(self, messages: Messages, now: int) -> Effects:
        """Messages of the group were delivered."""
        return self._follow(self.replica.on_messages(messages, now), now)

    def on_timer(self, timer: Hashable, now: int) -> Effects:
        """One of our timers ran out."""
        self._timers.discard(str(timer))
        match timer:
            case "lease":
                self._keep_lease(now)
            case "renew" if self.wanted:
                if self._is_sure:
                    self._renew(now)
                self._arm("renew", now + self.leases.heartbeat_ns)
        return self._follow([], now)

    # What the replica says

    def _follow(self, effects: Effects, now: int) -> Effects:
        for effect in effects:
            match effect:
                case Applied(_, handle, _, is_certain):
                    sent = self._arrived(handle)
                    if sent is not None:
                        self._tell_released(sent.requests)
                        if is_certain:
                            self._lease_from = max(self._lease_from or 0, sent.at_ns)
                case Absorbed(_, handle) | Rejected(_, handle):
                    self._arrived(handle)
                    self._is_stale = True
                case Discarded() | Settled():
                    self._is_stale = True
                case Restored():
                    self._is_stale = True
                    # Numbers of condemnations are those of another table now.
                    self._deadlines.clear()
                    self._emit(effect)
                case PrimaryChanged():
                    self._is_stale = True
                    self._emit(effect)
                case _:
                    self._emit(effect)
        self._look(now)
        return self._said()

    def _arrived(self, handle: int) -> Sent | None:
        sent = self._sent.pop(handle, None)
        if sent is not None:
            self._under_way.difference_update(sent.requests)
        return sent

    def _look(self, now: int) -> None:
        """After every input: what there is to tell, and to ask."""
        replica, was_sure = self.replica, self._is_sure
        self._is_sure = replica.is_primary and not replica.in_doubt
        if was_sure and not self._is_sure:
            self._suspend()
        if self._is_stale and replica.is_current:
            self._lose([each for each in self.held if each not in self.table.mine], CUT_OFF)
        if self.table.condemned or self._deadlines:
            self._watch_condemned(now)
        if not self._is_sure:
            return
        if not was_sure:
            # What was granted before, and could not be told, is confirmed first.
            self._is_stale, self.table.granted = True, []
            self._resume(now)
        if self.table.granted and self._has_lease(now):
            self._tell_grants()
        if self._is_stale:
            self._is_stale = False
            self._ask_again(now)

    # Telling

    def _tell_grants(self) -> None:
        table, wanted, held = self.table, self.wanted, self.held
        granted, table.granted = table.granted, []
        told = [each for each in granted if each in wanted and each in table.mine]
        # We took some back meanwhile. If the message that says so came to nothing, say it again.
        self._is_stale |= len(told) < len(granted)
        tokens = [table.mine[each][1] for each in told]
        held.update(zip(told, tokens, strict=True))
        if told:
            self._emit(Granted(self.name, tuple(told), tuple(tokens)))
            if self.until_ns is not None:
                self._arm("lease", self.until_ns)

    def _tell_released(self, requests: tuple[int, ...]) -> None:
        giving_back = self._giving_back
        if giving_back and not giving_back.isdisjoint(requests):
            given = tuple(request for request in requests if request in giving_back)
            giving_back.difference_update(given)
            self._emit(Released(self.name, given))

    def _suspend(self) -> None:
        if self.held:
            self._emit(Suspended(self.name, tuple(self.held), self.until_ns))

    def _resume(self, now: int) -> None:
        if self.held and self._has_lease(now):
            self._emit(Resumed(self.name, tuple(self.held)))

    def _lose(self, requests: Iterable[int], reason: str) -> None:
        lost = tuple(requests)
        for request in lost:
            del self.held[request], self.wanted[request]
        if lost:
            self._emit(Lost(self.name, lost, reason))

    # Asking

    def _ask(
        self,
        runs: Sequence[Run],
        requests: tuple[int, ...],
        now: int,
        service: Service | None = None,
        is_renewal: bool = False,
    ) -> None:
        self._handle += 1
        self._sent[self._handle] = Sent(now, requests, is_renewal)
        self._under_way.update(requests)
        self._out += self.replica.submit(self._handle, [encode(runs)], service)

    def _ask_again(self, now: int) -> None:
        """Make the table say what we want: ask for what is missing, give back what is too much."""
        table, runs = self.table, []
        missing = {
            request: key
            for request, key in self.wanted.items()
            if request not in table.mine and request not in self._under_way
        }
        for key in set(missing.values()):
            for member, request in table.queues.get(key, ()):
                if member == self.me:
                    missing.pop(request, None)
        if missing:
            runs.append(Run(ACQUIRE, list(missing), list(missing.values())))
        orphans = {
            request: key
            for request, (key, _) in table.mine.items()
            if request not in self.wanted and request not in self._under_way
        }
        if orphans:
            runs.append(Run(RELEASE, list(orphans), list(orphans.values())))
        table.granted = []
        unsure = {
            request: key
            for request, (key, _) in table.mine.items()
            if request in self.wanted
            and request not in self.held
            and request not in self._under_way
        }
        if unsure:
            runs.append(Run(CONFIRM, list(unsure), list(unsure.values())))
        if runs:
            self._ask(runs, (*missing, *orphans, *unsure), now)

    # Our lease

    def _has_lease(self, now: int) -> bool:
        if not self.has_leases:
            return True
        return self._lease_from is not None and now < self._lease_from + self.leases.lease_ns

    def _keep_lease(self, now: int) -> None:
        """See to it that the lease is renewed while it is needed, and that its end is noticed."""
        if not self.has_leases:
            return
        if self.held and not self._has_lease(now):
            self._lose(list(self.held), LEASE_ENDED)
            self._is_stale = True
        if self.wanted:
            self._arm("renew", now + self.leases.heartbeat_ns)
            if self.replica.service is Service.AGREED and not self._has_lease(now):
                self._renew(now)
        if self.held:
            self._arm("lease", self.until_ns or now)

    def _renew(self, now: int) -> None:
        if not any(sent.is_renewal for sent in self._sent.values()):
            self._ask([Run(RENEW, (), ())], (), now, Service.SAFE, is_renewal=True)

    # Leases of those who have left

    def _watch_condemned(self, now: int) -> None:
        condemned = self.table.condemned
        for number in [each for each in self._deadlines if each not in condemned]:
            del self._deadlines[number]
        for number in condemned:
            self._deadlines.setdefault(number, now + self.leases.silence_ns)
        if not self._deadlines:
            return
        due = [n for n, at in self._deadlines.items() if at <= now and n not in self._asked]
        later = [at for at in self._deadlines.values() if at > now]
        if later:
            self._arm("condemned", min(later))
        if due and self._is_sure and self.me == min(self.replica.standing.holders):
            self._asked.update(due)
            self._ask([Run(EXPIRE, due, ())], (), now)

    # Small things

    def _arm(self, timer: str, at_ns: int) -> None:
        if timer not in self._timers:
            self._timers.add(timer)
            self._emit(SetTimer(timer, at_ns))

    def _emit(self, effect: Effect) -> None:
        self._out.append(effect)

    def _said(self) -> Effects:
        out, self._out = self._out, []
        return out
