"""Fixtures for tests that talk to programs nobody here wrote.

Servers that several tests may share live as long as a module; a test that changes one starts its
own from :mod:`tests.daemons`.
"""

from collections.abc import Iterator

import pytest

from tests.daemons import Daemon, chrony_server, ntpsec_server
from tests.namespaces import Host, pair


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[Host, Host]]:
    """Two hosts on a cable of their own. By custom chronyd serves on the first, ntpd on the second,
    and who asks does so from the other one."""
    with pair() as both:
        yield both


@pytest.fixture(scope="module")
def chronyd() -> Iterator[Daemon]:
    """A chronyd of stratum 2 on a free port of 127.0.0.1."""
    with chrony_server(stratum=2) as server:
        yield server


@pytest.fixture(scope="module")
def chronyd_in_namespace(hosts: tuple[Host, Host]) -> Iterator[Daemon]:
    """A chronyd of stratum 2 on port 123 of the first host."""
    with chrony_server(hosts[0], stratum=2) as server:
        yield server


@pytest.fixture(scope="module")
def ntpd(hosts: tuple[Host, Host]) -> Iterator[Daemon]:
    """ntpsec's ntpd of stratum 3 on port 123 of the second host."""
    with ntpsec_server(hosts[1], stratum=3) as server:
        yield server
