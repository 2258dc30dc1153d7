"""Safe delivery and the promises of recovery (ICDCS 1994, section 3.5). D5, D6, O1."""

from collections import defaultdict

from vsync.check.passages import Passage, RingView
from vsync.check.reading import SAFE, History


def judge_safety(history: History, rings: list[RingView]) -> None:
    """All rules of this module."""
    regular = {
        (span.id, life.node) for life in history.lives for span in life.spans if span.is_regular
    }
    for view in rings:
        _everybody_delivers(history, view)
        _everybody_installed(history, view, regular)
    obligations(history, rings)


def _everybody_delivers(history: History, view: RingView) -> None:
    """D5 (specification 7.1): if one delivers a safe message, every member of the configuration it
    is delivered in delivers it, unless it dies."""
    owed: defaultdict[int, dict[int, tuple[int, str]]] = defaultdict(dict)
    for passage in view.passages:
        for span in (passage.regular, passage.transitional):
            if span is None:
                continue
            for number in span.delivers:
                if history.messages[number].service == SAFE:
                    for member in span.members:
                        owed[member].setdefault(number, (passage.life.node, span.id))
    for passage in view.passages:
        if passage.crashed or not passage.is_final(history.verdict.ends_quiet):
            continue
        delivered = set(passage.delivers)
        for number, (node, where) in owed[passage.life.node].items():
            if number not in delivered:
                message = history.messages[number]
                what = f"node {node} delivers the safe {message.name} in {where}"
                after = passage.next_regular.line if passage.next_regular is not None else 0
                history.complain(
                    "D5",
                    f"{what}, node {passage.life.node} never",
                    message.deliver_line,
                    after or passage.life.end_line,
                )


def _everybody_installed(history: History, view: RingView, regular: set[tuple[str, int]]) -> None:
    """D6 (specification 7.2): a safe message is delivered in a regular configuration only if every
    member has delivered that configuration."""
    for passage in view.passages:
        span = passage.regular
        safe = [n for n in span.delivers if history.messages[n].service == SAFE]
        if not safe:
            continue
        for member in span.members:
            if member in history.present and (span.id, member) not in regular:
                name = history.messages[safe[0]].name
                what = f"node {passage.life.node} delivers the safe {name} in {span.id}"
                history.complain("D6", f"{what}, which node {member} never installs", span.line)


def obligations(history: History, rings: list[RingView]) -> None:
    """O1: who completed the recovery on a ring delivers, before its next regular configuration,
    what those who installed that ring delivered of the old one, as far as it promised."""
    by_ring = {view.ring: view for view in rings}
    for life in history.lives:
        for at, ring, promised, line in life.promises:
            if at < 0:
                history.complain("O1", f"node {life.node} recovers before it has a ring", line)
                continue
            view = by_ring.get(life.spans[at].ring)
            if view is not None:
                _owes(history, view, life.spans[at].line, ring, set(promised), line, life.node)


def _owes(
    history: History,
    view: RingView,
    regular_line: int,
    ring: str,
    promised: set[int],
    line: int,
    node: int,
) -> None:
    mine = next((p for p in view.passages if p.regular.line == regular_line), None)
    if mine is None or mine.crashed or not mine.is_final(history.verdict.ends_quiet):
        return
    delivered = set(mine.delivers)
    for passage in view.passages:
        if not _reached(passage, ring):
            continue
        for number in passage.delivers:
            message = history.messages[number]
            if message.node in promised and number not in delivered:
                who = f"node {node} promised {message.name} in the recovery on {ring}"
                what = f"{who}, node {passage.life.node} delivers it, and it does not"
                history.complain("O1", what, line, message.deliver_line)


def _reached(passage: Passage, ring: str) -> bool:
    following = passage.next_regular
    return following is not None and following.ring == ring
