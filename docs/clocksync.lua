-- Wireshark dissector of clocksync, ordering and vsync, generated from the declarations by
-- python -m tools.wireshark_dissector; do not edit. Use it without installing it:
--   tshark -X lua_script:clocksync.lua -Y clocksync -r FILE
-- or put it into Wireshark's folder of personal Lua plugins.

local proto = Proto("clocksync", "clocksync toolkit")
local F = {}

F.envelope_magic = ProtoField.uint16("clocksync.envelope.magic", "magic", base.DEC, nil, nil, "0xC10C")
F.envelope_version = ProtoField.uint8("clocksync.envelope.version", "version", base.DEC, nil, nil, "1: protected by a checksum")
F.envelope_kind = ProtoField.uint8("clocksync.envelope.kind", "kind", base.DEC, nil, nil, "which frame follows")
F.envelope_cluster = ProtoField.uint32("clocksync.envelope.cluster", "cluster", base.DEC, nil, nil, "the group of nodes it belongs to")
F.envelope_sender = ProtoField.uint16("clocksync.envelope.sender", "sender", base.DEC, nil, nil, "the node that sent it")
F.envelope_check = ProtoField.uint32("clocksync.envelope.check", "check", base.DEC, nil, nil, "CRC-32 (that of zlib) of the ten bytes before and the frame after")
F.sealed_magic = ProtoField.uint16("clocksync.sealed.magic", "magic", base.DEC, nil, nil, "0xC10C")
F.sealed_version = ProtoField.uint8("clocksync.sealed.version", "version", base.DEC, nil, nil, "2: encrypted and authenticated")
F.sealed_kind = ProtoField.uint8("clocksync.sealed.kind", "kind", base.DEC, nil, nil, "which frame follows")
F.sealed_cluster = ProtoField.uint32("clocksync.sealed.cluster", "cluster", base.DEC, nil, nil, "the group of nodes it belongs to")
F.sealed_sender = ProtoField.uint16("clocksync.sealed.sender", "sender", base.DEC, nil, nil, "the node that sent it")
F.sealed_key = ProtoField.uint8("clocksync.sealed.key", "key", base.DEC, nil, nil, "number of the group's key it is sealed under")
F.sealed_incarnation = ProtoField.uint32("clocksync.sealed.incarnation", "incarnation", base.DEC, nil, nil, "the first 4 bytes of the sender's")
F.sealed_counter = ProtoField.uint64("clocksync.sealed.counter", "counter", base.DEC, nil, nil, "of the sender's datagrams and hellos, from 1; never starts again")
F.hello_magic = ProtoField.uint16("clocksync.hello.magic", "magic", base.DEC, nil, nil, "0xC10C")
F.hello_version = ProtoField.uint8("clocksync.hello.version", "version", base.DEC, nil, nil, "2")
F.hello_kind = ProtoField.uint8("clocksync.hello.kind", "kind", base.DEC, nil, nil, "0x1F")
F.hello_cluster = ProtoField.uint32("clocksync.hello.cluster", "cluster", base.DEC, nil, nil, "the group of nodes it belongs to")
F.hello_sender = ProtoField.uint16("clocksync.hello.sender", "sender", base.DEC, nil, nil, "the node that sent it")
F.hello_key = ProtoField.uint8("clocksync.hello.key", "key", base.DEC, nil, nil, "number of the group's key it is authenticated under")
F.hello_receiver = ProtoField.uint16("clocksync.hello.receiver", "receiver", base.DEC, nil, nil, "the node it is for")
F.hello_incarnation = ProtoField.bytes("clocksync.hello.incarnation", "incarnation", base.NONE, "the sender's, drawn when it started")
F.hello_counter = ProtoField.uint64("clocksync.hello.counter", "counter", base.DEC, nil, nil, "the sender's next; what it seals from here on has higher ones")
F.hello_challenge = ProtoField.uint64("clocksync.hello.challenge", "challenge", base.DEC, nil, nil, "to be echoed by the receiver; 0: it is believed already")
F.hello_echo = ProtoField.uint64("clocksync.hello.echo", "echo", base.DEC, nil, nil, "the receiver's challenge; 0: none")
F.hello_tag = ProtoField.bytes("clocksync.hello.tag", "tag", base.NONE, "HMAC-SHA256 of everything before, its first 16 bytes")
F.sealed_body = ProtoField.bytes("clocksync.sealed.body", "body, sealed")
F.clocksync_probe_number = ProtoField.uint64("clocksync.clocksync_probe.number", "number", base.DEC, nil, nil, "of this probe, in no other of this sender")
F.clocksync_echo_arrived = ProtoField.int64("clocksync.clocksync_echo.arrived", "arrived", base.DEC, nil, nil, "when the probe came, ns since the Unix epoch by the sender's clock")
F.clocksync_echo_left = ProtoField.int64("clocksync.clocksync_echo.left", "left", base.DEC, nil, nil, "when this was about to leave, likewise")
F.clocksync_echo_earlier = ProtoField.uint64("clocksync.clocksync_echo.earlier", "earlier", base.DEC, nil, nil, "an earlier probe of the receiver's; 0: none")
F.clocksync_echo_earlier_arrived = ProtoField.int64("clocksync.clocksync_echo.earlier_arrived", "earlier_arrived", base.DEC, nil, nil, "when that one came")
F.clocksync_echo_earlier_left = ProtoField.int64("clocksync.clocksync_echo.earlier_left", "earlier_left", base.DEC, nil, nil, "when the answer to it left, as the kernel says")
F.clocksync_echo_number = ProtoField.uint64("clocksync.clocksync_echo.number", "number", base.DEC, nil, nil, "of the probe it answers")
F.ordering_segment_incarnation = ProtoField.uint64("clocksync.ordering_segment.incarnation", "incarnation", base.DEC, nil, nil, "drawn by the sender when it started; never 0")
F.ordering_segment_to_incarnation = ProtoField.uint64("clocksync.ordering_segment.to_incarnation", "to_incarnation", base.DEC, nil, nil, "the receiver's, as the sender heard it; 0: not heard yet")
F.ordering_segment_sequence = ProtoField.uint64("clocksync.ordering_segment.sequence", "sequence", base.DEC, nil, nil, "number of this piece, from 1; 0: there is none, only what follows")
F.ordering_segment_received_up_to = ProtoField.uint64("clocksync.ordering_segment.received_up_to", "received_up_to", base.DEC, nil, nil, "every piece of the receiver's up to this one has arrived")
F.ordering_segment_received_beyond = ProtoField.uint64("clocksync.ordering_segment.received_beyond", "received_beyond", base.DEC, nil, nil, "bit i, from the least: piece received_up_to + 2 + i has too")
F.ordering_segment_window = ProtoField.uint16("clocksync.ordering_segment.window", "window", base.DEC, nil, nil, "how many pieces after received_up_to the sender takes at present")
F.ordering_segment_payload = ProtoField.bytes("clocksync.ordering_segment.payload", "payload", base.NONE, "the piece")
F.ordering_segment_payload_count = ProtoField.uint16("clocksync.ordering_segment.payload_count", "payload_count")
F.vsync_data_ring_sequence = ProtoField.uint64("clocksync.vsync_data.ring_sequence", "ring_sequence", base.DEC, nil, nil, "the ring's number")
F.vsync_data_ring_representative = ProtoField.uint16("clocksync.vsync_data.ring_representative", "ring_representative", base.DEC, nil, nil, "its smallest member, which formed it")
F.vsync_data_ring_nonce = ProtoField.uint32("clocksync.vsync_data.ring_nonce", "ring_nonce", base.DEC, nil, nil, "drawn when it was formed")
F.vsync_data_sequence = ProtoField.uint64("clocksync.vsync_data.sequence", "sequence", base.DEC, nil, nil, "its place in the order of that ring")
F.vsync_data_origin = ProtoField.uint16("clocksync.vsync_data.origin", "origin", base.DEC, nil, nil, "the member that sent it first")
F.vsync_data_flags = ProtoField.uint8("clocksync.vsync_data.flags", "flags", base.DEC, nil, nil, "1 safe, 2 first piece, 4 last piece, 8 suspect, 16 unverified")
F.vsync_data_round = ProtoField.uint32("clocksync.vsync_data.round", "round", base.DEC, nil, nil, "the token's rotation it was sent in")
F.vsync_data_timestamp = ProtoField.int64("clocksync.vsync_data.timestamp", "timestamp", base.DEC, nil, nil, "of its first message, ns since the Unix epoch")
F.vsync_data_error = ProtoField.uint64("clocksync.vsync_data.error", "error", base.DEC, nil, nil, "true time lies within timestamp ± this, ns")
F.vsync_data_group = ProtoField.uint32("clocksync.vsync_data.group", "group", base.DEC, nil, nil, "the process group its messages are for; the ring does not care")
F.vsync_data_lengths = ProtoField.uint16("clocksync.vsync_data.lengths", "lengths", base.DEC, nil, nil, "of whole messages; none for a piece")
F.vsync_data_lengths_count = ProtoField.uint16("clocksync.vsync_data.lengths_count", "lengths_count")
F.vsync_data_payload = ProtoField.bytes("clocksync.vsync_data.payload", "payload", base.NONE, "the messages, or the piece")
F.vsync_data_payload_count = ProtoField.uint16("clocksync.vsync_data.payload_count", "payload_count")
F.vsync_recovered_ring_sequence = ProtoField.uint64("clocksync.vsync_recovered.ring_sequence", "ring_sequence", base.DEC, nil, nil, "the new ring")
F.vsync_recovered_ring_representative = ProtoField.uint16("clocksync.vsync_recovered.ring_representative", "ring_representative", base.DEC, nil, nil, "its smallest member, which formed it")
F.vsync_recovered_ring_nonce = ProtoField.uint32("clocksync.vsync_recovered.ring_nonce", "ring_nonce", base.DEC, nil, nil, "drawn when it was formed")
F.vsync_recovered_sequence = ProtoField.uint64("clocksync.vsync_recovered.sequence", "sequence", base.DEC, nil, nil, "its place on the new ring")
F.vsync_recovered_origin = ProtoField.uint16("clocksync.vsync_recovered.origin", "origin", base.DEC, nil, nil, "the member that sent it again")
F.vsync_recovered_payload = ProtoField.bytes("clocksync.vsync_recovered.payload", "payload", base.NONE, "the Data frame of the old ring")
F.vsync_recovered_payload_count = ProtoField.uint16("clocksync.vsync_recovered.payload_count", "payload_count")
F.vsync_token_ring_sequence = ProtoField.uint64("clocksync.vsync_token.ring_sequence", "ring_sequence", base.DEC, nil, nil, "the ring's number")
F.vsync_token_ring_representative = ProtoField.uint16("clocksync.vsync_token.ring_representative", "ring_representative", base.DEC, nil, nil, "its smallest member, which formed it")
F.vsync_token_ring_nonce = ProtoField.uint32("clocksync.vsync_token.ring_nonce", "ring_nonce", base.DEC, nil, nil, "drawn when it was formed")
F.vsync_token_token_sequence = ProtoField.uint64("clocksync.vsync_token.token_sequence", "token_sequence", base.DEC, nil, nil, "grows by one at every hop")
F.vsync_token_sequence = ProtoField.uint64("clocksync.vsync_token.sequence", "sequence", base.DEC, nil, nil, "the highest sequence number given out")
F.vsync_token_all_received_up_to = ProtoField.uint64("clocksync.vsync_token.all_received_up_to", "all_received_up_to", base.DEC, nil, nil, "everybody has all up to here, as far as known")
F.vsync_token_lowered_by = ProtoField.uint16("clocksync.vsync_token.lowered_by", "lowered_by", base.DEC, nil, nil, "who lowered that number; 65535 nobody")
F.vsync_token_sent_last_rotation = ProtoField.uint32("clocksync.vsync_token.sent_last_rotation", "sent_last_rotation", base.DEC, nil, nil, "datagrams sent by all in the last rotation")
F.vsync_token_backlog = ProtoField.uint32("clocksync.vsync_token.backlog", "backlog", base.DEC, nil, nil, "datagrams waiting at all members")
F.vsync_token_recovering = ProtoField.uint8("clocksync.vsync_token.recovering", "recovering", base.DEC, nil, nil, "1 while a member has messages of an old ring to send")
F.vsync_token_round = ProtoField.uint32("clocksync.vsync_token.round", "round", base.DEC, nil, nil, "counts rotations")
F.vsync_token_timestamp = ProtoField.int64("clocksync.vsync_token.timestamp", "timestamp", base.DEC, nil, nil, "the last one given out")
F.vsync_token_missing = ProtoField.uint64("clocksync.vsync_token.missing", "missing", base.DEC, nil, nil, "ranges: first, last, first, ...")
F.vsync_token_missing_count = ProtoField.uint16("clocksync.vsync_token.missing_count", "missing_count")
F.vsync_token_clocks = ProtoField.uint64("clocksync.vsync_token.clocks", "clocks", base.DEC, nil, nil, "for each member in ring order the bounds of true time at its last visit; 0, 0 unknown")
F.vsync_token_clocks_count = ProtoField.uint16("clocksync.vsync_token.clocks_count", "clocks_count")
F.vsync_join_incarnation = ProtoField.uint64("clocksync.vsync_join.incarnation", "incarnation", base.DEC, nil, nil, "of the sender, new at every boot")
F.vsync_join_ring_sequence = ProtoField.uint64("clocksync.vsync_join.ring_sequence", "ring_sequence", base.DEC, nil, nil, "the largest it knows")
F.vsync_join_leaving = ProtoField.uint8("clocksync.vsync_join.leaving", "leaving", base.DEC, nil, nil, "1: the sender leaves for good")
F.vsync_join_passed = ProtoField.uint8("clocksync.vsync_join.passed", "passed", base.DEC, nil, nil, "how far the sender got with the last ring agreed on")
F.vsync_join_processes = ProtoField.uint16("clocksync.vsync_join.processes", "processes", base.DEC, nil, nil, "the paper's proc_set")
F.vsync_join_processes_count = ProtoField.uint16("clocksync.vsync_join.processes_count", "processes_count")
F.vsync_join_failed = ProtoField.uint16("clocksync.vsync_join.failed", "failed", base.DEC, nil, nil, "the paper's fail_set")
F.vsync_join_failed_count = ProtoField.uint16("clocksync.vsync_join.failed_count", "failed_count")
F.vsync_commit_ring_sequence = ProtoField.uint64("clocksync.vsync_commit.ring_sequence", "ring_sequence", base.DEC, nil, nil, "the new ring")
F.vsync_commit_ring_representative = ProtoField.uint16("clocksync.vsync_commit.ring_representative", "ring_representative", base.DEC, nil, nil, "its smallest member, which formed it")
F.vsync_commit_ring_nonce = ProtoField.uint32("clocksync.vsync_commit.ring_nonce", "ring_nonce", base.DEC, nil, nil, "drawn when it was formed")
F.vsync_commit_hop = ProtoField.uint16("clocksync.vsync_commit.hop", "hop", base.DEC, nil, nil, "how often it was passed on: its receiver is member `hop` modulo their number")
F.vsync_commit_table = ProtoField.bytes("clocksync.vsync_commit.table", "table", base.NONE, "a CommitEntry for each member, in ring order")
F.vsync_commit_table_count = ProtoField.uint16("clocksync.vsync_commit.table_count", "table_count")
F.vsync_merge_ring_sequence = ProtoField.uint64("clocksync.vsync_merge.ring_sequence", "ring_sequence", base.DEC, nil, nil, "the ring's number")
F.vsync_merge_ring_representative = ProtoField.uint16("clocksync.vsync_merge.ring_representative", "ring_representative", base.DEC, nil, nil, "its smallest member, which formed it")
F.vsync_merge_ring_nonce = ProtoField.uint32("clocksync.vsync_merge.ring_nonce", "ring_nonce", base.DEC, nil, nil, "drawn when it was formed")
F.vsync_merge_incarnation = ProtoField.uint64("clocksync.vsync_merge.incarnation", "incarnation", base.DEC, nil, nil, "of the sender, new at every boot")
F.vsync_holdcancel_ring_sequence = ProtoField.uint64("clocksync.vsync_holdcancel.ring_sequence", "ring_sequence", base.DEC, nil, nil, "the ring's number")
F.vsync_holdcancel_ring_representative = ProtoField.uint16("clocksync.vsync_holdcancel.ring_representative", "ring_representative", base.DEC, nil, nil, "its smallest member, which formed it")
F.vsync_holdcancel_ring_nonce = ProtoField.uint32("clocksync.vsync_holdcancel.ring_nonce", "ring_nonce", base.DEC, nil, nil, "drawn when it was formed")
F.vsync_segment_key = ProtoField.uint64("clocksync.vsync_segment.key", "key", base.DEC, nil, nil, "the same in all parts of a frame, whoever sends it and however often")
F.vsync_segment_kind = ProtoField.uint8("clocksync.vsync_segment.kind", "kind", base.DEC, nil, nil, "of the frame")
F.vsync_segment_index = ProtoField.uint8("clocksync.vsync_segment.index", "index", base.DEC, nil, nil, "which part this is, from 0")
F.vsync_segment_count = ProtoField.uint8("clocksync.vsync_segment.count", "count", base.DEC, nil, nil, "how many there are, 2 to 64")
F.vsync_segment_part = ProtoField.bytes("clocksync.vsync_segment.part", "part", base.NONE, "all parts but the last are equally long")
F.vsync_segment_part_count = ProtoField.uint16("clocksync.vsync_segment.part_count", "part_count")
F.vsync_train_to = ProtoField.uint16("clocksync.vsync_train.to", "to", base.DEC, nil, nil, "whom the token is for; the others take the messages")
F.vsync_train_data = ProtoField.bytes("clocksync.vsync_train.data", "data", base.NONE, "a Data frame")
F.vsync_train_data_count = ProtoField.uint16("clocksync.vsync_train.data_count", "data_count")
F.vsync_train_token = ProtoField.bytes("clocksync.vsync_train.token", "token", base.NONE, "a Token frame")
F.vsync_train_token_count = ProtoField.uint16("clocksync.vsync_train.token_count", "token_count")
F.vsync_probe_number = ProtoField.uint32("clocksync.vsync_probe.number", "number", base.DEC, nil, nil, "of the question; the highest bit is set in one of full size")
F.vsync_probe_padding = ProtoField.bytes("clocksync.vsync_probe.padding", "padding", base.NONE, "what makes it large")
F.vsync_probe_padding_count = ProtoField.uint16("clocksync.vsync_probe.padding_count", "padding_count")
F.vsync_heard_number = ProtoField.uint32("clocksync.vsync_heard.number", "number", base.DEC, nil, nil, "of the question")

