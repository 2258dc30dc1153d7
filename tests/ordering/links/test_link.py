"""One link, piece by piece: the handshake, loss, repetition, windows, and nonsense."""

import random
from collections.abc import Iterable

import pytest

from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import MILLISECOND, SECOND
from ordering.links import Link, LinkSettings, Segment

MS = MILLISECOND


def pair(settings: LinkSettings | None = None) -> tuple[Link, Link]:
    """Two ends that have found each other."""
    ours, theirs = (
        Link(11, settings or LinkSettings(), now=0),
        Link(22, settings or LinkSettings(), now=0),
    )
    now = 0
    while not (ours.confirmed and theirs.confirmed):
        now += 1
        carry(ours.take(now), theirs, now)
        carry(theirs.take(now), ours, now)
    exchange(ours, theirs, now)
    return ours, theirs


def carry(segments: Iterable[Segment], to: Link, now: int) -> None:
    for segment in segments:
        to.hear(segment, now)


def exchange(one: Link, other: Link, now: int) -> None:
    """Let both say what they have to say, until they are still."""
    while segments := [*one.take(now)]:
        carry(segments, other, now)
        carry(other.take(now), one, now)


def taken(link: Link) -> list[bytes]:
    pieces, link.inbox = link.inbox, []
    return pieces


def pieces(count: int, first: int = 1) -> list[bytes]:
    return [b"%d" % number for number in range(first, first + count)]


def segment(**given: int | bytes) -> Segment:
    fields = {"incarnation": 22, "to_incarnation": 11, "sequence": 0, "received_up_to": 0}
    fields |= {"received_beyond": 0, "window": 256, "payload": b"", **given}  # type: ignore[dict-item]
    return Segment(**fields)  # type: ignore[arg-type]


def test_pieces_come_out_as_they_went_in() -> None:
    ours, theirs = pair()
    ours.backlog.extend(pieces(100))
    exchange(ours, theirs, 1)
    assert taken(theirs) == pieces(100)
    assert ours.is_flushed


def test_nothing_is_sent_before_the_peer_has_repeated_our_incarnation() -> None:
    ours = Link(11, LinkSettings())
    ours.backlog.append(b"early")
    (hello,) = ours.take(0)
    assert (hello.to_incarnation, hello.sequence) == (0, 0)
    ours.hear(segment(to_incarnation=0), 1)
    (answer,) = ours.take(1)
    assert (answer.to_incarnation, answer.sequence) == (22, 0)
    assert not ours.confirmed
    ours.hear(segment(), 2)
    assert [s.payload for s in ours.take(2)] == [b"early"]


def test_a_guess_at_our_incarnation_is_stale() -> None:
    ours = Link(11, LinkSettings())
    assert ours.hear(segment(to_incarnation=12, sequence=1, payload=b"forged"), 0)
    assert not ours.confirmed
    assert ours.counters.stale == 1
    assert taken(ours) == []


def test_a_lost_confirmation_is_made_good_by_the_next_hello() -> None:
    ours, theirs = Link(11, LinkSettings()), Link(22, LinkSettings())
    ours.take(0)  # our hello is lost
    carry(theirs.take(0), ours, 0)
    carry(ours.take(1), theirs, 1)  # theirs is answered: they know us
    theirs.take(2)  # and say so, which is lost
    assert (ours.confirmed, theirs.confirmed) == (False, True)
    due = ours.due()
    assert due is not None
    ours.run_out(due)
    carry(ours.take(due), theirs, due)
    carry(theirs.take(due), ours, due)
    assert ours.confirmed


def test_another_incarnation_is_refused_for_ever() -> None:
    ours, _ = pair()
    assert not ours.hear(segment(incarnation=33, to_incarnation=0), 1)
    assert not ours.hear(segment(incarnation=33, sequence=1, payload=b"x"), 1)
    assert ours.counters.other_incarnation == 2
    assert (ours.theirs, taken(ours)) == (22, [])


def _lose_first_of(count: int) -> tuple[Link, Link]:
    """A link whose first piece of `count` was lost, the rest confirmed."""
    ours, theirs = pair()
    ours.backlog.extend(pieces(count))
    carry(ours.take(1)[1:], theirs, 2)
    carry(theirs.take(2), ours, 3)
    return ours, theirs


def test_a_piece_is_repeated_once_three_later_ones_have_arrived() -> None:
    assert _lose_first_of(3)[0].take(3) == []
    ours, theirs = _lose_first_of(4)
    (again,) = ours.take(3)
    assert again.sequence == 1
    carry([again], theirs, 4)
    assert taken(theirs) == pieces(4)


