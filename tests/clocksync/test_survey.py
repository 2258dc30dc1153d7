"""Conversations with a survey: which address is asked when, and whose row it becomes."""

import random
from collections.abc import Hashable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.measuring.prober import Prober
from clocksync.measuring.settings import MeasureSettings
from clocksync.measuring.survey import HostSettled, Survey
from clocksync.ntp.association import Exchange
from clocksync.ntp.packet import NtpPacket
from clocksync.ntp.responder import KISS_DENY, KISS_RATE
from clocksync.ntp.timestamps import from_unix_ns
from clocksync.runtime.core import (
    Arrival,
    CancelTimer,
    Effects,
    Notify,
    Send,
    SetTimer,
    Stamp,
)
from clocksync.runtime.mmsg import Address
from clocksync.runtime.units import MILLISECOND, SECOND

A, B, C = ("192.0.2.1", 123), ("192.0.2.2", 123), ("192.0.2.3", 123)
NOW = 1_790_000_000 * SECOND
TRIP_NS = 2 * MILLISECOND
PATIENT = MeasureSettings(samples=3, interval_ns=2 * SECOND)
BURST = MeasureSettings(samples=3, interval_ns=0)


@dataclass(frozen=True)
class Asked:
    """One request as it went out."""

    at_ms: int
    address: Address
    packet: NtpPacket
    exchange: Exchange


