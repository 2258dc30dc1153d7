"""The page of a report: one HTML file that loads nothing, of what benchmarks recorded."""

import re
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from benchmarks import plots
from benchmarks.axes import figure
from benchmarks.catalogue import NAMED, Benchmark
from benchmarks.results import Headline, Record, Sheet

STYLE = Path(__file__).with_name("report.css")
OF_MACHINE = {
    "processor": "Processor",
    "processors": "Processors",
    "memory_bytes": "Memory",
    "system": "System",
    "python": "Python",
    "peers": "Peers",
    "packages": "Packages",
}
"""What a machine is known by, and what it is called; the load is of each run."""
STATES = {
    "done": "",
    "impossible": "cannot run here",
    "failed": "failed",
    "interrupted": "interrupted",
}


def html(records: Sequence[Record]) -> str:
    """The page."""
    title = "clocksync: benchmarks"
    machines = _machines(records)
    body = [
        *_head(records, machines),
        *_summary(records),
        *_contents(records),
        *(part for record in records for part in _section(record, len(machines) > 1)),
        "<footer>Made by <code>python -m benchmarks.report</code>. What is printed by each"
        " benchmark lies beside this page as NAME.log, what it found as NAME.json.</footer>",
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{title}</title>\n<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n</head>\n"
        "<body>\n<main>\n" + "\n".join(body) + "\n</main>\n</body>\n</html>\n"
    )


def command_of(name: str, arguments: Sequence[str]) -> str:
    """What a reader types to have the same."""
    return " ".join(["python -m", f"benchmarks.{name}", *arguments])


def is_quick(record: Record) -> bool:
    """Whether it was run otherwise than with its defaults."""
    return bool(record.arguments)


def advantage(headline: Headline) -> str:
    """How ours stands to the peer's in words: `2.4 x better`."""
    ratio = headline.advantage
    if ratio is None or headline.ours is None:
        # Nothing divides by 0: an error of 0 is as good as it gets.
        is_perfect = headline.ours == 0 and headline.peer and headline.better == "less"
        return "exact" if is_perfect else "–"
    if ratio <= 0:
        return "–"
    if 0.95 <= ratio < 1.05:
        return "equal"
    if headline.is_floor:
        return f"{_times(headline.ours / (headline.peer or 1))}× of it"
    return f"{_times(ratio)}× better" if ratio > 1 else f"{_times(1 / ratio)}× worse"


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 20 else f"{ratio:.1f}" if ratio >= 2 else f"{ratio:.2f}"


# What stands above


