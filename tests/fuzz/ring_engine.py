"""An engine in each of its states, fed what authentication lets through and nobody honest sends.

It raises nothing, gives a reason for what it drops, and whatever it sends can be encoded.
"""

import pickle
import zlib
from functools import cache

from clocksync.runtime.envelope import HEADER_BYTES
from tests.fuzz.mutation import main
from tests.fuzz.ring_frames import EXAMPLES
from tests.vsync.talk import Talk, commit, data, join, sealed, token
from vsync.events import Datagram, Dropped
from vsync.frames import Commit, HoldCancel, Merge, Recovered
from vsync.identity import RingId
from vsync.states import State, Timer

# One seed, one engine, one ring: those of the seeds below name it.
RING = RingId(40, 1, 77)
OLD = RingId(1, 2, 0)


def _lost() -> Talk:
    talk = Talk(2).on_ring(1, 3)
    talk.hear(3, talk.other_data(2))
    talk.fire(Timer.TOKEN_LOSS)
    return talk


def _recovering() -> Talk:
    talk = Talk(2).in_recovery(1, 3)
    talk.first_token()
    return talk


PLACES = (
    lambda: Talk(2).on_ring(1, 3),
    _lost,
    lambda: Talk(2).gathered(1, 3),
    lambda: Talk(2).committed(1, 3),
    _recovering,
)


@cache
def _made(place: int) -> bytes:
    talk = PLACES[place]()
    talk.believed = False
    talk.said = []
    return pickle.dumps(talk)


def engine_in(place: int) -> Talk:
    """A copy: it may be spoilt."""
    talk: Talk = pickle.loads(_made(place))
    return talk


def _seeds() -> list[bytes]:
    committing = engine_in(3)
    frames = (
        *EXAMPLES,
        data(1, ring=RING, origin=3),
        Recovered(*RING, 1, 3, data(1, ring=RING, origin=3).encode()),
        token(RING, token_sequence=200, sequence=1, missing=(1, 1), clocks=(5, 9) * 3),
        join((1, 2, 3), ring_sequence=40, incarnation=3),
        join((1, 2, 3, 7), (7,), ring_sequence=41, incarnation=3),
        join((1, 2, 3), (3,), leaving=1, incarnation=3),
        committing.full_commit(),
        commit(RingId(90, 1, 5), 1, [committing.other_entry(m) for m in (1, 2, 3)]),
        Merge(99, 7, 1, 4),
        HoldCancel(*RING),
    )
    made = []
    for number, frame in enumerate(frames):
        place = 3 if isinstance(frame, Commit) else number % len(PLACES)
        made.append(bytes([place]) + sealed(3, frame))
    return made


SEEDS = tuple(_seeds())


def one_input(data: bytes) -> None:
    talk = engine_in(data[0] % len(PLACES) if data else 0)
    engine = talk.engine
    raw = data[1:]
    before = sum(engine.dropped.values())
    if len(raw) >= HEADER_BYTES:
        # A right head and checksum, so that the engine and not the envelope is asked.
        head = sealed(3, HoldCancel(*RING))[:3] + raw[3:4] + bytes(4) + raw[8:10]
        body = raw[HEADER_BYTES:]
        raw = head + zlib.crc32(body, zlib.crc32(head)).to_bytes(4, "big") + body
    effects = talk.say(Datagram(raw))
    for effect in effects:
        if isinstance(effect, Dropped):
            assert effect.cause.strip()
            assert engine.dropped[effect.cause]
    assert before <= sum(engine.dropped.values())
    assert engine.state is not State.IDLE
    # Storage and the next timer find it in order, too.
    talk.persisted()
    if talk.timers:
        talk.fire(min(talk.timers, key=lambda timer: (talk.timers[timer][1], timer.value)))


if __name__ == "__main__":
    main(one_input, SEEDS)
