"""Settings that contradict each other are refused, and both are named."""

import pytest

from clocksync.runtime.envelope import HEADER_BYTES, Envelope
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import MILLISECOND
from tests.vsync.talk import RING, data
from vsync.config import DATAGRAM_BYTES_MAX, RingConfig
from vsync.frames import FRAMES, PAYLOAD_MAX, SEGMENT_BYTES, Recovered
from vsync.node.segments import Cutter

BAD = [
    ({"cluster": -1}, "cluster = -1: at least 0"),
    ({"token_loss_ns": 0}, "token_loss_ns = 0: at least 1"),
    ({"misses": 0}, "misses = 0: at least 1"),
    ({"visit_max": 0}, "visit_max = 0: at least 1"),
    ({"join_spread_ns": -1}, "join_spread_ns = -1: at least 0"),
    ({"accelerated": -1}, "accelerated = -1: at least 0"),
    ({"settle_ns": -1}, "settle_ns = -1: at least 0"),
    (
        {"token_hold_ns": 970 * MILLISECOND},
        "token_hold_ns = 970000000 and token_retransmit_ns = 30000000 together must be less than"
        " token_loss_ns = 1000000000",
    ),
    (
        {"token_retransmit_ns": 1000 * MILLISECOND},
        "token_retransmit_ns = 1000000000 must be less than token_loss_ns = 1000000000",
    ),
    ({"linger_ns": 1000 * MILLISECOND}, "linger_ns = 1000000000 must be less than token_loss_ns"),
    ({"join_ns": 251 * MILLISECOND}, "join_ns = 251000000 must be less than consensus_ns"),
    ({"window": 800}, "window = 800 must be less than gap_max = 800"),
    ({"message_bytes_max": 1 << 40}, "message_bytes_max = .* is more than queue_bytes_max = "),
    ({"backoff_ns": (0, 5)}, r"backoff_ns = \(0, 5\): shortest and longest, both above 0"),
    ({"backoff_ns": (6, 5)}, r"backoff_ns = \(6, 5\): shortest and longest, both above 0"),
    ({"datagram_bytes": 108}, "datagram_bytes = 108 leaves no room for messages"),
    ({"datagram_bytes": 65_508}, "datagram_bytes = 65508: at most 65507"),
]


@pytest.mark.parametrize(("settings", "message"), BAD)
def test_what_cannot_be_is_refused_with_its_name_and_number(settings, message):
    with pytest.raises(BadConfig, match=message):
        RingConfig(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"cluster": 0, "join_spread_ns": 0, "accelerated": 0, "settle_ns": 0, "follow_ns": 0},
        {"token_hold_ns": 1, "token_retransmit_ns": 1, "token_loss_ns": 3, "linger_ns": 2},
        {"window": 799},
        {"backoff_ns": (1, 1)},
        {"message_bytes_max": 5, "queue_bytes_max": 5},
        {"datagram_bytes": 109},
    ],
)
def test_the_edges_are_allowed(settings):
    config = RingConfig(**settings)
    assert all(getattr(config, name) == value for name, value in settings.items())


def test_the_fast_settings_agree_with_each_other_and_can_be_changed():
    assert RingConfig.simulated().window < RingConfig().window
    assert RingConfig.simulated(window=7).window == 7
    with pytest.raises(BadConfig, match="window = 99 must be less than gap_max = 60"):
        RingConfig.simulated(window=99)


@pytest.mark.parametrize("size", [300, 1472, DATAGRAM_BYTES_MAX])
def test_a_full_datagram_fits_even_when_it_is_sent_again_on_another_ring(size):
    room = RingConfig(datagram_bytes=size).payload_bytes
    envelope = Envelope(FRAMES, 0, 1)
    for frame in (
        data(payload=bytes(room - 2)),
        data(flags=2, lengths=(), payload=bytes(room)),
        data(lengths=(0,) * min(8192, room // 2), payload=b""),
    ):
        assert frame.check() is None
        assert len(envelope.encode(frame)) <= size
        assert len(envelope.encode(Recovered(*RING, 1, 1, frame.encode()))) <= size


@pytest.mark.parametrize("datagrams", [2, 7, 44])
@pytest.mark.parametrize("envelope_bytes", [HEADER_BYTES, 50])
def test_a_frame_of_many_datagrams_takes_no_more_than_these(datagrams, envelope_bytes):
    config = RingConfig(frame_datagrams=datagrams, envelope_bytes=envelope_bytes)
    room = config.room(datagrams)
    assert room == config.payload_bytes
    for frame in (data(payload=bytes(room - 2)), data(flags=2, lengths=(), payload=bytes(room))):
        again = Recovered(*RING, 1, 1, frame.encode())
        assert (frame.size, again.size) == (len(frame.encode()), len(again.encode()))
        assert config.datagrams(again.size) <= datagrams
        parts = Cutter(1472 - envelope_bytes - SEGMENT_BYTES).cut(again, 0x31, again.encode())
        assert len(parts) == config.datagrams(again.size)
        assert max(len(part) for part in parts) + envelope_bytes == 1472


def test_a_frame_takes_no_more_than_a_member_may_send_in_a_visit():
    with pytest.raises(BadConfig, match="frame_datagrams = 9 is more than a visit may send"):
        RingConfig(frame_datagrams=9, visit_max=8)


def test_nothing_of_a_datagram_is_left_over():
    config = RingConfig(datagram_bytes=1472)
    full = data(flags=2, lengths=(), payload=bytes(config.payload_bytes))
    sent = Recovered(*RING, 1, 1, full.encode()).encode()
    assert len(sent) + HEADER_BYTES == 1472
    assert RingConfig(datagram_bytes=DATAGRAM_BYTES_MAX).payload_bytes == PAYLOAD_MAX


def test_a_member_with_a_small_socket_lets_less_come_in_a_rotation():
    config = RingConfig.within(MILLISECOND * 1000)
    assert config.fitting(8 << 20) == config
    small = config.fitting(425_984)
    assert small.window == 425_984 // 2304
    assert small.frame_datagrams <= small.visit_max <= small.window
    assert config.fitting(1).window == config.fitting(1).frame_datagrams == 1
    assert (small.gap_max, small.token_loss_ns) == (config.gap_max, config.token_loss_ns)
