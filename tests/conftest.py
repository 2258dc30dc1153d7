"""Settings all tests share."""

import os

from hypothesis import HealthCheck, settings

# No test sets this machine's clock: neither a test nor any program it starts (see
# tests/clocksync/steering/test_systemclock.py, which holds the guard itself).
os.environ["CLOCKSYNC_NEVER_SET_THE_CLOCK"] = "1"

# Derandomized: one commit gives one verdict. Fresh examples are a campaign's business
# (HYPOTHESIS_PROFILE=campaign), whose failures are then written down as examples.
settings.register_profile(
    "checks",
    deadline=None,
    derandomize=True,
    max_examples=100,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("campaign", deadline=None, max_examples=10_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "checks"))
