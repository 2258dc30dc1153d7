"""From files to fixes.  [I/O]

One observation file and one or more navigation files, in any order: their headers say what they
are.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from clocksync.gnss.ephemerides import Ephemerides
from clocksync.gnss.files import open_lines
from clocksync.gnss.fix import Fix, Status
from clocksync.gnss.receiver import Receiver
from clocksync.gnss.rinex_navigation import Navigation, read_navigation
from clocksync.gnss.rinex_observations import ObservationFile, read_observations
from clocksync.gnss.rinex_text import BadRinex, read_header
from clocksync.gnss.settings import ReceiverSettings
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import format_duration


@dataclass(slots=True)
class Positioning:
    """A run over an observation file: iterate over :meth:`fixes` once.

    >>> run = Positioning.of([Path("site.obs"), Path("day.nav")])  # doctest: +SKIP
    >>> for fix in run.fixes():                                    # doctest: +SKIP
    ...     print(fix.position, fix.clock_error_ns)
    """

    path: Path
    receiver: Receiver
    navigation: Navigation
    cautions: list[str] = field(default_factory=list)
    """What concerns the whole run; complete when the fixes are through."""
    faulty: bool = False
    """Whether the observation file could not be read whole."""
    _time_is_known: bool = True

    @classmethod
    def of(
        cls,
        paths: Iterable[Path],
        settings: ReceiverSettings | None = None,
        age_max_ns: int | None = None,
    ) -> "Positioning":
        """Read the navigation files, and find out whether the receiver knows the time.

        Raises:
            BadConfig: there is not exactly one observation file, or no navigation file.
            BadRinex: a file is no RINEX, or there is no ephemeris in them at all.
            OSError: a file cannot be read.
        """
        observations, navigations = _sorted_by_kind(list(paths))
        navigation = Navigation()
        for path in navigations:
            with open_lines(path) as lines:
                navigation.merge(read_navigation(lines))
        if not navigation.ephemerides:
            names = ", ".join(str(path) for path in navigations)
            raise BadRinex(f"{names}: no ephemeris of GPS or Galileo in it")
        receiver = Receiver(
            Ephemerides.of(navigation.ephemerides, age_max_ns),
            navigation.klobuchar,
            navigation.galileo_minus_gps_s,
            settings or ReceiverSettings(),
        )
        run = cls(observations, receiver, navigation)
        run._survey()
        return run

    def fixes(self) -> Iterator[Fix]:
        """A fix for each epoch, in the file's order; holds one epoch in memory.

        Raises:
            BadRinex: the observation file's header is unusable.
        """
        with ExitStack() as stack:
            file = self._open(stack)
            if file.steered:
                self.cautions.append(
                    "the receiver took its own estimate of its clock error out already "
                    "(RCV CLOCK OFFS APPL): what is told here is what that left"
                )
            unchecked = False
            for epoch in file.epochs():
                fix = self.receiver.solve(epoch)
                unchecked = unchecked or fix.status is Status.UNCHECKED
                yield fix
            if unchecked and not self._time_is_known:
                self.cautions.append(
                    "nothing here tells whether the receiver knows the time to a second: what is "
                    "unchecked takes it at its word"
                )
            if file.fault_count:
                self.faulty = True
                more = file.fault_count - 1
                rest = f", and {more} more like it" if more else ""
                self.cautions.append(f"could not be read: {file.faults[0]}{rest}")

    def _survey(self) -> None:
        with ExitStack() as stack:
            slow_ns = self.receiver.survey(self._open(stack).epochs())
        self._time_is_known = slow_ns is not None
        if slow_ns:
            way = "slow" if slow_ns > 0 else "fast"
            self.cautions.append(
                "the receiver does not know the time: its clock is "
                f"{format_duration(abs(slow_ns))} {way}, found from the satellites' motion, to "
                "some 10 ms"
            )
        if self.receiver.klobuchar is None and self.receiver.settings.ionosphere in (
            "auto",
            "model",
        ):
            self.cautions.append("no ionosphere model in the navigation file's header")
        self.cautions += [f"could not be read: {fault}" for fault in self.navigation.faults]

    def _open(self, stack: ExitStack) -> ObservationFile:
        lines = stack.enter_context(open_lines(self.path))
        return read_observations(lines, leap_seconds=self.navigation.leap_seconds)


def _sorted_by_kind(paths: list[Path]) -> tuple[Path, list[Path]]:
    kinds: dict[str, list[Path]] = {"O": [], "N": []}
    for path in paths:
        with open_lines(path) as lines:
            kind = read_header(lines).kind
        if kind not in kinds:
            raise BadConfig(f"{path}: RINEX of kind {kind!r}; observations and navigation are used")
        kinds[kind].append(path)
    observations, navigations = kinds["O"], kinds["N"]
    if len(observations) != 1:
        which = ", ".join(str(path) for path in observations)
        raise BadConfig(
            f"one observation file is needed, not {len(observations)}: {which}"
            if observations
            else "none of these is an observation file: " + ", ".join(str(path) for path in paths)
        )
    if not navigations:
        raise BadConfig(
            f"{observations[0]} needs the ephemerides of its day: add a navigation file"
        )
    return observations[0], navigations
