"""Listening for the PTP masters of a measurement, while others are asked by NTP.  [I/O]"""

import random
import socket
from collections.abc import Callable, Sequence
from functools import partial

from clocksync.measuring.master_row import master_row
from clocksync.measuring.result import HostResult
from clocksync.measuring.settings import HostSpec, MeasureSettings
from clocksync.ptp.driver import PtpDriver, check, family_of, own_address
from clocksync.ptp.listener import ListenerSettings, MasterSettled, PtpListener
from clocksync.ptp.survey import PtpSurvey
from clocksync.runtime.core import Effects, Stamp
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.mmsg import Address
from clocksync.runtime.sockets import error_words
from clocksync.runtime.udp import StampClock
from clocksync.runtime.units import SECOND


class Masters:
    """The listeners of one measurement, on two ports of each interface that is named.

    Args:
        on_settled: called as often as a listener needs no more.

    Raises:
        BadConfig: one of the interfaces of `specs` is not there, or its ports are not to be had.
    """

    def __init__(
        self,
        specs: Sequence[HostSpec],
        settings: MeasureSettings,
        rng: random.Random,
        clock: StampClock,
        kernel_stamps: bool,
        on_settled: Callable[[], None],
    ) -> None:
        self._settings, self._rng, self._clock = settings, rng, clock
        self._kernel_stamps, self._on_settled = kernel_stamps, on_settled
        self._drivers: dict[tuple[str, str], PtpDriver] = {}
        self._count = 0
        for interface in sorted({spec.ptp.interface for spec in specs if spec.ptp}):
            check(interface)

    @staticmethod
    def limit_ns(settings: MeasureSettings) -> int:
        """What masters may add to the time limit of a measurement: their first Announce and, as
        they set the pace, two seconds for each sample."""
        return 6 * SECOND + settings.samples * 2 * SECOND

    def listen(self, spec: HostSpec, addresses: Sequence[Address]) -> PtpListener | str:
        """Begin to listen for a master, at the first of `addresses` that the interface reaches and
        others of its family; or why that is not possible."""
        assert spec.ptp is not None
        words = ""
        for host, _ in sorted(addresses, key=lambda one: family_of(one[0]) != socket.AF_INET):
            bare = host.partition("%")[0]
            try:
                own = own_address(bare, spec.ptp.interface)
                driver = self._driver(spec.ptp.interface, own)
            except BadConfig as error:
                return str(error)
            except OSError as error:
                words = f"not reached by {spec.ptp.interface}: {error_words(error)}"
                continue
            hosts = {address[0].partition("%")[0] for address in addresses}
            hosts = {one for one in hosts if family_of(one) == driver.family}
            return self._begin(spec, frozenset(hosts), driver)
        return words

    def _driver(self, interface: str, own: str) -> PtpDriver:
        driver = self._drivers.get((interface, own))
        if driver is None:
            driver = self._drivers[interface, own] = PtpDriver(
                interface,
                own,
                on_event=self._on_event,
                clock=self._clock,
                kernel_stamps=self._kernel_stamps,
            )
        return driver

    def _begin(self, spec: HostSpec, hosts: frozenset[str], driver: PtpDriver) -> PtpListener:
        assert spec.ptp is not None
        settings = ListenerSettings(
            samples=self._settings.samples,
            interval_ns=self._settings.interval_ns,
            timeout_ns=self._settings.timeout_ns,
            domain=spec.ptp.domain,
            hybrid=spec.ptp.hybrid,
            precision_ns=self._settings.precision_ns,
            max_drift_ppm=self._settings.max_drift_ppm,
        )
        self._count += 1
        listener = PtpListener(self._count, hosts, driver.group, settings, self._rng)
        driver.call(partial(driver.core.add, listener))
        return listener

    def _on_event(self, event: object) -> None:
        if isinstance(event, MasterSettled):
            self._on_settled()

    @property
    def last_answer(self) -> Stamp | None:
        """The latest arrival of a usable answer."""
        answers = [
            listener.last_answer
            for driver in self._drivers.values()
            for listener in driver.core.listeners.values()
            if listener.last_answer is not None
        ]
        return max(answers, key=lambda stamp: stamp.time, default=None)

    def row(self, spec: HostSpec, listener: PtpListener, at_ns: int) -> HostResult:
        """What came of one master, as of local wall time `at_ns`."""
        return master_row(spec.text, spec.port, listener, at_ns, self._settings)

    def finish(self) -> None:
        """Ask no more."""
        for driver in self._drivers.values():
            driver.call(partial(_finish, driver.core))

    def close(self) -> None:
        """Close the sockets."""
        for driver in self._drivers.values():
            driver.close()


def _finish(survey: PtpSurvey, _: int) -> Effects:
    return survey.finish()
