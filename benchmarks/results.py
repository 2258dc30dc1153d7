"""Results as data: what a benchmark prints, kept as JSON beside it.  [I/O]

A benchmark hands its parser to ``record.parse`` and its ``main`` to ``record.run``; what it then
notes (tables, figures to quote, plots, notes) is written with parameters, duration, commit and
machine to the file that ``--results FILE`` or ``CLOCKSYNC_RESULTS`` names, and nowhere without one.
What is printed does not change. The variable is for the benchmark alone and taken from those it
starts. :func:`read` gives a file back; ``python -m benchmarks.report`` makes a page of many.
"""

import argparse
import json
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from rich.table import Table
from rich.text import Text

from benchmarks import machine

FORMAT = 1
VARIABLE = "CLOCKSYNC_RESULTS"
PERCENTS = (0, 5, 25, 50, 75, 90, 95, 99, 100)
"""What is kept of a distribution."""

Better = Literal["less", "more"]
Log = Literal["", "x", "y", "xy"]


@dataclass(slots=True)
class Sheet:
    """A table as it was printed: its cells are texts."""

    title: str
    columns: list[str]
    words: int = 1
    """How many columns from the left hold words; the others hold numbers."""
    rows: list[list[str]] = field(default_factory=list)

    def add(self, *cells: object) -> None:
        """A row; what is no text is written as Python writes it."""
        self.rows.append([str(cell).strip() for cell in cells])


@dataclass(frozen=True, slots=True)
class Headline:
    """A figure to quote beside a peer's; None where there is none."""

    claim: str
    ours: float | None
    unit: str
    better: Better
    peer: float | None
    peer_name: str
    asked: str
    is_met: bool | None
    """Whether ours is what was asked for; None where nothing was."""
    is_floor: bool = False
    """Whether the peer is no rival but the least that is possible, or ours without the work."""

    @property
    def advantage(self) -> float | None:
        """How many times better than the peer's: above 1 is better, below is worse."""
        if self.ours is None or self.peer is None:
            return None
        small, large = (self.ours, self.peer)[:: 1 if self.better == "less" else -1]
        return large / small if small else None


@dataclass(slots=True)
class Record:
    """What one run of a benchmark found."""

    benchmark: str = ""
    status: str = "done"
    """``done``; ``impossible`` (cannot run here); ``failed``; ``interrupted``."""
    reason: str = ""
    arguments: list[str] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)
    began: str = ""
    seconds: float = 0.0
    commit: str = ""
    machine: dict[str, Any] = field(default_factory=dict)
    headlines: list[Headline] = field(default_factory=list)
    sheets: list[Sheet] = field(default_factory=list)
    plots: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    format: int = FORMAT
    path: Path | None = None
    """Where it is to be written, once it has run."""
    options: argparse.Namespace | None = None
    """Of this run; a benchmark may still change them."""

    # What a benchmark notes

    def sheet(self, title: str, columns: Iterable[str], words: int = 1) -> Sheet:
        """An empty table, to which rows are added as they are printed."""
        made = Sheet(title, [" ".join(column.split()) for column in columns], words)
        self.sheets.append(made)
        return made

    def table(self, table: Table, title: str = "") -> None:
        """A table that rich prints."""
        words = 0
        for column in table.columns:
            if column.justify == "right":
                break
            words += 1
        names = [_plain(column.header) for column in table.columns]
        sheet = self.sheet(title or _plain(table.title), names, max(1, words))
        for cells in zip(*(column.cells for column in table.columns), strict=True):
            row = [_plain(cell) for cell in cells]
            if any(row):  # an empty one only parts what is above from what is below
                sheet.add(*row)

    def headline(
        self,
        claim: str,
        ours: float | None,
        unit: str,
        *,
        peer: float | None = None,
        peer_name: str = "",
        better: Better = "less",
        asked: str = "",
        limit: float | None = None,
        is_floor: bool = False,
    ) -> None:
        """A figure to quote.

        Args:
            ours: in `unit`; None where it could not be measured.
            peer: the same figure of `peer_name`.
            better: whether less or more is.
            asked: in words, what it should be.
            limit: as a number, in `unit`: at most that where less is better, else at least.
            is_floor: `peer_name` is no rival, but the least that is possible.
        """
        is_met = None
        if limit is not None and ours is not None:
            is_met = ours <= limit if better == "less" else ours >= limit
        self.headlines.append(
            Headline(claim, ours, unit, better, peer, peer_name, asked, is_met, is_floor)
        )

    def bars(
        self,
        title: str,
        unit: str,
        rows: Mapping[str, Mapping[str, float | None]],
        *,
        peers: Sequence[str] = (),
        better: Better = "more",
    ) -> None:
        """A bar for each row and series.

        Args:
            rows: for each name the values of its series.
            peers: how the names of rows, or of series, begin that are not ours.
        """
        listed = [
            {"name": name, "is_peer": name.startswith(tuple(peers)), "values": dict(values)}
            for name, values in rows.items()
        ]
        series = dict.fromkeys(name for values in rows.values() for name in values)
        theirs = [name for name in series if name.startswith(tuple(peers))]
        if listed:
            self._plot("bars", title, unit=unit, better=better, peer_series=theirs, rows=listed)

    def lines(
        self,
        title: str,
        x: str,
        y: str,
        series: Mapping[str, Sequence[tuple[float, float]]],
        *,
        log: Log = "",
        peers: Sequence[str] = (),
    ) -> None:
        """A line for each series of (x, y), with what is on the axes and its unit in words."""
        listed = [
            {"name": name, "is_peer": name.startswith(tuple(peers)), "points": points}
            for name, points in ((name, sorted(points)) for name, points in series.items())
            if points
        ]
        if listed:
            self._plot("lines", title, x=x, y=y, log=log, series=listed)

    def spread(
        self,
        title: str,
        unit: str,
        rows: Mapping[str, Mapping[str, Sequence[float]]],
        *,
        peers: Sequence[str] = (),
    ) -> None:
        """How values are distributed, by percentiles, for each row and series."""
        listed = []
        for name, series in rows.items():
            kept = {key: _percentiles(values) for key, values in series.items() if values}
            if kept:
                is_peer = name.startswith(tuple(peers))
                listed.append({"name": name, "is_peer": is_peer, "values": kept})
        if listed:
            self._plot("spread", title, unit=unit, percents=list(PERCENTS), rows=listed)

    def note(self, text: str) -> None:
        """What a table does not say."""
        self.notes.append(" ".join(text.split()))

    def impossible(self, reason: object) -> None:
        """Why this benchmark cannot run here."""
        self.status, self.reason = "impossible", str(reason)

    def unable(self, reason: object) -> int:
        """The same, and say it; the exit code of a benchmark that cannot run here."""
        self.impossible(reason)
        print(f"{_name_of_program()}: {reason}", file=sys.stderr)
        return 2

    def _plot(self, kind: str, title: str, **data: Any) -> None:
        self.plots.append({"kind": kind, "title": title, **data})

    # Being run and written

    def parse(
        self, parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None
    ) -> argparse.Namespace:
        """The options, of which there is one more; note them, the machine and the commit."""
        parser.add_argument("--results", type=Path, metavar="FILE", help="write JSON there, too")
        given = list(sys.argv[1:] if arguments is None else arguments)
        options = parser.parse_args(given)
        from_environment = os.environ.pop(VARIABLE, None)
        path = options.results or (Path(from_environment) if from_environment else None)
        del options.results
        self.arguments = _without_results(given)
        self.options, self.path = options, path
        if path is not None:
            self.commit, self.machine = machine.commit(), machine.facts()
            self.began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        return options

    def run(self, main: Callable[[], int | None]) -> int:
        """Run a benchmark, and write what came of it if somebody wants it; its exit code."""
        begin = time.monotonic()
        try:
            code = main() or 0
            if code == 130:
                self.status = "interrupted"
            elif code and self.status == "done":
                self.status, self.reason = "failed", self.reason or f"exit code {code}"
            return code
        except KeyboardInterrupt:
            self.status = "interrupted"
            raise
        except Exception as error:
            self.status = "failed"
            self.reason = f"{type(error).__name__}: {error}".removesuffix(": ")
            raise
        finally:
            self.seconds = round(time.monotonic() - begin, 1)
            self.benchmark = self.benchmark or _name_of_program()
            if self.options is not None:
                told = {name: _told(value) for name, value in vars(self.options).items()}
                self.parameters = told
            if self.path is not None:
                write(self, self.path)


