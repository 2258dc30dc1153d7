"""Every benchmark beside its peers, and one page of all results.  [I/O]

    python -m benchmarks.report                     all of them, with their defaults: hours
    python -m benchmarks.report --quick             each for seconds: does it work?
    python -m benchmarks.report accuracy serve_rate these only
    python -m benchmarks.report --resume            those that this commit has no results of
    python -m benchmarks.report --only-page         nothing is run

Each benchmark is a process of its own, one after the other, with the machine to itself. One that
fails or cannot run here does not stop the others; the page tells why. ``out/report`` keeps
``NAME.json`` (the results), ``NAME.log`` (what was printed) and ``index.html`` (the page: one file
that loads nothing). The page has all results that lie there, also of earlier runs.

Exit codes: 0 all that can run here did; 1 one failed; 2 wrong usage; 130 interrupted.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import machine, page
from benchmarks.catalogue import BENCHMARKS, NAMED, Benchmark
from benchmarks.harness import the_machine_alone
from benchmarks.results import VARIABLE, Record, read, write

OUT = Path("out") / "report"
GRACE_S = 20.0
"""For a benchmark that was told to end: it removes its networks and daemons."""


def run(benchmark: Benchmark, arguments: Sequence[str], out: Path) -> Record:
    """Run one, and keep its results and what it prints; never raises for what it does."""
    path, log = out / f"{benchmark.name}.json", out / f"{benchmark.name}.log"
    path.unlink(missing_ok=True)
    began, printed = time.monotonic(), _Printed()
    with log.open("w", encoding="utf-8") as file:
        code = _code_of(command(benchmark, arguments), path, printed, file, 60 * benchmark.minutes)
    try:
        found = read(path)
    except (OSError, ValueError):
        # It ended before it could write: killed, or broken so that it does not even begin.
        found = Record(benchmark.name, "failed", arguments=list(arguments))
        found.seconds, found.commit = round(time.monotonic() - began, 1), machine.commit()
    found.benchmark = benchmark.name
    if code is None:
        found.status = "failed"
        found.reason = f"it did not end within {benchmark.minutes} minutes, and was ended"
    elif found.status == "failed" and (not found.reason or found.reason.startswith("exit code")):
        found.reason = printed.last or f"it ended with {code} and said nothing"
    write(found, path)
    return found


def command(benchmark: Benchmark, arguments: Sequence[str]) -> list[str]:
    """What runs it."""
    return [sys.executable, "-m", f"benchmarks.{benchmark.name}", *arguments]


class _Printed:
    """What a program prints, passed on; its last line is kept."""

    def __init__(self) -> None:
        self.last = ""

    def pass_on(self, process: "subprocess.Popen[str]", *files: "object") -> None:
        assert process.stdout is not None
        with contextlib.suppress(ValueError):  # closed: nobody waits for it any more
            for text in process.stdout:
                self.last = text.strip() or self.last
                for file in files:
                    print(text, end="", file=file, flush=True)  # type: ignore[call-overload]


def _code_of(
    command: Sequence[str], results: Path, printed: _Printed, log: object, longest_s: float
) -> int | None:
    """Run it to its end; None if it took too long."""
    process = subprocess.Popen(
        command,
        cwd=machine.ROOT,
        env={**os.environ, VARIABLE: str(results.resolve())},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # so that all it started can be ended with it
    )
    reader = threading.Thread(target=printed.pass_on, args=(process, sys.stdout, log), daemon=True)
    reader.start()
    try:
        return process.wait(longest_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        _end(process)
        reader.join(5)
        if process.stdout is not None and not reader.is_alive():
            process.stdout.close()


def _end(process: "subprocess.Popen[str]") -> None:
    """Tell it to end, as Ctrl-C does; after a while end it with all it started."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def has_results(out: Path, benchmark: Benchmark, arguments: Sequence[str], commit: str) -> bool:
    """Whether this very run was done, by this commit."""
    try:
        found = read(out / f"{benchmark.name}.json")
    except (OSError, ValueError):
        return False
    return (found.status, found.commit, found.arguments) == ("done", commit, list(arguments))


def kept(out: Path) -> Iterator[Record]:
    """All results that lie there, in the order of the catalogue."""
    for benchmark in BENCHMARKS:
        path = out / f"{benchmark.name}.json"
        if path.exists():
            try:
                yield read(path)
            except ValueError as error:
                yield Record(benchmark.name, "failed", str(error))


def write_page(out: Path) -> Path:
    """Write the page of all that lies there; its path.

    Raises:
        OSError: it cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / "index.html"
    path.write_text(page.html(list(kept(out))), encoding="utf-8")
    return path


def run_all(chosen: Sequence[Benchmark], options: argparse.Namespace) -> list[Record]:
    """Run them, and write the page after each."""
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    commit, found = machine.commit(), []
    for number, benchmark in enumerate(chosen, 1):
        arguments = benchmark.arguments(options.quick)
        where = f"[{number} of {len(chosen)}] {benchmark.name}"
        if options.resume and has_results(out, benchmark, arguments, commit):
            print(f"{where}: has results of {commit or 'this version'}", flush=True)
            continue
        print(f"\n{where}: {page.command_of(benchmark.name, arguments)}", flush=True)
        result = run(benchmark, arguments, out)
        found.append(result)
        why = f": {result.reason}" if result.reason else ""
        print(f"{where}: {result.status} after {result.seconds:.0f} s{why}", flush=True)
        write_page(out)
    return found


def parsed(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, list[Benchmark]]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("names", nargs="*", metavar="NAME", help="these only; default: all")
    parser.add_argument("--quick", action="store_true", help="each for seconds: nothing to quote")
    parser.add_argument("--resume", action="store_true", help="not what this commit has results of")
    parser.add_argument("--only-page", action="store_true", help="of results that lie there")
    parser.add_argument("--list", action="store_true", help="say which benchmarks there are")
    parser.add_argument("--out", type=Path, default=OUT, help=f"default: {OUT}")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in NAMED]
    if unknown:
        parser.error(f"no benchmark is named {', '.join(unknown)}: there are {', '.join(NAMED)}")
    chosen = [benchmark for benchmark in BENCHMARKS if benchmark.name in options.names]
    return options, chosen or list(BENCHMARKS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, and write the page; the exit code."""
    options, chosen = parsed(arguments)
    if options.list:
        for benchmark in chosen:
            print(f"{benchmark.name:16}{benchmark.title}")
        return 0
    found: list[Record] = []
    try:
        if not options.only_page:
            with the_machine_alone():
                found = run_all(chosen, options)
        written = write_page(options.out)
    except OSError as error:
        print(f"report: {error.strerror}: {error.filename}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"report: interrupted; {write_page(options.out)} has what is there", file=sys.stderr)
        return 130
    failed = [result.benchmark for result in found if result.status != "done"]
    if failed:
        print(f"\nnot done, the page tells why: {', '.join(failed)}")
    print(f"\nopen {written}")
    return int(any(result.status == "failed" for result in found))


if __name__ == "__main__":
    sys.exit(main())
