"""A member that recovers, row by row of the table of totem.md 1.5, and what it installs."""

from dataclasses import replace

import pytest

from tests.vsync.talk import (
    MS,
    Talk,
    causes,
    commit,
    configurations,
    data,
    delivered,
    drops,
    join,
    of,
    sent,
)
from vsync.events import Configuration, Kind, Messages, Promised, SendTo
from vsync.frames import FIRST, LAST, SAFE, Commit, Data, HoldCancel, Join, Merge, Recovered, Token
from vsync.identity import RingId
from vsync.states import Cause, State, Timer

S = FIRST | LAST | SAFE
OTHERS = {1: (2, 3), 2: (1, 3), 3: (1, 2)}


def recovering(me=2):
    return Talk(me).in_recovery(*OTHERS[me])


def again(talk, **fields):
    """From an old ring of three, on which something was said, to the recovery of all three."""
    old = talk.ring
    shared = {
        "old_sequence": old.id.sequence,
        "old_representative": old.id.representative,
        "old_nonce": old.id.nonce,
    }
    talk.fire(Timer.TOKEN_LOSS)
    talk.members = (1, 2, 3)
    for member in OTHERS[talk.me]:
        talk.hear(member, replace(sent(talk.said, Join)[-1], incarnation=member))
    talk.fields = shared | fields
    if talk.me != 1:
        table = [talk.other_entry(m, **talk.fields) for m in talk.members]
        talk.hear(talk.predecessor, commit(RingId(80, 1, 1), talk.me - 1, table))
    assert talk.state is State.COMMIT
    talk.persisted()
    talk.hear(talk.predecessor, talk.full_commit())
    talk.persisted()
    assert talk.state is State.RECOVERY
    return old


def install(talk, **fields):
    effects = []
    for _ in range(8):
        if talk.state is State.OPERATIONAL:
            return effects
        effects += talk.turn(**fields)
    raise AssertionError("not installed")


# The commit token


def test_the_representative_makes_the_first_token_once():
    talk = recovering(1)
    last = talk.full_commit(6)
    (first,) = sent(talk.hear(3, last), Token)
    assert (first.token_sequence, first.sequence) == (2, 0)
    assert first.ring == talk.engine.my_ring
    effects = talk.hear(3, last)
    assert drops(effects) == ["commit token that was here already"]
    assert len(effects) == 1


def test_a_token_that_came_round_shows_that_the_first_one_was_made():
    talk = recovering(1)
    last = talk.full_commit(6)
    talk.hear(3, last)
    talk.turn()
    assert drops(talk.hear(3, last)) == ["commit token that was here already"]


@pytest.mark.parametrize("me", [1, 2, 3])
@pytest.mark.parametrize("hop", [0, 1, 3, 4, 5, 7])
def test_other_commit_tokens_were_here_already(me, hop):
    talk = recovering(me)
    effects = talk.hear(talk.predecessor, talk.full_commit(hop))
    assert drops(effects) == ["commit token that was here already"]
    assert len(effects) == 1


def test_only_the_representative_makes_a_first_token():
    talk = recovering(2)
    assert drops(talk.hear(1, talk.full_commit(6))) == ["commit token that was here already"]


def test_the_clocks_of_the_first_token_are_those_of_the_table():
    talk = recovering(1)
    (first,) = sent(talk.hear(3, talk.full_commit(6)), Token)
    table = [(e.earliest, e.latest) for e in talk.engine.recovery.table]
    assert list(zip(first.clocks[2::2], first.clocks[3::2], strict=True)) == table[1:]
    assert 0 not in first.clocks


def test_the_commit_token_is_passed_on_until_a_token_shows_that_it_arrived():
    talk = recovering(2)
    (passed,) = of(talk.fire(Timer.TOKEN_RETRANSMIT), SendTo)
    assert isinstance(passed.frame, Commit)
    talk.first_token()
    (passed,) = of(talk.fire(Timer.TOKEN_RETRANSMIT), SendTo)
    assert isinstance(passed.frame, Token)


# Tokens and messages


def test_a_token_that_was_here_already_is_dropped():
    talk = recovering(2)
    talk.first_token()
    given = talk.next_token()
    talk.hear(1, given)
    effects = talk.hear(1, given)
    assert drops(effects) == ["token that was here already"]
    assert len(effects) == 1


def test_the_token_of_the_old_ring_is_dropped():
    talk = Talk(2).on_ring(1, 3)
    old = talk.next_token()
    again(talk)
    assert drops(talk.hear(1, old)) == ["token of another ring"]