record = Record()
"""Of the benchmark that this process is."""


def write(found: Record, path: Path) -> None:
    """Write it whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    data = _finite(asdict(replace(found, path=None, options=None)))
    del data["path"], data["options"]
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)
    # A row of a table on a line of its own, so that people can read a file and its changes.
    text = re.sub(r"\[\n\s+([^\[\]{}]*?)\n\s+\]", _on_one_line, text)
    beside.write_text(text + "\n", encoding="utf-8")
    beside.replace(path)


def read(path: Path) -> Record:
    """What :func:`write` wrote.

    Raises:
        ValueError: it is something else; says what and what to do.
        OSError: it cannot be read.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data.get("format") != FORMAT:
            raise ValueError(f"format {data.get('format')} instead of {FORMAT}")
        data["headlines"] = [Headline(**one) for one in data["headlines"]]
        data["sheets"] = [Sheet(**one) for one in data["sheets"]]
        return Record(**data)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path.name} holds no results ({error}): run it again") from None


def _finite(data: Any) -> Any:
    """The same without numbers that JSON has none for: null stands for them."""
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def _on_one_line(found: re.Match[str]) -> str:
    return "[" + re.sub(r"\n\s+", " ", found[1]) + "]"


def _percentiles(values: Sequence[float]) -> list[float]:
    ordered = sorted(values)
    ranks = (-(-len(ordered) * percent // 100) for percent in PERCENTS)
    return [ordered[max(0, rank - 1)] for rank in ranks]


def _plain(cell: object) -> str:
    """A cell of rich without its marks."""
    if isinstance(cell, str):
        return Text.from_markup(cell).plain.strip()
    return str(cell or "").strip()


def _told(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_told(one) for one in value]
    return value if isinstance(value, int | float | str | None) else str(value)


def _without_results(arguments: Sequence[str]) -> list[str]:
    kept, skip = [], False
    for argument in arguments:
        if skip or argument == "--results" or argument.startswith("--results="):
            skip = argument == "--results"
            continue
        kept.append(argument)
    return kept


def _name_of_program() -> str:
    specification = getattr(sys.modules["__main__"], "__spec__", None)
    return str(specification.name if specification else Path(sys.argv[0]).stem).rpartition(".")[2]
