"""The NTP responder as a core: conversations, and what RFC 5905, 7822 and 9769 ask of a server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.ntp.access import AccessList, RateLimit
from clocksync.ntp.packet import NtpPacket
from clocksync.ntp.responder import (
    KISS_DENY,
    LONGEST_REQUEST,
    Departures,
    Outcome,
    Reference,
    Responder,
    parse_reference_id,
)
from clocksync.ntp.timestamps import from_unix_ns, to_unix_ns
from clocksync.runtime.core import Arrival, Send, Stamp, StampSource
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import MILLISECOND, SECOND

T = 1_790_000_000_123_456_789
HOST = bytes([192, 0, 2, 1])
OTHER = bytes([192, 0, 2, 2])


def client_request(**fields: int) -> bytes:
    return NtpPacket(**{"transmit_timestamp": 0x1122334455667788, **fields}).encode()


def asked(
    responder: Responder, request: bytes, address: object = HOST, at: int = T, now: int = 0
) -> NtpPacket | None:
    reply = responder.reply(request, address, at, at + 20_000, now)
    return NtpPacket.decode(reply) if reply is not None else None


def answered(*arguments: object, **options: object) -> NtpPacket:
    reply = asked(*arguments, **options)
    assert reply is not None
    return reply


def test_an_answer_returns_the_cookie_and_the_two_stamps() -> None:
    reply = answered(Responder(), client_request(poll=6))
    assert (reply.mode, reply.version, reply.poll, reply.leap, reply.stratum) == (4, 4, 6, 0, 8)
    assert reply.origin_timestamp == 0x1122334455667788
    assert to_unix_ns(reply.receive_timestamp, near=T) == T
    assert to_unix_ns(reply.transmit_timestamp, near=T) == T + 20_000


def test_the_reference_is_what_was_configured() -> None:
    reference = Reference(
        stratum=1,
        leap=1,
        precision=-23,
        root_delay_ns=SECOND,
        root_dispersion_ns=SECOND // 2,
        reference_id=parse_reference_id("GPS"),
        reference_time=T - SECOND,
    )
    reply = answered(Responder(reference), client_request())
    assert (reply.stratum, reply.leap, reply.precision) == (1, 1, -23)
    assert (reply.root_delay, reply.root_dispersion) == (1 << 16, 1 << 15)
    assert reply.reference_id == 0x47505300
    assert reply.reference_timestamp == from_unix_ns(T - SECOND)


def test_its_own_reference_was_set_this_very_second_never_later() -> None:
    reply = answered(Responder(), client_request())
    assert to_unix_ns(reply.reference_timestamp, near=T) == T // SECOND * SECOND


@pytest.mark.parametrize(
    ("stratum", "leap", "identity"), [(8, 0, 0x7F7F0101), (1, 0, 0x4C4F434C), (0, 3, 0), (16, 3, 0)]
)
def test_an_unsynchronised_clock_says_so(stratum, leap, identity) -> None:
    reply = answered(Responder(Reference(stratum=stratum)), client_request())
    assert (reply.stratum, reply.leap, reply.reference_id) == (stratum, leap, identity)


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_the_answer_has_the_version_of_the_request(version) -> None:
    assert answered(Responder(), client_request(version=version)).version == version


@pytest.mark.parametrize("version", [0, 5, 6, 7])
def test_other_versions_get_silence(version) -> None:
    responder = Responder()
    assert asked(responder, client_request(version=version)) is None
    assert responder.counts == {Outcome.WRONG_VERSION: 1}


@pytest.mark.parametrize("mode", [0, 1, 2, 4, 5, 6, 7])
def test_modes_other_than_client_get_silence(mode) -> None:
    responder = Responder()
    assert asked(responder, client_request(mode=mode)) is None
    assert responder.counts == {Outcome.WRONG_MODE: 1}


def extension(size: int) -> bytes:
    return (0x0104).to_bytes(2, "big") + size.to_bytes(2, "big") + bytes(size - 4)


@pytest.mark.parametrize(
    ("trailer", "version", "outcome"),
    [
        (b"", 4, Outcome.BASIC),
        (extension(28), 4, Outcome.BASIC),
        (extension(16) + extension(28), 4, Outcome.BASIC),
        (extension(1024 - 48), 4, Outcome.BASIC),
        (extension(28), 3, Outcome.AUTHENTICATED),
        (bytes(4), 4, Outcome.AUTHENTICATED),
        (bytes(20), 3, Outcome.AUTHENTICATED),
        (bytes(20), 4, Outcome.AUTHENTICATED),
        (bytes(24), 4, Outcome.AUTHENTICATED),
        (extension(28) + bytes(20), 4, Outcome.AUTHENTICATED),
        (bytes(1), 4, Outcome.MALFORMED),
        (bytes(28), 4, Outcome.MALFORMED),
        (extension(32)[:-4], 4, Outcome.MALFORMED),
        (extension(1024), 4, Outcome.TOO_LONG),
    ],
)
def test_what_follows_the_header_is_skipped_or_silenced(trailer, version, outcome) -> None:
    responder = Responder()
    asked(responder, client_request(version=version) + trailer)
    assert responder.counts == {outcome: 1}


@given(st.binary(max_size=LONGEST_REQUEST + 100))
def test_no_bytes_raise_and_no_answer_is_longer_than_its_request(request_) -> None:
    reply = Responder(limit=RateLimit(SECOND, 1)).reply(request_, HOST, T, T, 0)
    assert reply is None or len(reply) == 48 <= len(request_)


@given(st.binary(min_size=47, max_size=47))
def test_any_client_request_is_answered_in_its_own_cookie(rest) -> None:
    reply = answered(Responder(), b"\x23" + rest)
    assert reply.origin_timestamp == int.from_bytes(rest[-8:], "big")


# --- interleaved mode, RFC 9769 section 2


def followed_up(responder: Responder, first: NtpPacket, **options: object) -> NtpPacket:
    request = client_request(
        origin_timestamp=first.receive_timestamp, receive_timestamp=0xC00C1E, transmit_timestamp=5
    )
    return answered(responder, request, **{"at": T + SECOND, **options})


def test_a_follow_up_is_told_when_the_answer_before_really_left() -> None:
    responder = Responder()
    first = answered(responder, client_request())
    responder.departed(first.receive_timestamp, T + 31_000)
    second = followed_up(responder, first)
    assert second.origin_timestamp == 0xC00C1E
    assert to_unix_ns(second.transmit_timestamp, near=T) == T + 31_000
    assert to_unix_ns(second.receive_timestamp, near=T) == T + SECOND
    assert responder.counts == {Outcome.BASIC: 1, Outcome.INTERLEAVED: 1}


def test_without_a_departure_a_follow_up_is_answered_basically() -> None:
    responder = Responder()
    second = followed_up(responder, answered(responder, client_request()))
    assert second.origin_timestamp == 5
    assert to_unix_ns(second.transmit_timestamp, near=T) == T + SECOND + 20_000


def test_a_departure_is_told_once() -> None:
    responder = Responder()
    first = answered(responder, client_request())
    responder.departed(first.receive_timestamp, T + 31_000)
    assert followed_up(responder, first).origin_timestamp == 0xC00C1E
    assert followed_up(responder, first).origin_timestamp == 5


def test_a_departure_is_told_only_to_whom_the_answer_went() -> None:
    responder = Responder()
    first = answered(responder, client_request())
    responder.departed(first.receive_timestamp, T + 31_000)
    assert followed_up(responder, first, address=OTHER).origin_timestamp == 5
    assert followed_up(responder, first).origin_timestamp == 0xC00C1E


def test_equal_receive_and_transmit_timestamps_make_a_request_a_basic_one() -> None:
    responder = Responder()
    first = answered(responder, client_request())
    responder.departed(first.receive_timestamp, T + 31_000)
    request = client_request(
        origin_timestamp=first.receive_timestamp, receive_timestamp=5, transmit_timestamp=5
    )
    assert to_unix_ns(answered(responder, request).transmit_timestamp, near=T) == T + 20_000


def test_requests_of_the_same_instant_get_different_receive_timestamps() -> None:
    responder = Responder()
    receives = [answered(responder, client_request()).receive_timestamp for _ in range(3)]
    assert receives == [from_unix_ns(T) + i for i in range(3)]


def test_an_answer_never_has_equal_receive_and_transmit_timestamps() -> None:
    reply = Responder().reply(client_request(), HOST, T, T, 0)
    assert reply is not None
    packet = NtpPacket.decode(reply)
    assert packet.transmit_timestamp == packet.receive_timestamp + 1


def test_switched_off_nothing_is_remembered() -> None:
    responder = Responder(interleaved=False)
    first = answered(responder, client_request())
    responder.departed(first.receive_timestamp, T + 31_000)
    assert followed_up(responder, first).origin_timestamp == 5
    assert len(responder.departures) == 0


def test_a_busy_responder_remembers_only_those_who_show_an_origin() -> None:
    responder = Responder(eager=False)
    answered(responder, client_request())
    assert len(responder.departures) == 0
    answered(responder, client_request(origin_timestamp=1, receive_timestamp=2))
    assert len(responder.departures) == 1


def test_the_memory_of_departures_is_bounded_and_forgets_the_oldest() -> None:
    departures = Departures(capacity=3)
    for receive in range(1, 11):
        departures.reserve("client", receive)
        departures.record(receive, receive + 100)
    assert len(departures) == 3
    assert [departures.take("client", receive) for receive in (7, 8)] == [0, 108]


# --- who is answered


def test_the_denied_get_silence_or_the_kiss_that_was_chosen() -> None:
    access = AccessList(deny=["192.0.2.1"])
    silent = Responder(access=access)
    assert asked(silent, client_request()) is None
    assert silent.counts == {Outcome.DENIED: 1}
    assert answered(silent, client_request(), address=OTHER).stratum == 8

    kiss = answered(Responder(access=access, denied_kiss=KISS_DENY), client_request(poll=3))
    assert (kiss.stratum, kiss.leap, kiss.reference_id) == (0, 3, KISS_DENY)
    assert (kiss.origin_timestamp, kiss.poll) == (0x1122334455667788, 3)


def test_the_limited_are_told_once_how_slow_to_be_and_the_others_answered() -> None:
    responder = Responder(limit=RateLimit(8 * SECOND, burst=2))
    first, second, kiss, silence = [asked(responder, client_request(poll=1)) for _ in range(4)]
    assert first is not None
    assert second is not None
    assert first.stratum == second.stratum == 8
    assert kiss is not None
    assert (kiss.stratum, kiss.reference_id.to_bytes(4, "big"), kiss.poll) == (0, b"RATE", 3)
    assert kiss.origin_timestamp == 0x1122334455667788
    assert silence is None
    assert answered(responder, client_request(), address=OTHER).stratum == 8
    assert responder.counts == {Outcome.BASIC: 3, Outcome.KISSED_LIMITED: 1, Outcome.LIMITED: 1}


def test_garbage_costs_its_sender_no_allowance() -> None:
    responder = Responder(limit=RateLimit(8 * SECOND, burst=1))
    for _ in range(5):
        asked(responder, b"\x16\x01")
    assert answered(responder, client_request()).stratum == 8


# --- as a core


def arrival(request: NtpPacket, time: int, sender: object = 7) -> Arrival:
    return Arrival(request, sender, Stamp(time, StampSource.KERNEL))


def test_as_a_core_it_answers_the_sender_and_learns_from_the_stamp() -> None:
    core = Responder()
    [first] = core.on_frame(arrival(NtpPacket(transmit_timestamp=9), T), now=0)
    assert isinstance(first, Send)
    assert (first.to, first.frame.origin_timestamp) == (7, 9)
    assert first.tag is not None
    core.on_sent(first.tag, Stamp(T + 500), now=0)
    core.on_sent(first.tag, Stamp(T + 700, StampSource.KERNEL), now=0)

    follow = NtpPacket(
        origin_timestamp=first.frame.receive_timestamp, receive_timestamp=3, transmit_timestamp=4
    )
    [second] = core.on_frame(arrival(follow, T + MILLISECOND), now=0)
    assert second.frame.origin_timestamp == 3
    assert to_unix_ns(second.frame.transmit_timestamp, near=T) == T + 700


@pytest.mark.parametrize("wrong", [{"mode": 4}, {"mode": 6}, {"version": 5}, {"version": 0}])
def test_as_a_core_it_ignores_what_is_no_request(wrong) -> None:
    assert Responder().on_frame(arrival(NtpPacket(**wrong), T), now=0) == []


def test_as_a_core_it_applies_the_access_list_to_socket_addresses() -> None:
    core = Responder(access=AccessList(deny=["192.0.2.1", "fe80::/10"]))
    assert core.on_frame(arrival(NtpPacket(), T, ("192.0.2.1", 123)), now=0) == []
    assert core.on_frame(arrival(NtpPacket(), T, ("fe80::1%eth0", 123)), now=0) == []
    assert len(core.on_frame(arrival(NtpPacket(), T, ("192.0.2.2", 123)), now=0)) == 1


# --- settings


@pytest.mark.parametrize(
    "setting",
    [
        {"stratum": 17},
        {"stratum": -1},
        {"leap": 4},
        {"precision": 5},
        {"root_delay_ns": -1},
        {"root_dispersion_ns": 65536 * SECOND},
        {"reference_id": 1 << 32},
    ],
)
def test_an_impossible_reference_is_refused(setting) -> None:
    with pytest.raises(BadConfig, match=str(next(iter(setting.values())))):
        Reference(**setting)


@pytest.mark.parametrize("text", ["", "LOCAL", "é", "a\n"])
def test_a_text_that_is_no_reference_id_is_refused(text) -> None:
    with pytest.raises(BadConfig, match="is no reference id"):
        parse_reference_id(text)
