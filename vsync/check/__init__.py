"""vsync.check: is this history one of extended virtual synchrony?

It never looks at an engine: a history (``docs/history.md``) is all it knows, whoever wrote it. The
rules are those of Moser, Amir, Melliar-Smith and Agarwal, "Extended Virtual Synchrony", ICDCS 1994,
section 3, and those of our timestamps; ``docs/checking.md`` lists them.

>>> from vsync.check import judge
>>> alone = {"event": "configuration", "id": "R1", "kind": "regular", "ring": "1", "ring_seq": 1}
>>> verdict = judge([
...     {"node": 1, "incarnation": "a", "event": "boot", "storage": "kept"},
...     {"node": 1, "incarnation": "a", **alone, "members": [1, 2], "timestamp": 5, "error": 1},
... ])
>>> [violation.rule for violation in verdict.violations]
['B0']
"""

from vsync.check.files import read_files
from vsync.check.judging import judge
from vsync.check.verdict import Place, Verdict, Violation, render

__all__ = ["Place", "Verdict", "Violation", "judge", "read_files", "render"]
