"""An examination, concluded: findings in order, as lines for people, as JSON for scripts. Pure."""

import json
from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from clocksync.doctor import machine, servers
from clocksync.doctor.evidence import Evidence, Finding, Severity, Unchecked
from clocksync.measuring.report import rfc3339

SCHEMA = "clocksync.doctor/1"
_ORDER = list(Severity)
_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.NOTE: "bold cyan"}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found, the worst first, and what could not be checked."""

    at_ns: int
    findings: tuple[Finding, ...]
    unchecked: tuple[Unchecked, ...]
    hosts_named: int
    hosts_usable: int

    @property
    def exit_code(self) -> int:
        """0: nothing is wrong (there may be notes). 1: something is. 2: hosts were named, and none
        of them gave a usable answer."""
        if self.hosts_named and not self.hosts_usable:
            return 2
        return int(any(f.severity is not Severity.NOTE for f in self.findings))


def diagnose(evidence: Evidence) -> Diagnosis:
    """Make every check."""
    checks = (*machine.CHECKS, *servers.CHECKS, servers.not_asked)
    outcomes = [outcome for check in checks for outcome in check(evidence)]
    findings = [outcome for outcome in outcomes if isinstance(outcome, Finding)]
    findings.sort(key=lambda finding: _ORDER.index(finding.severity))
    return Diagnosis(
        evidence.at_ns,
        tuple(findings),
        tuple(outcome for outcome in outcomes if isinstance(outcome, Unchecked)),
        len(evidence.hosts),
        sum(host.result.interval is not None for host in evidence.hosts),
    )


def to_document(diagnosis: Diagnosis) -> dict[str, Any]:
    """As plain data, keys as the schema has them."""
    return {
        "schema": SCHEMA,
        "examined_at": rfc3339(diagnosis.at_ns),
        "findings": [
            {
                "name": finding.name,
                "severity": finding.severity.value,
                "subject": finding.subject,
                "evidence": finding.evidence,
                "remedy": finding.remedy,
            }
            for finding in diagnosis.findings
        ],
        "unchecked": [{"name": one.name, "reason": one.reason} for one in diagnosis.unchecked],
        "hosts": {"named": diagnosis.hosts_named, "usable": diagnosis.hosts_usable},
    }


def to_json(diagnosis: Diagnosis) -> str:
    """As one JSON text, in ASCII."""
    return json.dumps(to_document(diagnosis), indent=2)


def lines(diagnosis: Diagnosis) -> list[RenderableType]:
    """For people: each finding with its evidence and its remedy, then one sentence."""
    parts: list[RenderableType] = []
    for finding in diagnosis.findings:
        parts.append(
            Text.assemble(
                (f"{finding.severity.value}: {finding.name}", _STYLES[finding.severity]),
                (f"  {finding.subject}", "bold"),
            )
        )
        parts.append(Text(f"    {finding.evidence}"))
        parts.append(Text(f"    -> {finding.remedy}", "dim"))
    parts += [Text(f"not checked: {one.name}: {one.reason}", "dim") for one in diagnosis.unchecked]
    parts.append(_sentence(diagnosis))
    return parts


def _sentence(diagnosis: Diagnosis) -> Text:
    wrong = [f for f in diagnosis.findings if f.severity is not Severity.NOTE]
    if not wrong:
        return Text("Nothing is wrong, as far as was checked.", "bold green")
    errors = sum(finding.severity is Severity.ERROR for finding in wrong)
    warnings = len(wrong) - errors
    words = [
        f"{count} {kind}{'s' if count > 1 else ''}"
        for count, kind in ((errors, "error"), (warnings, "warning"))
        if count
    ]
    return Text(f"{' and '.join(words)}.".capitalize(), "bold red" if errors else "bold yellow")
