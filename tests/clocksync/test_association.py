"""Conversations with one association: what it believes, of whom, and what it makes of it."""

import random
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.ntp.association import REMEMBERED_MAX, Association, Exchange
from clocksync.ntp.checks import Rejection, Standing
from clocksync.ntp.packet import NtpPacket
from clocksync.ntp.responder import KISS_DENY, Reference, Responder
from clocksync.ntp.timestamps import from_unix_ns
from clocksync.runtime.core import Stamp, StampSource
from clocksync.runtime.units import MICROSECOND, SECOND

NOW = 1_790_000_000 * SECOND
AHEAD_NS = 5 * SECOND
TRIP_NS = 100 * MICROSECOND
HELD_NS = 30 * MICROSECOND


def kernel(time: int) -> Stamp:
    return Stamp(time, StampSource.KERNEL)


@dataclass
class Talk:
    """An association, and the server it talks to, `AHEAD_NS` ahead of it."""

    client: Association = field(default_factory=lambda: Association(random.Random(1)))
    server: Responder = field(default_factory=lambda: Responder(Reference(stratum=2)))
    now: int = NOW
    departures: dict[int, int] = field(default_factory=dict)
    """When the server's answers really left, by their receive timestamp."""

    def ask(self, basic: bool = False) -> tuple[NtpPacket, Exchange]:
        request, exchange = self.client.request(basic)
        exchange.departed = kernel(self.now)
        return request, exchange

    def answer(self, request: NtpPacket, held_ns: int = HELD_NS) -> NtpPacket:
        """What the server says to it, which then takes `held_ns` to leave."""
        received = self.now + TRIP_NS // 2 + AHEAD_NS
        answer = self.server.answer(request, "client", received, received, received)
        assert answer is not None
        left = received + held_ns
        if answer.stamp_wanted:
            self.server.departed(answer.packet.receive_timestamp, left)
        self.departures[answer.packet.receive_timestamp] = left
        return answer.packet

    def hear(self, packet: NtpPacket, held_ns: int = HELD_NS):
        return self.client.on_reply(packet, kernel(self.now + TRIP_NS + held_ns))

    def exchange(self, held_ns: int = HELD_NS, basic: bool = False):
        """All of one exchange that goes well."""
        request, _ = self.ask(basic)
        verdict = self.hear(self.answer(request, held_ns), held_ns)
        self.now += SECOND
        return verdict


def test_a_reply_to_nothing_is_ignored() -> None:
    talk = Talk()
    verdict = talk.hear(NtpPacket(mode=4, stratum=1, origin_timestamp=7, receive_timestamp=1))
    assert verdict.rejection is Rejection.WRONG_ORIGIN
    assert not talk.client.samples


@pytest.mark.parametrize("origin", [0, 1, (1 << 64) - 1])
def test_an_answer_that_does_not_echo_the_cookie_is_not_ours(origin: int) -> None:
    talk = Talk()
    request, _ = talk.ask()
    good = talk.answer(request)
    assert talk.hear(replace(good, origin_timestamp=origin)).rejection is Rejection.WRONG_ORIGIN
    assert talk.hear(good).accepted  # and the real one still is


def test_a_second_answer_changes_nothing() -> None:
    talk = Talk()
    request, _ = talk.ask()
    good = talk.answer(request)
    assert talk.hear(good).accepted
    before = talk.client.samples
    later = replace(good, transmit_timestamp=good.transmit_timestamp + 5)
    assert talk.hear(later).rejection is Rejection.DUPLICATE
    assert talk.client.samples == before
    assert talk.client.answered == 1


def test_an_answer_before_the_request_left_is_a_forgers_guess() -> None:
    talk = Talk()
    request, _ = talk.client.request()
    assert talk.hear(talk.answer(request)).rejection is Rejection.WRONG_ORIGIN


def test_a_late_answer_to_a_request_given_up_is_not_ours_any_more() -> None:
    talk = Talk()
    request, exchange = talk.ask()
    good = talk.answer(request)
    assert talk.client.give_up(exchange.cookie)
    assert not talk.client.give_up(exchange.cookie)
    assert talk.hear(good).rejection is Rejection.LATE
    assert not talk.client.samples


def test_a_request_tells_nothing_of_our_clock() -> None:
    talk = Talk()
    requests = [talk.ask()[0] for _ in range(5)]
    for request in requests:
        assert replace(request, transmit_timestamp=0) == NtpPacket(version=4, mode=3)
    assert len({request.transmit_timestamp for request in requests}) == 5


