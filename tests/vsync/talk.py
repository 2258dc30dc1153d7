"""A conversation with one engine: what is said to it, and what it says; frames made briefly."""

from dataclasses import replace

from clocksync.runtime.envelope import Envelope
from clocksync.runtime.interval import Interval
from vsync.config import RingConfig
from vsync.engine import Engine
from vsync.events import (
    BootState,
    CancelTimer,
    Configuration,
    Datagram,
    Dropped,
    Messages,
    Moved,
    Multicast,
    Persist,
    Persisted,
    SendTo,
    SetTimer,
    Start,
    Submit,
    TimerExpired,
)
from vsync.frames import (
    FIRST,
    FRAMES,
    LAST,
    NOBODY,
    Commit,
    CommitEntry,
    Data,
    Frame,
    Join,
    Token,
)
from vsync.identity import NO_RING, RingId, Service
from vsync.states import State, Timer

RING = RingId(5, 1, 7)
NOTHING_KEPT = BootState()
EPOCH = 1_800_000_000_000_000_000
"""True time when the monotonic clock of a conversation says 0."""

MS = 1_000_000


def data(
    sequence=1,
    *,
    ring=RING,
    origin=1,
    flags=FIRST | LAST,
    timestamp=100,
    error=0,
    lengths=None,
    payload=b"x",
):
    """A message; whole unless `lengths` says otherwise."""
    if lengths is None:
        lengths = (len(payload),)
    return Data(*ring, sequence, origin, flags, 0, timestamp, error, 0, lengths, payload)


def token(ring=RING, **fields):
    """A token of a quiet ring of three, with some fields other than that."""
    plain = Token(*ring, 1, 0, 0, NOBODY, 0, 0, 0, 0, 0, (), (0, 0) * 3)
    return replace(plain, **fields)


def join(processes, failed=(), *, incarnation=1, ring_sequence=0, leaving=0, passed=0):
    return Join(
        incarnation, ring_sequence, leaving, passed, tuple(sorted(processes)), tuple(sorted(failed))
    )


def entry(member, **fields):
    """What a member brings; by default from a ring of its own in which nothing was said."""
    plain = CommitEntry(member, member, 1, member, 9, 0, 0, *NO_RING, 0, 10, 20, ())
    return replace(plain, **fields)


def empty_entry(member):
    return CommitEntry(member, 0, *NO_RING, 0, 0, *NO_RING, 0, 0, 0, ())


def commit(ring, hop, entries):
    return Commit(*ring, hop, b"".join(each.encode() for each in entries))