local MAGIC, HELLO = 0xc10c, 0x1f
local envelope = {
    { "envelope_magic", "number", 2 },
    { "envelope_version", "number", 1 },
    { "envelope_kind", "number", 1 },
    { "envelope_cluster", "number", 4 },
    { "envelope_sender", "number", 2 },
    { "envelope_check", "number", 4 }
  }
local sealed = {
    { "sealed_magic", "number", 2 },
    { "sealed_version", "number", 1 },
    { "sealed_kind", "number", 1 },
    { "sealed_cluster", "number", 4 },
    { "sealed_sender", "number", 2 },
    { "sealed_key", "number", 1 },
    { "sealed_incarnation", "number", 4 },
    { "sealed_counter", "number", 8 }
  }
local hello = {
    { "hello_magic", "number", 2 },
    { "hello_version", "number", 1 },
    { "hello_kind", "number", 1 },
    { "hello_cluster", "number", 4 },
    { "hello_sender", "number", 2 },
    { "hello_key", "number", 1 },
    { "hello_receiver", "number", 2 },
    { "hello_incarnation", "fixed", 16 },
    { "hello_counter", "number", 8 },
    { "hello_challenge", "number", 8 },
    { "hello_echo", "number", 8 },
    { "hello_tag", "fixed", 16 }
  }
