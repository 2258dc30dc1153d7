"""The classic example: clocks that tick 6, 8 and 10 per step, and Lamport's correction."""

from pathlib import Path

from examples.three_clocks import as_run, as_they_run, corrected
from ordering.diagram import draw
from ordering.trace import Kind


def messages(run):
    return {
        sent.message: (sent.at_ns, received.at_ns)
        for sent, received in run.messages()
        if sent.kind is Kind.SEND
    }


def test_uncorrected_two_messages_arrive_before_they_were_sent():
    run = as_run(as_they_run())
    assert messages(run) == {"A": (6, 16), "B": (24, 40), "C": (60, 56), "D": (64, 54)}
    assert [message.sent.message for message in run.received_before_sent()] == ["C", "D"]


def test_lamports_rule_corrects_the_clocks_as_in_the_textbook():
    readings = corrected()
    assert readings == {
        "P1": [0, 6, 12, 18, 24, 30, 36, 42, 48, 70, 76],
        "P2": [0, 8, 16, 24, 32, 40, 48, 61, 69, 77, 85],
        "P3": [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100],
    }
    run = as_run(readings)
    assert messages(run) == {"A": (6, 16), "B": (24, 40), "C": (60, 61), "D": (69, 70)}
    assert run.received_before_sent() == []


def test_the_documentations_pictures_are_what_the_example_draws():
    pictures = Path(__file__).parents[2] / "docs" / "ordering"
    for title, readings in (
        ("As the clocks run", as_they_run()),
        ("As Lamport corrects them", corrected()),
    ):
        path = pictures / f"{title.lower().replace(' ', '-')}.svg"
        assert path.read_text("utf-8") == draw(as_run(readings), title=title), (
            "stale: run python examples/three_clocks.py docs/ordering"
        )
