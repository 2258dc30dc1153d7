"""Whatever bytes come: no exception, a reason counted, and neither state nor order is harmed."""

import pickle
import zlib
from dataclasses import fields, replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vsync.talk import (
    EPOCH,
    Talk,
    check_sent,
    commit,
    data,
    delivered,
    drops,
    join,
    sealed,
    sent,
    token,
)
from vsync.events import Datagram, Multicast, SendTo
from vsync.frames import (
    FIRST,
    FRAMES,
    LARGEST,
    LAST,
    MEMBERS_MAX,
    Commit,
    Data,
    HoldCancel,
    Join,
    Merge,
    Recovered,
    Token,
)
from vsync.identity import RingId
from vsync.states import State, Timer


def _held():
    talk = Talk(1).on_ring(2, 3)
    while talk.engine.held is None:
        talk.turn()
    return talk


def _gathering():
    talk = Talk(2).on_ring(1, 3)
    talk.hear(3, talk.other_data(2))
    talk.fire(Timer.TOKEN_LOSS)
    return talk


def _waiting():
    talk = Talk(2).gathered(1, 3)
    talk.fire(Timer.CONSENSUS)
    assert talk.engine.awaits_commit
    return talk


def _recovering():
    talk = Talk(2).in_recovery(1, 3)
    talk.first_token()
    return talk


def _on_ring():
    talk = Talk(2).on_ring(1, 3)
    talk.hear(3, talk.other_data(1))
    talk.submit(b"waits")
    return talk


MAKE = {
    "on a ring": _on_ring,
    "holding the token": _held,
    "alone": lambda: Talk(1).alone(),
    "gathering": _gathering,
    "waiting for the commit token": _waiting,
    "committing": lambda: Talk(2).committed(1, 3),
    "committing first": lambda: Talk(1).committed(2, 3),
    "recovering": _recovering,
    "recovering first": lambda: Talk(1).in_recovery(2, 3),
}
EACH = pytest.mark.parametrize("where", MAKE)


@cache
def _made(where):
    return pickle.dumps(MAKE[where]())


def at(where):
    """A member in that place, as if nothing had happened to it before."""
    talk = pickle.loads(_made(where))
    talk.believed = False
    return talk


def frames(talk):
    """Frames that this member takes for its own affairs, or nearly so."""
    ring, forming = talk.ring.id, talk.engine.my_ring
    members = getattr(talk, "members", (1,))
    clocks = (EPOCH, EPOCH + 1) * len(talk.ring.members)
    table = [
        talk.engine.entry if m == talk.me and talk.engine.entry else talk.other_entry(m)
        for m in members
    ]
    inner = data(1, ring=talk.engine.ring.id, origin=members[-1])
    return [
        data(2, ring=ring, origin=members[-1]),
        data(3, ring=ring, origin=members[-1], flags=FIRST, lengths=()),
        data(4, ring=ring, origin=members[-1], flags=LAST, lengths=()),
        Recovered(*ring, 1, members[-1], inner.encode()),
        token(ring, token_sequence=1000, sequence=2, missing=(1, 2), clocks=clocks),
        join(members, ring_sequence=forming.sequence, incarnation=3),
        join((1, 2, 3, 9), (9,), ring_sequence=forming.sequence + 1, incarnation=3),
        join((3,), (3,), leaving=1, incarnation=3),
        commit(forming, len(members) + 1, table),
        commit(RingId(forming.sequence + 4, min(members), 5), 1, table),
        Merge(*ring, 3),
        Merge(999, 7, 7, 7),
        HoldCancel(*ring),
    ]


def order(talk):
    """What must stay as it is: what was delivered."""
    return delivered(talk.said)


def unharmed(talk, before):
    """The order begins as it did, our own times grow, and what we send can be read."""
    assert order(talk)[: len(before)] == before
    stamps = [frame.timestamp for frame in sent(talk.said, Data) if frame.origin == talk.me]
    assert stamps == sorted(stamps)
    assert talk.state is not State.IDLE


@EACH
@given(raw=st.binary(max_size=80))
@settings(max_examples=30)
def test_any_bytes_are_dropped_and_counted(where, raw):
    talk = at(where)
    state, count = talk.state, sum(talk.engine.dropped.values())
    effects = talk.say(Datagram(raw))
    assert len(drops(effects)) == len(effects) == 1
    assert sum(talk.engine.dropped.values()) == count + 1
    assert talk.state is state


