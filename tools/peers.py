"""Programs nobody here wrote, from Debian without being installed: chrony, ntpsec, linuxptp.

``python -m tools.peers fetch`` unpacks them into ``.peers/root`` of this checkout, which git
ignores. They are unpacked and not installed for two reasons: chrony and ntpsec conflict, and
installing either starts a daemon that steers the machine's clock. A package that the machine lacks
and one of them needs is fetched with it, and found through ``LD_LIBRARY_PATH``
(:func:`environment`). What is there already is left alone, so a second run needs no network.

``python -m tools.peers list`` says what is there. Exit codes: 0 all there; 1 something is missing;
2 this system has no apt.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / ".peers" / "root"

PACKAGES = ("chrony", "ntpsec", "ntpsec-ntpdig", "python3-ntp", "linuxptp", "nftables")

BENCHMARKED = (
    *("redis-server", "redis-tools"),
    *("corosync", "libcpg-dev", "libcorosync-common-dev", "ethtool"),
)
"""What only benchmarks run: `fetch --all` brings them, too."""

PROGRAMS = ("chronyd", "chronyc", "ntpd", "ntpdig", "ptp4l", "pmc", "nft")

_RECORDS = ".packages"
_COMMAND_TIMEOUT_S = 120.0
_ROUNDS_MAX = 5  # libraries of libraries of libraries: Debian needs two today


class PeersMissing(Exception):
    """A program or package cannot be had; the message is one line that says what to do."""


def find(program: str, root: Path = ROOT) -> Path | None:
    """Where `program` is: unpacked here, else installed on the machine, else None."""
    for folder in ("usr/sbin", "usr/bin", "sbin"):
        path = root / folder / program
        if path.exists():
            return path
    # Debian's /usr/sbin is not on the PATH of everybody who may run what lies there.
    installed = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    return Path(installed) if installed else None


def command(program: str, root: Path = ROOT) -> list[str]:
    """The beginning of a command line that runs `program`.

    Raises:
        PeersMissing: it is nowhere; the message says how to get it.
    """
    path = find(program, root)
    if path is None:
        raise PeersMissing(f"{program} is not on this machine: make peers")
    with path.open("rb") as file:
        first_line = file.readline(80)
    # Debian's scripts name /usr/bin/python3, which a machine with its own Python may lack.
    if first_line.startswith(b"#!") and b"python" in first_line:
        return [sys.executable, str(path)]
    return [str(path)]


def environment(root: Path = ROOT) -> dict[str, str]:
    """This process's environment, in which the unpacked programs find what belongs to them."""
    result = dict(os.environ)
    for name, folders in (
        ("LD_LIBRARY_PATH", _library_folders(root)),
        ("PYTHONPATH", [root / "usr/lib/python3/dist-packages"]),
    ):
        parts = [str(folder) for folder in folders if folder.is_dir()]
        if name in os.environ:
            parts.append(os.environ[name])
        if parts:
            result[name] = os.pathsep.join(parts)
    return result


def versions(root: Path = ROOT) -> dict[str, str]:
    """Package and version of all that was unpacked into `root`."""
    return {package: version for package, (version, _) in _records(root).items()}


def fetch(root: Path = ROOT, packages: Sequence[str] = PACKAGES) -> None:
    """Unpack `packages` into `root`, with the libraries they need; one printed line for each.

    Raises:
        PeersMissing: apt or a package is missing, or a library is and none of them brings it.
    """
    have = versions(root)
    for package in packages:
        if package in have:
            print(f"{package} {have[package]} is there")
        else:
            print(f"{package} {_unpack(package, root)} fetched")
    _fetch_libraries(root)
    _lay_library_beside_ntpsec(root)


def _library_folders(root: Path) -> list[Path]:
    return sorted({*(root / "usr/lib").glob("*-linux-*"), *(root / "lib").glob("*-linux-*")})


def _records(root: Path) -> dict[str, tuple[str, str]]:
    """Version and dependencies of each package, as :func:`_unpack` noted them in the root."""
    if not (root / _RECORDS).is_dir():
        return {}
    records: dict[str, tuple[str, str]] = {}
    for file in sorted((root / _RECORDS).iterdir()):
        version, depends = file.read_text(encoding="utf-8").splitlines()
        records[file.name] = version, depends
    return records