def test_what_we_submit_meanwhile_is_sent_only_when_the_ring_is_installed():
    talk = recovering(2)
    talk.submit(b"wait")
    talk.first_token()
    assert sent(talk.said, Data) == []
    effects = install(talk)
    assert sent(effects, Data) == []
    assert [frame.payload for frame in sent(talk.turn(), Data)] == [b"wait"]


def test_what_others_may_lack_is_sent_again():
    talk = Talk(2).on_ring(1, 3)
    for number in (1, 2):
        talk.hear(3, talk.other_data(number, payload=b"%d" % number))
    again(talk, received_up_to=1, delivered=1)
    (first,) = sent(talk.first_token(), Recovered)
    assert (first.sequence, first.origin, first.ring) == (1, 2, talk.engine.my_ring)
    assert Data.decode(first.payload).payload == b"2"
    assert sent(talk.turn(), Recovered) == []


def test_the_flag_stands_while_we_have_something_to_send():
    talk = Talk(2).on_ring(1, 3)
    for number in range(1, 13):
        talk.hear(3, talk.other_data(number))
    again(talk)
    flags = [sent(talk.first_token(), Token)[0].recovering]
    flags += [sent(talk.turn(), Token)[0].recovering for _ in range(2)]
    assert flags == [1, 0, 0]


def test_what_is_recovered_joins_the_old_ring_and_is_delivered_there():
    talk = Talk(2).on_ring(1, 3)
    lost, held = talk.other_data(1, payload=b"one"), talk.other_data(2, payload=b"two")
    talk.hear(3, held)
    assert delivered(talk.said) == []
    old = again(talk, received_up_to=0)
    talk.first_token()
    effects = talk.hear(1, Recovered(*talk.ring.id, 2, 1, lost.encode()))
    assert delivered(effects) == []
    assert old.log.contiguous == 2
    effects = install(talk, sequence=2, all_received_up_to=2, recovering=0)
    messages = of(effects, Messages)
    assert [(m.payloads, m.configuration) for m in messages] == [
        ((b"one",), f"R{old.id}"),
        ((b"two",), f"R{old.id}"),
    ]


def test_what_somebody_sent_before_us_is_not_sent_by_us():
    talk = Talk(2).on_ring(1, 3)
    message = talk.other_data(1)
    talk.hear(3, message)
    again(talk, received_up_to=0)
    talk.hear(3, Recovered(*talk.ring.id, 1, 3, message.encode()))
    assert sent(talk.first_token(), Recovered) == []


def test_a_message_recovered_for_another_old_ring_takes_its_number_and_nothing_else():
    talk = recovering(2)
    talk.hear(3, Recovered(*talk.ring.id, 1, 3, data(9).encode()))
    assert talk.ring.log.contiguous == 1
    assert talk.engine.ring.log.frames == {}


@pytest.mark.parametrize(
    ("payload", "cause"),
    [(b"rubbish", "too short"), (data(0).encode(), "impossible number")],
)
def test_rubbish_inside_is_dropped_whole(payload, cause):
    talk = recovering(2)
    effects = talk.hear(3, Recovered(*talk.ring.id, 1, 3, payload))
    assert drops(effects) == [cause]
    assert talk.ring.log.frames == {}


def test_messages_of_the_new_ring_are_kept_until_it_is_installed():
    talk = recovering(2)
    talk.first_token()
    effects = talk.hear(1, talk.other_data(1, origin=1, payload=b"early"))
    assert delivered(effects) == []
    effects = install(talk, sequence=1, all_received_up_to=1)
    order = [type(e) for e in effects if isinstance(e, Configuration | Messages)]
    assert order == [Configuration, Configuration, Messages]
    assert delivered(effects) == [b"early"]


@pytest.mark.parametrize("kind", [Data, Recovered])
def test_messages_of_other_rings_are_dropped(kind):
    talk = Talk(2).on_ring(1, 3)
    late = talk.other_data(1)
    again(talk)
    frame = late if kind is Data else Recovered(*late.ring, 1, 3, b"")
    assert drops(talk.hear(3, frame)) == ["of another ring"]


@pytest.mark.parametrize("frame", [Merge(99, 7, 1, 0), HoldCancel(40, 1, 77)])
def test_whatever_else_comes_is_dropped(frame):
    assert drops(recovering(2).hear(7, frame)) == ["not during recovery"]


# What ends it


@pytest.mark.parametrize(
    ("sender", "fields", "cause"),
    [
        (3, {"ring_sequence": 40}, Cause.JOIN_HEARD),
        (3, {"leaving": 1}, Cause.LEAVE_HEARD),
        (3, {"ring_sequence": 39}, None),
        (7, {"ring_sequence": 99}, None),
    ],
)
def test_a_join_of_a_member_that_knows_this_ring_ends_it_and_others_do_not(sender, fields, cause):
    talk = recovering(2)
    effects = talk.hear(sender, join((1, 2, 3), incarnation=sender, **fields))
    assert causes(effects) == ([cause] if cause else [])
    assert talk.state is (State.GATHER if cause else State.RECOVERY)


