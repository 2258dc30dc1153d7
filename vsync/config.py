"""Settings of a ring member. All members of a group use the same.

Where a rule relates two settings, :meth:`RingConfig.__post_init__` checks it and names both.
"""

from dataclasses import dataclass, replace
from typing import Self

from clocksync.runtime.envelope import HEADER_BYTES
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import MILLISECOND, SECOND
from vsync.frames import DATA_BYTES, PAYLOAD_MAX, RECOVERED_BYTES, SEGMENT_BYTES, SEGMENTS_MAX

DATAGRAM_BYTES_MAX = 65_507
"""What UDP over IPv4 can carry."""

MAY_BE_ZERO = frozenset({"cluster", "join_spread_ns", "accelerated", "settle_ns", "follow_ns"})

SOCKET_COST_BYTES = 2304
"""What a datagram of an Ethernet's size takes of a socket's buffer in Linux (its ``truesize``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RingConfig:
    """How long a member waits for what, and how much it takes.

    Raises:
        BadConfig: a setting is impossible, or two contradict.
    """

    cluster: int = 0
    """Keeps groups on one network apart. (0 to 2^32 - 1)"""

    # Timers, ns

    token_loss_ns: int = 1000 * MILLISECOND
    """Silence after which the token is taken for lost. Must exceed the longest stall of a member
    that shall be tolerated (garbage collection, a moving virtual machine)."""

    token_retransmit_ns: int = 30 * MILLISECOND
    """After which a member passes the same token on again, hearing nothing."""

    token_hold_ns: int = 15 * MILLISECOND
    """How long the representative of an idle ring holds the token. The member before it waits so
    much longer before it sends an idle token again."""

    follow_ns: int = MILLISECOND
    """How long a member that alone sends keeps the token for its next message. (0: not at all)"""

    linger_ns: int = 50 * MILLISECOND
    """How long such a member keeps the token in all, however many messages follow."""

    join_ns: int = 50 * MILLISECOND
    """After which a wish for a new ring is repeated."""

    join_spread_ns: int = 2 * MILLISECOND
    """Up to so much is added at random, so that many members do not speak at once."""

    consensus_ns: int = 250 * MILLISECOND
    """After which those who have not agreed on the members are given up."""

    settle_ns: int = 50 * MILLISECOND
    """How long a process that just started waits for others before it forms a ring."""

    merge_ns: int = 200 * MILLISECOND
    """How often a representative announces its ring to others."""

    backoff_ns: tuple[int, int] = (250 * MILLISECOND, 30 * SECOND)
    """Shortest and longest time for which a process that was given up is not asked again; doubled
    each time in a row."""

    leave_ns: int = 2 * SECOND
    """How long a leaving member tries to have its last messages delivered."""

    # Limits of patience

    idle_visits: int = 5
    """Visits of an idle token before the representative holds it."""

    deaf_visits: int = 50
    """Visits (and twice `token_loss_ns`) for which one member may hold up all others."""

    recovery_rotations_max: int = 500
    """Rotations after which a recovery that does not end is given up, and a ring formed anew."""

    misses: int = 2
    """Visits at which a message is missing before it is asked for; later ones overtake a slow
    multicast. (1 up; the accelerated ring has its own rule)"""

    # Flow control (datagrams)

    window: int = 200
    """Of all members in one rotation."""

    visit_max: int = 80
    """Of one member in one visit."""

    gap_max: int = 800
    """How far the order may run ahead of what everybody has."""

    fair_share: bool = False
    """Divide the window by the backlogs when it is short (the paper's third term)."""

    accelerated: int = 0
    """How many datagrams of a visit may follow the token (0: all go before it)."""

    sequence_limit: int = 1 << 61
    """A ring is formed anew when its sequence numbers reach this."""

    # Messages

    datagram_bytes: int = 1472
    """Of a whole datagram, as UDP sees it: the path's MTU less 28 (48 for IPv6)."""

    envelope_bytes: int = HEADER_BYTES
    """What the envelope takes of it: more where datagrams are authenticated."""

    frame_datagrams: int = 1
    """How many datagrams a message frame may take. Larger frames cross the network in segments: the
    work that a frame costs at each member is then shared by all the datagrams it takes. Where
    frames are lost they become smaller."""

    message_bytes_max: int = 64 << 20
    """Of one message; a larger one is refused."""

    queue_messages_max: int = 100_000
    """Messages that wait to be sent; what is submitted beyond is refused."""

    queue_bytes_max: int = 256 << 20
    """The same in bytes."""

    # Time

    drift_ppm: float = 500.0
    """By how much a clock may run off between two visits."""

    reservation_ns: int = SECOND
    """How far ahead timestamps are reserved on disk."""

    ahead_max_ns: int = 10 * SECOND
    """A member whose timestamps are further ahead of the majority's clocks is not admitted."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            low = 0 if name in MAY_BE_ZERO else 1
            if isinstance(value, int) and not isinstance(value, bool) and value < low:
                raise BadConfig(f"{name} = {value}: at least {low}")
        if self.cluster >= 1 << 32:
            raise BadConfig(f"cluster = {self.cluster}: less than 2^32")
        if not 0 <= self.drift_ppm < 1_000_000:
            raise BadConfig(f"drift_ppm = {self.drift_ppm} is not in 0 to 1000000")
        self._require_less("token_retransmit_ns", "token_loss_ns")
        if self.token_hold_ns + self.token_retransmit_ns >= self.token_loss_ns:
            raise BadConfig(
                f"token_hold_ns = {self.token_hold_ns} and token_retransmit_ns ="
                f" {self.token_retransmit_ns} together must be less than token_loss_ns ="
                f" {self.token_loss_ns}"
            )
        self._require_less("linger_ns", "token_loss_ns")
        self._require_less("join_ns", "consensus_ns")
        self._require_less("window", "gap_max")
        if self.message_bytes_max > self.queue_bytes_max:
            raise BadConfig(
                f"message_bytes_max = {self.message_bytes_max} is more than"
                f" queue_bytes_max = {self.queue_bytes_max} can take"
            )
        if not 0 < self.backoff_ns[0] <= self.backoff_ns[1]:
            raise BadConfig(f"backoff_ns = {self.backoff_ns}: shortest and longest, both above 0")
        if self.frame_datagrams > self.visit_max:
            raise BadConfig(
                f"frame_datagrams = {self.frame_datagrams} is more than a visit may send:"
                f" visit_max = {self.visit_max}"
            )
        if self.room(1) < 16:
            raise BadConfig(f"datagram_bytes = {self.datagram_bytes} leaves no room for messages")
        if self.datagram_bytes > DATAGRAM_BYTES_MAX:
            raise BadConfig(f"datagram_bytes = {self.datagram_bytes}: at most {DATAGRAM_BYTES_MAX}")

    def _require_less(self, less: str, more: str) -> None:
        one, other = getattr(self, less), getattr(self, more)
        if one >= other:
            raise BadConfig(f"{less} = {one} must be less than {more} = {other}")

    @property
    def payload_bytes(self) -> int:
        """What fits into a frame, with the length of one message counted in."""
        return self.room(self.frame_datagrams)

    def room(self, datagrams: int) -> int:
        """What fits into a frame that takes so many datagrams. It leaves room for being sent again
        on another ring."""
        if datagrams == 1:
            whole = self.datagram_bytes - self.envelope_bytes
        else:
            whole = datagrams * self._segment_bytes
        return min(whole - DATA_BYTES - RECOVERED_BYTES, PAYLOAD_MAX)

    def datagrams(self, frame_bytes: int) -> int:
        """How many datagrams a frame takes."""
        if frame_bytes <= self.datagram_bytes - self.envelope_bytes:
            return 1
        return -(-frame_bytes // self._segment_bytes)

    @property
    def _segment_bytes(self) -> int:
        return self.datagram_bytes - self.envelope_bytes - SEGMENT_BYTES

    @classmethod
    def within(cls, token_loss_ns: int, **more: object) -> Self:
        """Timers in proportion to one another, for a token timeout of the caller's choice.

        A crash is over after the token timeout and a quarter of it: the others wait that long for
        whoever does not answer. Frames are as large as one system call can take, and the last three
        of a visit follow the token: the next member begins while they are still being read.
        """
        retransmit = min(30 * MILLISECOND, token_loss_ns // 8)
        chosen: dict[str, object] = {
            "token_loss_ns": token_loss_ns,
            "token_retransmit_ns": retransmit,
            "token_hold_ns": min(150 * MILLISECOND, token_loss_ns // 6),
            "follow_ns": min(MILLISECOND, token_loss_ns // 100),
            "linger_ns": min(50 * MILLISECOND, token_loss_ns // 20),
            "join_ns": min(50 * MILLISECOND, token_loss_ns // 16),
            "join_spread_ns": min(2 * MILLISECOND, token_loss_ns // 100),
            "consensus_ns": token_loss_ns // 4,
            "settle_ns": min(50 * MILLISECOND, token_loss_ns // 4),
            "backoff_ns": (token_loss_ns // 4, 30 * SECOND),
            "window": 700,
            "visit_max": 240,
            "gap_max": 3000,
            "accelerated": 3,
        }
        made = cls(**(chosen | more))  # type: ignore[arg-type]
        if "frame_datagrams" in more:
            return made
        most = min(SEGMENTS_MAX, made.visit_max, PAYLOAD_MAX // made.datagram_bytes)
        return replace(made, frame_datagrams=max(1, most))

    def fitting(self, receive_bytes: int) -> Self:
        """The same for a member whose socket holds so much: what all send in a rotation must fit,
        or the kernel drops it."""
        window = max(1, min(self.window, receive_bytes // SOCKET_COST_BYTES))
        visit_max = min(self.visit_max, window)
        return replace(
            self,
            window=window,
            visit_max=visit_max,
            frame_datagrams=min(self.frame_datagrams, visit_max),
        )

    @classmethod
    def simulated(cls, **more: object) -> Self:
        """Fast timers, few datagrams: a membership change takes about a tenth of a virtual second,
        and the corners of flow control are near."""
        chosen: dict[str, object] = {
            "token_loss_ns": 60 * MILLISECOND,
            "token_retransmit_ns": 10 * MILLISECOND,
            "token_hold_ns": 5 * MILLISECOND,
            "follow_ns": 2 * MILLISECOND,
            "linger_ns": 6 * MILLISECOND,
            "join_ns": 12 * MILLISECOND,
            "consensus_ns": 45 * MILLISECOND,
            "settle_ns": 10 * MILLISECOND,
            "merge_ns": 40 * MILLISECOND,
            "backoff_ns": (60 * MILLISECOND, 2 * SECOND),
            "leave_ns": SECOND,
            "deaf_visits": 30,
            "recovery_rotations_max": 100,
            "window": 20,
            "visit_max": 8,
            "gap_max": 60,
            "datagram_bytes": 300,
            "reservation_ns": 100 * MILLISECOND,
        }
        return cls(**(chosen | more))  # type: ignore[arg-type]
