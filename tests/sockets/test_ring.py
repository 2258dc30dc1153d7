"""The ring between network namespaces, through all that networks and processes do.

Members multicast all the time; every history is judged. What members have in one configuration and
leave for the same next one must be the same, to the byte.
"""

import signal

import pytest

from clocksync.security import keys
from tests.sockets.ring_members import TOKEN_TIMEOUT_S, members

pytestmark = [pytest.mark.namespaces, pytest.mark.slow, pytest.mark.timeout(240)]


def test_members_in_namespaces_order_messages(tmp_path):
    with members(tmp_path, rate=3000) as group:
        group.until_accepted(1000)
    delivered = [process.told["delivered"] for process in group.alive.values()]
    assert min(delivered) > 1500
    assert any(len(found) == 1 for found in group.digests().values())


MULTICASTS = "224.0.0.0/4"


def transports(group):
    return [process.told["transport"] for process in group.alive.values()]


def test_messages_leave_by_ip_multicast_where_all_hear_it(tmp_path):
    with members(tmp_path) as group:
        group.run(1.0)
        group.until_transports(*["IP multicast"] * 3)


def test_a_member_that_hears_no_multicast_gets_everything_by_unicast(tmp_path):
    with members(tmp_path) as group:
        group.hosts[2].lose(1.0, to=MULTICASTS)
        heard, unheard = "IP multicast", "unicast (not everybody hears IP multicast)"
        group.until_transports(unheard, heard, unheard)


def test_multicast_that_stops_and_comes_back_loses_nothing(tmp_path):
    with members(tmp_path, more=["--service=safe"]) as group:
        group.run(0.5)
        for host in group.hosts.values():
            host.lose(1.0, to=MULTICASTS)
        group.until_transports(*["unicast (not everybody hears IP multicast)"] * 3)
        for host in group.hosts.values():
            host.lose(0.0)
        group.until_transports(*["IP multicast"] * 3)


def test_members_without_multicast(tmp_path):
    with members(tmp_path, more=["--no-multicast"]) as group:
        group.run(0.5)
    assert set(transports(group)) == {"unicast (IP multicast is switched off)"}


def test_large_datagrams_that_vanish_are_told(tmp_path):
    with members(tmp_path, rate=10, more=["--size=16"]) as group:
        group.hosts[2].lose(1.0, above=1000)
        for process in group.alive.values():
            process.may_say = b"member 2 gets small datagrams of ours and none of 1472 bytes"
        for me in (1, 3):
            group.alive[me].hear(group.alive[me].may_say)
        group.together(1, 2, 3)
        group.hosts[2].lose(0.0)
    assert [bool(group.alive[me].said) for me in group.hosts] == [True, False, True]


@pytest.mark.parametrize("service", ["agreed", "safe"])
def test_a_member_is_killed_and_comes_back_with_its_disk(tmp_path, service):
    with members(tmp_path, more=[f"--service={service}"]) as group:
        group.kill(3)
        group.together(1, 2)
        group.run(0.2)
        group.start(3)
        group.together(1, 2, 3)
        group.run(0.3)


def test_a_member_is_killed_and_comes_back_without_its_disk(tmp_path):
    with members(tmp_path) as group:
        group.kill(1)
        group.together(2, 3)
        (tmp_path / "state1" / "ring.json").unlink()
        group.start(1)
        group.together(1, 2, 3)
        group.run(0.3)


def test_a_cable_is_pulled_and_put_back(tmp_path):
    with members(tmp_path) as group:
        group.hosts[2].cut()
        group.wait(m1=(1, 3), m2=(2,), m3=(1, 3))
        group.run(0.2)
        group.hosts[2].restore()
        group.together(1, 2, 3)
        group.run(0.3)


def test_a_member_that_hears_nobody_and_is_heard(tmp_path):
    with members(tmp_path) as group:
        group.hosts[3].lose(1.0)
        group.together(1, 2)
        group.run(0.5)
        group.hosts[3].lose(0.0)
        group.together(1, 2, 3)


def test_two_members_of_three_do_not_hear_each_other_one_way(tmp_path):
    with members(tmp_path) as group:
        group.hosts[3].lose(1.0, sender=group.hosts[1].ipv4)
        group.run(4 * TOKEN_TIMEOUT_S)
        group.hosts[3].lose(0.0)
        group.together(1, 2, 3)


@pytest.mark.parametrize("stopped_s", [0.6, 1.1, 5])
def test_a_process_is_stopped_for_a_while(tmp_path, stopped_s):
    with members(tmp_path) as group:
        group.alive[2].signal(signal.SIGSTOP)
        group.run(stopped_s * TOKEN_TIMEOUT_S)
        group.alive[2].signal(signal.SIGCONT)
        group.run(0.5)
        group.together(1, 2, 3)


@pytest.mark.parametrize("size", [64, 5000])
def test_one_datagram_in_twenty_is_lost(tmp_path, size):
    with members(tmp_path, more=[f"--size={size}"]) as group:
        for host in group.hosts.values():
            host.lose(0.05)
        group.until_accepted(500)
        for host in group.hosts.values():
            host.lose(0.0)
        group.together(1, 2, 3)
    delivered = [process.told["delivered"] for process in group.alive.values()]
    assert min(delivered) > 300


def test_the_key_is_rotated_while_all_go_on(tmp_path):
    # A machine that stalls is not to look like a change of keys that went wrong.
    with members(tmp_path, more=["--token-timeout=3s"]) as group:
        for _ in range(3):
            keys.rotate(group.key)
            for me in group.hosts:
                group.alive[me].signal(signal.SIGHUP)
            group.run(2.0)  # nothing says that all have read the file
            assert {group.view(me) for me in group.hosts} == {(1, 2, 3)}
        assert len(keys.read(group.key).keys) == 1
        changes = [group.history(me).read_text().count('"regular"') for me in group.hosts]
        group.run(0.3)
        assert [group.history(me).read_text().count('"regular"') for me in group.hosts] == changes


def test_who_has_another_key_is_not_let_in(tmp_path):
    with members(tmp_path) as group:
        group.kill(3)
        group.together(1, 2)
        before = {me: len(group.views(me)) for me in (1, 2)}
        (tmp_path / "other").mkdir()
        rightful, group.key = group.key, tmp_path / "other" / "key"
        keys.generate(group.key)
        group.start(3)
        group.wait(m3=(3,))
        group.run(1.0)
        group.together(1, 2)
        assert not any(3 in view for me in (1, 2) for view in group.views(me)[before[me] :])
        group.alive.pop(3).end()
        group.key = rightful
        group.start(3)
        group.together(1, 2, 3)
