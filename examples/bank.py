"""A replicated account: a deposit of 100 and 1 % interest, at the same moment, at two replicas.

Both replicas carry out both updates. If each carries out its own first, one has 1,111.00 and the
other 1,110.00; in total order both have the same, whichever it is. Run it::

    python examples/bank.py
"""

import asyncio

from ordering.multicast import Group, Order, join

PORT = 47_711
WHERE = {1: f"127.0.0.1:{PORT}", 2: f"127.0.0.1:{PORT + 1}"}
OPENING_CENTS = 1_000_00
UPDATES = {1: b"deposit 10000", 2: b"interest 1"}


def carry_out(balance_cents: int, update: bytes) -> int:
    """The balance after an update."""
    what, amount = update.split()
    if what == b"deposit":
        return balance_cents + int(amount)
    return balance_cents + balance_cents * int(amount) // 100


async def balance(group: Group) -> tuple[int, list[str]]:
    """The balance at one replica when both updates are carried out, and their sequence."""
    cents, sequence = OPENING_CENTS, []
    async for delivery in group:
        cents = carry_out(cents, delivery.message)
        sequence.append(delivery.message.decode())
        if len(sequence) == len(UPDATES):
            break
    return cents, sequence


async def run(order: Order, where: dict[int, str]) -> list[tuple[int, list[str]]]:
    """Both replicas' balances and sequences."""
    async with (
        join(1, listen=where[1], peers={2: where[2]}, order=order) as first,
        join(2, listen=where[2], peers={1: where[1]}, order=order) as second,
    ):
        await first.reach(10)
        await second.reach(10)
        await first.multicast(UPDATES[1])  # neither has heard of the other's update yet
        await second.multicast(UPDATES[2])
        return list(await asyncio.gather(balance(first), balance(second)))


def main() -> None:
    for order, title in ((Order.FIFO, "without total order"), (Order.TOTAL, "in total order")):
        print(f"{title}:")
        results = asyncio.run(run(order, WHERE))
        for replica, (cents, sequence) in enumerate(results, start=1):
            print(f"  replica {replica}: {', then '.join(sequence):<36} {cents / 100:>10,.2f}")
        print("  the replicas agree" if len({c for c, _ in results}) == 1 else "  THEY DIFFER")


if __name__ == "__main__":
    main()
