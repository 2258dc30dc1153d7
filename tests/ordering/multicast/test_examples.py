"""The examples that run over sockets, on ports of their own."""

import asyncio

from examples.bank import carry_out, run
from examples.total_order import WORDS, everybody
from ordering.multicast import Order
from tests.sockets.test_multicast import free_addresses


def test_the_bank_agrees_in_total_order_and_differs_without() -> None:
    def play(order: Order) -> list[tuple[int, list[str]]]:
        return asyncio.run(run(order, dict(enumerate(free_addresses(2), start=1))))

    assert [cents for cents, _ in play(Order.FIFO)] == [1_111_00, 1_110_00]
    first, second = play(Order.TOTAL)
    assert first == second
    assert first[0] in (1_111_00, 1_110_00)


def test_interest_and_deposit_do_not_commute() -> None:
    assert carry_out(carry_out(100_00, b"deposit 10000"), b"interest 1") == 202_00
    assert carry_out(carry_out(100_00, b"interest 1"), b"deposit 10000") == 201_00


def test_three_members_hear_one_sequence() -> None:
    heard = asyncio.run(everybody(dict(enumerate(free_addresses(3), start=1))))
    assert heard[0] == heard[1] == heard[2]
    for me in (1, 2, 3):
        assert [word for word in heard[0] if word.endswith(str(me))] == [
            f"{word} from {me}" for word in WORDS
        ]