def _unpack(package: str, root: Path) -> str:
    """Download and unpack one package; its version."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise PeersMissing("apt-get is missing: the peers can be fetched on Debian or Ubuntu only")
    with tempfile.TemporaryDirectory(prefix="clocksync-peers-") as folder:
        # apt drops to its own user for the download, and wants to write here as that user.
        Path(folder).chmod(0o777)
        finished = _run(["apt-get", "-q", "download", package], folder)
        archives = list(Path(folder).glob("*.deb"))
        if finished.returncode or len(archives) != 1:
            complaint = next((x for x in finished.stderr.splitlines() if x.startswith("E:")), "")
            raise PeersMissing(f"apt cannot get {package} ({complaint}): apt-get update, try again")
        root.mkdir(parents=True, exist_ok=True)
        unpacked = _run(["dpkg-deb", "-x", str(archives[0]), str(root)], folder)
        if unpacked.returncode:
            raise PeersMissing(f"{package} cannot be unpacked: {unpacked.stderr.strip()}")
        asked = _run(["dpkg-deb", "-f", str(archives[0]), "Version", "Depends"], folder)
        fields = dict(line.split(": ", 1) for line in asked.stdout.splitlines() if ": " in line)
    record = root / _RECORDS / package
    record.parent.mkdir(exist_ok=True)
    # Two lines, also where nothing is depended on; written last, so it vouches for the rest.
    record.write_text(f"{fields['Version']}\n{fields.get('Depends', '-')}\n", encoding="utf-8")
    return fields["Version"]


def _fetch_libraries(root: Path) -> None:
    """Fetch, round by round, library packages that are depended on and neither here nor installed.

    Only where ``ldd`` finds something missing: on most machines nothing is.
    """
    for _ in range(_ROUNDS_MAX):
        missing = _missing_libraries(root)
        if not missing:
            return
        wanted = sorted(_depended_libraries(root) - set(versions(root)))
        wanted = [package for package in wanted if not _is_installed(package)]
        if not wanted:
            break
        for package in wanted:
            print(f"{package} {_unpack(package, root)} fetched, a library")
    missing = _missing_libraries(root)
    if missing:
        raise PeersMissing(f"no package brings {', '.join(sorted(missing))}")


def _missing_libraries(root: Path) -> set[str]:
    missing: set[str] = set()
    for program in (*PROGRAMS, "redis-server", "corosync"):
        path = find(program, root)
        if path is not None and path.is_relative_to(root):
            text = _run(["ldd", str(path)], str(root), environment(root)).stdout
            missing.update(re.findall(r"^\s*(\S+) => not found", text, re.MULTILINE))
    return missing


def _depended_libraries(root: Path) -> set[str]:
    names: set[str] = set()
    for _, depends in _records(root).values():
        for part in depends.split(","):
            name = re.split(r"[\s(:|]", part.strip(), maxsplit=1)[0]
            # Redis is linked against Lua's modules, which are not named as libraries.
            if name.startswith(("lib", "lua-")) and not name.startswith("libc6"):
                names.add(name)
    return names


def _is_installed(package: str) -> bool:
    asked = _run(["dpkg-query", "-W", "-f", "${db:Status-Status}", package], "/")
    return asked.stdout.strip() == "installed"


def _lay_library_beside_ntpsec(root: Path) -> None:
    """ntpsec's Python module looks for its library beside itself, then at Debian's place only."""
    module = root / "usr/lib/python3/dist-packages/ntp"
    for library in (root / "usr/lib").glob("*/ntp/libntpc.so.1"):
        link = module / "libntpc.so"
        if not link.is_symlink():
            link.symlink_to(os.path.relpath(library, module))


def _run(
    arguments: list[str], folder: str, variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            arguments,
            cwd=folder,
            env=variables,
            capture_output=True,
            text=True,
            timeout=_COMMAND_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        raise PeersMissing(f"{arguments[0]} is missing on this machine") from None
    except subprocess.TimeoutExpired:
        raise PeersMissing(f"{arguments[0]} did not end in {_COMMAND_TIMEOUT_S:.0f} s") from None


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.peers", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("verb", choices=("fetch", "list"))
    parser.add_argument("--all", action="store_true", help="also what only benchmarks run")
    chosen = parser.parse_args(arguments)
    verb: str = chosen.verb
    if verb == "fetch":
        try:
            fetch(packages=PACKAGES + BENCHMARKED if chosen.all else PACKAGES)
        except PeersMissing as error:
            print(f"peers: {error}", file=sys.stderr)
            return 1 if shutil.which("apt-get") else 2
    have = versions()
    if verb == "list":
        for package, version in sorted(have.items()):
            print(f"{package} {version}")
    absent = [program for program in PROGRAMS if find(program) is None]
    if absent:
        print(f"peers: not there: {', '.join(absent)}: make peers", file=sys.stderr)
    return 1 if absent else 0


if __name__ == "__main__":
    sys.exit(main())
