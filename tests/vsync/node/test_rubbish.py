"""A live member under a flood of datagrams that nobody of its group has sent."""

import os
import socket
from random import Random

import pytest

from clocksync.security import keys
from clocksync.security.sealer import Sealer
from tests.fuzz.ring_frames import EXAMPLES
from tests.vsync.node.loopback import together
from tests.vsync.node.test_group import run
from tests.vsync.talk import sealed
from vsync.identity import group_number

pytestmark = pytest.mark.slow
COUNT = int(os.environ.get("CLOCKSYNC_RUBBISH", "10000"))
"""More by hand: CLOCKSYNC_RUBBISH=10000000."""


def plain():
    """What members of a group without a key send."""
    cluster = group_number("test")
    return [sealed(me, frame, cluster=cluster) for me in (1, 2, 3, 9) for frame in EXAMPLES]


def protected(ring):
    """What members send who have the key, from before they were started again: greetings too."""
    made = []
    for me in (1, 2, 3):
        sealer = Sealer(ring, group_number("test"), me, os.urandom(16), os.urandom)
        made += [sealer.seal(frame.KIND, frame.encode()) for frame in EXAMPLES]
        for peer in (1, 2):
            if peer != me:
                sealer.greet(peer, 1)
        made += [hello for _, hello in sealer.take_outgoing()]
    return made


def mutated(random, seeds):
    """A datagram with some bytes changed, cut, or only noise; none as it was."""
    seed = random.choice(seeds)
    raw = bytearray(seed)
    for _ in range(random.randint(1, 4)):
        raw[random.randrange(len(raw))] ^= random.randint(1, 255)
    if random.random() < 0.2:
        del raw[random.randrange(len(raw)) :]
    return bytes(raw) if raw != seed and random.random() < 0.9 else random.randbytes(len(raw))


@pytest.mark.timeout(max(120, COUNT // 1000))
@pytest.mark.parametrize("has_key", [True, False])
def test_a_live_member_under_rubbish_stays_on_its_ring_and_serves(tmp_path, has_key):
    more = {"key": tmp_path / "key"} if has_key else {}
    seeds = protected(keys.generate(tmp_path / "key")) if has_key else plain()

    async def program():
        random = Random(7)
        async with together(2, **more) as groups:
            before = [group.configuration for group in groups]
            with socket.socket(type=socket.SOCK_DGRAM) as stranger:
                for n in range(COUNT):
                    victim = groups[n % 2]
                    stranger.sendto(mutated(random, seeds), victim.loop.sockets.address)
                    if n % 1000 == 0:
                        message = await victim.deliver(b"%d" % n)
                        assert message.payload == b"%d" % n
            assert [group.configuration for group in groups] == before
            refused = sum(sum(group.loop.dropped.values()) for group in groups)
            assert refused > COUNT // 2  # the kernel may drop some: that is its right

    run(program(), seconds=max(60, COUNT // 1000))
