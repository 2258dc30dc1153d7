"""Protected datagrams and hellos, as a stranger may send them: refused, and nothing changes.

What is fed was seen before, or is a mutation of that: there is nothing in it to be accepted.
"""

from clocksync.runtime.errors import MalformedFrame
from clocksync.security.datagram import HELLO_BYTES
from tests.clocksync.security.talk import MS, Talk, ring
from tests.fuzz.mutation import main, one_line

TALK = Talk(1, 2, 3, keys=ring(1, 2))
for _me in (1, 2, 3):
    for _peer in (1, 2, 3):
        TALK.greet(_me, _peer)
TALK.settle()
HELLOS = tuple(hello for _, _, hello in TALK.sent)
SEEN = tuple(TALK.says(1, body) for body in (b"", b"short", bytes(100)))
for _data in SEEN:
    TALK.hear(2, _data)
SEEDS = (*SEEN, *HELLOS, TALK.says(2))
MIND = TALK.mind(2)


def one_input(data: bytes) -> None:
    for given in (data, memoryview(data)):
        TALK.now += MS
        try:
            opened = TALK[2].open(given, TALK.now)
        except MalformedFrame as error:
            one_line(error)
        else:
            assert opened is None
            assert data in HELLOS
    hellos = TALK[2].take_outgoing()
    assert all(len(hello) == HELLO_BYTES for _, hello in hellos)
    assert len(hellos) <= 2
    assert TALK.mind(2) == MIND


if __name__ == "__main__":
    main(one_input, SEEDS)
