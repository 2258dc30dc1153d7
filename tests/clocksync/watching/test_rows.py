"""What can be watched."""

import pytest

from clocksync.runtime.errors import BadConfig
from clocksync.watching.rows import Target


def test_a_watch_says_that_it_does_not_speak_nts() -> None:
    assert Target.parse("[::1]:123").spec.port == 123
    with pytest.raises(BadConfig, match="does not speak NTS"):
        Target.parse("nts://time.example.org")
