"""What running members say of themselves (``vsync.status/1``), as messages for the page. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from clocksync.dashboard.log import Message
from clocksync.runtime.units import SECOND


class Telling:
    """One member, asked again and again.

    Args:
        node: its number; whoever answers may say another.
    """

    def __init__(self, node: int) -> None:
        self.node = node
        self._pid: int | None = None
        self._configuration: str | None = None
        self._is_silent = False
        self._before: tuple[float, int, int] | None = None

    def answer(self, told: Mapping[str, Any], at_s: float) -> Iterator[Message]:
        """It answered.

        Raises:
            KeyError, TypeError, ValueError: a member of another version.
        """
        node = self.node = int(told["id"])
        is_new = told["pid"] != self._pid
        if is_new or self._is_silent:
            began_s = at_s - told["uptime_ns"] / SECOND if is_new else at_s
            yield {"kind": "boot", "at_s": began_s, "node": node, "storage": "kept"}
            self._pid, self._is_silent = told["pid"], False
            self._before = self._configuration = None
        configuration = told["configuration"]
        if configuration is not None and configuration["id"] != self._configuration:
            self._configuration = configuration["id"]
            yield {
                "kind": "change",
                "at_s": max(at_s - _since_ring(told["changes"]), at_s - 3600),
                "node": node,
                "is_regular": configuration["kind"] == "regular",
                "id": str(configuration["id"]),
                "ring": str(told["ring"]["id"]),
                "members": [int(each) for each in configuration["members"]],
                "joined": [int(each) for each in configuration["joined"]],
                "left": [int(each) for each in configuration["left"]],
                "reason": str(configuration["reason"]),
            }
        yield self._status(told, at_s)
        for peer, apart in told["clocks"]["members"].items():
            yield {
                "kind": "clock",
                "at_s": at_s,
                "node": node,
                "host": f"member {int(peer)}",
                "verdict": "compared",
                "reason": None,
                "offset_s": apart["offset_ns"] / SECOND,
                "error_bound_s": apart["error_ns"] / SECOND,
                "alarms": [],
            }

    def silence(self, why: str, at_s: float) -> Iterator[Message]:
        """It did not answer; said once."""
        if not self._is_silent:
            self._is_silent = True
            self._before = None
            yield {"kind": "end", "at_s": at_s, "node": self.node, "how": "silent", "why": why}

    def _status(self, told: Mapping[str, Any], at_s: float) -> Message:
        counts = (int(told["accepted"]["messages"]), int(told["rotations"]))
        sent_rate = turn_rate = None
        if self._before is not None and at_s > self._before[0]:
            span = at_s - self._before[0]
            sent_rate = max(0, counts[0] - self._before[1]) / span
            turn_rate = max(0, counts[1] - self._before[2]) / span
        self._before = at_s, *counts
        locks = told.get("locks")
        rotation, queue = told["rotation_ns"], told["send_queue"]
        return {
            "kind": "status",
            "at_s": at_s,
            "node": self.node,
            "group": str(told["group"]),
            "state": str(told["state"]),
            "ring": str(told["ring"]["id"]),
            "members": [int(each) for each in told["ring"]["members"]],
            "rotation_s": None if rotation is None else rotation / SECOND,
            "sent_per_s": sent_rate,
            "turns_per_s": turn_rate,
            "resent": int(told["retransmissions"]),
            "queued": int(queue["messages"]),
            "queued_max": int(queue["messages_max"]),
            "backlog_bytes": int(told["backlog_bytes"]),
            "clock_error_s": told["clock_error_ns"] / SECOND,
            "encrypted": bool(told["encrypted"]),
            "transport": str(told["transport"]),
            **({} if locks is None else {"locks": list(map(_lock, locks))}),
        }


def _lock(told: Mapping[str, Any]) -> Message:
    return {
        "name": str(told["name"]),
        "holder": None if told["holder"] is None else int(told["holder"]),
        "waiting": [int(each) for each in told["waiting"]],
    }


def _since_ring(changes: list[Mapping[str, Any]]) -> float:
    """How long ago the present ring was formed, s."""
    for change in reversed(changes):
        if change["to"] == "operational":
            return float(change["age_ns"]) / SECOND
    return 0.0
