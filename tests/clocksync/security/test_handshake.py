"""Conversations: who is believed, when, and what strangers can make a member say."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clocksync.security import datagram, handshake, replay
from clocksync.security.datagram import ANYBODY, HELLO_BYTES, Hello
from clocksync.security.handshake import CHALLENGE_NS, HELLO_EVERY_NS
from tests.clocksync.security.talk import (
    BODY,
    JOIN,
    MS,
    Talk,
    forged,
    group_key,
    incarnation,
    ring,
    sealer,
)

# Both come to believe each other


def test_one_greets_and_after_three_crossings_both_believe() -> None:
    talk = Talk(1, 2)
    talk.greet(1, 2)
    assert talk.settle() == 3, "one and a half round trips"
    assert talk.believes(1, 2)
    assert talk.believes(2, 1)
    assert talk.understands(1, 2)
    assert talk.understands(2, 1)


def test_both_greet_at_once_and_after_two_round_trips_both_believe_and_are_silent() -> None:
    talk = Talk(1, 2)
    talk.greet(1, 2)
    talk.greet(2, 1)
    for _ in range(2):
        talk.trip()
    assert talk.believes(1, 2), "after one round trip"
    assert talk.believes(2, 1)
    assert talk.settle() <= 2


def test_a_datagram_of_somebody_never_greeted_draws_a_hello() -> None:
    talk = Talk(1, 2)
    data = talk.says(1)
    assert talk.hear(2, data) == datagram.UNKNOWN_INCARNATION
    assert talk.settle() == 3
    assert talk.believes(1, 2)
    assert talk.understands(2, 1)
    assert talk.hear(2, data) == replay.TOO_OLD, "it was sealed before we knew that it is new"


def test_small_datagrams_draw_a_hello_when_they_add_up_to_one() -> None:
    talk = Talk(1, 2)
    talk.greet(2, 1)
    talk.posted()  # lost
    drawn = []
    for _ in range(4):
        talk.hear(2, talk.says(1, b""))
        drawn.append(len(talk.posted()))
        talk.now += HELLO_EVERY_NS
    assert drawn == [0, 1, 0, 1], "39 bytes each, and a hello has 69"


def test_a_whole_group_gets_acquainted() -> None:
    talk = Talk(*range(1, 9)).acquainted()
    for me in talk.members:
        data = talk.says(me)
        for peer in talk.members:
            if peer != me:
                assert talk.hear(peer, data) == (me, JOIN, BODY)


@pytest.mark.parametrize("lost", range(6))
@pytest.mark.parametrize("greeting", [(1,), (2,), (1, 2)])
def test_a_lost_hello_is_made_up_for_by_the_next_datagrams(
    greeting: tuple[int, ...], lost: int
) -> None:
    talk = Talk(1, 2)
    for me in greeting:
        talk.greet(me, 3 - me)
    count = 0
    for _ in range(6):
        while posted := talk.posted():
            for _, peer, data in posted:
                if count != lost:
                    talk.hear(peer, data)
                count += 1
        talk.now += 50 * MS
        for me in (1, 2):
            talk.hear(3 - me, talk.says(me))
    assert talk.believes(1, 2)
    assert talk.believes(2, 1)
    assert talk.understands(1, 2)


def test_greeting_who_believes_us_draws_nothing() -> None:
    talk = Talk(1, 2).acquainted()
    talk.greet(1, 2)
    assert talk.settle() == 1
    talk.greet(1, 1)
    assert talk.settle() == 0, "nor does greeting oneself"


def test_a_challenge_asked_at_an_other_hour_is_made_good() -> None:
    """A driver may greet before its clock is of any use."""
    talk = Talk(1, 2)
    talk[1].greet(2, 0)
    talk.settle()
    assert talk.believes(1, 2)
    assert talk.believes(2, 1)


# Restarts


def test_a_member_that_restarts_supersedes_itself() -> None:
    talk = Talk(1, 2, 3).acquainted()
    late = talk.says(1)
    talk.restart(1)
    talk.greet(1, 2)
    assert talk.hear(2, late) == (1, JOIN, BODY), "nothing is proved yet"
    later = Talk(1, 2)[1].seal(JOIN, BODY)
    talk.settle()
    assert talk.believes(2, 1)
    assert talk.believes(1, 2)
    assert talk.understands(2, 1)
    assert talk.hear(2, later) == datagram.SUPERSEDED
    assert talk.hear(3, later) != datagram.SUPERSEDED, "3 has not heard of it"
    assert talk.posted() == [], "and nobody is asked about it"


def test_a_superseded_incarnation_is_not_believed_again_even_if_it_lives() -> None:
    """Two processes with one number: the later one has it."""
    talk = Talk(1, 2).acquainted()
    former = talk[1]
    talk.restart(1)
    talk.greet(1, 2)
    talk.settle()
    for _ in range(5):
        talk.now += 100 * MS
        former.greet(2, talk.now)
        for _, hello in former.take_outgoing():
            assert talk.hear(2, hello) == datagram.SUPERSEDED
        assert talk.hear(2, former.seal(JOIN, BODY)) == datagram.SUPERSEDED
        assert talk.posted() == []
    assert talk.understands(2, 1)


def test_a_restart_is_noticed_by_its_datagrams_alone() -> None:
    talk = Talk(1, 2).acquainted()
    talk.restart(2)
    assert talk.hear(1, talk.says(2)) == datagram.UNKNOWN_INCARNATION
    talk.settle()
    assert talk.understands(1, 2)
    assert talk.understands(2, 1)


def test_both_restart() -> None:
    talk = Talk(1, 2).acquainted()
    for life in range(2, 6):
        talk.restart(1)
        talk.restart(2)
        talk.greet(life % 2 + 1, 2 - life % 2)
        talk.settle()
        talk.now += 100 * MS
        assert talk.understands(1, 2)
        assert talk.understands(2, 1)


# What was recorded does nothing


def test_a_join_of_the_dead_replayed_after_our_restart_does_nothing() -> None:
    talk = Talk(1, 2)
    talk.greet(1, 2)
    talk.settle()
    recorded = [hello for _, peer, hello in talk.sent if peer == 2]
    join = talk.says(1)
    del talk.members[1]
    talk.restart(2)
    for _ in range(10):
        assert talk.hear(2, join) == datagram.UNKNOWN_INCARNATION
        for hello in recorded:
            assert talk.hear(2, hello) is None, "the hellos of that time do not help it"
        talk.trip()
        talk.now += 100 * MS
    assert talk[2].believed(1) is None


def test_a_join_of_the_living_replayed_after_our_restart_does_nothing() -> None:
    talk = Talk(1, 2).acquainted()
    join = talk.says(1)
    assert talk.hear(2, join) == (1, JOIN, BODY)
    talk.restart(2)
    talk.greet(2, 1)
    talk.settle()
    assert talk.believes(2, 1)
    assert talk.hear(2, join) == replay.TOO_OLD, "the window is empty, but begins behind it"
    assert talk.understands(2, 1)


def test_hellos_replayed_change_nothing_and_draw_no_answer() -> None:
    talk = Talk(1, 2, 3)
    for me in (1, 2, 3):
        for peer in (1, 2, 3):
            talk.greet(me, peer)
    talk.settle()
    recorded = list(talk.sent)
    talk.now += 100 * MS
    minds = {me: talk.mind(me) for me in (1, 2, 3)}
    for _ in range(3):
        for _, peer, hello in recorded * 3:
            talk.hear(peer, hello)
        assert talk.posted() == []
        talk.now += 7000 * MS
    assert {me: talk.mind(me) for me in (1, 2, 3)} == minds


def test_hellos_of_earlier_lives_are_worth_nothing_to_those_who_restarted() -> None:
    talk = Talk(1, 2)
    for _ in range(4):
        talk.greet(1, 2)
        talk.settle()
        talk.restart(1)
        talk.now += 100 * MS
    recorded = [entry[1:] for entry in talk.sent]
    del talk.members[1]
    talk.restart(2)
    for _ in range(50):
        for peer, hello in recorded:
            if peer == 2:
                talk.hear(2, hello)
        talk.posted()
        talk.now += 7 * HELLO_EVERY_NS
    assert talk[2].believed(1) is None


def test_an_answer_held_back_is_worth_nothing_once_another_was_believed() -> None:
    talk = Talk(1, 2)
    talk.greet(2, 1)
    ((_, _, asked),) = talk.posted()
    talk.hear(1, asked)
    ((_, _, held_back),) = talk.posted()
    talk.restart(1)
    talk.hear(1, asked)
    talk.settle()
    assert talk.believes(2, 1), "the challenge was answered by the new one"
    talk.hear(2, held_back)
    assert talk.believes(2, 1)
    assert talk.understands(2, 1)


@pytest.mark.parametrize(
    ("after_ns", "counts"), [(0, True), (CHALLENGE_NS, True), (2 * CHALLENGE_NS, False)]
)
def test_an_answer_held_back_for_long_is_worth_nothing(after_ns: int, counts: bool) -> None:
    talk = Talk(1, 2)
    talk.greet(2, 1)
    ((_, _, asked),) = talk.posted()
    talk.hear(1, asked)
    ((_, _, held_back),) = talk.posted()
    talk.now += after_ns
    talk.hear(2, held_back)
    assert talk.believes(2, 1) is counts


def test_what_we_sent_reflected_at_us_does_nothing() -> None:
    talk = Talk(1, 2)
    talk.greet(1, 2)
    before = talk.mind(1)
    ((_, _, hello),) = talk.posted()
    for data in (hello, talk.says(1)):
        assert talk.hear(1, data) == datagram.REFLECTED
    assert talk.mind(1) == before
    assert talk.posted() == []


def test_a_hello_for_one_shown_to_another_does_nothing() -> None:
    talk = Talk(1, 2, 3)
    talk.greet(1, 2)
    talk.settle()
    for sender, _, hello in list(talk.sent):
        for other in {1, 2, 3} - {sender}:
            outcome = talk.hear(other, hello)
            if other == 3:
                assert outcome == datagram.FOR_ANOTHER
    readdressed = forged(talk.sent[0][2], receiver=3)
    assert talk.hear(3, readdressed) == datagram.BAD_TAG
    assert talk[3].believed(1) is None
    assert talk[3].take_outgoing() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"sender": 3},
        {"incarnation": bytes(16)},
        {"counter": 1 << 40},
        {"challenge": 1},
        {"echo": 1},
        {"tag": bytes(16)},
        {"receiver": 2, "sender": 9},
    ],
    ids=lambda changes: ",".join(changes),
)
def test_a_hello_that_was_changed_is_no_hello(changes: dict[str, int | bytes]) -> None:
    talk = Talk(1, 2)
    talk.greet(1, 2)
    ((_, _, hello),) = talk.posted()
    assert talk.hear(2, forged(hello, **changes)) == datagram.BAD_TAG
    assert talk.posted() == []
    assert talk.hear(2, forged(hello, key=9)) == datagram.UNKNOWN_KEY


def test_a_guessed_challenge_is_not_believed() -> None:
    """Even of somebody who has the key: the dead cannot be spoken for without knowing it."""
    talk = Talk(1, 2)
    talk.greet(1, 2)
    ((_, _, hello),) = talk.posted()
    for guess in (1, 2**64 - 1, Hello.decode(hello).challenge):
        assert talk.hear(2, forged(hello, under=group_key(1), echo=guess)) is None
        assert talk[2].believed(1) is None


def test_challenges_differ_by_peer_by_life_and_by_time() -> None:
    seen = []
    talk = Talk(1)
    for _ in range(3):
        for peer in (2, 3):
            talk.greet(1, peer)
            talk.greet(1, peer)
        seen += [Hello.decode(hello).challenge for _, _, hello in talk.posted()]
        talk.now += CHALLENGE_NS
    talk.restart(1)
    talk.greet(1, 2)
    seen += [Hello.decode(hello).challenge for _, _, hello in talk.posted()]
    assert len(set(seen)) == 7, "those of one moment to one peer are one: all of them count"


# Hails: whose number is not known


def test_who_knows_no_number_hails_and_after_three_crossings_both_believe() -> None:
    talk = Talk(1, 2, 3)
    hail = talk.hail(1)
    assert len(hail) == HELLO_BYTES
    for whoever in (2, 3):
        assert talk.hear(whoever, hail) is None
    assert talk.settle() == 2, "the answer, and the answer to that"
    for whoever in (2, 3):
        assert talk.understands(1, whoever)
        assert talk.understands(whoever, 1)


def test_a_hail_finds_out_that_a_peer_has_restarted() -> None:
    talk = Talk(1, 2).acquainted()
    talk.restart(2)
    talk.hear(2, talk.hail(1))
    talk.settle()
    assert talk.understands(1, 2)
    assert talk.understands(2, 1)


def test_a_hail_of_ours_reflected_at_us_does_nothing() -> None:
    talk = Talk(1, 2)
    assert talk.hear(1, talk.hail(1)) == datagram.REFLECTED
    assert talk.posted() == []


@pytest.mark.parametrize(
    ("after_ns", "counts"), [(0, True), (CHALLENGE_NS, True), (2 * CHALLENGE_NS, False)]
)
def test_an_answer_to_a_hail_held_back_for_long_is_worth_nothing(
    after_ns: int, counts: bool
) -> None:
    talk = Talk(1, 2)
    talk.hear(2, talk.hail(1))
    ((_, _, held_back),) = talk.posted()
    talk.now += after_ns
    talk.hear(1, held_back)
    assert talk.believes(1, 2) is counts


def test_what_answered_a_hail_is_worth_nothing_once_another_was_believed() -> None:
    talk = Talk(1, 2)
    hail = talk.hail(1)
    talk.hear(2, hail)
    ((_, _, held_back),) = talk.posted()
    talk.restart(2)
    talk.hear(2, hail)
    talk.settle()
    assert talk.believes(1, 2)
    talk.hear(1, held_back)
    assert talk.believes(1, 2), "the dead one answered the same hail, and too late"
    assert talk.understands(1, 2)


def test_two_restarts_in_a_row_are_found_out_by_hails() -> None:
    """The answer to the second hail does not count, so soon after the first: it draws another."""
    talk = Talk(1, 2)
    for _ in range(3):
        talk.restart(2)
        talk.hear(2, talk.hail(1))
        talk.settle()
        assert talk.believes(1, 2)
        assert talk.understands(1, 2)


def test_nobody_speaks_as_anybody() -> None:
    talk = Talk(1, 2)
    bogus = talk.says(1)
    bogus = bogus[:8] + ANYBODY.to_bytes(2, "big") + bogus[10:]
    hail = forged(talk.hail(1), under=group_key(1), sender=ANYBODY)
    for data in (bogus, hail):
        for _ in range(5):
            assert talk.hear(2, data) == datagram.NOBODYS
            talk.now += HELLO_EVERY_NS
    assert talk.posted() == [], "nor are we made to hail"


# What strangers can make us do


def test_a_flood_of_replayed_hellos_keeps_no_newcomer_waiting() -> None:
    """They are of those who were there before us, and we were started anew: all are strangers."""
    talk = Talk(1, 2, *range(10, 40))
    for number in range(10, 40):
        talk.greet(number, 2)
    recorded = [hello for _, _, hello in talk.posted()]
    talk.restart(2)
    talk.greet(1, 2)
    for _ in range(2):
        for hello in recorded:
            talk.hear(2, hello)
        for sender, peer, hello in talk.posted():
            if {sender, peer} == {1, 2}:
                talk.hear(peer, hello)
    talk.settle()
    assert talk.believes(1, 2)
    assert talk.believes(2, 1)


def test_a_hello_draws_an_answer_to_each_of_eight_addresses_it_comes_from() -> None:
    """So a copy that was faster takes nothing away from its sender."""
    talk = Talk(1, 2)
    hail = talk.hail(1)
    drawn = []
    for source in [*range(7), "its own", *range(7, 30), "its own"]:
        talk.hear(2, hail, source)
        drawn += [source] * len(talk.posted())
    assert drawn == [*range(7), "its own"]


def test_a_hello_older_than_one_that_was_answered_draws_nothing() -> None:
    talk = Talk(1, 2)
    older, newer = talk.hail(1), talk.hail(1)
    talk.hear(2, newer)
    talk.hear(2, older)
    assert len(talk.posted()) == 1


def test_a_holder_of_the_key_fills_no_memory_with_numbers_or_lives() -> None:
    most = 10
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handshake, "PEERS_MAX", most)
        patch.setattr(handshake, "ANSWERED_MAX", most)
        talk = Talk(1, 2)
        talk.acquainted()
        for number in range(3, 100):
            newcomer = sealer(number)
            talk.members[number], talk.lives[number] = newcomer, 1
            talk.hear(1, talk.hail(number))
            talk.settle()
            talk.now += 3 * CHALLENGE_NS
        for _ in range(60):
            talk.restart(99)
            talk.hear(1, talk.hail(99))
            talk.settle()
        kept = talk[1]._handshake
        assert len(kept.peers) <= most + 1, "and the one that it greeted"
        assert len(kept._answered) <= most
        assert all(len(peer.superseded) <= 16 for peer in kept.peers.values())
        assert len(talk[1]._channels) <= most + 1
        assert talk.understands(1, 99), "the newest is let in"
        assert talk.understands(1, 2), "who was greeted stays"


def test_a_peer_that_was_forgotten_is_let_in_again_and_its_recordings_are_not() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handshake, "PEERS_MAX", 1)
        talk = Talk(1, 2, 3)
        talk.hear(1, talk.hail(2))
        talk.settle()
        recorded = [hello for _, _, hello in talk.sent] + [talk.says(2)]
        assert talk.hear(1, recorded[-1]) == (2, JOIN, BODY)
        talk.hear(1, talk.hail(3))
        talk.posted()
        talk.now += 2 * CHALLENGE_NS
        talk.hear(1, talk.hail(3))
        talk.settle()
        assert (talk.believes(1, 3), talk[1].believed(2)) == (True, None)
        talk.now += 2 * CHALLENGE_NS
        for data in recorded:
            talk.hear(1, data)
        talk.posted()
        assert talk[1].believed(2) is None
        talk.hear(1, talk.hail(2))
        talk.settle()
        assert talk.understands(1, 2)
        assert talk.hear(1, recorded[-1]) == replay.TOO_OLD


def test_numbers_that_come_too_fast_are_not_let_in() -> None:
    """Challenges of who is forgotten must be void by then."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handshake, "PEERS_MAX", 1)
        talk = Talk(1, 2, 3)
        for number in (2, 3):
            talk.hear(1, talk.hail(number))
            talk.settle()
        assert (talk.believes(1, 2), talk.believes(1, 3)) == (True, False)
        assert talk.understands(1, 2)