def test_stamps_become_a_sample() -> None:
    talk = Talk()
    talk.exchange()
    (one,) = talk.client.samples
    assert (one.t1, one.t4) == (NOW, NOW + TRIP_NS + HELD_NS)
    assert one.t2 == NOW + TRIP_NS // 2 + AHEAD_NS
    assert one.source is StampSource.KERNEL
    assert AHEAD_NS in one.path


def test_the_kernels_stamp_replaces_our_own_and_the_weaker_side_is_told() -> None:
    talk = Talk()
    request, exchange = talk.ask()
    exchange.departed = Stamp(NOW - 500, StampSource.USER)
    packet = talk.answer(request)
    talk.hear(packet)
    (one,) = talk.client.samples
    assert (one.t1, one.source) == (NOW - 500, StampSource.USER)


# Kisses


@pytest.mark.parametrize("origin_is_right", [True, False])
def test_a_kiss_is_one_only_after_the_origin_check(origin_is_right: bool) -> None:
    talk = Talk()
    request, exchange = talk.ask()
    origin = request.transmit_timestamp if origin_is_right else 99
    kiss = NtpPacket(leap=3, mode=4, reference_id=KISS_DENY, origin_timestamp=origin)
    verdict = talk.hear(kiss)
    assert not verdict.accepted
    if origin_is_right:
        assert (verdict.kiss, verdict.standing) == ("DENY", Standing.KISS)
        assert not talk.client.is_waiting_for(exchange.cookie)
    else:
        assert (verdict.kiss, verdict.rejection) == ("", Rejection.WRONG_ORIGIN)
        assert talk.client.is_waiting_for(exchange.cookie)
    assert talk.client.answered == 0


def test_an_unsynchronised_server_answers_but_gives_no_sample() -> None:
    talk = Talk(server=Responder(Reference(stratum=16)))
    verdict = talk.exchange()
    assert verdict.accepted
    assert verdict.standing is Standing.UNSYNCHRONISED
    assert not talk.client.samples
    assert talk.client.answered == 1


# What no honest server stamps


def test_a_server_that_answered_before_it_was_asked_is_rejected() -> None:
    talk = Talk()
    request, _ = talk.ask()
    good = talk.answer(request)
    early = replace(good, transmit_timestamp=good.receive_timestamp - from_short_ns(2_000))
    assert talk.hear(early).rejection is Rejection.BACKWARDS
    assert not talk.client.samples


def test_a_server_that_held_it_longer_than_it_took_is_rejected() -> None:
    talk = Talk()
    request, _ = talk.ask()
    good = talk.answer(request)
    late = replace(good, transmit_timestamp=good.receive_timestamp + from_short_ns(SECOND))
    assert talk.hear(late).rejection is Rejection.IMPOSSIBLE_DELAY
    assert not talk.client.samples


def test_stamps_that_are_backwards_by_less_than_a_clocks_tick_are_a_coarse_clock() -> None:
    talk = Talk(server=Responder(Reference(stratum=2, precision=-10)))
    request, _ = talk.ask()
    good = talk.answer(request)
    coarse = replace(good, transmit_timestamp=good.receive_timestamp - from_short_ns(900_000))
    assert talk.hear(coarse).accepted
    assert AHEAD_NS in talk.client.samples[0].path


def from_short_ns(duration: int) -> int:
    return (duration << 32) // SECOND


def test_rejected_answers_do_not_become_claims() -> None:
    talk = Talk()
    talk.exchange()
    known = talk.client.last
    request, _ = talk.ask()
    talk.hear(replace(talk.answer(request), root_dispersion=17 << 16))
    assert talk.client.rejections[Rejection.ROOT_DISTANCE] == 1
    assert talk.client.last is known


# Interleaved mode


def test_an_interleaved_answer_completes_the_exchange_before() -> None:
    talk = Talk()
    talk.exchange(held_ns=70 * MICROSECOND)
    (basic,) = talk.client.samples
    assert not basic.interleaved
    assert basic.t3 - basic.t2 <= 1
    talk.exchange(held_ns=20 * MICROSECOND)
    first, second = talk.client.samples
    assert first.interleaved
    assert first.t3 - first.t2 == 70 * MICROSECOND  # its own, not the second one's
    assert first.raw_delay_ns == TRIP_NS
    assert not second.interleaved
    assert second.t3 == second.t2  # until told better, all that time counts as delay
    assert second.raw_delay_ns == TRIP_NS + 20 * MICROSECOND


def test_a_server_without_interleaved_mode_loses_nothing() -> None:
    talk = Talk(server=Responder(Reference(stratum=2), interleaved=False))
    for _ in range(4):
        assert talk.exchange().accepted
    assert len(talk.client.samples) == 4
    assert not any(one.interleaved for one in talk.client.samples)


