"""README's and the documentation's figures, out of committed results of benchmarks.  [I/O]

    python -m tools.figures                     write them anew
    python -m tools.figures --from out/report   first take over what `make report` found
    python -m tools.figures --check             write nothing; say what differs

What stands between ``<!-- figures: NAME -->`` and ``<!-- /figures -->`` is what
:mod:`tools.figure_texts` makes of ``benchmarks/results/*.json``. A region whose results are not
there stays as it is. Only full runs are taken over, of a commit, on a machine that was idle before.
No line may begin with a mark that has words behind it, or Markdown takes the line for HTML.

Exit codes: 0 all is as it should be; 1 something differs, or was not taken over; 2 wrong usage.
"""

import argparse
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.results import read
from tools.figure_texts import REGIONS, Book, Missing

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
BUSY_PERCENT = 10
"""Of all processors, before a benchmark began: with more its figures are not worth quoting."""
PAGES = ("README.md", "docs/benchmarks.md")
REGION = re.compile(r"<!-- figures: (?P<name>[\w-]+) -->(?P<text>.*?)<!-- /figures -->", re.DOTALL)


def written(text: str, book: Book, left: list[str]) -> str:
    """A page with its regions written anew; of those left as they are, why is added to `left`.

    Raises:
        ValueError: a region has a name that nobody knows.
    """

    def anew(found: re.Match[str]) -> str:
        name = found["name"]
        if name not in REGIONS:
            raise ValueError(f"nobody knows figures of {name!r}: there are {', '.join(REGIONS)}")
        try:
            made = REGIONS[name](book)
        except Missing as reason:
            left.append(f"{name}: {reason}")
            return found[0]
        # A table is a block of its own; a few words stand in their sentence.
        inside = f"\n\n{made}\n\n" if "\n" in made else made
        return f"<!-- figures: {name} -->{inside}<!-- /figures -->"

    return REGION.sub(anew, text)


def take_over(source: Path, target: Path) -> Iterator[str]:
    """Copy the results of full runs; why others are not."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.glob("*.json")):
        record = read(path)
        if record.status != "done":
            yield f"{record.benchmark}: {record.status}: {record.reason}"
        elif record.arguments:
            yield f"{record.benchmark}: was run with {' '.join(record.arguments)}, not in full"
        elif not re.fullmatch("[0-9a-f]{7,40}", record.commit):
            yield f"{record.benchmark}: is of no commit ({record.commit or 'none known'})"
        elif (record.machine.get("busy_before_percent") or 0) > BUSY_PERCENT:
            yield f"{record.benchmark}: the machine was busy with something else before it began"
        else:
            shutil.copyfile(path, target / path.name)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.figures", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--from", dest="source", type=Path, metavar="FOLDER", help="of a report")
    parser.add_argument("--check", action="store_true", help="write nothing")
    chosen = parser.parse_args(arguments)
    code = 0
    try:
        if chosen.source and not chosen.check:
            for reason in take_over(chosen.source, RESULTS):
                print(f"not taken over: {reason}")
                code = 1
        book = Book.of(RESULTS)
        left: list[str] = []
        for name in PAGES:
            path = ROOT / name
            before = path.read_text(encoding="utf-8")
            after = written(before, book, left)
            if after != before and chosen.check:
                print(f"{name} differs from benchmarks/results: python -m tools.figures")
                code = 1
            elif after != before:
                path.write_text(after, encoding="utf-8")
                print(f"{name} written")
    except (OSError, ValueError) as error:
        print(f"figures: {error}", file=sys.stderr)
        return 2
    for reason in left:
        print(f"left as it is: {reason}")
    return code


if __name__ == "__main__":
    sys.exit(main())
