"""Figures served to Prometheus by HTTP.  [I/O]

Needs the extra ``metrics``. Each request is one look at what is told, so that the figures of one
answer belong together.
"""

import importlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from clocksync.runtime.errors import BadConfig, MissingExtra

LOOPBACK = "127.0.0.1"


class Metric(NamedTuple):
    """One metric; a counter's name ends with ``_total``."""

    name: str
    help: str


Sample = tuple[str, dict[str, str], float]
"""A metric's name, its labels, and its value. All samples of a metric have the same labels."""


def library() -> Any:
    """The Prometheus client.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        return importlib.import_module("prometheus_client")
    except ImportError:
        raise MissingExtra("prometheus-client", "metrics") from None


class _Collector:
    """What the library asks, on a thread of its own, at each request."""

    def __init__(self, metrics: Iterable[Metric], look: Callable[[], Iterable[Sample]]) -> None:
        self._core = importlib.import_module("prometheus_client.core")
        self._help = {metric.name: metric.help for metric in metrics}
        self._look = look

    def collect(self) -> Iterable[Any]:
        families: dict[str, Any] = {}
        for name, labels, value in self._look():
            if name not in families:
                families[name] = self._family(name, tuple(labels))
            families[name].add_metric(tuple(labels.values()), value)
        return families.values()

    def _family(self, name: str, labels: tuple[str, ...]) -> Any:
        if name.endswith("_total"):
            return self._core.CounterMetricFamily(name, self._help[name], labels=labels)
        return self._core.GaugeMetricFamily(name, self._help[name], labels=labels)


@contextmanager
def serving(
    address: tuple[str, int], metrics: Iterable[Metric], look: Callable[[], Iterable[Sample]]
) -> Iterator[int]:
    """Serve at `address` until the end; gives the port.

    Args:
        look: called on another thread, at each request.

    Raises:
        MissingExtra: the extra is missing.
        BadConfig: the address cannot be used.
    """
    client = library()
    registry = client.CollectorRegistry(auto_describe=False)
    registry.register(_Collector(metrics, look))
    host, port = address
    try:
        server, thread = client.start_http_server(port, host, registry)
    except OSError as error:
        reason = error.strerror or error
        raise BadConfig(f"--metrics {host}:{port} cannot be listened on: {reason}") from None
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