def test_a_basic_request_among_others_is_answered_of_itself() -> None:
    talk = Talk()
    for basic in (False, False, True, False):
        assert talk.exchange(basic=basic).accepted
    assert [one.interleaved for one in talk.client.samples] == [True, False, True, False]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["fine", "request lost", "answer lost", "twice", "late", "given up"]),
            st.integers(0, 90).map(lambda us: us * MICROSECOND),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_every_departure_is_paired_with_its_own_exchange(fates: list[tuple[str, int]]) -> None:
    talk, waiting = Talk(), []
    for fate, held_ns in fates:
        request, exchange = talk.ask()
        if fate != "request lost":
            packet = talk.answer(request, held_ns)
            if fate in ("fine", "twice"):
                assert talk.hear(packet, held_ns).accepted
            if fate == "twice":
                assert not talk.hear(packet, held_ns).accepted
            if fate == "late":
                waiting.append((packet, talk.now + TRIP_NS + held_ns))
            if fate == "given up":
                talk.client.give_up(exchange.cookie)
                assert not talk.hear(packet, held_ns).accepted
        talk.now += SECOND
    for packet, arrived in reversed(waiting):  # and out of order
        talk.client.on_reply(packet, kernel(arrived))
    for one in talk.client.samples:
        assert AHEAD_NS in one.path
        if one.interleaved:
            assert one.t3 == talk.departures[from_unix_ns(one.t2)]
        else:
            assert 0 <= one.t3 - one.t2 <= 1


def test_a_departure_that_does_not_fit_leaves_the_sample_as_it_was() -> None:
    talk = Talk()
    talk.exchange()
    before = talk.client.samples
    request, _ = talk.ask()
    strange = replace(
        talk.answer(request), transmit_timestamp=from_unix_ns(NOW + AHEAD_NS + SECOND)
    )
    talk.hear(strange)
    assert talk.client.samples[0] == before[0]


# Bookkeeping


def test_however_many_are_asked_at_once_each_is_waited_for_until_given_up() -> None:
    talk = Talk()
    asked = [talk.ask() for _ in range(3 * REMEMBERED_MAX)]
    assert all(talk.client.is_waiting_for(exchange.cookie) for _, exchange in asked)
    answers = [talk.answer(request) for request, _ in asked]
    assert all(talk.hear(answer).accepted for answer in answers)
    assert talk.client.waiting == 0


def test_what_is_remembered_of_answered_requests_is_bounded() -> None:
    talk = Talk()
    answers = []
    for _ in range(REMEMBERED_MAX + 5):
        request, _ = talk.ask()
        answers.append(talk.answer(request))
        assert talk.hear(answers[-1]).accepted
    verdicts = [talk.hear(answer).rejection for answer in answers]
    assert verdicts == [Rejection.WRONG_ORIGIN] * 5 + [Rejection.DUPLICATE] * REMEMBERED_MAX


def test_an_answered_exchange_lets_go_of_the_one_before() -> None:
    talk = Talk()
    talk.exchange()
    request, exchange = talk.ask()
    assert exchange.previous is not None
    talk.hear(talk.answer(request))
    assert exchange.previous is None  # or the first one would never be freed


@given(st.lists(st.sampled_from(["ask", "answer", "give up", "again"]), max_size=30))
def test_what_is_waited_for_is_counted_right(steps: list[str]) -> None:
    talk, open_, done = Talk(), [], []
    for step in steps:
        if step == "ask":
            request, exchange = talk.ask()
            open_.append((talk.answer(request), exchange))
        elif open_ and step == "answer":
            done.append(open_.pop(0))
            assert talk.hear(done[-1][0]).accepted
        elif open_ and step == "give up":
            assert talk.client.give_up(open_.pop()[1].cookie)
        elif done and step == "again":
            assert not talk.hear(done[-1][0]).accepted
        assert talk.client.waiting == len(open_)
    assert talk.client.answered == len(done) == len(talk.client.samples)


def test_requests_too_old_are_given_up_and_the_oldest_left_is_told() -> None:
    talk = Talk()
    for asked_at in (10, 20, 30):
        talk.ask()[1].asked_at = asked_at
    assert talk.client.give_up_before(20) == 30
    assert talk.client.waiting == 1
    assert talk.client.give_up_before(30) is None
    assert talk.client.waiting == 0


def test_the_time_that_sending_took_is_known_once_the_kernel_has_told() -> None:
    _, exchange = Talk().client.request()
    exchange.left(Stamp(NOW, StampSource.USER))
    assert exchange.sending_ns == 0
    exchange.left(kernel(NOW + 2_000))
    assert (exchange.departed, exchange.sending_ns) == (kernel(NOW + 2_000), 2_000)
