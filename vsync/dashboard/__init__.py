"""Groups on the live page of :mod:`clocksync.dashboard`: histories and running members as messages.

``docs/dashboard.md`` lists the messages; the page is the same for clocks and groups.
"""
