"""An audit log on three nodes: their files, merged and sorted by timestamp, are the one order.

Each node writes down only what it did itself, with the timestamp the ring gave it. No node asks
another, nobody numbers anything. Sorting the three files together by timestamp alone gives exactly
the order in which all nodes saw it happen, because the timestamps are those of that order. Run it::

    python examples/audit_log.py
"""

import asyncio
import json
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

import vsync

PORT = 47_721
WHERE = {node: f"127.0.0.1:{PORT + node}" for node in (1, 2, 3)}
ACTIONS = ("login", "open account", "transfer 100", "logout")


async def act(group: vsync.Group, folder: Path) -> list[str]:
    """Do some things, write them to this node's file; what this node saw, in order."""
    name = f"node {group.id}"
    for action in ACTIONS:
        await group.multicast(f"{name}: {action}".encode())
    seen: list[str] = []
    with (folder / f"audit-{group.id}.jsonl").open("w", encoding="utf-8") as file:
        async for event in group:
            if not isinstance(event, vsync.Message):
                continue
            text = event.payload.decode()
            seen.append(text)
            if event.origin == group.id:
                file.write(json.dumps({"at": event.timestamp, "what": text}) + "\n")
            if len(seen) == len(WHERE) * len(ACTIONS):
                break
    return seen


async def everybody_is_there(group: vsync.Group) -> None:
    """Wait until all are in one configuration."""
    async for event in group:
        if isinstance(event, vsync.Configuration) and len(event.members) == len(WHERE):
            return


async def run(folder: Path, where: dict[int, str]) -> list[list[str]]:
    """What each node saw."""
    async with AsyncExitStack() as stack:
        groups = [
            await stack.enter_async_context(
                vsync.join("audit", id=node, listen=at, peers=_others(where, node), **PLAIN)
            )
            for node, at in where.items()
        ]
        await asyncio.gather(*map(everybody_is_there, groups))
        return await asyncio.gather(*(act(group, folder) for group in groups))


def merged(folder: Path) -> list[str]:
    """The entries of all files, sorted by timestamp."""
    lines = [
        json.loads(line)
        for path in sorted(folder.glob("audit-*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    return [line["what"] for line in sorted(lines, key=lambda line: line["at"])]


PLAIN = {"insecure_plaintext": True, "multicast": False}  # it stays on this machine


def _others(where: dict[int, str], node: int) -> dict[int, str]:
    return {other: at for other, at in where.items() if other != node}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        seen = asyncio.run(run(Path(folder), WHERE))
        order = merged(Path(folder))
    for line in order:
        print(f"  {line}")
    same = all(each == order for each in seen)
    print("merged by timestamp, the files are what every node saw" if same else "THEY DIFFER")


if __name__ == "__main__":
    main()
