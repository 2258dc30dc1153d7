"""Builds the wheel and the source distribution, and tries them as their users will.

``python -m tools.packages`` makes an environment without any extra and one with each of them, in a
temporary folder, installs the wheel there, and runs the programs: each extra's command has to say
in one line what is missing where it is, and must not where it is not. It takes minutes and needs a
package index. ``--only NAME`` tries one; ``--python PROGRAM`` another interpreter. Exit 1 if
anything is not as it should be.
"""

import argparse
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROGRAMS = ("clocksync", "ordering", "vsync")
BARE = "none"


@dataclass(frozen=True)
class Check:
    """A command, and the exit code it should have."""

    command: str
    code: int = 0


ALWAYS = (
    *(Check(f"{program} --version") for program in PROGRAMS),
    *(Check(f"{program} --help") for program in PROGRAMS),
    Check("clocksync convert 2016-12-31T23:59:60Z"),
    Check("clocksync measure 127.0.0.1:1 --timeout 10ms", 2),
    Check("ordering mutex --compare -n 2 --no-sockets"),
    Check("vsync simulate --nodes 3 --seed 8 --seconds 1 --history h.jsonl"),
    Check("vsync check h.jsonl"),
    Check("vsync explain h.jsonl -o h.svg"),
)
OF_EXTRA = {
    "fast": Check("python -c 'import uvloop'"),
    "plot": Check("ordering mutex --compare -n 2 --no-sockets --plot mutex.svg"),
    "campaign": Check("python -c 'import distributed'"),
    "dashboard": Check("clocksync dashboard 127.0.0.1:1 --bind 192.0.2.1", 2),
    "metrics": Check("clocksync watch 127.0.0.1:1 --duration 100ms --metrics 0 --json", 2),
    "discovery": Check("python -c 'import zeroconf'"),
    "gnss": Check("python -c 'import hatanaka'"),
    "nts": Check("clocksync measure --nts 127.0.0.1:1 --timeout 10ms", 2),
}
"""What to run for each; those of libraries alone say nothing of a missing extra."""


def build(folder: Path) -> tuple[Path, Path]:
    """The wheel and the source distribution, made in `folder`; the wheel out of the latter.

    Raises:
        subprocess.CalledProcessError: one could not be built; its output tells why.
    """
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, source


def extras() -> list[str]:
    """Those that users install: not what developing and measuring needs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [
        name for name in project["optional-dependencies"] if name not in ("dev", "docs", "bench")
    ]


def try_extra(wheel: Path, extra: str, python: str, folder: Path) -> Iterator[str]:
    """Install the wheel with one extra, or with none; what is not as it should be."""
    venv = folder / extra
    subprocess.run([python, "-m", "venv", venv], check=True)
    wanted = str(wheel) if extra == BARE else f"{wheel}[{extra}]"
    install = [f"{venv}/bin/python", "-m", "pip", "install", "--quiet", wanted]
    install += ["-c", f"{ROOT}/constraints.txt"]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:
        yield f"it cannot be installed: {done.stderr.strip()}"
        return
    for check in ALWAYS:
        code, output = _run(check.command, venv, folder)
        if code != check.code or "Traceback" in output:
            yield f"{check.command}: exit {code} instead of {check.code}\n{output}"
    for name, check in OF_EXTRA.items():
        code, output = _run(check.command, venv, folder)
        if name == extra:
            if code != check.code or f"clocksync[{name}]" in output or "Traceback" in output:
                yield f"{check.command}: exit {code} instead of {check.code}\n{output}"
            continue
        is_told = code == 2 and f"clocksync[{name}]" in output and output.count("\n") == 1
        if extra == BARE and not check.command.startswith("python") and not is_told:
            yield f"{check.command} should tell of the extra {name}, in one line:\n{output}"


def _run(command: str, venv: Path, folder: Path) -> tuple[int, str]:
    path = f"{venv / 'bin'}:/usr/bin:/bin"
    environment = {"PATH": path, "HOME": str(folder), "LANG": "C.UTF-8"}
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stderr if done.returncode else done.stdout + done.stderr


def main(arguments: list[str] | None = None) -> int:
    """Build, try, and say."""
    parser = argparse.ArgumentParser(description="build the packages and try them as users will")
    parser.add_argument("--only", choices=[BARE, *extras()], help="of the extras, or none of them")
    parser.add_argument("--python", default=sys.executable, help="the interpreter to try them with")
    options = parser.parse_args(arguments)
    bad = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel, source = build(folder)
        print(f"built {wheel.name} and {source.name}")
        for extra in [options.only] if options.only else [BARE, *extras()]:
            found = list(try_extra(wheel, extra, options.python, folder))
            print(f"{extra:<12}{'good' if not found else 'BAD'}", flush=True)
            for each in found:
                print(f"    {each}")
            bad += len(found)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
