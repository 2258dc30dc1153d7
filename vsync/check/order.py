"""Order: one logical time, the same messages for those who go on together, no holes (ICDCS 1994,
sections 3.1 to 3.4). B7, D1 to D4."""

from collections import defaultdict

from vsync.check.passages import Passage, RingView
from vsync.check.reading import History, Message, Span


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
            if last >= 0 and node not in after[last][-1:]:
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
        what = " before ".join(_event(history, names, node) for node in [*cycle, cycle[0]])
        history.complain("B7", f"no one order: {what}", *(lines[node] for node in cycle))


def _cycle(after: list[list[int]]) -> list[int]:
    """A shortest cycle through one of the nodes that lie on some; empty if there is none."""
    left = _cyclic(after)
    best: list[int] = []
    for start in sorted(left)[:50]:
        found = _way_back(after, left, start, len(best) or len(left) + 1)
        if found:
            best = found
            if len(best) == 2:
                break
    return best


def _cyclic(after: list[list[int]]) -> set[int]:
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


def _way_back(after: list[list[int]], within: set[int], start: int, most: int) -> list[int]:
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
                    return path[::-1]
                if target in within and target not in before:
                    before[target] = node
                    following.append(target)
        front, length = following, length + 1
    return []


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
                after = passage.next_regular.line if passage.next_regular is not None else 0
                what = f"node {passage.life.node} does not deliver its own {message.name}"
                history.complain("D1", what, message.send_line, after)


def atomicity(history: History) -> None:
    """D2 (specification 4): who goes from one configuration to the same next one delivers the same
    messages in it, in the same order."""
    first: dict[tuple[str, str], tuple[int, Span]] = {}
    for life in history.lives:
        for span, following in zip(life.spans, life.spans[1:], strict=False):
            node, other = first.setdefault((span.id, following.id), (life.node, span))
            if other.delivers != span.delivers:
                what = _difference(history, node, other, life.node, span)
                head = f"from {span.id} to {following.id}"
                history.complain("D2", f"{head}: {what}", other.line, span.line)


def _difference(history: History, node: int, one: Span, other_node: int, other: Span) -> str:
    for mine, theirs in zip(one.delivers, other.delivers, strict=False):
        if mine != theirs:
            names = history.messages[mine].name, history.messages[theirs].name
            return f"node {node} delivers {names[0]} where node {other_node} delivers {names[1]}"
    longer, extra, lacks = (
        (node, one.delivers[len(other.delivers) :], other_node)
        if len(one.delivers) > len(other.delivers)
        else (other_node, other.delivers[len(one.delivers) :], node)
    )
    return f"node {longer} delivers {history.messages[extra[0]].name}, node {lacks} does not"


def _holes(history: History, view: RingView, passage: Passage) -> None:
    """D4 (specification 6.3): before a message come all earlier ones of its ring that were sent by
    members of the configuration it is delivered in. In a regular one: no holes at all."""
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
    messages, members = history.messages, set(span.members)
    delivered = before | set(delivers)
    last = delivers[-1]
    if view.known[len(before) : len(before) + len(delivers)] != delivers:
        for number in view.known:
            message = messages[number]
            if message.place >= messages[last].place:
                break
            if number not in delivered and message.node in members:
                what = f"node {passage.life.node} delivers {messages[last].name} in {span.id}"
                history.complain(
                    "D4",
                    f"{what} without {message.name} of node {message.node} before it",
                    message.send_line or message.deliver_line,
                    span.line,
                )
                return
        places = [messages[number].place for number in delivers]
        if places != sorted(places):
            what = f"node {passage.life.node} delivers out of order in {span.id}"
            history.complain("D4", what, span.line)


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
        if message.sender is passage.life:
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
                )
                return


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
