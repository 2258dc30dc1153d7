"""The rules of the house, executed (docs of each beside it).

Each rule is a function from one source file to its offences, so that the rules themselves are
tested on planted offences at the end of this file. An offence is one line: where, what, what to do.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("clocksync", "ordering", "vsync")
AROUND = ("tools", "tests", "benchmarks", "examples")

# Higher floors may import lower ones, never the other way; skipping floors is fine.
FLOORS = {"vsync": 3, "ordering": 2, "clocksync": 1, "clocksync.runtime": 0}

# What a module needs the [I/O] mark for. `logging` is among them because cores tell, drivers log.
IMPURE = frozenset(
    {"asyncio", "concurrent", "logging", "multiprocessing", "os", "random", "secrets", "select"}
    | {"selectors", "signal", "socket", "socketserver", "ssl", "subprocess", "threading", "time"}
    | {"uuid"}
)
# Pure parts of them: names, besides constants in capitals, that any module may use.
HARMLESS = {
    "random": {"Random"},  # as a type, or seeded: a generator that was handed in
    "socket": {"inet_aton", "inet_ntoa", "inet_ntop", "inet_pton", "AddressFamily"},
    "os": {"PathLike", "fspath"},
    "threading": {"Lock", "RLock"},  # a lock reads nothing and starts nothing
}
# Modules that are pure but for one named thing, with the reason.
EXCUSED = {
    "clocksync/runtime/clocks.py": {
        "time": "SystemClock and MonotonicClock read the machine; cores use the others beside them",
    },
}

# scapy is GPL-2.0-only and takes half a second to import: only dissection may.
SCAPY_MODULES = frozenset(
    {"clocksync/runtime/scapy_layers.py", "clocksync/capture/scapy_packets.py"}
)

# Importing a package must stay instant.
HEAVY = ("numpy", "scapy", "typer", "rich", "ntplib", "cryptography", "matplotlib", "hypothesis")

LONGEST_FILE, LONGEST_TEST_FILE, LONGEST_FUNCTION = 500, 900, 60

# With a group or class where plain letters would do, so that this file is not its own offence.
NOT_FOR_PRINT = {
    "a path of somebody's machine": re.compile(
        r"(?<![\w.\-/])/(?:work|root|home|Users|tmp/(?:w|peers))/"
    ),
    "an address of a package registry": re.compile(
        r"--(?:extra-)?index-[u]rl|pythonhosted\.[o]rg|/simp[l]e/|registry\.[n]pmjs|[a]rtifactory"
    ),
}
UNFINISHED = re.compile(r"#.*\b([T]ODO|[F]IXME|[X]XX)\b")


@dataclass(frozen=True)
class Source:
    """One Python file: where it is, and what it says."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def module(self) -> str:
        parts = PurePosixPath(self.path).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def package(self) -> str:
        return self.path.partition("/")[0]

    @cached_property
    def imports(self) -> list[tuple[int, str]]:
        """Line and full name of everything imported, wherever: ``from a import b`` is ``a.b``."""
        found = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found += [(node.lineno, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
        return found

    @property
    def does_io(self) -> bool:
        docstring = ast.get_docstring(self.tree) or ""
        return "[I/O]" in docstring.partition("\n")[0]


@cache
def tracked() -> tuple[str, ...]:
    """Every file that could be committed; without git, those of an unpacked archive."""
    if not (ROOT / ".git").exists():
        found = (path for top in (*PACKAGES, *AROUND) for path in (ROOT / top).rglob("*.*"))
        return tuple(sorted(str(path.relative_to(ROOT)) for path in found if path.suffix != ".pyc"))
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(sorted(path for path in listed.stdout.splitlines() if (ROOT / path).is_file()))


@cache
def sources(*packages: str) -> tuple[Source, ...]:
    return tuple(
        Source(path, (ROOT / path).read_text(encoding="utf-8"))
        for path in tracked()
        if path.endswith(".py") and path.partition("/")[0] in packages
    )


def _floor(name: str) -> int | None:
    for module in sorted(FLOORS, key=len, reverse=True):
        if name == module or name.startswith(module + "."):
            return FLOORS[module]
    return None


def climbs(source: Source) -> Iterator[str]:
    """Imports go down: ``vsync -> ordering -> clocksync -> clocksync.runtime``."""
    own = _floor(source.module)
    for line, name in source.imports:
        target = _floor(name)
        if name.partition(".")[0] in AROUND:
            yield f"{source.path}:{line}: imports {name}, which is not installed with the packages"
        elif own is not None and target is not None and target > own:
            yield f"{source.path}:{line}: imports {name} from a floor above"


def imports_relatively(source: Source) -> Iterator[str]:
    """One spelling of each module, so that a search finds every use."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield f"{source.path}:{node.lineno}: relative import; write the full name"


def is_impure(source: Source) -> Iterator[str]:
    """Only modules marked [I/O] touch clocks, sockets, processes, or unseeded randomness."""
    if source.does_io:
        return
    remedy = "hand it in, or mark the docstring's first line [I/O]"
    excused = EXCUSED.get(source.path, {})
    aliases: dict[str, str] = {}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                if top not in IMPURE or top in excused:
                    continue
                if top not in HARMLESS:
                    yield f"{source.path}:{node.lineno}: imports {alias.name}; {remedy}"
                else:
                    aliases[alias.asname or top] = top
        elif isinstance(node, ast.ImportFrom) and not node.level:
            top = (node.module or "").partition(".")[0]
            if top in IMPURE and top not in excused:
                for alias in node.names:
                    if not _is_harmless(top, alias.name):
                        yield (f"{source.path}:{node.lineno}: imports {top}.{alias.name}; {remedy}")
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            top = aliases.get(node.value.id, "")
            if top and not _is_harmless(top, node.attr):
                yield f"{source.path}:{node.lineno}: uses {top}.{node.attr}; {remedy}"
        elif isinstance(node, ast.Call) and ast.unparse(node) in {"random.Random()", "Random()"}:
            yield f"{source.path}:{node.lineno}: Random() is seeded by the machine; {remedy}"


def _is_harmless(module: str, name: str) -> bool:
    return module in HARMLESS and (name in HARMLESS[module] or name.isupper())


def uses_scapy(source: Source) -> Iterator[str]:
    """scapy is imported only where packets are dissected, and that only when it is needed."""
    if source.path in SCAPY_MODULES:
        return
    names = {
        PurePosixPath(path).with_suffix("").as_posix().replace("/", ".") for path in SCAPY_MODULES
    }
    at_import = set(_lines_run_at_import(source.tree))
    for line, name in source.imports:
        if name.partition(".")[0] == "scapy":
            allowed = ", ".join(sorted(SCAPY_MODULES))
            yield f"{source.path}:{line}: imports scapy; only {allowed} may"
        elif line in at_import and any(f"{name}.".startswith(f"{module}.") for module in names):
            yield f"{source.path}:{line}: loads scapy with itself; import {name} where it is used"


def _lines_run_at_import(node: ast.AST) -> Iterator[int]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child.lineno
        elif not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _lines_run_at_import(child)


def lacks_a_docstring(source: Source) -> Iterator[str]:
    """A module says what it promises; an empty marker file too."""
    if not (ast.get_docstring(source.tree) or "").strip():
        yield f"{source.path}:1: no module docstring; say what it promises"


def is_too_long(source: Source) -> Iterator[str]:
    """A file that fits a head; the hard limit."""
    limit = LONGEST_TEST_FILE if source.package == "tests" else LONGEST_FILE
    lines = source.text.count("\n")
    if lines > limit:
        yield f"{source.path}: {lines} lines of at most {limit}; split it"


def has_a_long_function(source: Source) -> Iterator[str]:
    """A function fits a screen. Its docstring does not count, nor do a command's options."""
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        start = node.body[0].lineno if "/cli/" in source.path else node.lineno
        lines = (node.end_lineno or start) - start + 1
        if ast.get_docstring(node) is not None:
            lines -= (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
        if lines > LONGEST_FUNCTION:
            where = f"{source.path}:{node.lineno}"
            yield f"{where}: {node.name} has {lines} lines of at most {LONGEST_FUNCTION}; split it"


def promises_without_an_issue(source: Source) -> Iterator[str]:
    """What is left to do has a number, or is done now."""
    for number, line in enumerate(source.text.splitlines(), 1):
        mark = UNFINISHED.search(line)
        if mark and not re.search(r"\(#\d+\)|issue \d+", line):
            yield f"{source.path}:{number}: {mark[1]} without an issue; write {mark[1]}(#number)"


def offends_in_print(path: str, text: str) -> Iterator[str]:
    """Committed text names no machine of ours and no registry."""
    for number, line in enumerate(text.splitlines(), 1):
        for what, pattern in NOT_FOR_PRINT.items():
            match = pattern.search(line)
            if match:
                yield f"{path}:{number}: {match[0]} is {what}"


Rule = Callable[[Source], Iterator[str]]

EVERYWHERE: tuple[Rule, ...] = (
    imports_relatively,
    lacks_a_docstring,
    is_too_long,
    promises_without_an_issue,
)
IN_PACKAGES: tuple[Rule, ...] = (climbs, is_impure, uses_scapy)
OUTSIDE_TESTS: tuple[Rule, ...] = (has_a_long_function,)


def _check(rule: Rule, *packages: str) -> None:
    offences = [offence for source in sources(*packages) for offence in rule(source)]
    assert not offences, f"{rule.__doc__}\n" + "\n".join(offences)


@pytest.mark.parametrize("rule", EVERYWHERE, ids=lambda rule: rule.__name__)
def test_no_module(rule: Rule) -> None:
    _check(rule, *PACKAGES, *AROUND)


@pytest.mark.parametrize("rule", IN_PACKAGES, ids=lambda rule: rule.__name__)
def test_no_module_that_is_installed(rule: Rule) -> None:
    _check(rule, *PACKAGES)


@pytest.mark.parametrize("rule", OUTSIDE_TESTS, ids=lambda rule: rule.__name__)
def test_no_module_outside_the_tests(rule: Rule) -> None:
    _check(rule, *PACKAGES, "tools", "benchmarks", "examples")


def test_no_committed_text_names_a_machine_or_a_registry() -> None:
    offences: list[str] = []
    for path in tracked():
        raw = (ROOT / path).read_bytes()
        if b"\0" not in raw:
            offences += offends_in_print(path, raw.decode("utf-8", "replace"))
    assert not offences, "\n".join(offences)


def test_there_are_modules_to_judge() -> None:
    assert {source.package for source in sources(*PACKAGES)} >= {"clocksync"}
    assert set(EXCUSED) | SCAPY_MODULES <= {source.path for source in sources(*PACKAGES)}


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_loads_nothing_heavy(package: str) -> None:
    program = f"import sys, {package}; print(*sorted(set(sys.modules) & set({HEAVY})))"
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == [], f"import {package} loads {run.stdout.strip()}"


# The rules on planted offences: (rule, path, text, what the offence says; None where it is fine).
# A tilde is taken out, so that this file does not hold what it forbids.
CLOCK = "clocksync/ntp/planted.py"
GROUND = "clocksync/runtime/planted.py"
PLANTED = [
    (climbs, GROUND, "import clocksync.ntp", "clocksync.ntp from a floor above"),
    (climbs, GROUND, "from clocksync import ntp", "clocksync.ntp from a floor above"),
    (climbs, GROUND, "import clocksync", "imports clocksync from a floor above"),
    (
        climbs,
        GROUND,
        "def f():\n    from ordering.lamport import x",
        ":2: imports ordering.lamport",
    ),
    (climbs, GROUND, "from clocksync.runtime.wire import Frame", None),
    (climbs, GROUND, "from clocksync.runtimes import x", "from a floor above"),
    (climbs, CLOCK, "import vsync", "imports vsync from a floor above"),
    (climbs, CLOCK, "import vsyncing, numpy", None),
    (climbs, "ordering/planted.py", "import clocksync.ntp, clocksync.runtime.wire", None),
    (climbs, "ordering/planted.py", "from vsync import ring", "vsync.ring from a floor above"),
    (climbs, "vsync/planted.py", "from ordering import Lamport", None),
    (climbs, "vsync/planted.py", "import tools.demo", "not installed"),
    (imports_relatively, CLOCK, "from . import packet", "relative import"),
    (imports_relatively, CLOCK, "from clocksync.ntp import packet", None),
    (is_impure, CLOCK, "import asyncio", "imports asyncio; hand it in"),
    (is_impure, CLOCK, "import concurrent.futures", "imports concurrent.futures"),
    (is_impure, CLOCK, "def f():\n    from time import time_ns", ":2: imports time.time_ns"),
    (is_impure, CLOCK, '"""Talks.  [I/O]"""\nimport asyncio, time', None),
    (is_impure, CLOCK, '"""Talks.\n\n[I/O]"""\nimport time', "imports time"),
    (is_impure, CLOCK, "import socket\nx = socket.AF_INET, socket.inet_pton", None),
    (is_impure, CLOCK, "import socket\nx = socket.socket()", ":2: uses socket.socket"),
    (is_impure, CLOCK, "import socket as s\nx = s.getaddrinfo", "uses socket.getaddrinfo"),
    (is_impure, CLOCK, "from socket import create_connection", "socket.create_connection"),
    (is_impure, CLOCK, "import random\ndef f(r: random.Random): ...", None),
    (is_impure, CLOCK, "import random\nx = random.Random(7)", None),
    (is_impure, CLOCK, "import random\nx = random.Random()", "Random() is seeded by the machine"),
    (is_impure, CLOCK, "from random import Random\nx = Random()", "seeded by the machine"),
    (is_impure, CLOCK, "import random\nx = random.randint(1, 2)", "uses random.randint"),
    (is_impure, CLOCK, "from random import choice", "imports random.choice"),
    (is_impure, CLOCK, "import os\nx = os.urandom(8)", "uses os.urandom"),
    (is_impure, "clocksync/runtime/clocks.py", "import time", None),
    (is_impure, "clocksync/runtime/clocks.py", "import asyncio", "imports asyncio"),
    (uses_scapy, CLOCK, "def f():\n    from scapy.packet import Packet", "imports scapy"),
    (uses_scapy, "clocksync/runtime/scapy_layers.py", "import scapy", None),
    (uses_scapy, CLOCK, "from clocksync.runtime.scapy_layers import layer", "loads scapy"),
    (uses_scapy, CLOCK, "from clocksync.runtime import scapy_layers", "loads scapy"),
    (uses_scapy, CLOCK, "def f():\n    from clocksync.runtime.scapy_layers import layer", None),
    (lacks_a_docstring, CLOCK, "", "no module docstring"),
    (lacks_a_docstring, CLOCK, "x = 1\n'late'", "no module docstring"),
    (lacks_a_docstring, CLOCK, "'It promises.'", None),
    (is_too_long, CLOCK, "x = 1\n" * 500, None),
    (is_too_long, CLOCK, "x = 1\n" * 501, "501 lines of at most 500"),
    (is_too_long, "tests/planted.py", "x = 1\n" * 900, None),
    (is_too_long, "tests/planted.py", "x = 1\n" * 901, "901 lines of at most 900"),
    (has_a_long_function, CLOCK, "def f():\n" + "    x = 1\n" * 59, None),
    (has_a_long_function, CLOCK, "def f():\n" + "    x = 1\n" * 60, "f has 61 lines"),
    (has_a_long_function, CLOCK, "class A:\n async def f():\n" + "  x = 1\n" * 60, ":2: f has 61"),
    (has_a_long_function, CLOCK, 'def f():\n """a\nb\n"""\n' + " x = 1\n" * 59, None),
    (has_a_long_function, "clocksync/cli/x.py", f"def f({chr(10) * 60}):\n x = 1\n", None),
    (promises_without_an_issue, CLOCK, "x = 1  # TO~DO later", "TO~DO without an issue"),
    (promises_without_an_issue, CLOCK, "x = 1  # TO~DO(#7) later", None),
    (promises_without_an_issue, CLOCK, "# FIX~ME (issue 7)", None),
]


@pytest.mark.parametrize(("rule", "path", "text", "says"), PLANTED)
def test_a_rule_finds_what_was_planted_and_nothing_else(
    rule: Rule, path: str, text: str, says: str | None
) -> None:
    offences = list(rule(Source(path, text.replace("~", ""))))
    if says is None:
        assert offences == []
    else:
        assert len(offences) == 1
        assert says.replace("~", "") in offences[0]
        assert offences[0].startswith(path)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see /wo~rk/main/x", True),
        ("'/ro~ot/.cache/'", True),
        ("/ho~me/alice/notes", True),
        ("/tm~p/w/v/bin", True),
        ("out of /tmp/demo/history.jsonl", False),
        (".peers/root/usr/sbin/chronyd", False),
        ("https://example.org/home/page", False),
        ("net/work/shop", False),
        ("pip install --index-~url https://x", True),
        ("https://files.python~hosted.org/x", True),
        ("pip install clocksync", False),
    ],
)
def test_a_path_or_registry_in_print_is_found(text: str, found: bool) -> None:
    assert bool(list(offends_in_print("README.md", text.replace("~", "")))) == found
