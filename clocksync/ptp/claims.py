"""What a PTP master says of its time, and what that is worth.

A grandmaster announces its class (whether its time is traceable), its accuracy (an upper limit of
its error against its reference) and its timescale. PTP's own timescale is TAI since 1970; with a
valid ``currentUtcOffset`` it is turned into UTC here. Any other is *arbitrary* (ARB): nobody says
what it counts, so its stamps are compared as they are and the user is told. linuxptp's ptp4l with
software stamps announces ARB and counts the Unix time of its machine.

Reference: IEEE 1588-2019 sections 7.2, 7.6.2 and 9.4, tables 4 (class) and 5 (accuracy).
"""

from dataclasses import dataclass

from clocksync.ptp.frames import (
    LEAP_59,
    LEAP_61,
    PTP_TIMESCALE,
    UTC_OFFSET_VALID,
    Announce,
    clock_text,
)
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND

TRACEABLE = {6: "", 7: "its reference is lost and it holds over"}
"""Classes whose time is traceable to a primary reference, and what to say of them."""
_OTHER_CLASSES = {
    13: "an application's own time",
    14: "an application's own time, held over",
    52: "degraded: its reference was lost too long ago",
    58: "degraded: an application's own time, lost too long ago",
    187: "degraded: its reference was lost too long ago",
    193: "degraded: an application's own time, lost too long ago",
    248: "the default of a clock that has no reference",
    255: "a slave",
}
_FIRST_ACCURACY, _WORSE, _UNKNOWN = 0x17, 0x31, 0xFE
# 1 ps to 10 s, rounded up to whole nanoseconds (table 5 of 2019; 2008 begins at 25 ns).
_ACCURACY_NS = (
    *(1, 1, 1, 1, 1, 1, 1, 3, 10, 25, 100, 250),
    *(MICROSECOND, 2_500, 10_000, 25_000, 100_000, 250_000),
    *(MILLISECOND, 2_500_000, 10_000_000, 25_000_000, 100_000_000, 250_000_000),
    *(SECOND, 10 * SECOND),
)


@dataclass(frozen=True, slots=True)
class Claims:
    """One Announce, understood."""

    announce: Announce

    @property
    def accuracy_ns(self) -> int | None:
        """At most so far is the grandmaster from its reference; None where it does not say.

        >>> Claims(Announce(clock_accuracy=0x21)).accuracy_ns, Claims(Announce()).accuracy_ns
        (100, None)
        """
        place = self.announce.clock_accuracy - _FIRST_ACCURACY
        return _ACCURACY_NS[place] if 0 <= place < len(_ACCURACY_NS) else None

    @property
    def is_useless(self) -> bool:
        """Whether it says that its error exceeds 10 s."""
        return self.announce.clock_accuracy == _WORSE

    @property
    def is_utc_known(self) -> bool:
        """Whether it says how to get UTC from its stamps."""
        return self.announce.flags & _UTC_KNOWN == _UTC_KNOWN

    @property
    def to_utc_ns(self) -> int:
        """What to add to its stamps for Unix time; 0 where its timescale is arbitrary."""
        return -self.announce.utc_offset * SECOND if self.is_utc_known else 0

    @property
    def stratum(self) -> int | None:
        """The NTP stratum it amounts to: 1 for a grandmaster with a traceable time, and one more
        for each boundary clock; None without one.

        >>> Claims(Announce(clock_class=6, steps_removed=2)).stratum, Claims(Announce()).stratum
        (3, None)
        """
        if self.announce.clock_class not in TRACEABLE:
            return None
        return min(1 + self.announce.steps_removed, 255)

    @property
    def leap(self) -> int:
        """As NTP's leap indicator: 1 for a minute of 61 seconds to come, 2 for one of 59."""
        return {LEAP_61: 1, LEAP_59: 2}.get(self.announce.flags & (LEAP_61 | LEAP_59), 0)

    @property
    def words(self) -> list[str]:
        """What a user should know before trusting it, a phrase each."""
        announce, words = self.announce, []
        if not announce.flags & PTP_TIMESCALE:
            words.append("its timescale is arbitrary (ARB): its time is taken for UTC as it is")
        elif not self.is_utc_known:
            words.append(
                f"its UTC offset of {announce.utc_offset} s is not marked valid:"
                " its timescale is taken for arbitrary, and its time (TAI) for UTC as it is"
            )
        kind = announce.clock_class
        about = TRACEABLE.get(kind, _OTHER_CLASSES.get(kind, "not traceable"))
        if about:
            words.append(f"its clockClass is {kind} ({about})")
        if self.accuracy_ns is None:
            words.append("it does not say how accurate it is: the bound is to its clock only")
        if announce.grandmaster != announce.source_clock:
            hops = announce.steps_removed
            words.append(
                f"it is {clock_text(announce.source_clock)}, {hops} step{'s' * (hops != 1)} behind"
                f" its grandmaster {clock_text(announce.grandmaster)}, whose accuracy alone is told"
            )
        if self.leap:
            words.append("it announces a leap second at the end of the day")
        return words


_UTC_KNOWN = PTP_TIMESCALE | UTC_OFFSET_VALID
