"""Hosts on real sockets: found, believed, read; strangers are not, and nothing goes bare."""

import asyncio

import pytest

from clocksync.peers.endpoint import BOTH, NO_KEY, Endpoint, PeerSettings, wrong_clock
from clocksync.peers.sealed import EVERYBODY
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.udp import SystemStampClock
from clocksync.runtime.units import MILLISECOND, SECOND
from clocksync.security import keys
from tests.clocksync.peers.talkers import FRAMES, Talker

HERE = ("127.0.0.1", 0)


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "fleet.key"
    keys.generate(path)
    return path


def endpoint(number, core, key=None, *, clock=None, on_event=None, **more):
    settings = PeerSettings(id=number, listen=HERE, key_file=key, **more)
    return Endpoint(core, FRAMES, settings, clock=clock, on_event=on_event)


def until_done(number, core, key, **more):
    done = asyncio.Event()
    return endpoint(
        number, core, key, on_event=lambda event: event[0] == "done" and done.set(), **more
    ), done


@pytest.mark.parametrize("is_sealed", [True, False], ids=["sealed", "plain on loopback"])
def test_a_host_reads_another_whose_number_it_does_not_know(key, is_sealed):
    key = key if is_sealed else None

    async def run():
        server = endpoint(7, Talker(), key, clock=wrong_clock(3 * SECOND, 0))
        async with server:
            core = Talker(to=server.address, wanted=20)
            client, done = until_done(2, core, key)
            async with client:
                await asyncio.wait_for(done.wait(), 20)
                return core.asker(7).samples

    samples = asyncio.run(run())
    assert all(3 * SECOND in sample.path for sample in samples)
    assert any(sample.interleaved for sample in samples)


def test_who_has_another_key_or_fleet_is_not_heard(key, tmp_path):
    other = tmp_path / "other.key"
    keys.generate(other)

    async def run():
        hearing = Talker()
        server = endpoint(7, hearing, key)
        async with server:
            strangers = [
                endpoint(2, Talker(to=server.address), other),
                endpoint(3, Talker(to=server.address), None),
                endpoint(4, Talker(to=server.address), key, fleet="another"),
            ]
            friend, done = until_done(5, Talker(to=server.address, wanted=30), key)
            async with strangers[0], strangers[1], strangers[2], friend:
                await asyncio.wait_for(done.wait(), 20)
            return {sender for sender, _ in hearing.heard}, dict(server.sealed.refused)

    heard, refused = asyncio.run(run())
    assert heard == {5}
    assert {"another version of the envelope", "wrong cluster"} <= set(refused)
    assert "unknown incarnation" in refused, "of another key nothing else can be known"


def test_everybody_hears_a_multicast_and_each_can_be_answered(key):
    group = ("239.255.3.19", 31_901)

    async def run():
        cores = [Talker(), Talker(), Talker(to=EVERYBODY)]
        first_heard, done = set(), asyncio.Event()

        def note(event):
            first_heard.add(event)
            if {("heard", 1), ("heard", 2)} <= first_heard:
                done.set()

        three = [
            endpoint(number, core, key, multicast=group, on_event=note if number == 3 else None)
            for number, core in enumerate(cores, 1)
        ]
        async with three[0], three[1], three[2]:
            await asyncio.wait_for(done.wait(), 20)
        return [{sender for sender, _ in core.heard} for core in cores]

    assert asyncio.run(run()) == [{3}, {3}, {1, 2}]


def test_a_clock_that_is_wrong_on_purpose_is_the_system_clock_where_it_is_not():
    assert isinstance(wrong_clock(0, 0.0), SystemStampClock)
    assert wrong_clock(5 * MILLISECOND, 0.0).at(0) > 0
    with pytest.raises(BadConfig, match="rate"):
        wrong_clock(0, float("nan"))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"id": 0}, "numbered 1 to"),
        ({"id": 65_535}, "numbered 1 to"),
        ({"addresses": {65_535: HERE}}, "65535 is no host's number: these are 1 to 65534"),
        ({"listen": ("10.0.0.1", 1)}, NO_KEY),
        ({"contacts": (("10.0.0.1", 1),)}, NO_KEY),
        ({"addresses": {2: ("10.0.0.1", 1)}}, NO_KEY),
        ({"multicast": ("239.1.1.1", 1)}, NO_KEY),
        ({"key_file": "x", "insecure_plaintext": True}, BOTH),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(more, message):
    with pytest.raises(BadConfig) as refused:
        PeerSettings(**{"id": 1, "listen": HERE, **more})
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("multicast", "interface", "message"),
    [
        (
            ("239.255.3.19", 31_901),
            "nosuch0",
            "cannot join 239.255.3.19 by nosuch0: no interface",
        ),
        (("10.0.0.1", 31_901), None, "cannot join 10.0.0.1"),
    ],
)
def test_a_group_that_cannot_be_joined_is_one_line(key, multicast, interface, message):
    async def run():
        async with endpoint(1, Talker(), key, multicast=multicast, interface=interface):
            pass

    with pytest.raises(BadConfig, match=message):
        asyncio.run(run())


def test_an_address_that_is_taken_is_one_line(key):
    async def run():
        async with endpoint(1, Talker(), key) as first:
            settings = PeerSettings(id=2, listen=first.address, key_file=key)
            async with Endpoint(Talker(), FRAMES, settings):
                pass

    with pytest.raises(BadConfig, match=r"cannot listen on 127\.0\.0\.1:\d+: address already in"):
        asyncio.run(run())