def test_a_lost_token_ends_it_and_what_was_gained_of_the_old_ring_stays():
    talk = Talk(2).on_ring(1, 3)
    lost = talk.other_data(1)
    old = again(talk, received_up_to=1)
    talk.first_token()
    talk.hear(1, Recovered(*talk.ring.id, 1, 1, lost.encode()))
    assert causes(talk.fire(Timer.TOKEN_LOSS)) == [Cause.RECOVERY_LOST]
    assert talk.engine.ring is old
    assert old.log.contiguous == 1
    assert talk.engine.recovery is None
    assert talk.engine.is_frozen


def test_a_recovery_that_does_not_end_is_given_up():
    talk = Talk(2, recovery_rotations_max=3).in_recovery(1, 3)
    talk.first_token()
    for _ in range(2):
        assert causes(talk.turn(recovering=1)) == []
    effects = talk.turn(recovering=1)
    assert causes(effects) == [Cause.RECOVERY_ENDLESS]
    assert sent(effects, Token) == []


def test_a_deaf_member_does_not_hang_a_recovery():
    talk = Talk(2, deaf_visits=2).in_recovery(1, 3)
    talk.first_token()
    talk.hear(1, Recovered(*talk.ring.id, 1, 1, data(1).encode()))
    found = []
    for _ in range(6):
        talk.wait(50 * MS)
        if talk.state is State.RECOVERY:
            found += causes(talk.turn(sequence=1, all_received_up_to=0, lowered_by=3, recovering=1))
    assert found == [Cause.MEMBER_DEAF]
    assert sent(talk.said, Join)[-1].failed == (3,)


# The promise, and the installation


def test_whoever_holds_everything_promises_and_the_next_attempt_knows():
    talk = Talk(2).on_ring(1, 3)
    again(talk)
    ring = talk.ring.id
    talk.first_token()
    (promise,) = of(talk.turn(), Promised)
    assert promise == Promised(ring, (1, 2, 3))
    talk.fire(Timer.TOKEN_LOSS)
    for member in (1, 3):
        talk.hear(member, replace(sent(talk.said, Join)[-1], incarnation=member))
    table = [talk.other_entry(m, **talk.fields) for m in talk.members]
    talk.hear(1, commit(RingId(90, 1, 1), 1, table))
    mine = sent(talk.persisted(), Commit)[0].entries()[1]
    assert mine.recovered_in == ring
    assert mine.obligations == (1, 2, 3)


def test_the_first_of_us_to_install_delivers_both_configurations_in_one_step():
    talk = Talk(2).on_ring(1, 3)
    old = again(talk)
    talk.first_token()
    effects = install(talk)
    transitional, regular = of(effects, Configuration)
    assert (transitional.kind, transitional.members) == (Kind.TRANSITIONAL, (1, 2, 3))
    assert (transitional.ring, transitional.joined, transitional.left) == (old.id, (), ())
    assert (regular.kind, regular.members, regular.joined) == (Kind.REGULAR, (1, 2, 3), ())
    assert regular.ring == talk.ring.id
    assert regular.reason is transitional.reason is Cause.TOKEN_LOST
    # In one step, and before the token goes on.
    kinds = [type(e.frame) if isinstance(e, SendTo) else type(e) for e in effects]
    assert kinds.index(Configuration) < len(kinds) - 1 - kinds[::-1].index(Token)


def test_who_does_not_come_along_has_left_and_who_comes_from_elsewhere_has_joined():
    talk = Talk(2).on_ring(1, 3)
    again(talk)
    table = talk.engine.recovery.table
    # The same, but 3 comes from a ring of its own.
    talk = Talk(2).on_ring(1, 3)
    talk.fire(Timer.TOKEN_LOSS)
    for member in (1, 3):
        talk.hear(member, replace(sent(talk.said, Join)[-1], incarnation=member))
    mixed = [table[0], talk.other_entry(2), talk.other_entry(3)]
    talk.hear(1, commit(RingId(80, 1, 1), 1, mixed))
    talk.persisted()
    mixed[1] = talk.engine.entry
    talk.hear(1, commit(RingId(80, 1, 1), 4, mixed))
    talk.persisted()
    talk.first_token()
    transitional, regular = of(install(talk), Configuration)
    assert (transitional.members, transitional.left) == ((1, 2), (3,))
    assert (regular.members, regular.joined) == ((1, 2, 3), (3,))
    assert transitional.id == f"T{talk.ring.id}.1"