@dataclass
class Network:
    """A driver by hand: carries out effects, and lets time pass only when it is told to."""

    survey: Survey
    now: int = 0
    asked: list[Asked] = field(default_factory=list)
    timers: dict[Hashable, int] = field(default_factory=dict)
    settled: list[tuple[int, int]] = field(default_factory=list)

    def perform(self, effects: Effects) -> None:
        for effect in effects:
            match effect:
                case Send(address, packet, exchange):
                    stamp = Stamp(NOW + self.now)
                    self.asked.append(Asked(self.now // MILLISECOND, address, packet, exchange))
                    self.perform(self.survey.on_sent(exchange, stamp, self.now))
                case SetTimer(timer, after):
                    self.timers[timer] = self.now + after
                case CancelTimer(timer):
                    self.timers.pop(timer, None)
                case Notify(HostSettled(host)):
                    self.settled.append((host, self.now // MILLISECOND))

    def add(self, host: int, *addresses: Address, after_ns: int = 0) -> None:
        self.perform(self.survey.add(host, addresses, after_ns, self.now))

    def pass_until(self, at_ms: int) -> None:
        """Let time pass, and timers run out on the way."""
        while self.timers and min(self.timers.values()) <= at_ms * MILLISECOND:
            timer = min(self.timers, key=lambda each: self.timers[each])
            self.now = max(self.now, self.timers.pop(timer))
            self.perform(self.survey.on_timer(timer, self.now))
        self.now = at_ms * MILLISECOND

    def answer(self, asked: Asked, **claims: int) -> None:
        """The server asked says something good, or whatever is claimed."""
        time = from_unix_ns(NOW + self.now)
        packet = NtpPacket(
            **{
                "mode": 4,
                "stratum": 2,
                "origin_timestamp": asked.packet.transmit_timestamp,
                "receive_timestamp": time,
                "transmit_timestamp": time,
            }
            | claims
        )
        self.now += TRIP_NS
        arrival = Arrival(packet, asked.address, Stamp(NOW + self.now))
        self.perform(self.survey.on_frame(arrival, self.now))

    def refuse(self, asked: Asked) -> None:
        refusal = asked.address, asked.exchange, "connection refused", self.now
        self.perform(self.survey.on_refused(*refusal))

    def times(self, address: Address) -> list[int]:
        return [one.at_ms for one in self.asked if one.address == address]


def network(settings: MeasureSettings = PATIENT) -> Network:
    return Network(Survey(settings, random.Random(3)))


def kiss(code: int) -> dict[str, int]:
    return {"stratum": 0, "leap": 3, "reference_id": code}


def record(net: Network, host: int = 0) -> Prober:
    prober = net.survey.prober_of(host)
    assert prober is not None
    return prober


# One address


def test_requests_are_an_interval_apart_however_fast_the_answers_come() -> None:
    net = network()
    net.add(0, A)
    for at_ms in (0, 2000, 4000):
        net.pass_until(at_ms)
        net.answer(net.asked[-1])
    net.pass_until(60_000)
    assert net.times(A) == [0, 2000, 4000]
    assert net.settled == [(0, 4002)]
    assert len(record(net).association.samples) == 3


def test_a_burst_asks_again_as_soon_as_the_answer_is_there() -> None:
    net = network(BURST)
    net.add(0, A)
    for _ in range(3):
        net.answer(net.asked[-1])
    assert net.times(A) == [0, 2, 4]
    assert net.settled == [(0, 6)]


def test_a_burst_goes_on_after_a_loss() -> None:
    net = network(BURST)
    net.add(0, A)
    net.pass_until(1000)  # nobody answers the first
    assert net.times(A) == [0, 1000]
    net.answer(net.asked[-1])
    net.answer(net.asked[-1])
    net.pass_until(60_000)
    assert net.settled == [(0, 1004)]
    assert record(net).association.asked == 3


def test_a_silent_host_is_settled_when_its_last_request_timed_out() -> None:
    net = network()
    net.add(0, A)
    net.pass_until(60_000)
    assert net.times(A) == [0, 2000, 4000]
    assert net.settled == [(0, 5000)]
    assert not record(net).heard


def test_an_answer_after_its_timeout_is_not_counted() -> None:
    net = network(MeasureSettings(samples=1))
    net.add(0, A)
    net.pass_until(1000)
    assert net.settled == [(0, 1000)]
    net.answer(net.asked[0])
    assert record(net).association.answered == 0


def test_requests_faster_than_answers_each_have_their_own_timeout() -> None:
    settings = MeasureSettings(samples=4, interval_ns=300 * MILLISECOND, timeout_ns=SECOND)
    net = network(settings)
    net.add(0, A)
    net.pass_until(1250)  # all four are out, the first one has been given up, the second has not
    assert net.times(A) == [0, 300, 600, 900]
    assert not record(net).association.is_waiting_for(net.asked[0].exchange.cookie)
    net.answer(net.asked[1])
    assert record(net).association.answered == 1
    net.pass_until(60_000)
    assert net.settled == [(0, 1900)]


@pytest.mark.parametrize("code", [KISS_DENY, KISS_RATE])
def test_a_kiss_ends_it_at_once(code: int) -> None:
    net = network()
    net.add(0, A)
    net.answer(net.asked[0], **kiss(code))
    net.pass_until(60_000)
    assert net.times(A) == [0]
    assert net.settled == [(0, 2)]
    assert record(net).kiss == code.to_bytes(4, "big").decode()


def test_a_kiss_of_somebody_who_did_not_see_the_request_changes_nothing() -> None:
    net = network()
    net.add(0, A)
    net.answer(net.asked[0], origin_timestamp=42, **kiss(KISS_DENY))
    net.answer(net.asked[0])
    net.pass_until(60_000)
    assert net.times(A) == [0, 2000, 4000]
    assert record(net).kiss == ""


def test_an_unknown_kiss_is_kept_but_does_not_end_it() -> None:
    net = network()
    net.add(0, A)
    net.answer(net.asked[0], **kiss(int.from_bytes(b"NTSN", "big")))
    net.pass_until(60_000)
    assert net.times(A) == [0, 2000, 4000]
    assert record(net).kiss == "NTSN"


def test_a_port_that_refuses_twice_is_given_up_and_once_is_no_proof() -> None:
    net = network()
    net.add(0, A)
    net.refuse(net.asked[0])
    assert net.settled == []
    net.pass_until(2000)
    net.refuse(net.asked[1])
    assert net.settled == [(0, 2000)]
    assert record(net).refusal == "connection refused"


@pytest.mark.parametrize("origin", [None, 42])
def test_refusals_of_a_host_that_was_heard_are_no_end(origin: int | None) -> None:
    net = network(MeasureSettings(samples=4, interval_ns=2 * SECOND))
    net.add(0, A)
    net.answer(net.asked[0], **({} if origin is None else {"origin_timestamp": origin}))
    for at_ms in (2000, 4000, 6000):
        net.pass_until(at_ms)
        net.refuse(net.asked[-1])
    assert net.times(A) == [0, 2000, 4000, 6000]
    assert net.settled == [(0, 6000)]


def test_forged_answers_do_not_speed_up_a_burst() -> None:
    net = network(BURST)
    net.add(0, A)
    for _ in range(5):
        net.answer(net.asked[0], origin_timestamp=42)
    assert len(net.asked) == 1


def test_a_refusal_of_a_request_that_was_answered_is_a_forgery() -> None:
    net = network()
    net.add(0, A)
    net.answer(net.asked[0])
    net.refuse(net.asked[0])
    assert record(net).refusals == 0


def test_what_is_no_ntp_counts_as_heard() -> None:
    net = network(MeasureSettings(samples=1))
    net.add(0, A)
    net.perform(net.survey.on_malformed(A, net.now))
    net.perform(net.survey.on_malformed(B, net.now))  # nobody asked there
    net.pass_until(1000)
    assert record(net).heard


# Several addresses of one host


def test_the_next_address_gets_its_turn_after_a_head_start() -> None:
    net = network()
    net.add(0, A, B, C)
    net.pass_until(400)
    assert (net.times(A), net.times(B), net.times(C)) == ([0], [250], [])
    net.answer(net.asked[1])
    net.pass_until(60_000)
    assert net.times(A) == [0]  # and fell silent
    assert net.times(B) == [250, 2250, 4250]
    assert net.times(C) == []
    assert record(net).address == B
    assert [host for host, _ in net.settled] == [0]


def test_a_refusal_gives_the_next_address_its_turn_at_once() -> None:
    net = network()
    net.add(0, A, B)
    net.pass_until(1)
    net.refuse(net.asked[0])
    assert net.times(B) == [1]
    net.answer(net.asked[-1])
    assert record(net).address == B


def test_an_address_that_denies_is_passed_over_for_one_that_does_not() -> None:
    net = network()
    net.add(0, A, B)
    net.answer(net.asked[0], **kiss(KISS_DENY))
    assert net.times(B) == [2]
    net.answer(net.asked[-1])
    net.pass_until(60_000)
    assert record(net).address == B
    assert net.times(A) == [0]


def test_an_unsynchronised_address_does_not_silence_the_others() -> None:
    net = network()
    net.add(0, A, B)
    net.answer(net.asked[0], stratum=16, leap=3)
    net.pass_until(250)
    assert net.times(B) == [250]
    net.answer(net.asked[-1])
    assert record(net).address == B


def test_the_first_to_answer_wins_even_when_it_was_asked_first_and_answers_late() -> None:
    net = network()
    net.add(0, A, B)
    net.pass_until(300)
    net.answer(net.asked[0])
    assert record(net).address == A
    net.answer(net.asked[1])  # too late: it was told to be silent
    assert record(net).address == A
    net.pass_until(60_000)
    assert net.times(B) == [250]


def test_an_address_told_to_be_silent_has_no_say_any_more() -> None:
    net = network()
    net.add(0, A, B)
    net.pass_until(300)
    net.answer(net.asked[1])
    net.answer(net.asked[0])
    assert record(net).address == B


def test_of_addresses_that_all_failed_the_row_is_of_the_one_that_came_closest() -> None:
    net = network(MeasureSettings(samples=1))
    net.add(0, A, B, C)
    net.pass_until(250)
    net.answer(net.asked[1], stratum=16, leap=3)
    net.pass_until(60_000)
    assert record(net).address == B
    assert len(net.settled) == 1


# Several hosts


def test_an_address_is_asked_once_however_many_hosts_share_it() -> None:
    net = network(MeasureSettings(samples=1))
    net.add(0, A)
    net.add(1, A)
    assert net.times(A) == [0]
    net.answer(net.asked[0])
    assert sorted(host for host, _ in net.settled) == [0, 1]
    assert record(net, 0) is record(net, 1)


def test_a_host_added_after_its_address_was_measured_is_settled_at_once() -> None:
    net = network(MeasureSettings(samples=1))
    net.add(0, A)
    net.answer(net.asked[0])
    net.add(1, A, B)
    assert [host for host, _ in net.settled] == [0, 1]
    net.pass_until(60_000)
    assert net.times(B) == []


def test_an_address_another_host_needs_is_not_silenced() -> None:
    net = network()
    net.add(0, A, B)
    net.add(1, B)
    net.answer(next(one for one in net.asked if one.address == A))
    net.pass_until(2000)
    assert net.times(B) == [0, 2000]  # host 0 has A now, but host 1 has only B
    net.answer(net.asked[-1])
    net.pass_until(60_000)
    assert sorted(host for host, _ in net.settled) == [0, 1]
    assert (record(net, 0).address, record(net, 1).address) == (A, B)


def test_hosts_can_begin_later() -> None:
    net = network()
    net.add(0, A, after_ns=70 * MILLISECOND)
    net.pass_until(69)
    assert net.asked == []
    net.pass_until(70)
    assert net.times(A) == [70]


def test_datagrams_of_strangers_are_counted_and_nothing_else() -> None:
    net = network()
    net.add(0, A)
    stray = Arrival(NtpPacket(mode=4, stratum=1), B, Stamp(NOW))
    assert net.survey.on_frame(stray, 0) == []
    assert net.survey.strays == 1
    assert net.survey.last_answer is None


def test_the_end_of_measuring_is_the_arrival_of_the_last_usable_answer() -> None:
    net = network()
    net.add(0, A)
    net.add(1, B)
    net.answer(net.asked[0])
    last = Stamp(NOW + net.now)
    net.answer(net.asked[1], origin_timestamp=5)
    assert net.survey.last_answer == last


def test_after_the_close_nobody_is_asked() -> None:
    net = network()
    net.add(0, A, B)
    net.add(1, C, after_ns=MILLISECOND)
    net.perform(net.survey.close())
    net.pass_until(60_000)
    assert [one.address for one in net.asked] == [A]


fates = st.sampled_from(["answer", "silence", "refuse", "deny", "unsynchronised", "garbage"])


@given(
    st.lists(
        st.lists(st.sampled_from([A, B, C]), min_size=1, max_size=3, unique=True),
        min_size=1,
        max_size=4,
    ),
    st.fixed_dictionaries(dict.fromkeys((A, B, C), fates)),
    st.booleans(),
    st.booleans(),
)
def test_every_host_is_settled_once_and_in_time_whatever_the_addresses_do(
    hosts: list[list[Address]], fate: dict[Address, str], burst: bool, starts_apart: bool
) -> None:
    settings = BURST if burst else PATIENT
    net = network(settings)
    for number, addresses in enumerate(hosts):
        net.add(number, *addresses, after_ns=number * 7 * MILLISECOND if starts_apart else 0)
    dealt = 0
    limit_ms = settings.samples * 3000 + 3 * 3000 * settings.samples
    while net.now < limit_ms * MILLISECOND:
        while dealt < len(net.asked):
            asked = net.asked[dealt]
            dealt += 1
            match fate[asked.address]:
                case "answer":
                    net.answer(asked)
                case "refuse":
                    net.refuse(asked)
                case "deny":
                    net.answer(asked, **kiss(KISS_DENY))
                case "unsynchronised":
                    net.answer(asked, stratum=16, leap=3)
                case "garbage":
                    net.perform(net.survey.on_malformed(asked.address, net.now))
        net.pass_until(net.now // MILLISECOND + 10)
    assert sorted(host for host, _ in net.settled) == list(range(len(hosts)))
    for number, addresses in enumerate(hosts):
        if any(fate[address] == "answer" for address in addresses):
            assert fate[record(net, number).address] == "answer"
            assert record(net, number).address in addresses
    for address in (A, B, C):
        assert len(net.times(address)) <= settings.samples
