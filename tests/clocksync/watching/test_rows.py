"""What can be watched."""

import pytest

from clocksync.runtime.errors import BadConfig
from clocksync.watching.rows import Target


def test_a_watch_says_what_it_does_not_speak() -> None:
    assert Target.parse("[::1]:123").spec.port == 123
    with pytest.raises(BadConfig, match="speaks plain NTP alone"):
        Target.parse("nts://time.example.org")