def _machines(records: Sequence[Record]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for record in records:
        known = {name: record.machine[name] for name in OF_MACHINE if name in record.machine}
        if known and known not in found:
            found.append(known)
    return found


def _head(records: Sequence[Record], machines: Sequence[dict[str, object]]) -> Iterator[str]:
    commits = list(dict.fromkeys(record.commit for record in records if record.commit))
    days = sorted(record.began[:10] for record in records if record.began)
    when = " to ".join(dict.fromkeys(days[:1] + days[-1:]))
    spent = sum(record.seconds for record in records)
    yield "<header><h1>clocksync <span>benchmarks</span></h1>"
    yield (
        "<p class=lead>Every figure beside a peer's, measured in one run on one machine. Between"
        " two network namespaces of one kernel the true offset is exactly 0, so whatever a"
        " program prints there is its error.</p>"
    )
    told = [when, f"commit {', '.join(commits)}" if commits else "", _duration(spent)]
    yield f"<p class=facts>{' · '.join(escape(one) for one in told if one)}</p></header>"
    quick = [record.benchmark for record in records if is_quick(record)]
    if quick:
        which = "All" if len(quick) == len(records) else f"{len(quick)} of {len(records)}"
        yield (
            f'<p class="banner"><strong>Not to be quoted.</strong> {which} benchmarks were run with'
            " other than their defaults, most likely to see whether they work."
            " <code>make report</code> runs them in full.</p>"
        )
    busy = [r.benchmark for r in records if (r.machine.get("busy_before_percent") or 0) > 10]
    if busy:
        who = "all of them" if len(busy) == len(records) else ", ".join(busy)
        yield (
            '<p class="banner">The machine was busy with something else when'
            f" {escape(who)} began: these figures are worse than they would be.</p>"
        )
    if not records:
        yield '<p class="banner">There are no results yet: run <code>make report</code>.</p>'
    for known in machines:
        cells = "".join(
            f"<div><dt>{name}</dt><dd>{escape(_value(key, known[key]))}</dd></div>"
            for key, name in OF_MACHINE.items()
            if known.get(key)
        )
        yield f"<dl class=machine>{cells}</dl>"


def _value(key: str, value: object) -> str:
    if key == "memory_bytes" and isinstance(value, int):
        return f"{value / 2**30:.0f} GiB"
    if isinstance(value, dict):
        # Debian's revision of a package is of no interest here.
        return ", ".join(f"{name} {str(text).partition('+')[0]}" for name, text in value.items())
    return str(value)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _summary(records: Sequence[Record]) -> Iterator[str]:
    """The table on top."""
    rows = [(record, headline) for record in records for headline in record.headlines]
    if not rows:
        return
    yield '<h2 id="summary">In short</h2><table class="summary"><thead><tr><th>Claim</th>'
    yield '<th class="n">Ours</th><th class="n">Peer</th><th>Compared</th><th>Asked</th></tr>'
    yield "</thead>"
    for record in records:
        if record.headlines:
            yield (
                f'<tbody><tr class="of"><th colspan="5"><a href="#{record.benchmark}">'
                f"{escape(_benchmark(record).title)}</a></th></tr>"
            )
            yield from map(_headline, record.headlines)
            yield "</tbody>"
    yield "</table>"


def _headline(headline: Headline) -> str:
    ours = f"{figure(headline.ours)} <small>{escape(headline.unit)}</small>"
    peer = ""
    if headline.peer_name:
        peer = f"{figure(headline.peer)} <small>{escape(headline.unit)}</small>"
        who = escape(headline.peer_name)
        if headline.peer is None:
            peer, who = "–", f"{who}: not here"
        peer += f'<span class="who">{who}</span>'
    words = advantage(headline) if headline.peer is not None else ""
    kind = "good" if words.endswith("better") or words == "exact" else "bad" * ("worse" in words)
    asked = escape(headline.asked)
    if headline.is_met is not None:
        mark, said = ("✓", "met") if headline.is_met else ("✗", "not met")
        asked += f' <b class="{"good" if headline.is_met else "bad"}" title="{said}">{mark}</b>'
    cells = (
        f'<td data-is="Ours" class="n">{ours}</td><td data-is="Peer" class="n">{peer}</td>'
        f'<td data-is="Compared" class="{kind}">{words}</td><td data-is="Asked">{asked}</td>'
    )
    # On a narrow page cells without anything in them would be lines without anything in them.
    cells = re.sub(r'<td data-is="\w+"( class="\w*")?></td>', '<td class="none"></td>', cells)
    return f'<tr><td class="claim">{escape(headline.claim)}</td>{cells}</tr>'


def _contents(records: Sequence[Record]) -> Iterator[str]:
    yield "<nav>"
    part = ""
    for record in records:
        benchmark = _benchmark(record)
        if benchmark.part != part:
            part = benchmark.part
            yield f"<b>{escape(part)}</b>"
        state = STATES.get(record.status, record.status)
        mark = f" <em>{escape(state)}</em>" if state else ""
        yield f'<a href="#{record.benchmark}">{escape(benchmark.title)}{mark}</a>'
    yield "</nav>"


def _benchmark(record: Record) -> Benchmark:
    """What the catalogue says of it; something if it is no more in there."""
    known = NAMED.get(record.benchmark)
    return known or Benchmark(record.benchmark, record.benchmark, "Others", ())


# A benchmark


def _section(record: Record, with_machine: bool) -> Iterator[str]:
    benchmark = _benchmark(record)
    yield f'<section id="{escape(record.benchmark)}"><h2>{escape(benchmark.title)}</h2>'
    paragraphs = benchmark.explanation() if record.benchmark in NAMED else []
    if paragraphs:
        yield f"<p class=lead>{_inline(paragraphs[0])}</p>"
    yield f'<pre class="command">{escape(command_of(record.benchmark, record.arguments))}</pre>'
    if record.status != "done":
        state = STATES.get(record.status, record.status)
        reason = f": {escape(record.reason)}" if record.reason else ""
        yield f'<p class="banner {escape(record.status)}"><strong>{state}</strong>{reason}</p>'
    yield from map(plots.html, record.plots)
    yield from map(_sheet, record.sheets)
    if record.notes:
        yield "<ul class=notes>" + "".join(f"<li>{escape(n)}</li>" for n in record.notes) + "</ul>"
    yield from _how(paragraphs[1:], record, with_machine)
    yield "</section>"


def _sheet(sheet: Sheet) -> str:
    """A table."""
    kinds = ["" if place < sheet.words else ' class="n"' for place in range(len(sheet.columns))]
    head = "".join(
        f"<th{kind}>{escape(name)}</th>" for kind, name in zip(kinds, sheet.columns, strict=True)
    )
    rows = []
    for row in sheet.rows:
        cells = "".join(
            f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(kinds, row, strict=False)
        )
        rows.append(f"<tr>{cells}</tr>")
    return (
        f'<h3>{escape(sheet.title)}</h3><div class="scroll" tabindex="0"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _how(paragraphs: Sequence[str], record: Record, with_machine: bool) -> Iterator[str]:
    """How it is measured, and what this run was."""
    yield "<details><summary>How it is measured, and this run</summary>"
    yield from _prose(paragraphs)
    load = record.machine.get("load_before") or []
    busy = record.machine.get("busy_before_percent")
    facts = {
        "Began": record.began.replace("T", " ").replace("Z", " UTC"),
        "Took": _duration(record.seconds),
        "Commit": record.commit,
        "Load before": ", ".join(map(str, load)),
        "Processors busy before": "" if busy is None else f"{busy} %",
        "Parameters": ", ".join(f"{k} = {v}" for k, v in record.parameters.items() if v != ""),
    }
    if with_machine:
        facts |= {
            name: _value(key, record.machine[key])
            for key, name in OF_MACHINE.items()
            if record.machine.get(key)
        }
    cells = "".join(
        f"<div><dt>{name}</dt><dd>{escape(text)}</dd></div>" for name, text in facts.items() if text
    )
    yield f"<dl class=run>{cells}</dl></details>"


def _prose(paragraphs: Sequence[str]) -> Iterator[str]:
    """Paragraphs of a docstring."""
    for paragraph in paragraphs:
        if paragraph.startswith("    "):
            yield f"<pre>{escape(paragraph)}</pre>"
        elif paragraph.startswith("- "):
            items = re.split(r"(?:^|[;.] )- ", paragraph)[1:]
            yield "<ul>" + "".join(f"<li>{_inline(item)}</li>" for item in items) + "</ul>"
        elif not re.fullmatch(r"``python -m [^`]*``\.?", paragraph):  # the command stands above
            yield f"<p>{_inline(paragraph)}</p>"


def _inline(text: str) -> str:
    """A line of a docstring: code, names of Python, and emphasis."""
    text = escape(text, quote=False)
    text = re.sub(r"\s*``python -m [^`]*--help``\.?$", "", text)
    text = re.sub(r"``(.+?)``", r"<code>\1</code>", text)
    text = re.sub(r":\w+:`~?([^`]+)`", r"<code>\1</code>", text)
    text = re.sub(r"(?<!`)`([^`]+)`", r"<code>\1</code>", text)
    return re.sub(r"(?<![\w*])\*([^*\s][^*]*)\*(?![\w*])", r"<em>\1</em>", text)
