"""Watching clocks for days: a core that asks for ever, its filter, its alarms, its views."""
