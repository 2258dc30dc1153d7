"""The settings of one host of the Berkeley algorithm."""

from dataclasses import dataclass

from clocksync.ntp.sample import MAX_DRIFT_PPM
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.mmsg import Address
from clocksync.runtime.units import MILLISECOND, SECOND
from clocksync.steering import SLEW_PPM_MAX

INTERVAL_MIN_NS = 50 * MILLISECOND
MEMBERS_MAX = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class BerkeleySettings:
    """How one host takes part. Durations in ns. The daemon's interval is everybody's.

    Raises:
        BadConfig: one of them is impossible.
    """

    id: int
    """This host's number, 1 to 65,534; the lower, the sooner it succeeds a daemon."""

    contact: Address | int | None = None
    """Where the daemon, or any member, is; None: we are to be the daemon."""

    rounds: int | None = None
    """How many; None: without end. A member leaves after so many of its own."""

    interval_ns: int = SECOND
    """From round to round."""

    polls: int = 4
    """To each member in a round; the one that was under way the shortest counts most."""

    gamma_ns: int | None = None
    """Clocks further apart are not averaged; None: see :mod:`clocksync.berkeley.average`."""

    members: int | None = None
    """The first round waits for so many; None: until nobody new has come for `gather_ns`."""

    gather_ns: int = 3 * SECOND

    settle_ns: int = 10 * SECOND
    """At the end the clocks are looked at once all have slewed, if that takes no longer."""

    max_drift_ppm: float = MAX_DRIFT_PPM
    """Largest rate difference between any two of the clocks that bounds allow for."""

    max_slew_ppm: float = SLEW_PPM_MAX
    """How fast our clock is slewed."""

    max_adjust_ns: int = 3600 * SECOND
    """Of an order not more than this is followed: what a daemon that lies can do in a round."""

    steers_rate: bool = True
    """As a daemon: whether to correct rates too."""

    patience_ns: int = 60 * SECOND
    """A member that never heard of a daemon gives up after this; 0: never."""

    def __post_init__(self) -> None:
        if not 0 < self.id < 0xFFFF:
            raise BadConfig(f"--id {self.id}: hosts are numbered 1 to {0xFFFE}")
        if self.rounds is not None and not 0 < self.rounds < 1 << 31:
            raise BadConfig(f"--rounds {self.rounds}: at least 1")
        if not INTERVAL_MIN_NS <= self.interval_ns <= 86_400 * SECOND:
            raise BadConfig("--interval: from 50ms to a day")
        if not 1 <= self.polls <= 16:
            raise BadConfig(f"{self.polls} polls a round: 1 to 16")
        if self.members is not None and not 0 < self.members <= MEMBERS_MAX:
            raise BadConfig(f"--members {self.members}: 1 to {MEMBERS_MAX}")
        if self.gamma_ns is not None and self.gamma_ns <= 0:
            raise BadConfig("--gamma: longer than nothing")
        if self.max_adjust_ns <= 0:
            raise BadConfig("--max-adjust: longer than nothing")
        if min(self.gather_ns, self.settle_ns, self.patience_ns) < 0:
            raise BadConfig("a time to wait cannot be negative")
        if not 0 < self.max_drift_ppm <= 10_000:
            raise BadConfig(f"--max-drift {self.max_drift_ppm:g}: above 0, up to 10000 ppm")

    @property
    def is_daemon(self) -> bool:
        """Whether it was started to be one."""
        return self.contact is None
