"""Running a measurement over real sockets.  [I/O]

:func:`measure` and its synchronous twin are the library's front door; :class:`MeasureRun` is for
those who want to watch it or stop it early. The system clock is read, never touched.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from clocksync.measuring.credentials import Credentials
from clocksync.measuring.prober import KeysWanted, Prober
from clocksync.measuring.resolver import Answer, Resolver, family_of
from clocksync.measuring.result import Asked, Measurement, Tie, Verdict, conclude, counted
from clocksync.measuring.settings import (
    SPREAD_MAX_NS,
    SPREAD_PER_HOST_NS,
    HostSpec,
    MeasureSettings,
    NamedHost,
)
from clocksync.measuring.survey import HostSettled, Survey
from clocksync.ntp.authentication import Authenticator
from clocksync.ntp.codec import NtpCodec
from clocksync.runtime.clocks import reading_precision
from clocksync.runtime.entropy import UnpredictableRandom
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.mmsg import Address
from clocksync.runtime.udp import StampClock, SystemStampClock, UdpDriver
from clocksync.runtime.units import SECOND, format_duration, scale_by_ppm

if TYPE_CHECKING:
    from clocksync.measuring.keeper import Keyed, KeyKeeper
    from clocksync.measuring.masters import Masters
    from clocksync.nts.client import NtsAuthenticator
    from clocksync.nts.establish import NotEstablished
    from clocksync.ptp.listener import PtpListener

PORTS_MAX = 32
"""Sockets per address family: a port of its own for each host of a handful, shared by thousands."""
_UNASKED = "it was not asked in time"
STEP_NOTICED_NS = 1_000_000


KEYS_LIMIT_NS = 10 * SECOND
"""What getting keys may add to the time limit of a measurement with NTS."""


class _Failure(NamedTuple):
    """A row that came to nothing before anybody was asked."""

    words: str
    verdict: Verdict = Verdict.UNREACHABLE


class MeasureRun:
    """One measurement: await :meth:`run` once; :meth:`stop` ends it early with what there is.

    Args: as :func:`measure`.
    """

    def __init__(
        self,
        hosts: Sequence[str | NamedHost],
        settings: MeasureSettings | None = None,
        *,
        reference: str | None = None,
        offset_max_ns: int | None = None,
        all_addresses: bool = False,
        family: int | None = None,
        source: str | None = None,
        clock: StampClock | None = None,
        kernel_stamps: bool = True,
        credentials: Credentials | None = None,
        on_settled: Callable[[int, int], None] | None = None,
    ) -> None:
        if not hosts and reference is None:
            raise BadConfig("no host is named: say whom to measure")
        if offset_max_ns is not None and offset_max_ns < 0:
            raise BadConfig("the maximum offset cannot be negative: it limits |offset| + bound")
        self._credentials = credentials = credentials or Credentials()
        nts = credentials.nts
        self._named = [host if isinstance(host, NamedHost) else None for host in hosts]
        self._specs = [
            host.spec if isinstance(host, NamedHost) else HostSpec.parse(host, nts)
            for host in hosts
        ]
        self._reference = None if reference is None else self._place(reference, nts)
        credentials.check(self._specs)
        self._offset_max_ns = offset_max_ns
        self._all_addresses = all_addresses
        self._family = family_of(family, source)
        self._source = source
        self._clock = clock or SystemStampClock()
        if settings is None:
            settings = MeasureSettings(precision_ns=reading_precision(self._clock))
        self._settings = settings
        self._kernel_stamps = kernel_stamps
        self._on_settled = on_settled or (lambda done, total: None)
        self._rng = UnpredictableRandom()
        self._survey = Survey(settings, self._rng)
        self._rows: list[list[int | PtpListener | _Failure]] = [[] for _ in self._specs]
        self._authentication: dict[Address, str] = {}
        self._keeper: KeyKeeper | None = None
        self._trusted: Any = self._who_is_trusted()
        self._masters: Masters | None = None
        self._unresolved = len(self._specs)
        self._rows_added = 0
        self._unnamed = 0  # hosts whose name did not resolve
        self._settled = 0
        self._done = asyncio.Event()
        self._driver: UdpDriver | None = None
        self.interrupted = False

    def _place(self, text: str, nts: bool) -> int:
        """Where the reference is among the hosts (by the inventory's name, or as it was named); at
        the end if it was not."""
        for number, named in enumerate(self._named):
            if named is not None and named.name == text:
                return number
        reference = HostSpec.parse(text, nts)
        for number, spec in enumerate(self._specs):
            if replace(spec, text=reference.text) == reference:
                return number
        self._specs.append(reference)
        self._named.append(None)
        return len(self._specs) - 1

    def stop(self) -> None:
        """End the measurement now; :meth:`run` returns what it has."""
        self.interrupted = True
        self._done.set()

    async def run(self) -> Measurement:
        """Measure until every host is settled, the time limit is reached, or :meth:`stop`."""
        self._masters = self._make_masters()
        began = self._tie()
        ports = min(len(self._specs), PORTS_MAX)
        self._driver = UdpDriver(
            self._survey,
            NtpCodec(),
            on_event=self._on_event,
            clock=self._clock,
            source=self._source,
            ports=ports,
            kernel_stamps=self._kernel_stamps,
        )
        try:
            async with asyncio.TaskGroup() as group:
                self._keeper = self._make_keeper(group)
                Resolver(self._specs, self._on_resolved, self._family).start()
                limit_ns = self._limit_ns() + (KEYS_LIMIT_NS if self._keeper else 0)
                limit_ns += self._masters.limit_ns(self._settings) if self._masters else 0
                try:
                    async with asyncio.timeout(limit_ns / SECOND):
                        await self._done.wait()
                except TimeoutError:
                    pass
                self._driver.perform(self._survey.close())
                if self._masters is not None:
                    self._masters.finish()
                if self._keeper is not None:
                    self._keeper.cancel()
        finally:
            self._driver.close()
            if self._masters is not None:
                self._masters.close()
        end = self._tie()
        elapsed_ns = end.monotonic_ns - began.monotonic_ns
        stepped_ns = end.wall_ns - began.wall_ns - elapsed_ns
        return self._conclude(replace(end, stepped_ns=stepped_ns), elapsed_ns)

    def _limit_ns(self) -> int:
        """It never takes longer: that of the host with the most samples."""
        most = max([self._settings.samples, *(n.samples or 0 for n in self._named if n)])
        return replace(self._settings, samples=most).limit_ns

    def _tie(self) -> Tie:
        before, wall = time.monotonic_ns(), self._clock.read()
        return Tie(wall, before, time.monotonic_ns() - before)

    def record(self, host: int) -> Prober | None:
        """The exchanges behind the first row of the `host`-th host, after :meth:`run`."""
        row = next(iter(self._rows[host]), None)
        return self._survey.prober_of(row) if isinstance(row, int) else None

    def listener(self, host: int) -> "PtpListener | None":
        """As :meth:`record`, of a PTP master."""
        row = next(iter(self._rows[host]), None)
        return None if isinstance(row, int | _Failure) else row

    def _who_is_trusted(self) -> Any:
        """The client's side of TLS; only a measurement with NTS loads it."""
        if not any(spec.nts for spec in self._specs):
            return None
        from clocksync.nts.tls import Client

        return Client(self._credentials.nts_ca)

    def _make_keeper(self, group: asyncio.TaskGroup) -> "KeyKeeper | None":
        if self._trusted is None:
            return None
        from clocksync.measuring.keeper import KeyKeeper

        return KeyKeeper(group, self._trusted, self._rng, self._family, self._source)

    def _make_masters(self) -> "Masters | None":
        if not any(spec.ptp for spec in self._specs):
            return None
        from clocksync.measuring.masters import Masters

        return Masters(
            self._specs,
            self._settings,
            self._rng,
            self._clock,
            self._kernel_stamps,
            self._on_host_settled,
        )

    def _on_resolved(self, number: int, answer: Answer) -> None:
        if self._driver is None or self._driver.closed:
            return
        spec = self._specs[number]
        if isinstance(answer, str):
            self._add(number, [_Failure(answer)])
        elif self._masters is not None and spec.ptp is not None:
            self._listen(number, self._masters.listen(spec, answer))
        elif spec.nts and self._keeper is not None:
            on_keys = partial(self._on_keys, number)
            self._keeper.get(spec.name, answer, self._all_addresses, on_keys)
        else:
            authenticator = self._credentials.authenticator(spec)
            each = [[address] for address in answer] if self._all_addresses else [answer]
            self._add(number, [(addresses, authenticator) for addresses in each])

    def _listen(self, number: int, listener: "PtpListener | str") -> None:
        if isinstance(listener, str):
            self._add(number, [_Failure(listener)])
        else:
            self._unresolved -= 1
            self._rows_added += 1
            self._rows[number].append(listener)

    def _on_keys(self, number: int, got: "list[Keyed | NotEstablished]") -> None:
        rows: list[tuple[Sequence[Address], Authenticator] | _Failure] = []
        for one in got:
            if isinstance(one, Exception):
                verdict = Verdict.INVALID if one.reachable else Verdict.UNREACHABLE
                rows.append(_Failure(str(one), verdict))
            else:
                rows.append(one)
        self._add(number, rows)

    def _add(
        self,
        number: int,
        rows: Sequence[tuple[Sequence[Address], Authenticator | None] | _Failure],
    ) -> None:
        """Measure a host, or an address of it, for each of these rows."""
        assert self._driver is not None
        if self._driver.closed:
            return
        self._unresolved -= 1
        # Hosts that are known at once are asked a little apart; late names need no such order.
        apart = min(SPREAD_PER_HOST_NS, SPREAD_MAX_NS // len(self._specs))
        # All are counted before the first is asked: a refusal can settle that one at once.
        samples = named.samples if (named := self._named[number]) else None
        begun: list[tuple[int, Sequence[Address], Authenticator | None]] = []
        for wanted in rows:
            row = wanted if isinstance(wanted, _Failure) else self._without_conflict(*wanted)
            if isinstance(row, _Failure):
                self._rows[number].append(row)
                self._unnamed += 1
            else:
                self._rows[number].append(self._rows_added)
                begun.append((self._rows_added, *row))
                self._rows_added += 1
        for place, addresses, authenticator in begun:
            verb = partial(self._survey.add, place, addresses, place * apart)
            self._driver.call(partial(verb, authenticator=authenticator, samples=samples))
        if len(begun) < len(rows):
            self._report()

    def _without_conflict(
        self, addresses: Sequence[Address], authenticator: Authenticator | None
    ) -> "tuple[Sequence[Address], Authenticator | None] | _Failure":
        """An address is asked once, in one way: whoever names it in another is told so."""
        method = "" if authenticator is None else authenticator.name
        free = [one for one in addresses if self._authentication.setdefault(one, method) == method]
        if free:
            return free, authenticator
        return _Failure(
            "its address is asked already with another authentication: measure it by itself",
            Verdict.INVALID,
        )

    def _on_keys_wanted(self, address: Address) -> None:
        """Get new keys; told to the survey in the loop's next turn, after this step's effects."""
        assert self._keeper is not None
        authenticator = self._survey.probers[address].authenticator

        def go_on(failure: str) -> None:
            if self._driver is None or self._driver.closed:
                return
            if failure:
                self._driver.call(partial(self._survey.abandon, address, failure))
            else:
                self._driver.call(partial(self._survey.rekeyed, address))

        self._keeper.renew(cast("NtsAuthenticator", authenticator), go_on)

    def _on_event(self, event: object) -> None:
        if isinstance(event, HostSettled):
            self._on_host_settled()
        elif isinstance(event, KeysWanted):
            self._on_keys_wanted(event.address)

    def _on_host_settled(self) -> None:
        self._settled += 1
        self._report()

    def _report(self) -> None:
        total = self._unresolved + self._rows_added + self._unnamed
        self._on_settled(self._settled + self._unnamed, total)
        if not self._unresolved and self._settled == self._rows_added:
            self._done.set()

    def _conclude(self, end: Tie, elapsed_ns: int) -> Measurement:
        answers = [self._survey.last_answer, self._masters and self._masters.last_answer]
        at_ns = max((stamp.time for stamp in answers if stamp), default=end.wall_ns)
        asked: list[Asked] = []
        reference = None
        for number, rows in enumerate(self._rows):
            if number == self._reference:
                reference = len(asked)
            asked += self._asked(number, rows, at_ns)
        measurement = conclude(
            asked,
            at_ns,
            self._settings,
            reference,
            self._offset_max_ns,
            self._cautions(end.stepped_ns, elapsed_ns),
        )
        return replace(measurement, end=end)

    def _asked(
        self, number: int, rows: "Sequence[int | PtpListener | _Failure]", at_ns: int
    ) -> list[Asked]:
        """What went in for one host: an entry a row."""
        spec, named = self._specs[number], self._named[number]
        late = "no keys came in time" if spec.nts else "the name was not resolved in time"
        method = "nts" if spec.nts else "none"
        if self._credentials.authenticator(spec) is not None:
            method = "key"
        name = named.name if named else spec.text
        one = Asked(name, spec.port, None, authentication=method, named=named)
        if spec.ptp is not None:
            one = replace(one, protocol="ptp")
        asked = []
        for row in rows or [_Failure(late)]:
            if isinstance(row, _Failure):
                asked.append(replace(one, failure=row.words, verdict=row.verdict))
            elif isinstance(row, int):
                prober = self._survey.prober_of(row)
                port = prober.address[1] if prober is not None else spec.port
                asked.append(replace(one, port=port, prober=prober, failure=_UNASKED))
            elif self._masters is not None:
                asked.append(replace(one, row=self._masters.row(spec, row, at_ns)))
        return asked

    def _cautions(self, stepped_ns: int, elapsed_ns: int) -> list[str]:
        cautions = []
        if abs(stepped_ns) > STEP_NOTICED_NS + scale_by_ppm(
            elapsed_ns, self._settings.max_drift_ppm
        ):
            cautions.append(
                f"the local clock was stepped by {format_duration(stepped_ns)} meanwhile"
            )
        if self._survey.strays:
            strays = counted(self._survey.strays, "datagram")
            cautions.append(f"{strays} from addresses that were not asked ignored")
        if self.interrupted:
            cautions.append("interrupted: these are the answers there were until then")
        return cautions