def test_invented_numbers_leave_nothing_behind() -> None:
    talk = Talk(1, 2).acquainted()
    data = talk.says(1)
    before, peers = talk.mind(2), len(talk[2]._handshake.peers)
    drawn = 0
    for number in range(3, 2000):
        invented = data[:8] + number.to_bytes(2, "big") + data[10:]
        assert talk.hear(2, invented) == datagram.UNKNOWN_INCARNATION
        drawn += len(talk.posted())
    assert drawn == 1, "they share one hello in ten milliseconds"
    assert talk.mind(2) == before
    assert len(talk[2]._handshake.peers) == peers


@pytest.mark.parametrize("size", [0, 29, 30, 31, 100])
def test_we_never_send_more_bytes_than_came(size: int) -> None:
    talk = Talk(1, 2).acquainted()
    data = talk.says(1, bytes(size))
    came = sent = 0
    for turn in range(500):
        invented = data[:11] + turn.to_bytes(4, "big") + data[15:]
        came += len(invented)
        talk.hear(2, invented)
        sent += sum(len(hello) for _, _, hello in talk.posted())
        assert sent <= came
        talk.now += HELLO_EVERY_NS // 3
    assert sent > 0


def test_a_hello_draws_no_more_bytes_than_it_has() -> None:
    talk = Talk(1, 2, 3)
    talk.greet(1, 2)
    while posted := talk.posted():
        for _, peer, hello in posted:
            assert len(hello) == HELLO_BYTES
            talk.hear(peer, hello)
            answers = talk[peer].take_outgoing()
            assert sum(len(data) for _, data in answers) <= len(hello)
            for to, data in answers:
                talk.hear(to, data)


