"""One member, in conversation."""

import random
from typing import Any

import pytest

from clocksync.runtime.core import Arrival, Notify, Send, SetTimer, Stamp
from clocksync.runtime.errors import BadConfig, MisusedCore
from ordering.links import LinkTimer, PeerMisbehaved, Segment, cut
from ordering.multicast import Member, MemberSettings, Order
from ordering.multicast.member import LEAVE, LIVES, NOTE, Delivered, MemberTimer
from ordering.multicast.order import MESSAGES
from tests.playbook import begin, converse, do, expect, hear, tick, whatever

SETTLE = MemberTimer.SETTLE


def member(**settings: Any) -> Member:
    return Member(1, (1, 2), random.Random(0), MemberSettings(**settings))


def from_peer(core: Member, **changed: Any) -> Segment:
    given = {"incarnation": 22, "to_incarnation": core.links.incarnation, "sequence": 0}
    given |= {"received_up_to": 0, "received_beyond": 0, "window": 256, "payload": b"", **changed}
    return Segment(**given)


def test_many_inputs_are_settled_once() -> None:
    core = member(order=Order.FIFO)
    converse(
        core,
        begin(),
        whatever(),
        do("multicast", [b"a"]),
        expect(SetTimer(SETTLE, 0)),
        do("multicast", [b"b"]),
        expect(),
        hear(2, from_peer(core)),
        expect(),
        tick(SETTLE),
        whatever(),
        hear(2, from_peer(core)),
        expect(SetTimer(SETTLE, 0)),
    )


def test_nothing_is_multicast_before_all_have_said_whom_they_know() -> None:
    core = member(order=Order.FIFO)
    lives = (
        b"\x00\x01" + core.links.incarnation.to_bytes(8, "big") + b"\x00\x02" + bytes(7) + b"\x16"
    )
    (theirs,) = cut([(LIVES, lives)])
    talk = [begin(), whatever(), do("multicast", [b"a"]), whatever()]
    talk += [hear(2, from_peer(core)), whatever(), tick(SETTLE), whatever()]
    converse(core, *talk)
    assert core.unreached == [2]
    assert not core.has_begun
    core.on_frame(_arrival(from_peer(core, sequence=1, payload=theirs)), 0)
    told = core.on_timer(SETTLE, 0)
    assert core.has_begun
    assert [type(effect.event) for effect in told if isinstance(effect, Notify)] == [Delivered]


def test_a_peer_that_knows_another_life_of_a_member_is_told_of() -> None:
    core = member(order=Order.FIFO)
    (theirs,) = cut([(LIVES, bytes(20)), (MESSAGES, b"\x00\x01\x00\x01x")])
    core.start(0)
    core.on_frame(_arrival(from_peer(core, sequence=1, payload=theirs)), 0)
    told = core.on_timer(SETTLE, 0) + core.on_timer(SETTLE, 0)
    events = [effect.event for effect in told if isinstance(effect, Notify)]
    assert [type(event) for event in events] == [PeerMisbehaved]
    assert "knows another life of a member" in str(events[0])


def _arrival(frame: Segment, sender: int = 2) -> Any:
    return Arrival(frame, sender, Stamp(0))


def test_after_leave_nothing_can_be_said() -> None:
    core = member()
    converse(
        core,
        do("leave"),
        whatever(),
        do("multicast", [b"x"], raises=MisusedCore),
        do("note", b"x", raises=MisusedCore),
    )


def test_a_message_that_is_too_long_keeps_its_neighbours_back_too() -> None:
    core = member()
    converse(core, do("multicast", [b"x", bytes(70_000)], raises=MisusedCore))
    assert core.sent == core.backlog_bytes == 0


def test_what_waits_is_counted_until_there_is_no_room() -> None:
    core = member(backlog_bytes=100)
    core.multicast([bytes(91)], 0)
    assert core.has_room  # 91 and the 8 that every message counts
    core.multicast([b""], 0)
    assert not core.has_room


def test_frames_of_nobody_change_nothing() -> None:
    core = member()
    core.start(0)
    converse(core, hear(9, from_peer(core)), whatever(), tick(SETTLE), expect())
    assert core.links.strangers == 1


def test_our_own_number_from_elsewhere_is_told_once() -> None:
    core = member()
    core.start(0)
    core.on_frame(_own(core), 0)
    core.on_frame(_own(core), 0)
    told = [effect for effect in core.on_timer(SETTLE, 0) if isinstance(effect, Notify)]
    assert len(told) == 1
    assert str(told[0].event).startswith("member 1: somebody else uses this number")


def _own(core: Member) -> Any:
    return _arrival(from_peer(core), 1)


def test_the_first_thing_said_is_a_hello_to_everybody() -> None:
    core = Member(1, (1, 2, 3), random.Random(0))
    sends = [effect for effect in core.start(0) if isinstance(effect, Send)]
    assert [send.to for send in sends] == [2, 3]
    assert all(send.frame.to_incarnation == 0 for send in sends)  # type: ignore[attr-defined]


@pytest.mark.parametrize("order", list(Order))
def test_whatever_the_peers_say_a_member_raises_nothing(order: Order) -> None:
    draw = random.Random(order.value)
    for _ in range(60):
        core = Member(1, (1, 2, 3), random.Random(0), MemberSettings(order=order))
        now, sequences = 0, {2: 1, 3: 1}
        core.start(now)
        for peer in (2, 3):
            core.on_frame(_arrival(from_peer(core, incarnation=20 + peer), peer), now)
        (lives,) = cut([(LIVES, core._known_lives())])
        for peer in (2, 3):
            hello = from_peer(core, incarnation=20 + peer, sequence=1, payload=lives)
            core.on_frame(_arrival(hello, peer), now)
        core.on_timer(SETTLE, now)
        assert core.has_begun
        for _ in range(40):
            now += draw.randrange(10_000_000)
            peer = draw.choice((2, 3))
            kind = draw.choice((0, 1, 1, 1, 2, 3, NOTE, LEAVE, LIVES))
            body = core._known_lives() if kind == LIVES else draw.randbytes(draw.randrange(30))
            (piece,) = cut([(kind, body)])
            if draw.random() < 0.1:
                piece = draw.randbytes(draw.randrange(1, 30))
            sequences[peer] += draw.random() < 0.9
            frame = from_peer(
                core,
                incarnation=20 + peer,
                sequence=sequences[peer],
                received_up_to=draw.choice((0, 0, 1, 2, 9)),
                received_beyond=draw.getrandbits(4),
                payload=piece,
            )
            core.on_frame(_arrival(frame, peer), now)
            if draw.random() < 0.3:
                core.multicast([b"ours"], now)
            core.on_timer(draw.choice((SETTLE, LinkTimer.TIMEOUT)), now)
            core.waiting()


@pytest.mark.parametrize(
    ("members", "says"),
    [((1, 1, 2), "named twice"), ((1, 2, 2), "named twice"), ((1, 65_536), "not in 0 to 65535")],
)
def test_impossible_members_are_named(members: tuple[int, ...], says: str) -> None:
    with pytest.raises(BadConfig, match=says):
        Member(1, members, random.Random(0))
