"""Conversations with one receiver, and with a beacon: what is said when, and to whom."""

import json
from importlib import resources

import jsonschema
import pytest

from clocksync.peers.frames import Echo, Probe
from clocksync.peers.sealed import EVERYBODY
from clocksync.rbs.beacon import Beacon, Sent
from clocksync.rbs.contact import BURST, probe_number
from clocksync.rbs.frames import Broadcast, Relations, Report
from clocksync.rbs.receiver import (
    CONTACTS_MAX,
    BroadcastHeard,
    Ended,
    Receiver,
    ReceiverSettings,
    _Timer,
)
from clocksync.rbs.report import ahead, summary, table, to_document, to_json
from clocksync.runtime.core import Arrival, Notify, Send, SetTimer, Stamp, StampSource
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND

SCHEMA = json.loads(resources.files("clocksync").joinpath("schemas/rbs-1.json").read_text())
START = 1_790_000_000 * SECOND
HELLO = Report(22, 0, 0, 0, 0, ())
BEACON = 100


def arrival(frame, sender, time):
    return Arrival(frame, sender, Stamp(time, StampSource.KERNEL))


def sends(effects, kind):
    return [effect for effect in effects if isinstance(effect, Send) and type(effect.frame) is kind]


class Talk:
    """One receiver, number 1, and what the test plays around it: its clock is right."""

    def __init__(self, **settings):
        self.core = Receiver(1, 11, ReceiverSettings(**settings))
        self.now, self.shown = 0, START
        """Our clock shows `shown` and how long all lasts."""
        self.said = self.core.start(0)

    def hear(self, frame, sender=2, at=None):
        self.now += 10 * MILLISECOND if at is None else 0
        time = self.now if at is None else at
        self.said = self.core.on_frame(arrival(frame, sender, self.shown + time), self.now)
        return self.said

    def tick(self, timer):
        self.said = self.core.on_timer(timer, self.now)
        return self.said

    def broadcast(self, number, report_offset=None, sender=2):
        """A broadcast, and that the other heard it so much later by its clock."""
        said = self.hear(Broadcast(7, number), BEACON)
        if report_offset is not None:
            stamp = self.shown + self.now + report_offset
            self.hear(Report(22, BEACON, 7, number, stamp, (0,)), sender, at=self.now)
        return said

    def burst(self, offset=0, delay=10 * MICROSECOND):
        """Let the next burst be answered by a clock that is `offset` ahead."""
        send = sends(self.tick(_Timer.PROBE), Probe)[0]
        earlier, earlier_at = 0, 0
        while send:
            number = send.frame.number
            self.core.on_sent(send.tag, Stamp(self.shown + self.now, StampSource.KERNEL), self.now)
            there = self.shown + self.now + delay + offset
            echo = Echo(there, there, earlier, earlier_at, earlier_at, number)
            earlier, earlier_at = number, there
            said = self.hear(echo, send.to, at=self.now + 2 * delay)
            send = next(iter(sends(said, Probe)), None)
            self.now += 4 * delay


def test_it_says_that_it_is_there_as_soon_as_it_begins():
    talk = Talk()
    assert Send(EVERYBODY, Report(11, 0, 0, 0, 0, ())) in talk.said
    timers = {effect.timer for effect in talk.said if isinstance(effect, SetTimer)}
    assert timers == {_Timer.SILENCE, _Timer.RELATE, _Timer.PROBE, _Timer.REPORT}


def test_broadcasts_are_counted_once_each():
    talk = Talk()
    assert talk.hear(Broadcast(7, 1), BEACON) == [Notify(BroadcastHeard(1))]
    assert talk.hear(Broadcast(7, 1), BEACON) == []
    assert talk.hear(Broadcast(8, 1), BEACON) == [Notify(BroadcastHeard(2))], "another life of it"
    assert talk.core.count == 2


def test_what_it_heard_is_reported_in_one_frame_for_many():
    talk = Talk(broadcasts=100)
    for number in range(1, 21):
        talk.broadcast(number)
    (report,) = sends(talk.tick(_Timer.REPORT), Report)
    assert report.to is EVERYBODY
    assert (report.frame.beacon, len(report.frame.heard)) == (BEACON, 20)


def test_a_burst_is_so_many_probes_one_after_the_other_and_one_more():
    talk = Talk()
    talk.hear(HELLO)
    talk.burst(offset=3 * SECOND)
    contact = talk.core.contacts[2]
    assert talk.core.contacts[2]._asked_ever == BURST + 1
    assert [offset for _, offset in contact.bursts] == [3 * SECOND]
    assert 3 * SECOND in contact.proven.interval


