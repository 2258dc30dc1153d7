"""A ring behind the interface of ordered multicast."""

import asyncio

import pytest

from tests.vsync.node.loopback import SOON_S, joinings
from vsync.identity import Service
from vsync.node.ordered import OrderedMulticast

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("service", Service)
def test_all_take_the_same_numbered_messages_in_one_order(service):
    async def member(joining):
        async with joining as group:
            ordered = OrderedMulticast(group, service)
            found = []

            async def receive():
                async for delivery in ordered:
                    found.append(delivery)
                    if len(found) == 30:
                        return

            taking = asyncio.ensure_future(receive())
            await ordered.reach(3)
            await ordered.multicast(b"0 of %d" % group.id)
            await ordered.multicast_many([b"%d of %d" % (n, group.id) for n in range(1, 10)])
            await taking
            # Who leaves early is missed by those who have not taken all.
            await asyncio.sleep(0.2)
            await ordered.leave()
            return found

    async def program():
        async with asyncio.timeout(SOON_S):
            return await asyncio.gather(*map(member, joinings(3)))

    one, two, three = asyncio.run(program())
    assert one == two == three
    for origin in (1, 2, 3):
        mine = [delivery for delivery in one if delivery.origin == origin]
        assert [delivery.number for delivery in mine] == list(range(1, 11))
        assert [delivery.message for delivery in mine] == [
            b"%d of %d" % (n, origin) for n in range(10)
        ]