local frames = {
  [0x10] = { name = "Probe", fields = {
    { "clocksync_probe_number", "number", 8 }
  } },
  [0x11] = { name = "Echo", fields = {
    { "clocksync_echo_arrived", "number", 8 },
    { "clocksync_echo_left", "number", 8 },
    { "clocksync_echo_earlier", "number", 8 },
    { "clocksync_echo_earlier_arrived", "number", 8 },
    { "clocksync_echo_earlier_left", "number", 8 },
    { "clocksync_echo_number", "number", 8 }
  } },
  [0x20] = { name = "Segment", fields = {
    { "ordering_segment_incarnation", "number", 8 },
    { "ordering_segment_to_incarnation", "number", 8 },
    { "ordering_segment_sequence", "number", 8 },
    { "ordering_segment_received_up_to", "number", 8 },
    { "ordering_segment_received_beyond", "number", 8 },
    { "ordering_segment_window", "number", 2 },
    { "ordering_segment_payload", "bytes", 2, 1 }
  } },
  [0x30] = { name = "Data", fields = {
    { "vsync_data_ring_sequence", "number", 8 },
    { "vsync_data_ring_representative", "number", 2 },
    { "vsync_data_ring_nonce", "number", 4 },
    { "vsync_data_sequence", "number", 8 },
    { "vsync_data_origin", "number", 2 },
    { "vsync_data_flags", "number", 1 },
    { "vsync_data_round", "number", 4 },
    { "vsync_data_timestamp", "number", 8 },
    { "vsync_data_error", "number", 8 },
    { "vsync_data_group", "number", 4 },
    { "vsync_data_lengths", "list", 2, 2 },
    { "vsync_data_payload", "bytes", 2, 1 }
  } },
  [0x31] = { name = "Recovered", fields = {
    { "vsync_recovered_ring_sequence", "number", 8 },
    { "vsync_recovered_ring_representative", "number", 2 },
    { "vsync_recovered_ring_nonce", "number", 4 },
    { "vsync_recovered_sequence", "number", 8 },
    { "vsync_recovered_origin", "number", 2 },
    { "vsync_recovered_payload", "bytes", 2, 1 }
  } },
  [0x32] = { name = "Token", fields = {
    { "vsync_token_ring_sequence", "number", 8 },
    { "vsync_token_ring_representative", "number", 2 },
    { "vsync_token_ring_nonce", "number", 4 },
    { "vsync_token_token_sequence", "number", 8 },
    { "vsync_token_sequence", "number", 8 },
    { "vsync_token_all_received_up_to", "number", 8 },
    { "vsync_token_lowered_by", "number", 2 },
    { "vsync_token_sent_last_rotation", "number", 4 },
    { "vsync_token_backlog", "number", 4 },
    { "vsync_token_recovering", "number", 1 },
    { "vsync_token_round", "number", 4 },
    { "vsync_token_timestamp", "number", 8 },
    { "vsync_token_missing", "list", 2, 8 },
    { "vsync_token_clocks", "list", 2, 8 }
  } },
  [0x33] = { name = "Join", fields = {
    { "vsync_join_incarnation", "number", 8 },
    { "vsync_join_ring_sequence", "number", 8 },
    { "vsync_join_leaving", "number", 1 },
    { "vsync_join_passed", "number", 1 },
    { "vsync_join_processes", "list", 2, 2 },
    { "vsync_join_failed", "list", 2, 2 }
  } },
  [0x34] = { name = "Commit", fields = {
    { "vsync_commit_ring_sequence", "number", 8 },
    { "vsync_commit_ring_representative", "number", 2 },
    { "vsync_commit_ring_nonce", "number", 4 },
    { "vsync_commit_hop", "number", 2 },
    { "vsync_commit_table", "bytes", 2, 1 }
  } },
  [0x35] = { name = "Merge", fields = {
    { "vsync_merge_ring_sequence", "number", 8 },
    { "vsync_merge_ring_representative", "number", 2 },
    { "vsync_merge_ring_nonce", "number", 4 },
    { "vsync_merge_incarnation", "number", 8 }
  } },
  [0x36] = { name = "HoldCancel", fields = {
    { "vsync_holdcancel_ring_sequence", "number", 8 },
    { "vsync_holdcancel_ring_representative", "number", 2 },
    { "vsync_holdcancel_ring_nonce", "number", 4 }
  } },
  [0x37] = { name = "Segment", fields = {
    { "vsync_segment_key", "number", 8 },
    { "vsync_segment_kind", "number", 1 },
    { "vsync_segment_index", "number", 1 },
    { "vsync_segment_count", "number", 1 },
    { "vsync_segment_part", "bytes", 2, 1 }
  } },
  [0x38] = { name = "Train", fields = {
    { "vsync_train_to", "number", 2 },
    { "vsync_train_data", "bytes", 2, 1 },
    { "vsync_train_token", "bytes", 2, 1 }
  } },
  [0x39] = { name = "Probe", fields = {
    { "vsync_probe_number", "number", 4 },
    { "vsync_probe_padding", "bytes", 2, 1 }
  } },
  [0x3a] = { name = "Heard", fields = {
    { "vsync_heard_number", "number", 4 }
  } },
}