def test_it_answers_only_who_asks_its_present_clock():
    talk = Talk()
    mine, earlier = probe_number(11, 2, 22), probe_number(10, 2, 22)
    assert len(sends(talk.hear(Probe(mine)), Echo)) == 1
    assert talk.hear(Probe(earlier)) == []
    assert Talk(two_way=False, arrival_spread_ns=1).hear(Probe(mine)) == []


def test_the_offset_is_without_the_bias_and_within_the_bound():
    talk = Talk(broadcasts=50)
    talk.hear(HELLO)
    for number in range(1, 41):
        talk.broadcast(number, report_offset=2 * SECOND + 7 * MICROSECOND)
        if number % 5 == 0:
            talk.burst(offset=2 * SECOND)
    (relation,) = talk.core.relations()
    assert relation.offset_ns == 2 * SECOND
    assert relation.bias_ns == 7 * MICROSECOND
    assert 10 * MICROSECOND <= relation.error_bound_ns < 12 * MICROSECOND
    assert talk.core.convert(relation.as_of, 1, 2).middle == relation.as_of + 2 * SECOND
    assert talk.core.convert(relation.as_of + 2 * SECOND, 2, 1).width < 25 * MICROSECOND
    assert talk.core.convert(5, 1, 1).width == 0
    assert talk.core.convert(5, 1, 3) is None


def test_another_epoch_is_another_clock_and_everything_begins_again():
    talk = Talk(broadcasts=50)
    talk.hear(HELLO)
    for number in range(1, 11):
        talk.broadcast(number, report_offset=0)
    talk.burst()
    talk.hear(Report(23, 0, 0, 0, 0, ()))
    assert talk.core.relations() == []
    assert talk.core.contacts[2].epoch == 23
    assert talk.core.restarts == {2: 1}
    assert "receiver 2 came with another clock once" in to_document(talk.core, 0)["cautions"][0]


def test_a_clock_that_is_set_is_noticed_and_believed_anew():
    talk = Talk(broadcasts=50)
    talk.hear(HELLO)
    talk.burst(offset=0)
    talk.burst(offset=SECOND)
    assert talk.core.contacts[2].contradictions == 1
    assert SECOND in talk.core.contacts[2].proven.interval


def test_our_own_clock_that_is_set_back_is_noticed_at_the_next_burst():
    """Not only when it has come again to where it was before."""
    talk = Talk(broadcasts=50)
    talk.hear(HELLO)
    talk.burst(offset=0)
    for number in range(1, 11):
        talk.broadcast(number, report_offset=0)
    back = 3600 * SECOND
    talk.shown -= back
    for number in range(11, 16):
        talk.broadcast(number, report_offset=back)
    talk.burst(offset=back)
    contact = talk.core.contacts[2]
    assert (contact.contradictions, contact.impossible) == (1, 0)
    assert contact.proven.as_of < START - back + talk.now
    assert back in contact.proven.interval
    (relation,) = talk.core.relations()
    assert abs(relation.offset_ns - back) < MILLISECOND
    for number in range(16, 21):
        talk.broadcast(number, report_offset=back)
    (relation,) = talk.core.relations()
    assert abs(relation.offset_ns - back) < MILLISECOND
    assert relation.broadcasts == 5, "of before nothing counts"


def test_extremes_are_not_believed():
    talk = Talk()
    talk.hear(HELLO)
    talk.burst(offset=(1 << 62))
    assert talk.core.contacts[2].proven.interval is None
    assert talk.core.contacts[2].impossible == BURST + 1
    top = (1 << 63) - 1
    talk.hear(Report(22, BEACON, 7, 1, top, (0,)))
    assert talk.core.contacts[2].heard.stamps == {} or not any(
        talk.core.contacts[2].heard.stamps.values()
    )
    uneven = Relations(22, START, (3,), (), (), (), (), (), (), (), (), (), ())
    talk.hear(uneven)
    assert talk.core.web.uneven == 1
    assert talk.core.web.claims == {}


def test_others_are_remembered_up_to_a_number():
    talk = Talk()
    for number in range(2, CONTACTS_MAX + 10):
        talk.hear(HELLO, sender=number)
    assert len(talk.core.contacts) == CONTACTS_MAX


def test_another_of_its_own_number_is_told_of():
    talk = Talk()
    assert talk.hear(HELLO, sender=1) == []
    assert talk.core.contacts == {}
    assert "numbered 1 too" in to_document(talk.core, 0)["cautions"][0]
    talk.hear(Broadcast(7, 1), sender=1)
    assert talk.core.is_beacons_namesake
    assert talk.core.count == 0