@EACH
@given(st.data())
@settings(max_examples=60)
def test_mutated_frames_with_a_right_checksum_do_no_harm(where, draw):
    """Bytes that authentication lets through, and that no honest peer would send."""
    talk = at(where)
    before = order(talk)
    for _ in range(draw.draw(st.integers(1, 3))):
        frame = draw.draw(st.sampled_from(frames(talk)))
        raw = bytearray(sealed(draw.draw(st.sampled_from([1, 3, 7])), frame))
        for _ in range(draw.draw(st.integers(0, 3))):
            place = draw.draw(st.integers(14, len(raw) - 1))
            raw[place] = draw.draw(st.sampled_from([0, 1, 2, 127, 128, 255]))
        if draw.draw(st.booleans()):
            del raw[draw.draw(st.integers(14, len(raw))) :]
        talk.say(Datagram(rightly_summed(raw)))
        unharmed(talk, before)


def rightly_summed(raw):
    head, body = bytes(raw[:10]), bytes(raw[14:])
    return head + zlib.crc32(body, zlib.crc32(head)).to_bytes(4, "big") + body


U64 = st.sampled_from([0, 1, 2, 3, 39, 40, 41, LARGEST - 1, LARGEST, (1 << 64) - 1])
U16 = st.sampled_from([0, 1, 2, 3, 7, 255, 65534, 65535])
TIMES = st.sampled_from([0, -1, EPOCH, EPOCH + 10**15, LARGEST, -LARGEST, (1 << 63) - 1])
MEMBERS = st.one_of(
    st.sets(st.integers(0, 5), max_size=4),
    st.sampled_from([{65535}, set(range(1, 129)), set(range(200, 328))]),
).map(lambda ids: tuple(sorted(ids)))
ODD = {
    Data: {"sequence": U64, "origin": U16, "flags": st.integers(0, 255), "timestamp": TIMES}
    | {"error": U64, "lengths": st.sampled_from([(), (1,), (0,), (65535,), (0,) * 100])},
    Recovered: {"sequence": U64, "origin": U16, "payload": st.binary(max_size=30)},
    Token: {"token_sequence": U64, "sequence": U64, "all_received_up_to": U64}
    | {"lowered_by": U16, "recovering": st.integers(0, 255), "timestamp": TIMES}
    | {"missing": st.lists(U64, max_size=6).map(lambda ns: tuple(sorted(ns)))}
    | {"clocks": st.lists(U64, max_size=8).map(tuple)}
    | {"sent_last_rotation": st.sampled_from([0, 5, (1 << 32) - 1])},
    Join: {"incarnation": U64, "ring_sequence": U64, "leaving": st.integers(0, 2)}
    | {"passed": st.sampled_from([0, 255]), "processes": MEMBERS, "failed": MEMBERS},
    Commit: {"ring_sequence": U64, "hop": U16, "table": st.binary(max_size=200)},
    Merge: {"ring_sequence": U64, "ring_representative": U16, "incarnation": U64},
    HoldCancel: {"ring_sequence": U64},
}


def test_every_frame_is_made_odd():
    assert set(ODD) == set(FRAMES)
    for cls, odd in ODD.items():
        assert set(odd) <= {field.name for field in fields(cls)}


@EACH
@given(st.data())
@settings(max_examples=80)
def test_frames_with_impossible_fields_do_no_harm(where, draw):
    talk = at(where)
    before = order(talk)
    frame = draw.draw(st.sampled_from(frames(talk)))
    odd = ODD[type(frame)]
    chosen = draw.draw(st.sets(st.sampled_from(sorted(odd)), min_size=1, max_size=2))
    spoiled = replace(frame, **{name: draw.draw(odd[name]) for name in sorted(chosen)})
    effects = talk.hear(draw.draw(st.sampled_from([1, 3, 7, 65534])), spoiled)
    if spoiled.check() is not None and talk.engine.state is not State.IDLE:
        assert drops(effects)
    unharmed(talk, before)
    # And it goes on from there.
    for timer in sorted(talk.timers):
        if timer in talk.timers:
            talk.fire(timer)
    talk.persisted()
    unharmed(talk, before)