def test_the_same_news_of_a_loss_does_not_repeat_it_twice() -> None:
    ours, theirs = _lose_first_of(10)
    assert [s.sequence for s in ours.take(3)] == [1]
    for now in range(4, 1000):
        theirs.owes_answer = True
        carry(theirs.take(now), ours, now)
        assert ours.take(now) == []  # a path this slow would else be flooded


def test_without_an_answer_time_outs_double_up_to_their_greatest() -> None:
    ours, _ = pair()
    ours.backlog.append(b"lost")
    ours.take(0)
    times, now = [], 0
    for _ in range(9):
        due = ours.due()
        assert due is not None
        times.append((due - now) // MS)
        now = due
        ours.run_out(now)
        assert [s.payload for s in ours.take(now)] == [b"lost"]
    assert times[:3] == [30, 60, 120] or times[:3] == [200, 400, 800]
    assert times[-1] == SECOND // MS


def test_a_round_trip_is_not_measured_from_a_repeated_piece() -> None:
    ours, theirs = pair()
    ours.backlog.append(b"1")
    ours.take(0)
    due = ours.due()
    assert due is not None
    ours.run_out(due)
    before = ours.round_trip_ns
    carry(ours.take(due), theirs, due)
    carry(theirs.take(due), ours, due)
    assert ours.is_flushed
    assert ours.round_trip_ns == before


def test_losses_make_it_send_less_at_once() -> None:
    ours, _ = _lose_first_of(10)
    before = ours._under_way_max
    assert before < LinkSettings().under_way_at_first
    ours.backlog.extend(pieces(100))
    assert len(ours.take(4)) <= before


def test_no_more_is_sent_than_the_peer_grants_and_a_probe_finds_it_open_again() -> None:
    ours, theirs = pair(LinkSettings(window=4, under_way_at_first=4))
    theirs.keeps_shut = True
    ours.backlog.extend(pieces(20))
    exchange(ours, theirs, 1)
    granted = taken(theirs)
    assert granted == pieces(4)
    assert ours.take(2) == []
    theirs.keeps_shut = False
    theirs.owes_answer = True
    theirs.take(3)  # the news that it is open is lost
    due = ours.due()
    assert due is not None
    ours.run_out(due)
    exchange(ours, theirs, due)
    assert taken(theirs) == pieces(16, first=5)


def test_what_was_not_granted_is_not_taken() -> None:
    ours, _ = pair(LinkSettings(window=4, under_way_at_first=4))
    ours.hear(segment(sequence=5, payload=b"too far"), 1)
    assert ours.counters.outside_the_window == 1
    ours.hear(segment(sequence=4, payload=b"4"), 1)
    assert ours.counters.received == 1


def test_a_duplicate_is_answered_as_the_last_answer_may_be_lost() -> None:
    ours, _ = pair()
    ours.hear(segment(sequence=1, payload=b"1"), 1)
    ours.take(1)
    ours.hear(segment(sequence=1, payload=b"1"), 2)
    assert ours.counters.duplicates == 1
    (answer,) = ours.take(2)
    assert answer.received_up_to == 1
    assert taken(ours) == [b"1"]


def test_confirmation_of_what_was_never_sent_is_ignored() -> None:
    ours, _ = pair()
    ours.backlog.append(b"1")
    ours.take(0)
    ours.hear(segment(received_up_to=2), 1)
    assert ours.counters.nonsense == 1
    assert not ours.is_flushed


def test_whatever_a_peer_sends_nothing_is_raised_and_memory_is_bounded() -> None:
    draw = random.Random(5)
    settings = LinkSettings(window=8, under_way_at_first=4)
    for _ in range(200):
        link = Link(11, settings)
        now = 0
        for _ in range(100):
            now += draw.randrange(50 * MS)
            link.hear(
                segment(
                    incarnation=draw.choice((22, 22, 22, 33)),
                    to_incarnation=draw.choice((11, 11, 11, 0, 5)),
                    sequence=draw.randrange(20),
                    received_up_to=draw.randrange(12),
                    received_beyond=draw.getrandbits(draw.choice((1, 8, 64))),
                    window=draw.choice((0, 4, 65_535)),
                    payload=b"x",
                ),
                now,
            )
            if draw.random() < 0.3:
                link.backlog.append(b"y")
            link.run_out(now)
            sent = link.take(now)
            assert all(len(s.encode()) < 100 for s in sent)
            assert len(link._early) <= settings.window
            assert link.under_way >= 0


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"window": 0}, "window = 0"),
        ({"window": 10, "under_way_at_first": 11}, "under_way_at_first = 11"),
        ({"timeout_ns_min": 2 * SECOND}, "must ascend"),
    ],
)
def test_settings_that_contradict_each_other_are_named(settings: dict[str, int], says: str) -> None:
    with pytest.raises(BadConfig, match=says):
        LinkSettings(**settings)
