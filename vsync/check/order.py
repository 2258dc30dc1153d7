"""Order: one logical time, the same messages for those who go on together, no holes (ICDCS 1994,
sections 3.1 to 3.4). B7, D1 to D4."""

from collections import defaultdict

from vsync.check.passages import Passage, RingView
from vsync.check.reading import History, Message, Span

SEARCHED = 1_000_000
"""So many steps the search for a shorter cycle may take."""
SHOWN = 10
"""So many events of a cycle are told."""


def judge_order(history: History, passages: list[Passage], rings: list[RingView]) -> None:
    """All rules of this module."""
    one_time(history)
    self_delivery(history, passages)
    atomicity(history)
    for view in rings:
        for passage in view.passages:
            _holes(history, view, passage)
            _causes(history, passage)


def one_time(history: History) -> None:
    """B7 (1.1, 2.3, 6.1): there is one order of all events in which every log is in order, a
    message is sent before it is delivered, and a delivery or configuration is one event for all.

    So: take each configuration once, each message's delivery once, each sending once; their order
    in the logs may have no cycle.
    """
    count = 2 * len(history.messages)  # delivery of message n: 2n; its sending: 2n + 1
    configurations: dict[str, int] = {}
    lines: list[int] = [0] * count
    after: list[list[int]] = [[] for _ in range(count)]
    for life in history.lives:
        last = -1
        for span in life.spans:
            node = configurations.get(span.id)
            if node is None:
                node = configurations[span.id] = len(after)
                after.append([])
                lines.append(span.line)
            if last >= 0 and node != last and node not in after[last][-1:]:
                after[last].append(node)
            last = node
            for step in span.steps:
                node = 2 * step if step >= 0 else 2 * ~step + 1
                if node not in after[last][-1:]:
                    after[last].append(node)
                last = node
    for number, message in enumerate(history.messages):
        lines[2 * number], lines[2 * number + 1] = message.deliver_line, message.send_line
        if message.send_line and message.deliver_line:
            after[2 * number + 1].append(2 * number)
    cycle = _cycle(after)
    if cycle:
        names = {node: name for name, node in configurations.items()}
        shown = cycle if len(cycle) <= SHOWN else [*cycle[: SHOWN // 2], *cycle[-SHOWN // 2 :]]
        told = [_event(history, names, node) for node in [*shown, cycle[0]]]
        if shown is not cycle:
            told.insert(SHOWN // 2, f"{len(cycle) - SHOWN} others")
        what = " before ".join(told)
        history.complain("B7", f"no one order: {what}", *(lines[node] for node in shown))


def _cycle(after: list[list[int]]) -> list[int]:
    """A cycle, the shortest one unless the search gets long; empty if there is none."""
    best: list[int] = []
    budget = SEARCHED
    for knot in sorted(_knots(after), key=len):
        within = set(knot)
        for start in sorted(knot):
            if best and (budget <= 0 or len(best) == 2):
                return best
            found, visited = _way_back(after, within, start, len(best) or len(knot) + 1)
            budget -= visited
            best = found or best
    return best


def _knots(after: list[list[int]]) -> list[list[int]]:
    """The strongly connected components of two nodes and more: every node of one lies on a cycle.

    After Tarjan, SIAM J. Comput. 1(2), 1972, among the nodes that have a predecessor left when
    those without one are taken away again and again: in a right history none.
    """
    left = _behind_a_cycle(after)
    order: dict[int, int] = {}
    lowest: dict[int, int] = {}
    stack: list[int] = []
    closed: set[int] = set()
    knots: list[list[int]] = []
    for root in sorted(left):
        walk = [] if root in order else [(root, iter(after[root]))]
        while walk:
            node, following = walk[-1]
            if node not in order:
                order[node] = lowest[node] = len(order)
                stack.append(node)
            target = next(following, None)
            if target is None:
                walk.pop()
                if walk:
                    lowest[walk[-1][0]] = min(lowest[walk[-1][0]], lowest[node])
                if lowest[node] == order[node]:
                    knot = [stack.pop()]
                    while knot[-1] != node:
                        knot.append(stack.pop())
                    closed.update(knot)
                    if len(knot) > 1:
                        knots.append(knot)
            elif target not in order:
                walk.append((target, iter(after[target])))
            elif target not in closed:
                lowest[node] = min(lowest[node], order[target])
    return knots


def _behind_a_cycle(after: list[list[int]]) -> set[int]:
    """The nodes that remain when those without a predecessor are taken away, again and again."""
    waiting = [0] * len(after)
    for following in after:
        for node in following:
            waiting[node] += 1
    free = [node for node, count in enumerate(waiting) if not count]
    while free:
        for node in after[free.pop()]:
            waiting[node] -= 1
            if not waiting[node]:
                free.append(node)
    return {node for node, count in enumerate(waiting) if count}


def _way_back(
    after: list[list[int]], within: set[int], start: int, most: int
) -> tuple[list[int], int]:
    """The shortest cycle through `start` of fewer than `most` nodes, and how many were visited."""
    before: dict[int, int] = {start: -1}
    front, length = [start], 1
    while front and length < most:
        following: list[int] = []
        for node in front:
            for target in after[node]:
                if target == start:
                    path = [node]
                    while before[path[-1]] >= 0:
                        path.append(before[path[-1]])
                    return path[::-1], len(before)
                if target in within and target not in before:
                    before[target] = node
                    following.append(target)
        front, length = following, length + 1
    return [], len(before)


def _event(history: History, configurations: dict[int, str], node: int) -> str:
    if node in configurations:
        return configurations[node]
    name = history.messages[node // 2].name
    return f"sending {name}" if node % 2 else f"delivering {name}"


def self_delivery(history: History, passages: list[Passage]) -> None:
    """D1 (specification 3): who sends a message delivers it, in that configuration or the
    transitional one that follows, unless it dies there."""
    for passage in passages:
        if passage.crashed or not passage.is_final(history.verdict.ends_quiet):
            continue
        delivered = set(passage.delivers)
        for number in passage.regular.sends:
            if number not in delivered:
                message = history.messages[number]
                what = f"node {passage.life.node} does not deliver its own {message.name}"
                history.complain("D1", what, message.send_line, passage.end_line)


def atomicity(history: History) -> None:
    """D2 (specification 4): who goes from one configuration to the same next one delivers the same
    messages in it, in the same order."""
    first: dict[tuple[str, str], tuple[int, Span]] = {}
    for life in history.lives:
        for span, following in zip(life.spans, life.spans[1:], strict=False):
            node, other = first.setdefault((span.id, following.id), (life.node, span))
            if other.delivers != span.delivers:
                what, *lines = _difference(history, node, other, life.node, span)
                head = f"from {span.id} to {following.id}"
                history.complain("D2", f"{head}: {what}", *lines)


def _difference(
    history: History, node: int, one: Span, other_node: int, other: Span
) -> tuple[str, int, int]:
    """What the first difference is, and where at either."""
    at = 0
    for mine, theirs in zip(one.delivers, other.delivers, strict=False):
        if mine != theirs:
            names = history.messages[mine].name, history.messages[theirs].name
            what = f"node {node} delivers {names[0]} where node {other_node} delivers {names[1]}"
            return what, one.deliver_lines[at], other.deliver_lines[at]
        at += 1
    if at < len(one.delivers):
        longer, shorter, who, lacks = one, other, node, other_node
    else:
        longer, shorter, who, lacks = other, one, other_node, node
    what = f"node {who} delivers {history.messages[longer.delivers[at]].name}, node {lacks} does"
    return f"{what} not", longer.deliver_lines[at], shorter.line


def _holes(history: History, view: RingView, passage: Passage) -> None:
    """D4 (specification 6.3): before a message come all earlier ones of its ring that anybody
    delivers and a member of the configuration sent. In a regular one: no holes at all, also of what
    was only sent."""
    if passage.regular.delivers:
        _hole_in(history, view, passage.regular.delivers, passage.regular, set(), passage)
    if passage.transitional is not None and passage.transitional.delivers:
        before = set(passage.regular.delivers)
        delivers = passage.transitional.delivers
        _hole_in(history, view, delivers, passage.transitional, before, passage)


def _hole_in(
    history: History,
    view: RingView,
    delivers: list[int],
    span: Span,
    before: set[int],
    passage: Passage,
) -> None:
    if view.known[len(before) : len(before) + len(delivers)] == delivers:
        return
    messages, members = history.messages, set(span.members)
    who, behind = f"node {passage.life.node}", -1
    for at, number in enumerate(delivers):
        if behind >= 0 and messages[number].place < messages[delivers[behind]].place:
            names = f"{messages[number].name} after {messages[delivers[behind]].name}"
            lines = span.deliver_lines[behind], span.deliver_lines[at]
            history.complain("D4", f"{who} delivers {names} in {span.id}", *lines)
            break
        behind = at
    delivered = before | set(delivers)
    last = max(delivers, key=lambda number: messages[number].place)
    for number in view.known:
        message = messages[number]
        if message.place >= messages[last].place:
            break
        if number in delivered or not (span.is_regular or message.deliver_line):
            continue
        if message.node in members:
            first = next(n for n in delivers if messages[n].place > message.place)
            what = f"{who} delivers {messages[first].name} in {span.id}"
            history.complain(
                "D4",
                f"{what} without {message.name} of node {message.node} before it",
                message.send_line or message.deliver_line,
                span.deliver_lines[delivers.index(first)],
            )
            return


def _causes(history: History, passage: Passage) -> None:
    """D3 (specification 5): before a message its deliverer delivers what its sender had sent or
    delivered on that ring before it sent it.

    Of the causes' causes this says the same, since they are delivered too.
    """
    messages = history.messages
    position = {number: at for at, number in enumerate(passage.delivers)}
    checked: defaultdict[int, int] = defaultdict(int)
    for at, number in enumerate(passage.delivers):
        message = messages[number]
        if message.sender is None or message.sent_in is None:
            continue
        for cause in _unchecked(message, number, checked):
            if position.get(cause, at) >= at and cause != number:
                where = messages[cause]
                what = f"node {passage.life.node} delivers {message.name} before {where.name}"
                history.complain(
                    "D3",
                    f"{what}, which node {message.sender.node} had seen when it sent it",
                    where.send_line or where.deliver_line,
                    message.send_line,
                    _line_of(passage, at),
                )
                return


def _line_of(passage: Passage, at: int) -> int:
    """Where the passage's delivery number `at` is told."""
    lines = passage.regular.deliver_lines
    if at < len(lines) or passage.transitional is None:
        return lines[at]
    return passage.transitional.deliver_lines[at - len(lines)]


def _unchecked(message: Message, number: int, checked: "defaultdict[int, int]") -> list[int]:
    """What the sender had sent or delivered before this sending, and was not looked at yet."""
    assert message.sender is not None, "its sender is known"
    assert message.sent_in is not None, "and where it was sent"
    steps, sender = message.sent_in.steps, message.sender.index
    start = checked[sender]
    try:
        end = steps.index(~number, start)
    except ValueError:
        return []  # it was looked at with a later one: they come out of order
    checked[sender] = end + 1
    return [step if step >= 0 else ~step for step in steps[start:end]]
