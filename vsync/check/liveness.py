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
                history.complain("B8", what, last.line)
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
        for handle, line in life.submits.items():
            number = life.sent_handles.get(handle)
            if number is None:
                history.complain("P1", f"node {node} never sends its submission {handle}", line)
                continue
            message, last = history.messages[number], life.spans[-1]
            members = last.members if message.sent_in is last else (node,)
            for member in members:
                if member in delivered and number not in delivered[member]:
                    what = f"node {member} does not deliver {message.name}"
                    history.complain("P1", what, line, message.send_line)


def stability(history: History) -> None:
    """P3: without faults no configuration changes. The time after healing is halved: rings may form
    in the first half."""
    healed, quiet = history.healed_at, history.quiet_at
    if not isinstance(healed, int) or not isinstance(quiet, int):
        return
    late = [line for at, line in history.changes if at > (healed + quiet) // 2]
    if late:
        what = f"{len(late)} configuration events long after all was healed"
        history.complain("P3", what, late[0])