def test_a_safe_message_that_nobody_delivered_goes_to_the_transitional_configuration():
    talk = Talk(2).on_ring(1, 3)
    talk.hear(3, talk.other_data(1, flags=S, payload=b"safe"))
    talk.hear(3, talk.other_data(2, payload=b"behind"))
    talk.hear(3, talk.other_data(4, payload=b"gap", origin=1))
    again(talk, received_up_to=2)
    talk.first_token()
    effects = install(talk)
    transitional, _ = of(effects, Configuration)
    at = {e.payloads[0]: e.configuration for e in of(effects, Messages)}
    # Behind the gap, as its sender is obliged.
    assert at == dict.fromkeys((b"safe", b"behind", b"gap"), transitional.id)


def test_a_safe_message_that_one_of_us_delivered_goes_to_the_old_configuration():
    talk = Talk(2).on_ring(1, 3)
    talk.hear(3, talk.other_data(1, flags=S, payload=b"safe"))
    old = again(talk, received_up_to=1, delivered=1)
    talk.first_token()
    (message,) = of(install(talk), Messages)
    assert message.configuration == f"R{old.id}"


def test_a_delivery_of_what_nobody_has_is_not_papered_over():
    talk = Talk(2).on_ring(1, 3)
    again(talk, received_up_to=5, delivered=5)
    talk.first_token()
    effects = []
    while talk.state is State.RECOVERY:
        effects += talk.turn()
    assert causes(effects) == [Cause.RECOVERY_ENDLESS]
    assert "a member's delivery of what nobody has" in drops(effects)
    assert of(effects, Configuration) == []


def test_the_new_configuration_is_later_than_every_time_any_member_has_seen():
    late = 1_800_000_000_000_000_000 + 70 * MS
    talk = Talk(2).in_recovery(1, 3, timestamp=late)
    talk.first_token()
    (regular,) = [c for c in of(install(talk), Configuration) if c.kind is Kind.REGULAR]
    assert regular.timestamp == late + 1
    assert regular.error >= 69 * MS


def test_a_ring_is_not_installed_before_its_time_is_reserved_on_disk():
    talk = Talk(2).in_recovery(1, 3, timestamp=1_800_000_000_000_000_000 + 70 * MS)
    talk.engine.durable = replace(talk.engine.durable, reserved_until=0)
    talk.first_token()
    while talk.engine.recovery.waiting is None:
        effects = talk.turn()
        assert configurations(effects) == []
    # The token waits with us, lest others take what we have for delivered.
    assert sent(effects, Token) == []
    talk.engine.persist(0, talk.engine.asked.reserved_until)
    effects = talk.persisted()
    assert configurations(effects)[-1] == ("regular", (1, 2, 3))
    kinds = [type(e.frame) if isinstance(e, SendTo) else type(e) for e in effects]
    assert kinds.index(Configuration) < kinds.index(Token)
    assert sent(talk.turn(), Token)


def test_a_message_in_pieces_that_was_not_finished_begins_again_on_the_new_ring():
    talk = Talk(2, visit_max=1).on_ring(1, 3)
    talk.submit(bytes(500), handle=5)
    (first,) = sent(talk.turn(), Data)
    assert first.flags & (FIRST | LAST) == FIRST
    again(talk, received_up_to=1, delivered=1)
    talk.first_token()
    install(talk)
    (first,) = sent(talk.turn(), Data)
    assert first.flags & (FIRST | LAST) == FIRST
    effects = talk.turn() + talk.turn()
    assert delivered(effects) == [bytes(500)]


def test_times_that_were_seen_count_though_nothing_of_them_was_delivered():
    late = 1_800_000_000_000_000_000 + 40 * MS
    talk = Talk(2).on_ring(1, 3)
    talk.hear(3, talk.other_data(2, timestamp=late))  # behind a gap
    again(talk)
    assert talk.engine.recovery.table[1].timestamp == late
    # Of what is recovered, too, should this attempt fail.
    lost = data(1, ring=talk.engine.ring.id, timestamp=late + MS, origin=3)
    talk.first_token()
    talk.hear(1, Recovered(*talk.ring.id, 5, 1, lost.encode()))
    talk.fire(Timer.TOKEN_LOSS)
    for member in (1, 3):
        talk.hear(member, replace(sent(talk.said, Join)[-1], incarnation=member))
    table = [talk.other_entry(m, **talk.fields) for m in talk.members]
    talk.hear(1, commit(RingId(90, 1, 1), 1, table))
    assert talk.engine.entry.timestamp == late + MS
