"""One member of ``tools.demo_multicast --order agreed``: multicasts, and tells its digest.  [I/O]

It waits until all are there, multicasts its messages, takes all of everybody's, and prints one line
of JSON: how many it sent and was delivered, and the SHA-256 of what it was delivered, in order.
"""

import argparse
import asyncio
import hashlib
import json
import sys

import vsync
from vsync.node.ordered import OrderedMulticast

TIMEOUT_S = 60.0


async def run(given: argparse.Namespace) -> dict[str, object]:
    """Be a member from beginning to end; what it tells."""
    peers = dict(given.peer)
    everybody = len(peers) + 1
    joining = vsync.join(
        "demo", id=given.id, listen=given.listen, peers=peers, insecure_plaintext=True
    )
    digest, delivered = hashlib.sha256(), 0
    done = asyncio.Event()
    async with joining as group, asyncio.TaskGroup() as tasks, asyncio.timeout(TIMEOUT_S):
        ordered = OrderedMulticast(group, vsync.Service(given.order))
        ends = 0

        async def receive() -> None:
            nonlocal delivered, ends
            async for delivery in ordered:
                if delivery.message == b"end":
                    ends += 1
                    if ends == everybody:
                        done.set()
                    continue
                delivered += 1
                digest.update(b"%d %d " % (delivery.origin, delivery.number) + delivery.message)

        receiving = tasks.create_task(receive())
        await ordered.reach(everybody)
        for number in range(given.count):
            await ordered.multicast(b"%d of %d" % (number + 1, given.id))
            if number % 10 == 9:
                await asyncio.sleep(10 / given.rate)
        await ordered.multicast(b"end")
        await done.wait()
        receiving.cancel()
    return {"sent": given.count, "delivered": delivered, "digest": digest.hexdigest()}


def _peer(text: str) -> tuple[int, str]:
    number, _, where = text.partition("=")
    return int(number), where


def main() -> int:
    """Run one member."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--id", type=int, required=True)
    parser.add_argument("--listen", required=True)
    parser.add_argument("--peer", type=_peer, action="append", default=[])
    parser.add_argument("--order", choices=[service.value for service in vsync.Service])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=500.0)
    print(json.dumps(asyncio.run(run(parser.parse_args()))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
