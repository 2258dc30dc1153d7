"""Judging a history by all rules."""

from collections.abc import Iterable

from clocksync.runtime.history import Event
from vsync.check.liveness import judge_liveness
from vsync.check.order import judge_order
from vsync.check.passages import passages_of, rings_of
from vsync.check.reading import History
from vsync.check.safety import judge_safety
from vsync.check.shape import judge_shape
from vsync.check.stamps import judge_stamps
from vsync.check.verdict import Verdict


def judge(events: Iterable[Event], name: str = "history") -> Verdict:
    """Judge the events of one group, in any order that keeps each incarnation's own.

    Raises:
        MalformedHistory: something is no event of the format; the message names its line.
    """
    history = History(events, name)
    passages = passages_of(history)
    rings = rings_of(history, passages)
    judge_shape(history)
    judge_order(history, passages, rings)
    judge_safety(history, rings)
    judge_stamps(history)
    judge_liveness(history)
    return history.verdict
