"""The kernel's ``struct timex`` (linux/timex.h), declared once: for who reads it and who steers.

``adjtimex(2)`` and ``clock_adjtime(2)`` read and set everything about a clock's discipline with it;
its `modes` say which fields count, and 0 asks and changes nothing.
"""

import ctypes

ADJ_FREQUENCY, ADJ_MAXERROR, ADJ_ESTERROR, ADJ_STATUS = 0x2, 0x4, 0x8, 0x10
ADJ_SETOFFSET, ADJ_NANO = 0x100, 0x2000
ADJ_OFFSET_SINGLESHOT = 0x8001
STA_INS, STA_DEL, STA_UNSYNC, STA_NANO = 0x10, 0x20, 0x40, 0x2000
TIME_ERROR = 5
"""The state of a clock that is not synchronised."""
PPM_UNITS = 65_536
"""Of `freq` and `tolerance`: ppm with 16 bits after the point."""


class Timeval(ctypes.Structure):
    """Seconds, and micro- or nanoseconds."""

    _fields_ = (("seconds", ctypes.c_long), ("fraction", ctypes.c_long))


class Timex(ctypes.Structure):
    """``struct timex`` of 64-bit Linux, 208 bytes."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", Timeval),
        ("tick", ctypes.c_long),
        ("ppsfreq", ctypes.c_long),
        ("jitter", ctypes.c_long),
        ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long),
        ("jitcnt", ctypes.c_long),
        ("calcnt", ctypes.c_long),
        ("errcnt", ctypes.c_long),
        ("stbcnt", ctypes.c_long),
        ("tai", ctypes.c_int),
        ("padding", ctypes.c_int * 11),
    )
