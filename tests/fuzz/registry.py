"""The fuzz targets CI smokes: modules of this folder, see :mod:`tests.fuzz.mutation`."""

TARGETS = (
    "tests.fuzz.ntp_packet",
    "tests.fuzz.envelope",
    "tests.fuzz.frames",
    "tests.fuzz.control_messages",
    "tests.fuzz.texts",
    "tests.fuzz.history",
    "tests.fuzz.stamps",
    "tests.fuzz.responder",
    "tests.fuzz.guard",
    "tests.fuzz.nts_answer",
    "tests.fuzz.nts_records",
    "tests.fuzz.ntp_keys",
    "tests.fuzz.ptp",
    "tests.fuzz.ring_frames",
    "tests.fuzz.ring_engine",
    "tests.fuzz.datagrams",
    "tests.fuzz.berkeley_host",
    "tests.fuzz.rbs_receiver",
    "tests.fuzz.mesh_agent",
    "tests.fuzz.capture",
)
