"""What the judge of histories (:mod:`vsync.check`) says, for people who have not read its rules."""

import re
from collections.abc import Mapping

from vsync.check import Verdict
from vsync.playground.ring.words import said
from vsync.playground.stage import Message

PROMISES = {
    "B3": "a message is delivered only if it was sent, and as it was sent",
    "B4": "a message is delivered once",
    "B7": "there is one order of all that happens",
    "D1": "who sends a message delivers it (self delivery)",
    "D2": "who goes from one configuration to the next together delivers the same messages",
    "D3": "an answer does not come before its question",
    "D4": "messages are delivered in the order of their numbers, without holes (agreed)",
    "D5": "if one delivers a safe message, every member of the configuration delivers it",
    "D6": "a safe message is delivered only where every member was told of the configuration",
    "T2": "timestamps grow in the order of delivery",
}
"""Rules of ``docs/checking.md`` in a few words."""

_NAME = re.compile(r"\b\d+\.\d+\.[0-9a-f]+/\d+(?:\.\d+)?")


def verdict(at_s: float, found: Verdict, labels: Mapping[str, str]) -> Message:
    """A verdict as something to read; `labels` are how messages are called on the page."""
    if found:
        what = f"{found.events:,} events, {found.messages:,} messages"
        return said(at_s, "The judge: every promise was kept", f"It looked at {what}.", "good")
    rules = []
    for violation in found.violations:
        if violation.rule not in rules:
            rules.append(violation.rule)
    first = found.violations[0]
    broken = "; ".join(
        f"<b>{rule}</b> {PROMISES[rule]}" if rule in PROMISES else f"<b>{rule}</b>"
        for rule in rules
    )
    words = _NAME.sub(lambda name: labels.get(name[0], name[0]), first.text)
    text = f"Broken: {broken}. It says of {first.rule}: {words}."
    return said(at_s, f"The judge: this breaks {', '.join(rules)}", text, "bad")