class Talk:
    """One engine and whoever tests it, who plays the network, the storage, the clock and all other
    members.

    Every frame the engine sends must be one that its peers take.
    """

    def __init__(self, me=1, *, boot=NOTHING_KEPT, seed=1, **config):
        self.me = me
        self.config = RingConfig.simulated(**config)
        self.engine = Engine(self.config, me, boot, seed)
        self.now = 0
        self.error = 1000
        self.timers = {}
        self.believed = True
        """Whether peers must believe what we say: not where liars are among them."""
        self.said = []
        """All effects, ever."""

    @property
    def state(self):
        return self.engine.state

    @property
    def ring(self):
        """The ring whose token is taken: the new one during recovery."""
        engine = self.engine
        return engine.recovery.ring if engine.recovery is not None else engine.ring

    def say(self, event, after=0):
        """Hand an input in, `after` ns later."""
        self.now += after
        clock = Interval.around(EPOCH + self.now, self.error)
        effects = self.engine.step(self.now, clock, event)
        for effect in effects:
            match effect:
                case SetTimer(timer, generation, at):
                    assert at >= self.now
                    self.timers[timer] = (generation, at)
                case CancelTimer(timer):
                    self.timers.pop(timer, None)
                case SendTo(peer, frame):
                    assert peer != self.me
                    check_sent(frame, self.me, self.believed)
                case Multicast(frame):
                    check_sent(frame, self.me, self.believed)
                case _:
                    pass
        self.said += effects
        return effects

    def hear(self, sender, frame, after=0):
        return self.say(Datagram(sealed(sender, frame)), after)

    def submit(self, payload=b"x", service=Service.AGREED, handle=1, after=0):
        return self.say(Submit(handle, (payload,), service), after)

    def fire(self, timer):
        """Let a pending timer run out. Until then the process runs: no pause is noticed."""
        if timer is not Timer.PAUSE:
            self.wait(self.timers[timer][1] - self.now)
        generation, at = self.timers.pop(timer)
        self.now = max(self.now, at)
        return self.say(TimerExpired(timer, generation))

    def wait(self, ns):
        """Time passes, and nothing happens but the ticks of a process that runs."""
        until = self.now + ns
        while Timer.PAUSE in self.timers and self.timers[Timer.PAUSE][1] <= until:
            self.fire(Timer.PAUSE)
        self.now = max(self.now, until)

    def persisted(self):
        """All that was asked for is durable."""
        return self.say(Persisted(self.engine.ticket))

    def boot(self):
        """To GATHER, knowing nobody."""
        self.say(Start())
        return self.persisted()

    def alone(self):
        """To a ring of one."""
        self.boot()
        self.fire(Timer.CONSENSUS)
        assert self.state is State.OPERATIONAL
        return self

    # On a ring with others, all of whom we play

    def gathered(self, *members):
        """To GATHER, everybody agreed; not yet to COMMIT, for want of the settling time."""
        self.members = tuple(sorted({self.me, *members}))
        self.boot()
        for member in members:
            self.hear(member, join(self.members, incarnation=member))
        assert self.engine.membership.is_agreed
        return self

    def other_entry(self, member, **fields):
        """What another member brings: a past of its own and a clock like ours."""
        near = {"timestamp": EPOCH, "earliest": EPOCH - 500, "latest": EPOCH + self.now + 500}
        return entry(member, **(near | fields))

    def committed(self, *members, **fields):
        """To COMMIT; our entry is not durable yet."""
        self.gathered(*members)
        self.fields = fields
        if self.me == self.members[0]:
            effects = self.fire(Timer.SETTLE)
        else:
            place = self.members.index(self.me)
            self.forming = RingId(40, self.members[0], 77)
            table = [
                self.other_entry(m, **fields) if n < place else empty_entry(m)
                for n, m in enumerate(self.members)
            ]
            effects = self.hear(self.predecessor, commit(self.forming, place, table))
        assert self.state is State.COMMIT
        assert sent(effects, Commit) == []
        return self

    @property
    def predecessor(self):
        return self.members[self.members.index(self.me) - 1]

    @property
    def successor(self):
        return self.members[(self.members.index(self.me) + 1) % len(self.members)]

    def full_commit(self, hop=None):
        """The commit token on its second round, as it comes to us."""
        mine = self.engine.entry
        table = [mine if m == self.me else self.other_entry(m, **self.fields) for m in self.members]
        if hop is None:
            hop = len(self.members) + self.members.index(self.me)
        return commit(self.engine.my_ring, hop, table)

    def in_recovery(self, *members, **fields):
        """To RECOVERY; no regular token yet."""
        self.committed(*members, **fields)
        self.persisted()
        self.hear(self.predecessor, self.full_commit())
        self.persisted()
        assert self.state is State.RECOVERY
        return self

    def first_token(self):
        """The first regular token comes to us, or from us."""
        if self.me == self.members[0]:
            return self.hear(self.predecessor, self.full_commit(2 * len(self.members)))
        table = [EPOCH - 500, EPOCH + self.now + 500] * len(self.members)
        given = token(
            self.ring.id,
            token_sequence=1 + self.members.index(self.me),
            timestamp=self.ring.timestamp,
            clocks=tuple(table),
        )
        return self.hear(self.predecessor, given)

    def on_ring(self, *members, **fields):
        """To OPERATIONAL on a ring with others; the token has just been passed on."""
        self.in_recovery(*members, **fields)
        self.first_token()
        for _ in range(6):
            if self.state is State.OPERATIONAL:
                break
            self.turn()
        assert self.state is State.OPERATIONAL
        assert self.ring.members == self.members
        return self

    def next_token(self, **fields):
        """The token after its way round, where nothing happened but what `fields` say."""
        last = self.ring.last_token
        plain = {
            "clocks": (EPOCH + self.now - 500, EPOCH + self.now + 500) * len(self.members),
            "token_sequence": last.token_sequence + len(self.members) - 1,
            "round": last.round + (self.me != self.members[0]),
            "missing": (),
        }
        return replace(last, **(plain | fields))

    def turn(self, after=0, **fields):
        """The token comes back."""
        return self.hear(self.predecessor, self.next_token(**fields), after)

    def other_data(self, sequence, origin=None, **fields):
        """A message of another member on the present ring."""
        plain = {"timestamp": self.ring.timestamp + sequence, "origin": origin or self.members[-1]}
        if plain["origin"] == self.me:
            plain["origin"] = self.members[0]
        return data(sequence, ring=self.ring.id, **(plain | fields))


def sealed(sender, frame, cluster=0):
    return Envelope(FRAMES, cluster, sender).encode(frame)


def check_sent(frame, me, believed=True):
    """A frame that is sent is one that peers read and do not refuse."""
    _, back = Envelope(FRAMES, 0, me + 1).open(sealed(me, frame))
    assert back == frame
    if believed:
        assert frame.check() is None
        if isinstance(frame, Commit):
            frame.entries()


# What effects say


def sent(effects, kind=Frame):
    """The frames of one class that were sent, to whomever."""
    return [
        effect.frame
        for effect in effects
        if isinstance(effect, SendTo | Multicast) and isinstance(effect.frame, kind)
    ]


def of(effects, kind):
    return [effect for effect in effects if isinstance(effect, kind)]


def causes(effects):
    """Why the state changed, each time."""
    return [effect.cause for effect in of(effects, Moved)]


def drops(effects):
    return [effect.cause for effect in of(effects, Dropped)]


def delivered(effects):
    """The messages delivered, in order."""
    return [payload for effect in of(effects, Messages) for payload in effect.payloads]


def configurations(effects):
    """Kind and members of each configuration delivered."""
    return [(effect.kind.value, effect.members) for effect in of(effects, Configuration)]


def armed(effects):
    return {effect.timer for effect in of(effects, SetTimer)}


def persists(effects):
    return [effect.state for effect in of(effects, Persist)]
