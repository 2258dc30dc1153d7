"""The examples of the group's time do what they say."""

import asyncio

import pytest

from examples import audit_log, last_writer_wins, scheduler
from tests.vsync.node.loopback import free_ports

pytestmark = pytest.mark.slow


@pytest.fixture
def where():
    return {node: f"127.0.0.1:{port}" for node, port in enumerate(free_ports(3), 1)}


def test_audit_files_merged_by_timestamp_are_what_every_node_saw(where, tmp_path):
    seen = asyncio.run(audit_log.run(tmp_path, where))
    order = audit_log.merged(tmp_path)
    assert seen == [order] * 3
    assert len(order) == 3 * len(audit_log.ACTIONS)


def test_all_fire_the_same_jobs_at_the_same_group_time(where):
    everybody = asyncio.run(scheduler.run(where))
    assert everybody == [everybody[0]] * 3
    assert [name for name, _ in everybody[0]] == list(scheduler.JOBS)


def test_the_last_writer_wins_by_the_group_and_a_bad_clock_by_its_own(where):
    everybody = asyncio.run(last_writer_wins.run(where))
    assert everybody == [("second, by the bad clock", "third")] * 3
