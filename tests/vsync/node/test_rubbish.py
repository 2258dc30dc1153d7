"""A live member under a flood of datagrams that nobody of its group has sent."""

import os
import socket
from random import Random

import pytest

from tests.fuzz.ring_frames import EXAMPLES
from tests.vsync.node.loopback import together
from tests.vsync.node.test_group import run
from tests.vsync.talk import sealed
from vsync.node.joining import group_number

pytestmark = pytest.mark.slow
COUNT = int(os.environ.get("CLOCKSYNC_RUBBISH", "20000"))
"""More by hand: CLOCKSYNC_RUBBISH=10000000."""


def mutated(random):
    """A frame of the group with some bytes changed, cut, or only noise."""
    frame = random.choice(EXAMPLES)
    raw = bytearray(sealed(random.choice([1, 2, 3, 9]), frame, cluster=group_number("test")))
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(raw))
        raw[at] ^= random.randint(1, 255)
    if random.random() < 0.2:
        del raw[random.randrange(len(raw)) :]
    return bytes(raw) if random.random() < 0.9 else random.randbytes(random.randrange(1472))


@pytest.mark.timeout(max(120, COUNT // 1000))
def test_a_live_member_under_rubbish_stays_on_its_ring_and_serves():
    async def program():
        random = Random(7)
        async with together(2) as groups:
            before = [group.configuration for group in groups]
            with socket.socket(type=socket.SOCK_DGRAM) as stranger:
                for n in range(COUNT):
                    victim = groups[n % 2]
                    stranger.sendto(mutated(random), victim.loop.sockets.address)
                    if n % 1000 == 0:
                        message = await victim.deliver(b"%d" % n)
                        assert message.payload == b"%d" % n
            assert [group.configuration for group in groups] == before
            refused = sum(sum(group.loop.dropped.values()) for group in groups)
            assert refused > COUNT // 2  # the kernel may drop some: that is its right

    run(program(), seconds=max(60, COUNT // 1000))