proto.fields = (function()
  local all = {}
  for _, field in pairs(F) do all[#all + 1] = field end
  return all
end)()

local short = ProtoExpert.new("clocksync.short", "Frame ends early", expert.group.MALFORMED,
  expert.severity.ERROR)
local trailing = ProtoExpert.new("clocksync.trailing", "Bytes behind the frame",
  expert.group.MALFORMED, expert.severity.WARN)
proto.experts = { short, trailing }

-- Shows the fields of a declaration from `at` on; returns where they end, or nil if bytes lack.
local function show(fields, data, tree, at)
  for _, field in ipairs(fields) do
    local key, shape, size, unit = field[1], field[2], field[3], field[4]
    if shape == "number" then
      if at + size > data:len() then return nil end
      tree:add(F[key], data(at, size))
      at = at + size
    else
      local length = size
      if shape ~= "fixed" then
        if at + size > data:len() then return nil end
        local count = data(at, size):uint()
        tree:add(F[key .. "_count"], data(at, size))
        at = at + size
        length = count * unit
      end
      if at + length > data:len() then return nil end
      if shape == "list" then
        for entry = at, at + length - 1, unit do tree:add(F[key], data(entry, unit)) end
      elseif length > 0 then
        tree:add(F[key], data(at, length))
      end
      at = at + length
    end
  end
  return at
end

local function finish(tree, data, at)
  if at == nil then
    tree:add_proto_expert_info(short)
  elseif at < data:len() then
    tree:add_proto_expert_info(trailing)
  end
end

function proto.dissector(buffer, pinfo, root)
  local data = buffer:range()
  local version, kind = data(2, 1):uint(), data(3, 1):uint()
  local frame = frames[kind]
  local name = frame and frame.name or string.format("kind 0x%02x", kind)
  local tree = root:add(proto, data, "clocksync " .. name)
  pinfo.cols.protocol = "clocksync"
  if version == 2 and kind == HELLO then
    pinfo.cols.info = "Hello"
    finish(tree, data, show(hello, data, tree, 0))
    return
  end
  local header = version == 2 and sealed or envelope
  local sender = data:len() >= 10 and data(8, 2):uint() or 0
  pinfo.cols.info = name .. (version == 2 and " (sealed)" or "") .. " from node " .. sender
  local at = show(header, data, tree, 0)
  if at == nil then return finish(tree, data, nil) end
  if version == 2 then
    if at < data:len() then tree:add(F.sealed_body, data(at)) end
  elseif frame then
    local branch = tree:add(proto, data(at), name)
    finish(branch, data, show(frame.fields, data, branch, at))
  end
end

-- The toolkit has no port of its own: every UDP datagram that begins with the magic is its.
proto:register_heuristic("udp", function(buffer, pinfo, root)
  if buffer:len() < 14 or buffer(0, 2):uint() ~= MAGIC then return false end
  local version = buffer(2, 1):uint()
  if version ~= 1 and version ~= 2 then return false end
  proto.dissector(buffer, pinfo, root)
  return true
end)
