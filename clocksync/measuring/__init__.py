"""``clocksync measure``: many hosts asked at once, each clock's offset with its bound, who lies."""
