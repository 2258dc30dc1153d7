"""Passive measurement: what packets that pass by tell about the clocks of those who sent them.

Nothing is sent. :mod:`~clocksync.capture.reader` streams capture files, ``live`` an interface;
:mod:`~clocksync.capture.observer` pairs requests with replies; ``docs/capture.md`` says what can be
known from where.
"""
