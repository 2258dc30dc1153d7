"""What shares a datagram with the token, and what does not."""

from dataclasses import replace

import pytest

from clocksync.runtime.errors import MalformedFrame
from clocksync.security.plain import PlainSealer
from vsync.frames import Data, Token, Train, make_token
from vsync.node.carrier import Carrier

CLUSTER, ALL = 7, (2, 3)


def data(size, sequence=1):
    return Data(5, 1, 9, sequence, 1, 6, 0, 1_000, 5, 0, (size,), bytes(size))


TOKEN = make_token(5, 1, 9, 3, 1, 1, 65535, 1, 0, 0, 4, 1_000, (), (0, 1) * 3)


class Wire:
    """Keeps what leaves, opened by its receivers."""

    def __init__(self, me=1, datagram_bytes=600, reach=None, warn=print):
        self.left = []
        self.carrier = Carrier(me, PlainSealer(CLUSTER, me), self, datagram_bytes, reach, warn)

    def multicast(self, datagrams):
        self.send(datagrams, ("all",))

    def send(self, datagrams, peers):
        peers = list(peers)
        for datagram in datagrams:
            for peer in peers:
                self.left.append((peer, PlainSealer(CLUSTER, 9).open(datagram, 0)))

    @property
    def kinds(self):
        return [(peer, opened.kind) for peer, opened in self.left]

    def arrived(self, me):
        """What reached a member: frames, and the token."""
        receiver, opened, tokens = Wire(me).carrier, [], []
        for peer, came in self.left:
            if peer == me:
                datagram = PlainSealer(CLUSTER, 1).seal(came.kind, bytes(came.body))
                receiver.open([datagram], opened, tokens, 0)
        return [bytes(body) for _, _, body in opened], [bytes(body) for _, _, body in tokens]


def test_one_small_frame_shares_a_datagram_with_the_token_that_follows():
    wire = Wire()
    wire.carrier.multicast(data(100), ALL)
    wire.carrier.pass_token(2, TOKEN)
    assert wire.kinds == [(2, Train.KIND), (3, Data.KIND)]
    assert wire.arrived(2) == ([data(100).encode()], [TOKEN.encode()])
    assert wire.arrived(3) == ([data(100).encode()], [])


def test_so_does_one_that_may_follow_the_token():
    wire = Wire()
    wire.carrier.pass_token(2, TOKEN)
    assert wire.left == []
    wire.carrier.multicast(data(100), ALL)
    assert wire.kinds == [(2, Train.KIND), (3, Data.KIND)]
    wire.carrier.end_step()
    assert len(wire.left) == 2


def test_a_token_alone_leaves_at_the_end_of_the_step():
    wire = Wire()
    wire.carrier.pass_token(2, TOKEN)
    wire.carrier.end_step()
    assert wire.kinds == [(2, Token.KIND)]


def test_a_frame_that_leaves_no_room_goes_before_the_token():
    wire = Wire()
    wire.carrier.multicast(data(450), ALL)
    wire.carrier.pass_token(2, TOKEN)
    assert wire.kinds == [(2, Data.KIND), (3, Data.KIND), (2, Token.KIND)]


def test_one_that_follows_and_leaves_no_room_goes_after_it():
    wire = Wire()
    wire.carrier.pass_token(2, TOKEN)
    wire.carrier.multicast(data(450), ALL)
    wire.carrier.multicast(data(10, 2), ALL)
    wire.carrier.flush()
    assert wire.kinds[0] == (2, Token.KIND)
    assert wire.arrived(3)[0] == [data(450).encode(), data(10, 2).encode()]


def test_several_frames_keep_their_order_before_the_token():
    wire = Wire()
    for n in range(1, 4):
        wire.carrier.multicast(data(10, n), ALL)
    wire.carrier.pass_token(2, TOKEN)
    assert wire.kinds[-1] == (2, Token.KIND)
    assert wire.arrived(2)[0] == [data(10, n).encode() for n in range(1, 4)]


def test_a_small_frame_without_a_token_leaves_with_the_turn():
    wire = Wire()
    wire.carrier.multicast(data(10), ALL)
    wire.carrier.end_step()
    wire.carrier.flush()
    assert wire.kinds == [(2, Data.KIND), (3, Data.KIND)]


class All:
    """Everybody hears our multicasts."""

    def carries(self, receivers, now):
        return True


def test_a_train_goes_to_all_at_once_where_all_hear():
    wire = Wire(reach=All())
    wire.carrier.multicast(data(100), ALL)
    wire.carrier.pass_token(2, TOKEN)
    assert wire.kinds == [("all", Train.KIND)]


def test_messages_go_to_all_at_once_and_the_token_to_one():
    wire = Wire(reach=All())
    for n in (1, 2):
        wire.carrier.multicast(data(100, n), ALL)
    wire.carrier.pass_token(2, TOKEN)
    assert wire.kinds == [("all", Data.KIND), ("all", Data.KIND), (2, Token.KIND)]


def test_what_is_sent_again_goes_by_unicast():
    wire = Wire(reach=All())
    for frame in (data(100, 5), data(100, 5), replace(data(100, 6), origin=3), data(100, 7)):
        wire.carrier.multicast(frame, ALL)
        wire.carrier.flush()
    to = [peer for peer, _ in wire.left]
    assert to == ["all", 2, 3, 2, 3, "all"]
    assert wire.carrier.resent == 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda train: train[:3], "too short"),
        (lambda train: train[:20], "too short"),
        (lambda train: train[:-1], "too short"),
        (lambda train: train + b"x", "trailing bytes"),
    ],
)
def test_what_is_no_train_is_refused_as_its_declaration_says(change, says):
    body = change(Train(2, data(10).encode(), TOKEN.encode()).encode())
    with pytest.raises(MalformedFrame, match=says):
        Train.decode(body)
    wire, opened, tokens = Wire(2), [], []
    wire.carrier.open([PlainSealer(CLUSTER, 1).seal(Train.KIND, body)], opened, tokens, 0)
    assert (opened, tokens) == ([], [])
    assert wire.carrier.dropped == {says: 1}
