"""``vsync bench``: how much a group carries on this machine, measured from outside."""