def test_after_the_last_broadcast_it_reports_at_once_and_ends_in_bounded_time():
    talk = Talk(broadcasts=3)
    for number in (1, 2, 3):
        said = talk.broadcast(number)
    assert sends(said, Report)
    assert SetTimer(_Timer.LINGER, 2 * SECOND) in said
    ended = talk.tick(_Timer.LINGER)
    assert ended[-1] == Notify(Ended.HEARD)
    assert talk.broadcast(4) == []
    assert to_document(talk.core, talk.now)["cautions"] == ["no other receiver was heard"]


def test_silence_ends_it():
    talk = Talk(silence_ns=SECOND)
    talk.now = SECOND
    assert talk.tick(_Timer.SILENCE)[-1] == Notify(Ended.SILENCE)
    other = Talk(silence_ns=SECOND)
    other.broadcast(1)
    other.now = SECOND
    assert other.tick(_Timer.SILENCE) == [SetTimer(_Timer.SILENCE, 10 * MILLISECOND)]
    other.now = 2 * SECOND
    assert SetTimer(_Timer.LINGER, 2 * SECOND) in other.tick(_Timer.SILENCE)
    other.tick(_Timer.LINGER)
    cautions = to_document(other.core, other.now)["cautions"]
    assert "the beacon fell silent: 1 of 30 broadcasts were heard" in cautions


def test_it_can_be_told_to_end_and_ends_once():
    talk = Talk(duration_ns=SECOND)
    assert SetTimer(_Timer.LINGER, 2 * SECOND) in talk.core.finish(talk.now)
    assert talk.tick(_Timer.TIME) == []
    assert talk.core.ended is Ended.TOLD


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"broadcasts": 0}, "--broadcasts 0"),
        ({"duration_ns": 0}, "--duration"),
        ({"silence_ns": -1}, "--timeout"),
        ({"arrival_spread_ns": 5}, "add --no-two-way"),
        ({"two_way": False}, "--arrival-spread 50us"),
        ({"two_way": False, "arrival_spread_ns": -5}, "more than 0"),
        ({"max_drift_ppm": float("nan")}, "--max-drift nan"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, words):
    with pytest.raises(BadConfig, match=words):
        ReceiverSettings(**settings)


def test_what_it_knows_as_json_and_as_a_table():
    talk = Talk(broadcasts=50)
    talk.hear(HELLO)
    talk.hear(HELLO, sender=3)
    for number in range(1, 31):
        talk.broadcast(number, report_offset=SECOND)
    talk.burst(offset=SECOND)
    talk.burst(offset=SECOND)
    document = json.loads(to_json(talk.core, talk.now))
    jsonschema.validate(document, SCHEMA)
    assert list(document)[:3] == ["schema", "broadcasts", "pairs"]
    assert document["broadcasts"] == 30
    pairs = {(pair["a"], pair["b"]): pair for pair in document["pairs"]}
    assert pairs[1, 2]["offset_s"] == 1.0
    relations = talk.core.relations()
    shown = table(talk.core, relations)
    assert shown.row_count == len(relations)
    assert "every bound within" in summary(talk.core, relations)
    assert summary(talk.core, []) == "30 broadcasts heard, and no pair of clocks is known."
    assert ahead(-1_500) == "1.50 us behind"


def test_a_beacon_sends_numbers_evenly_and_makes_up_for_nothing():
    core = Beacon(5, 10 * MILLISECOND, count=4)
    first = core.start(0)
    assert first == [Send(EVERYBODY, Broadcast(5, 1)), SetTimer(first[1].timer, 10 * MILLISECOND)]
    second = core.on_timer(first[1].timer, 11 * MILLISECOND)
    assert second[1].after == 9 * MILLISECOND, "one that is late does not delay the next"
    third = core.on_timer(first[1].timer, 95 * MILLISECOND)
    assert third[1].after == 10 * MILLISECOND, "held up for long, it goes on from there"
    last = core.on_timer(first[1].timer, 105 * MILLISECOND)
    assert last == [Send(EVERYBODY, Broadcast(5, 4)), Notify(Sent.ALL)]


@pytest.mark.parametrize(
    ("given", "words"),
    [({"interval_ns": 1}, "100 us is the shortest"), ({"count": 0}, "at least one")],
)
def test_a_beacon_that_cannot_be_is_refused(given, words):
    with pytest.raises(BadConfig, match=words):
        Beacon(1, **given)
