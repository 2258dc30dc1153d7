"""A measurement in one call, with asyncio and without.  [I/O]"""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from clocksync.measuring.credentials import Credentials
from clocksync.measuring.result import Measurement
from clocksync.measuring.run import MeasureRun
from clocksync.measuring.settings import MeasureSettings, NamedHost
from clocksync.ntp.sample import MAX_DRIFT_PPM
from clocksync.runtime.clocks import reading_precision
from clocksync.runtime.udp import StampClock, SystemStampClock
from clocksync.runtime.units import SECOND

Result = TypeVar("Result")


async def measure(
    hosts: Sequence[str | NamedHost],
    *,
    samples: int = 8,
    interval_ns: int | None = None,
    burst: bool = False,
    timeout_ns: int = SECOND,
    reference: str | None = None,
    offset_max_ns: int | None = None,
    all_addresses: bool = False,
    family: int | None = None,
    source: str | None = None,
    version: int = 4,
    max_drift_ppm: float = MAX_DRIFT_PPM,
    interleaved: bool = True,
    kernel_stamps: bool = True,
    clock: StampClock | None = None,
    credentials: Credentials | None = None,
    on_settled: Callable[[int, int], None] | None = None,
) -> Measurement:
    """Measure how far the clocks of `hosts` are from ours, with error bounds.

    Needs no privileges and never touches the system clock. Lost packets, silent and unresolvable
    hosts are rows of the result, not exceptions.

    Args:
        hosts: ``HOST``, ``HOST:PORT`` or ``[IPV6]:PORT``, port 123 by default; or a PTP master,
            ``ptp://HOST%INTERFACE``, which needs the right to open ports 319 and 320; or hosts of
            an inventory.
        samples: requests to each host.
        interval_ns: between requests to one host; None is 2 s, or nothing with `burst`.
        burst: ask again as soon as the answer is there.
        timeout_ns: how long to wait for one answer.
        reference: a host to relate every offset to; it is measured too.
        offset_max_ns: mark hosts whose |offset| + bound exceeds this.
        all_addresses: a row for each address of each host.
        family: 4 or 6 to use one IP version only.
        source: local address to send from.
        version: NTP version of the requests, 3 or 4.
        max_drift_ppm: largest rate difference between two clocks that bounds allow for.
        interleaved: whether to ask for NTP's interleaved mode.
        kernel_stamps: False keeps to our own clock readings.
        clock: what to measure against, instead of the system's clock.
        credentials: how the hosts are to prove that their answers are theirs.
        on_settled: told (hosts settled, hosts in all) as it goes on.

    Raises:
        BadConfig: a host or a setting is unusable, or PTP's ports are not to be had.

    Reference: RFC 5905; RFC 9769 (interleaved mode); Marzullo (1984).
    """
    clock = clock or SystemStampClock()
    if interval_ns is None:
        interval_ns = 0 if burst else 2 * SECOND
    settings = MeasureSettings(
        samples=samples,
        interval_ns=interval_ns,
        timeout_ns=timeout_ns,
        version=version,
        interleaved=interleaved,
        precision_ns=reading_precision(clock),
        max_drift_ppm=max_drift_ppm,
    )
    run = MeasureRun(
        hosts,
        settings,
        reference=reference,
        offset_max_ns=offset_max_ns,
        all_addresses=all_addresses,
        family=family,
        source=source,
        clock=clock,
        kernel_stamps=kernel_stamps,
        credentials=credentials,
        on_settled=on_settled,
    )
    return await run.run()


def measure_sync(hosts: Sequence[str | NamedHost], **settings: Any) -> Measurement:
    """:func:`measure` for programs without an event loop; works inside one too, on a thread."""
    return run_blocking(measure(hosts, **settings))


def run_blocking(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end, whether or not this thread already runs an event loop."""
    outcome: list[Result] = []
    failure: list[BaseException] = []

    async def keep() -> None:
        # Not returned: to put SIGINT's handler back, asyncio formats the task that it would have
        # cancelled with its result, and that of thousands of hosts takes a while to write out.
        outcome.append(await work)

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(keep())
        return outcome[0]

    def run() -> None:
        try:
            asyncio.run(keep())
        except BaseException as error:  # handed on to the thread that waits
            failure.append(error)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,))
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]
