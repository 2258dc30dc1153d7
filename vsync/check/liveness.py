"""What must happen at last: judged only where a history ends with ``quiet``. B8, P1 to P3."""

from vsync.check.reading import History, Life


def judge_liveness(history: History) -> None:
    """All rules of this module."""
    if not history.verdict.ends_quiet:
        return
    alive: dict[int, Life] = {}
    for life in history.lives:
        if life.ended:
            alive.pop(life.node, None)
        else:
            alive[life.node] = life
    agreement(history, alive)
    progress(history, alive)
    stability(history)


def agreement(history: History, alive: dict[int, Life]) -> None:
    """B8 (specification 2.1), P2: everybody who lives is in a regular configuration, whose members
    all live and are in it."""
    ends = {life.node: life.end_line for life in history.lives}
    for node, life in sorted(alive.items()):
        if not life.spans or not life.spans[-1].is_regular:
            line = life.spans[-1].line if life.spans else life.line
            history.complain("P2", f"node {node} ends without a regular configuration", line)
            continue
        last = life.spans[-1]
        for member in last.members:
            if member not in history.present:
                continue
            other = alive.get(member)
            if other is None:
                what = f"node {node} ends in {last.id} with {member}, which is gone"
                history.complain("B8", what, last.line, ends[member])
            elif other.spans and other.spans[-1].id != last.id:
                what = f"node {node} ends in {last.id}, its member {member} in {other.spans[-1].id}"
                history.complain("B8", what, last.line, other.spans[-1].line)


def progress(history: History, alive: dict[int, Life]) -> None:
    """P1: what a live process submitted it has sent and delivered; and if it was sent in its last
    configuration, all members have."""
    delivered = {
        life.node: {n for span in life.spans for n in span.delivers} for life in alive.values()
    }
    for node, life in sorted(alive.items()):
        for handle, (line, _, _) in life.submits.items():
            number = life.sent_handles.get(handle)
            if number is None:
                history.complain("P1", f"node {node} never sends its submission {handle}", line)
                continue
            message = history.messages[number]
            is_last = life.spans and message.sent_in is life.spans[-1]
            members = life.spans[-1].members if is_last else (node,)
            for member in members:
                if member in delivered and number not in delivered[member]:
                    what = f"node {member} does not deliver {message.name}"
                    end = alive[member].spans[-1].line if alive[member].spans else 0
                    history.complain("P1", what, line, message.send_line, end)


def stability(history: History) -> None:
    """P3: without faults no configuration changes. The time after healing, or after the last boot,
    crash or leave if that is later, is halved: rings may form in the first half.

    This alone looks at ``at``, so it trusts only a node that was not past the end of all: then it
    has a clock of its own.
    """
    if not history.healed_line:
        return
    never = -1
    healed, quiet = (history.at(line, never) for line in (history.healed_line, history.quiet_line))
    if never in (healed, quiet):
        return
    comings = [at for line in history.comings if (at := history.at(line, healed)) <= quiet]
    middle = (max([healed, *comings]) + quiet) // 2
    late = [line for line in history.changes if history.at(line, middle) > middle]
    if late:
        lines = range(1, len(history.events) + 1)
        apart = {history.events[n - 1].get("node") for n in lines if history.at(n, quiet) > quiet}
        late = [line for line in late if history.events[line - 1]["node"] not in apart]
    if late:
        what = f"{len(late)} configuration events long after all was healed"
        history.complain("P3", what, late[0], late[-1])
