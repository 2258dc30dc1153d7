"""The live page: one page for clocks and for groups, fed by a stream of small messages.

``docs/dashboard.md`` lists the messages. The server only ever tells; nothing on the page changes
anything. :mod:`vsync.dashboard` tells the same page of groups, and :mod:`vsync.playground` puts a
simulated world behind it that can be clicked.
"""

PORT = 8765
"""Where the page is, unless another is said."""