@EACH
def test_a_frame_of_another_cluster_version_or_name_changes_nothing(where):
    for frame in frames(at(where)):
        talk = at(where)
        state = talk.state
        raw = sealed(1, frame)
        other_version = rightly_summed(raw[:2] + b"\x02" + raw[3:])
        for each in (sealed(1, frame, cluster=9), other_version, sealed(talk.me, frame)):
            effects = talk.say(Datagram(each))
            assert len(drops(effects)) == len(effects) == 1
        assert talk.state is state


@EACH
def test_frames_of_rings_that_are_no_more_change_nothing_here(where):
    talk = at(where)
    state, before = talk.state, order(talk)
    dead = RingId(1, 1, 424242)
    members = getattr(talk, "members", (1,))
    sender = next((m for m in members if m != talk.me), None)
    if sender is None:
        return
    for frame in (
        data(1, ring=dead, origin=sender),
        Recovered(*dead, 1, sender, b""),
        token(dead, token_sequence=5, clocks=(0, 0) * 3),
        Merge(*dead, sender),
        HoldCancel(*dead),
        commit(dead, 1, [talk.other_entry(m) for m in members]),
        commit(dead, 6, [talk.other_entry(m) for m in members]),
    ):
        effects = talk.hear(sender, frame)
        assert len(drops(effects)) == len(effects) == 1, frame
    assert talk.state is state
    assert order(talk) == before


@pytest.mark.parametrize("me", [1, 2, 3])
def test_a_commit_token_that_comes_again_and_again_makes_nothing_twice(me):
    others = tuple({1, 2, 3} - {me})
    talk = Talk(me).committed(*others)
    talk.persisted()
    heard = [talk.full_commit()]
    if me == 1:
        heard.append(talk.full_commit(6))
    for frame in heard:
        talk.hear(talk.predecessor, frame)
        for old in heard[: heard.index(frame) + 1]:
            effects = talk.hear(talk.predecessor, old)
            assert drops(effects) == ["commit token that was here already"]
            assert sent(effects) == []
    talk.persisted()
    while talk.state is State.RECOVERY:
        if me != 1 and talk.ring.last_token is None:
            talk.first_token()
        talk.turn()
    for old in heard:
        assert drops(talk.hear(talk.predecessor, old)) == ["commit token out of time"]
    assert talk.state is State.OPERATIONAL


@EACH
def test_every_frame_comes_twice_and_the_second_changes_no_order(where):
    for frame in frames(at(where)):
        talk = at(where)
        talk.hear(3, frame)
        before = order(talk)
        effects = talk.hear(3, frame)
        assert delivered(effects) == []
        unharmed(talk, before)


def full(me=1):
    """A member that knows as many processes as there can be."""
    talk = Talk(me)
    talk.boot()
    talk.hear(2, join(range(1, MEMBERS_MAX + 1), incarnation=2))
    talk.hear(2, join(range(1, MEMBERS_MAX + 1), incarnation=2))
    assert 2 in talk.engine.membership.agreed
    return talk


@pytest.mark.parametrize("failed", [(1,), (2,), (3,), ()])
@pytest.mark.parametrize("processes", [(1, 2), (1, 2, 500)])
def test_a_stranger_who_does_not_name_itself_is_no_process_too_many(processes, failed):
    talk = full()
    for leaving in (0, 1):
        talk.hear(500, join(processes, failed, incarnation=500, leaving=leaving))
        assert len(talk.engine.membership.processes) <= MEMBERS_MAX


def test_a_full_ring_is_not_broken_up_by_one_who_has_no_room_on_it():
    talk = Talk(1).on_ring(*range(2, MEMBERS_MAX + 1))
    for _ in range(3):
        effects = talk.hear(500, join((500,), incarnation=500))
        assert len(drops(effects)) == len(effects) == 1
    assert talk.state is State.OPERATIONAL


def test_while_we_hold_the_token_nobody_else_gives_out_numbers():
    talk = at("holding the token")
    talk.believed = True
    assert drops(talk.hear(3, talk.other_data(1))) == ["impossible number or origin"]
    assert sent(talk.fire(Timer.TOKEN_HOLD), Token)


def test_whatever_was_sent_in_all_this_could_be_read():
    """The check of :class:`Talk` itself: a frame that peers refuse is found."""
    with pytest.raises(AssertionError):
        check_sent(data(0), 1)
    with pytest.raises(ValueError, match="129 entries"):
        check_sent(join(range(129)), 1)
    assert Multicast(data()) != SendTo(1, data())