def test_a_flood_of_the_unreadable_delays_no_handshake() -> None:
    talk = Talk(1, 2)
    talk.greet(1, 2)
    talk.greet(2, 1)
    talk.posted()  # lost
    noise = {me: talk.says(me)[:11] + b"abcd" + talk.says(me)[15:] for me in (1, 2)}

    def flood() -> None:
        for _ in range(20):
            talk.hear(2, noise[1])
            talk.hear(1, noise[2])

    flood()
    talk.posted()  # lost as well: now neither may be prompted for ten milliseconds
    talk.greet(1, 2)
    for _ in range(4):
        flood()
        talk.trip()
    assert talk.believes(1, 2)
    assert talk.believes(2, 1)


def test_hellos_go_where_a_member_lives_not_where_they_came_from() -> None:
    talk = Talk(1, 2)
    talk.hear(2, talk.says(1))
    assert [(me, peer) for me, peer, _ in talk.posted()] == [(2, 1)]


def test_outgoing_hellos_are_handed_out_once() -> None:
    member = sealer(1)
    member.greet(2, 0)
    assert [peer for peer, _ in member.take_outgoing()] == [2]
    assert member.take_outgoing() == []


# Any order of things


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("greet"), st.integers(1, 3), st.integers(1, 3)),
        st.tuples(st.just("say"), st.integers(1, 3), st.integers(1, 3)),
        st.tuples(st.just("restart"), st.integers(1, 3), st.just(0)),
        st.tuples(st.just("carry"), st.integers(0, 99), st.just(0)),
        st.tuples(st.just("replay"), st.integers(0, 99), st.integers(1, 3)),
        st.tuples(st.just("wait"), st.integers(1, 8000), st.just(0)),
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(ACTIONS)
def test_whatever_a_network_does_only_what_was_said_is_heard_once(
    actions: list[tuple[str, int, int]],
) -> None:
    """Hellos and datagrams lost, repeated and shown to anybody, members restarting in between."""
    talk, air, heard = Talk(1, 2, 3), [], set()

    def hear(to: int, data: bytes) -> None:
        life = talk.lives[to]
        opened = talk.hear(to, data)
        if opened is not None and not isinstance(opened, str):
            assert (to, life, data) not in heard, "twice"
            heard.add((to, life, data))
            number, of_life = map(int, opened.body.split())
            assert number == opened.sender != to
            assert talk[to].believed(number) == incarnation(number, of_life)

    for what, one, other in actions:
        match what:
            case "greet":
                talk.greet(one, other)
            case "say":
                air.append(talk.says(one, b"%d %d" % (one, talk.lives[one])))
                if other != one:
                    hear(other, air[-1])
            case "restart":
                talk.restart(one)
            case "carry":
                for number, (_, peer, hello) in enumerate(talk.posted()):
                    air.append(hello)
                    if (one + number) % 3:
                        hear(peer, hello)
            case "replay" if air:
                hear(other, air[one % len(air)])
            case "wait":
                talk.now += one * MS
    # And once the network is good, all understand each other.
    talk.posted()
    talk.now += 100 * MS
    for me in (1, 2, 3):
        for peer in (1, 2, 3):
            talk.greet(me, peer)
    talk.settle()
    assert all(talk.understands(a, b) for a in (1, 2, 3) for b in (1, 2, 3) if a != b)


def test_members_that_use_different_keys_of_one_ring_get_acquainted() -> None:
    talk = Talk(1, 2)
    talk[1].use(ring(1, 2, used=1))
    talk[2].use(ring(1, 2, used=2))
    talk.greet(1, 2)
    talk.settle()
    assert talk.understands(1, 2)
    assert talk.understands(2, 1)
