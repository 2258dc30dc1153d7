"""Three members talk at once, and all see one sequence.

They live in one process here, on three loopback addresses; on three machines each runs the part
inside :func:`member`. Run it::

    python examples/total_order.py
"""

import asyncio

from ordering.multicast import join

PORT = 47_701
WHERE = {1: f"127.0.0.1:{PORT}", 2: f"127.0.0.1:{PORT + 1}", 3: f"127.0.0.1:{PORT + 2}"}
WORDS = ("one", "two", "three")


async def member(me: int, where: dict[int, str]) -> list[str]:
    """Say three words, and listen until everybody has."""
    peers = {other: address for other, address in where.items() if other != me}
    heard: list[str] = []
    async with join(me, listen=where[me], peers=peers, order="total") as group:
        for word in WORDS:
            await group.multicast(f"{word} from {me}".encode())
            await asyncio.sleep(0.001)  # so that the words of the three mix
        async for delivery in group:
            heard.append(delivery.message.decode())
            if len(heard) == len(WORDS) * len(where):
                break
    return heard


async def everybody(where: dict[int, str]) -> list[list[str]]:
    """What each member heard."""
    return list(await asyncio.gather(*(member(me, where) for me in where)))


def main() -> None:
    heard = asyncio.run(everybody(WHERE))
    for place, words in enumerate(zip(*heard, strict=True), start=1):
        print(f"{place}. " + "   ".join(f"{word:<14}" for word in words))
    same = all(one == heard[0] for one in heard)
    print("all heard the same sequence" if same else "THE SEQUENCES DIFFER")


if __name__ == "__main__":
    main()
