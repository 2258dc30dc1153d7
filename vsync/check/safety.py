"""Safe delivery and the promises of recovery (ICDCS 1994, section 3.5). D5, D6, O1."""

from collections import defaultdict

from vsync.check.passages import Passage, RingView
from vsync.check.reading import SAFE, History, Life, Promise


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
    owed: defaultdict[tuple[int, ...], dict[int, tuple[int, str, int]]] = defaultdict(dict)
    for passage in view.passages:
        for span in (passage.regular, passage.transitional):
            if span is None:
                continue
            due = owed[span.members]
            for number, line in zip(span.delivers, span.deliver_lines, strict=True):
                if history.messages[number].service == SAFE and number not in due:
                    due[number] = passage.life.node, span.id, line
    for passage in view.passages:
        if passage.crashed or not passage.is_final(history.verdict.ends_quiet):
            continue
        me, end = passage.life.node, passage.end_line
        delivered = set(passage.delivers)
        complained: set[int] = set()
        for members, due in owed.items():
            if me not in members:
                continue
            for number in sorted(due.keys() - delivered - complained):
                complained.add(number)
                node, where, line = due[number]
                what = f"node {node} delivers the safe {history.messages[number].name} in {where}"
                history.complain("D5", f"{what}, node {me} never", line, end)


def _everybody_installed(history: History, view: RingView, regular: set[tuple[str, int]]) -> None:
    """D6 (specification 7.2): a safe message is delivered in a regular configuration only if every
    member has delivered that configuration."""
    for passage in view.passages:
        span = passage.regular
        told = zip(span.delivers, span.deliver_lines, strict=True)
        safe = next((one for one in told if history.messages[one[0]].service == SAFE), None)
        if safe is None:
            continue
        number, line = safe
        for member in span.members:
            if member in history.present and (span.id, member) not in regular:
                name = history.messages[number].name
                what = f"node {passage.life.node} delivers the safe {name} in {span.id}"
                what += f", which node {member} never installs"
                history.complain("D6", what, span.line, line)


def obligations(history: History, rings: list[RingView]) -> None:
    """O1: who completed the recovery on a ring delivers, before its next regular configuration,
    what was exchanged there of the old one, as far as it promised.

    That is what those who promised too had sent and delivered before, and what those who installed
    that ring delivered of the old one: nothing comes in later.
    """
    promises: defaultdict[tuple[str, str], list[tuple[Life, Promise]]] = defaultdict(list)
    for life in history.lives:
        for promise in life.promises:
            promises[promise.span.ring, promise.ring].append((life, promise))
    views = {view.ring: view for view in rings}
    checked: set[tuple[object, ...]] = set()
    for (old, ring), together in promises.items():
        if old not in views:
            continue
        installed = [p for p in views[old].passages if _reached(p, ring)]
        told = [(life.index, promise.steps) for life, promise in together]
        reached = [passage.life.index for passage in installed]
        for life, promise in together:
            # The same promise, made again in another attempt that failed.
            key = (life.index, old, promise.obligations, *told, None, *reached)
            mine = next((p for p in views[old].passages if p.holds(promise.span)), None)
            if mine is not None and key not in checked and not mine.crashed:
                checked.add(key)
                if mine.is_final(history.verdict.ends_quiet):
                    _owes(history, mine, promise, together, installed)


def _owes(
    history: History,
    mine: Passage,
    promise: Promise,
    together: list[tuple[Life, Promise]],
    installed: list[Passage],
) -> None:
    delivered, promised = set(mine.delivers), set(promise.obligations)
    messages = history.messages
    who = f"node {mine.life.node} promised"

    def owe(number: int, node: int, line: int, does: str) -> None:
        if number not in delivered and messages[number].node in promised:
            delivered.add(number)  # told once
            what = f"{who} {messages[number].name} in the recovery on {promise.ring}"
            what = f"{what}, which node {node} {does}, and does not deliver it"
            history.complain("O1", what, promise.line, line, mine.end_line)

    for passage in installed:
        for number, line in zip(passage.delivers, passage.lines, strict=True):
            owe(number, passage.life.node, line, "delivers")
    for life, other in together:
        for step in other.span.steps[: other.steps]:
            if step < 0:
                owe(~step, life.node, messages[~step].send_line, "had sent")
            else:
                owe(step, life.node, other.line, "had delivered")


def _reached(passage: Passage, ring: str) -> bool:
    following = passage.next_regular
    return following is not None and following.ring == ring
