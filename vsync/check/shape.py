"""Configurations: their shape, identity and members (Moser et al., ICDCS 1994, section 3.1).

B0 to B6, and that nobody delivers what nobody sent.
"""

from vsync.check.reading import History, Life, Span


def judge_shape(history: History) -> None:
    """All rules of this module."""
    word(history)
    identity(history)
    growth(history)
    transitional_members(history)
    creation(history)


def word(history: History) -> None:
    """B0: an incarnation's configurations are REG (TRANS REG)*, the first is itself alone, each
    holds itself, and a transitional one comes from the regular one before it."""
    for life in history.lives:
        before: Span | None = None
        for span in life.spans:
            who = f"node {life.node}"
            if life.node not in span.members:
                history.complain("B0", f"{who} is not in its configuration {span.id}", span.line)
            if before is None:
                if not span.is_regular or span.members != (life.node,):
                    history.complain("B0", f"{who} does not begin alone", span.line)
            elif span.is_regular == before.is_regular:
                kind = "regular" if span.is_regular else "transitional"
                what = f"{who} goes from {before.id} to {span.id}, {kind} both"
                history.complain("B0", what, before.line, span.line)
            elif not span.is_regular and span.ring != before.ring:
                what = f"{who}: {span.id} does not come from {before.id}"
                history.complain("B0", what, before.line, span.line)
            before = span


def identity(history: History) -> None:
    """B1: one id, one content; and no process delivers a configuration twice, ever."""
    first: dict[str, Span] = {}
    rings: dict[str, Span] = {}
    seen: dict[tuple[int, str], Span] = {}
    for life in history.lives:
        for span in life.spans:
            other = first.setdefault(span.id, span)
            if _content(other) != _content(span):
                what = f"{span.id} is not alike everywhere"
                history.complain("B1", what, other.line, span.line)
            if span.is_regular:
                same = rings.setdefault(span.ring, span)
                if same.id != span.id:
                    what = f"ring {span.ring} has two configurations, {same.id} and {span.id}"
                    history.complain("B1", what, same.line, span.line)
            again = seen.setdefault((life.node, span.id), span)
            if again is not span:
                what = f"node {life.node} delivers {span.id} twice"
                history.complain("B1", what, again.line, span.line)


def _content(span: Span) -> tuple[object, ...]:
    return (
        span.is_regular,
        span.ring,
        span.ring_seq,
        span.members,
        span.timestamp,
        span.error,
    )


def growth(history: History) -> None:
    """B2: the ring numbers of a process's regular configurations grow, over restarts too, unless
    its storage was lost."""
    highest: dict[int, Span] = {}
    for life in history.lives:
        if life.lost:
            highest.pop(life.node, None)
        for span in life.spans:
            if not span.is_regular:
                continue
            before = highest.get(life.node)
            if before is not None and span.ring_seq <= before.ring_seq:
                what = (
                    f"node {life.node} goes from ring number {before.ring_seq} to {span.ring_seq}"
                )
                history.complain("B2", what, before.line, span.line)
            highest[life.node] = span


def transitional_members(history: History) -> None:
    """B6 (specification 1.3): a transitional configuration holds exactly those members of the next
    regular one that come from the same regular one."""
    came_from: dict[tuple[str, int], Span] = {}
    passages: list[tuple[Life, Span, Span, Span]] = []
    installed = {
        (span.id, life.node) for life in history.lives for span in life.spans if span.is_regular
    }
    for life in history.lives:
        for at, (old, between) in enumerate(zip(life.spans, life.spans[1:], strict=False)):
            if not old.is_regular or between.is_regular:
                continue
            _comers(history, life, old, between, installed)
            new = life.spans[at + 2] if at + 2 < len(life.spans) else None
            if new is not None and new.is_regular:
                came_from[new.id, life.node] = old
                passages.append((life, old, between, new))
    ways: dict[tuple[str, str], Span] = {}
    for life, old, between, new in passages:
        inside = set(between.members)
        if not inside <= set(new.members):
            what = f"node {life.node}: {between.id} is not part of {new.id}"
            history.complain("B6", what, between.line, new.line)
        way = ways.setdefault((old.id, new.id), between)
        if way.id != between.id:
            what = f"from {old.id} to {new.id} lead both {way.id} and {between.id}"
            history.complain("B6", what, way.line, between.line)
        for member in new.members:
            origin = came_from.get((new.id, member))
            if origin is not None and (origin.id == old.id) != (member in inside):
                how = "lacks" if origin.id == old.id else "wrongly holds"
                what = f"node {life.node}: {between.id} {how} {member}, which came from {origin.id}"
                history.complain("B6", what, between.line, new.line, origin.line)


def _comers(
    history: History, life: Life, old: Span, between: Span, installed: set[tuple[str, int]]
) -> None:
    """Whoever comes from a regular configuration was in it."""
    for member in between.members:
        if member not in old.members:
            what = f"node {life.node}: {between.id} holds {member}, and {old.id} does not"
            history.complain("B6", what, old.line, between.line)
        elif member in history.present and (old.id, member) not in installed:
            what = f"node {life.node}: {between.id} holds {member}, which never installs {old.id}"
            history.complain("B6", what, old.line, between.line)


def creation(history: History) -> None:
    """B3 (specification 1.3): what is delivered was sent, by a member, in that configuration.

    Where the log of the origin is missing, nothing can be said of it.
    """
    for message in history.messages:
        if not message.deliver_line:
            continue
        if message.sender is None:
            if message.origin in history.present:
                what = f"{message.name} is delivered, and node {message.origin} did not send it"
                history.complain("B3", what, message.deliver_line)
        elif message.sender.node != message.origin:
            true = message.sender.node
            what = f"{message.name} of node {true} is delivered as node {message.origin}'s"
            history.complain("B3", what, message.send_line, message.deliver_line)
