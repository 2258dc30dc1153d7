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
F.hello_receiver = ProtoField.uint16("clocksync.hello.receiver", "receiver", base.DEC, nil, nil, "the node it is for; 65535: whoever gets it")
F.hello_incarnation = ProtoField.bytes("clocksync.hello.incarnation", "incarnation", base.NONE, "the sender's, drawn when it started")
F.hello_counter = ProtoField.uint64("clocksync.hello.counter", "counter", base.DEC, nil, nil, "the sender's next; what it seals from here on has higher ones")
F.hello_challenge = ProtoField.uint64("clocksync.hello.challenge", "challenge", base.DEC, nil, nil, "to be echoed by the receiver; 0: it is believed already")
F.hello_echo = ProtoField.uint64("clocksync.hello.echo", "echo", base.DEC, nil, nil, "the receiver's challenge; 0: none")
F.hello_tag = ProtoField.bytes("clocksync.hello.tag", "tag", base.NONE, "HMAC-SHA256 of everything before, its first 16 bytes")
F.sealed_body = ProtoField.bytes("clocksync.sealed.body", "body, sealed")
F.peers_probe_number = ProtoField.uint64("clocksync.peers_probe.number", "number", base.DEC, nil, nil, "of this probe, in no other of this sender")
F.peers_echo_arrived = ProtoField.int64("clocksync.peers_echo.arrived", "arrived", base.DEC, nil, nil, "when the probe came, ns since the Unix epoch by the sender's clock")
F.peers_echo_left = ProtoField.int64("clocksync.peers_echo.left", "left", base.DEC, nil, nil, "when this was about to leave, likewise")
F.peers_echo_earlier = ProtoField.uint64("clocksync.peers_echo.earlier", "earlier", base.DEC, nil, nil, "an earlier probe of the receiver's; 0: none")
F.peers_echo_earlier_arrived = ProtoField.int64("clocksync.peers_echo.earlier_arrived", "earlier_arrived", base.DEC, nil, nil, "when that one came")
F.peers_echo_earlier_left = ProtoField.int64("clocksync.peers_echo.earlier_left", "earlier_left", base.DEC, nil, nil, "when the answer to it left, as the kernel says")
F.peers_echo_number = ProtoField.uint64("clocksync.peers_echo.number", "number", base.DEC, nil, nil, "of the probe it answers")
F.berkeley_join_member = ProtoField.uint16("clocksync.berkeley_join.member", "member", base.DEC, nil, nil, "the host it is about")
F.berkeley_join_boot = ProtoField.uint32("clocksync.berkeley_join.boot", "boot", base.DEC, nil, nil, "drawn when that host's program started")
F.berkeley_join_leaving = ProtoField.uint8("clocksync.berkeley_join.leaving", "leaving", base.DEC, nil, nil, "1: it leaves")
F.berkeley_join_term = ProtoField.uint64("clocksync.berkeley_join.term", "term", base.DEC, nil, nil, "the term it obeys; 0: none")
F.berkeley_join_daemon = ProtoField.uint16("clocksync.berkeley_join.daemon", "daemon", base.DEC, nil, nil, "that term's daemon; 0: none")
F.berkeley_join_address = ProtoField.bytes("clocksync.berkeley_join.address", "address", base.NONE, "where it is, if the sender hands this on: host:port")
F.berkeley_join_address_count = ProtoField.uint8("clocksync.berkeley_join.address_count", "address_count")
F.berkeley_join_padding = ProtoField.bytes("clocksync.berkeley_join.padding", "padding", base.NONE, "nothing; makes it long enough")
F.berkeley_poll_term = ProtoField.uint64("clocksync.berkeley_poll.term", "term", base.DEC, nil, nil, "the daemon's; higher ones win, of two equal ones that of the lower id")
F.berkeley_poll_boot = ProtoField.uint32("clocksync.berkeley_poll.boot", "boot", base.DEC, nil, nil, "drawn when the daemon's program started")
F.berkeley_poll_round = ProtoField.uint32("clocksync.berkeley_poll.round", "round", base.DEC, nil, nil, "counts up from 1 in a term")
F.berkeley_poll_last = ProtoField.uint8("clocksync.berkeley_poll.last", "last", base.DEC, nil, nil, "1: the clocks are only looked at, no order will follow but the last")
F.berkeley_poll_interval = ProtoField.uint64("clocksync.berkeley_poll.interval", "interval", base.DEC, nil, nil, "from round to round, ns")
F.berkeley_poll_rounds_left = ProtoField.uint32("clocksync.berkeley_poll.rounds_left", "rounds_left", base.DEC, nil, nil, "rounds still to come after this one; 2^32 - 1: no end is planned")
F.berkeley_poll_time = ProtoField.int64("clocksync.berkeley_poll.time", "time", base.DEC, nil, nil, "the daemon's settled clock, ns since the Unix epoch")
F.berkeley_poll_roster = ProtoField.bytes("clocksync.berkeley_poll.roster", "roster", base.NONE, "id=host:port of everybody, the lowest first")
F.berkeley_poll_roster_count = ProtoField.uint16("clocksync.berkeley_poll.roster_count", "roster_count")
F.berkeley_poll_number = ProtoField.uint64("clocksync.berkeley_poll.number", "number", base.DEC, nil, nil, "of this poll")
F.berkeley_answer_term = ProtoField.uint64("clocksync.berkeley_answer.term", "term", base.DEC, nil, nil, "the term the sender obeys")
F.berkeley_answer_daemon = ProtoField.uint16("clocksync.berkeley_answer.daemon", "daemon", base.DEC, nil, nil, "that term's daemon")
F.berkeley_answer_daemon_boot = ProtoField.uint32("clocksync.berkeley_answer.daemon_boot", "daemon_boot", base.DEC, nil, nil, "and which start of it")
F.berkeley_answer_boot = ProtoField.uint32("clocksync.berkeley_answer.boot", "boot", base.DEC, nil, nil, "drawn when the sender's program started")
F.berkeley_answer_bound = ProtoField.uint64("clocksync.berkeley_answer.bound", "bound", base.DEC, nil, nil, "how far it may be from the group's time, ns; 2^64 - 1: unknown")
F.berkeley_answer_total = ProtoField.int64("clocksync.berkeley_answer.total", "total", base.DEC, nil, nil, "all adjustments it has accepted, ns")
F.berkeley_answer_pending = ProtoField.int64("clocksync.berkeley_answer.pending", "pending", base.DEC, nil, nil, "what of them it has still to slew, ns")
F.berkeley_answer_difference = ProtoField.int64("clocksync.berkeley_answer.difference", "difference", base.DEC, nil, nil, "its settled clock when the poll came, minus the time in the poll")
F.berkeley_answer_earlier = ProtoField.uint64("clocksync.berkeley_answer.earlier", "earlier", base.DEC, nil, nil, "an earlier poll of the receiver's; 0: none")
F.berkeley_answer_earlier_held = ProtoField.uint64("clocksync.berkeley_answer.earlier_held", "earlier_held", base.DEC, nil, nil, "how long that one's answer took to leave, ns")
F.berkeley_answer_number = ProtoField.uint64("clocksync.berkeley_answer.number", "number", base.DEC, nil, nil, "of the poll, or the order, this answers")
F.berkeley_order_term = ProtoField.uint64("clocksync.berkeley_order.term", "term", base.DEC, nil, nil, "the daemon's")
F.berkeley_order_round = ProtoField.uint32("clocksync.berkeley_order.round", "round", base.DEC, nil, nil, "it came of; applied once")
F.berkeley_order_boot = ProtoField.uint32("clocksync.berkeley_order.boot", "boot", base.DEC, nil, nil, "of the member as it was measured: one that has restarted since is not")
F.berkeley_order_over = ProtoField.uint8("clocksync.berkeley_order.over", "over", base.DEC, nil, nil, "1: this was all, the member may go")
F.berkeley_order_excluded = ProtoField.uint8("clocksync.berkeley_order.excluded", "excluded", base.DEC, nil, nil, "1: its difference was left out of the average")
F.berkeley_order_adjustment = ProtoField.int64("clocksync.berkeley_order.adjustment", "adjustment", base.DEC, nil, nil, "to be slewed, ns")
F.berkeley_order_rate = ProtoField.int32("clocksync.berkeley_order.rate", "rate", base.DEC, nil, nil, "to be added to its rate, parts per 10^9")
F.berkeley_order_bound = ProtoField.uint64("clocksync.berkeley_order.bound", "bound", base.DEC, nil, nil, "how far it then is from the group's time at most, ns")
F.berkeley_order_residual = ProtoField.int64("clocksync.berkeley_order.residual", "residual", base.DEC, nil, nil, "with `over`: its settled clock minus the average, ns")
F.berkeley_order_number = ProtoField.uint64("clocksync.berkeley_order.number", "number", base.DEC, nil, nil, "of this order")
F.rbs_broadcast_series = ProtoField.uint64("clocksync.rbs_broadcast.series", "series", base.DEC, nil, nil, "drawn when the beacon started")
F.rbs_broadcast_number = ProtoField.uint64("clocksync.rbs_broadcast.number", "number", base.DEC, nil, nil, "of this broadcast, counted from 1")
F.rbs_report_epoch = ProtoField.uint32("clocksync.rbs_report.epoch", "epoch", base.DEC, nil, nil, "drawn when the sender's clock began; another clock, another epoch")
F.rbs_report_beacon = ProtoField.uint16("clocksync.rbs_report.beacon", "beacon", base.DEC, nil, nil, "whose broadcasts; 0 where none were heard")
F.rbs_report_series = ProtoField.uint64("clocksync.rbs_report.series", "series", base.DEC, nil, nil, "of that beacon")
F.rbs_report_first = ProtoField.uint64("clocksync.rbs_report.first", "first", base.DEC, nil, nil, "number that the ones below are counted from")
F.rbs_report_base = ProtoField.int64("clocksync.rbs_report.base", "base", base.DEC, nil, nil, "reading the stamps are counted from, ns since the Unix epoch")
F.rbs_report_heard = ProtoField.uint64("clocksync.rbs_report.heard", "heard", base.DEC, nil, nil, "number past `first` in the high 16 bits, ns past `base` in the low 48")
F.rbs_report_heard_count = ProtoField.uint16("clocksync.rbs_report.heard_count", "heard_count")
F.rbs_relations_epoch = ProtoField.uint32("clocksync.rbs_relations.epoch", "epoch", base.DEC, nil, nil, "of the sender, as in its reports")
F.rbs_relations_told_at = ProtoField.int64("clocksync.rbs_relations.told_at", "told_at", base.DEC, nil, nil, "the sender's reading, ns since the Unix epoch")
F.rbs_relations_others = ProtoField.uint16("clocksync.rbs_relations.others", "others", base.DEC, nil, nil, "whose clock")
F.rbs_relations_others_count = ProtoField.uint16("clocksync.rbs_relations.others_count", "others_count")
F.rbs_relations_epochs = ProtoField.uint32("clocksync.rbs_relations.epochs", "epochs", base.DEC, nil, nil, "and which of that host's")
F.rbs_relations_epochs_count = ProtoField.uint16("clocksync.rbs_relations.epochs_count", "epochs_count")
F.rbs_relations_vias = ProtoField.uint16("clocksync.rbs_relations.vias", "vias", base.DEC, nil, nil, "the first host on the way; 0: heard itself")
F.rbs_relations_vias_count = ProtoField.uint16("clocksync.rbs_relations.vias_count", "vias_count")
F.rbs_relations_hops = ProtoField.uint8("clocksync.rbs_relations.hops", "hops", base.DEC, nil, nil, "how many on the way; 1: heard itself")
F.rbs_relations_hops_count = ProtoField.uint16("clocksync.rbs_relations.hops_count", "hops_count")
F.rbs_relations_ages = ProtoField.uint64("clocksync.rbs_relations.ages", "ages", base.DEC, nil, nil, "how long before `told_at` it held, ns")
F.rbs_relations_ages_count = ProtoField.uint16("clocksync.rbs_relations.ages_count", "ages_count")
F.rbs_relations_offsets = ProtoField.uint64("clocksync.rbs_relations.offsets", "offsets", base.DEC, nil, nil, "the likeliest, ns, signed")
F.rbs_relations_offsets_count = ProtoField.uint16("clocksync.rbs_relations.offsets_count", "offsets_count")
F.rbs_relations_below = ProtoField.uint64("clocksync.rbs_relations.below", "below", base.DEC, nil, nil, "by how much it can be less, ns")
F.rbs_relations_below_count = ProtoField.uint16("clocksync.rbs_relations.below_count", "below_count")
F.rbs_relations_above = ProtoField.uint64("clocksync.rbs_relations.above", "above", base.DEC, nil, nil, "by how much it can be more, ns")
F.rbs_relations_above_count = ProtoField.uint16("clocksync.rbs_relations.above_count", "above_count")
F.rbs_relations_spreads = ProtoField.uint32("clocksync.rbs_relations.spreads", "spreads", base.DEC, nil, nil, "its standard error, ns; all ones: unknown")
F.rbs_relations_spreads_count = ProtoField.uint16("clocksync.rbs_relations.spreads_count", "spreads_count")
F.rbs_relations_skews = ProtoField.uint32("clocksync.rbs_relations.skews", "skews", base.DEC, nil, nil, "in 10^-12, signed; only the top bit: unknown")
F.rbs_relations_skews_count = ProtoField.uint16("clocksync.rbs_relations.skews_count", "skews_count")
F.rbs_relations_used = ProtoField.uint32("clocksync.rbs_relations.used", "used", base.DEC, nil, nil, "broadcasts it rests on")
F.rbs_relations_used_count = ProtoField.uint16("clocksync.rbs_relations.used_count", "used_count")
F.meshing_order_token = ProtoField.uint64("clocksync.meshing_order.token", "token", base.DEC, nil, nil, "of this host in this measurement; the answer repeats it")
F.meshing_order_action = ProtoField.uint8("clocksync.meshing_order.action", "action", base.DEC, nil, nil, "0 greet, 1 probe, 2 fetch samples, 3 end and forget")
F.meshing_order_interval_us = ProtoField.uint32("clocksync.meshing_order.interval_us", "interval_us", base.DEC, nil, nil, "probe: between two probes of one neighbour")
F.meshing_order_lasts_ms = ProtoField.uint32("clocksync.meshing_order.lasts_ms", "lasts_ms", base.DEC, nil, nil, "probe: how much longer")
F.meshing_order_peer = ProtoField.uint16("clocksync.meshing_order.peer", "peer", base.DEC, nil, nil, "fetch: the samples of this neighbour")
F.meshing_order_first = ProtoField.uint16("clocksync.meshing_order.first", "first", base.DEC, nil, nil, "fetch: from this one on")
F.meshing_order_neighbours = ProtoField.bytes("clocksync.meshing_order.neighbours", "neighbours", base.NONE, "number, address, port")
F.meshing_order_neighbours_count = ProtoField.uint16("clocksync.meshing_order.neighbours_count", "neighbours_count")
F.meshing_order_room = ProtoField.bytes("clocksync.meshing_order.room", "room", base.NONE, "zeros, so that no answer is longer")
F.meshing_order_room_count = ProtoField.uint16("clocksync.meshing_order.room_count", "room_count")
F.meshing_status_token = ProtoField.uint64("clocksync.meshing_status.token", "token", base.DEC, nil, nil, "of the order")
F.meshing_status_state = ProtoField.uint8("clocksync.meshing_status.state", "state", base.DEC, nil, nil, "0 idle, 1 probing, 2 busy with others")
F.meshing_status_precision_ns = ProtoField.uint32("clocksync.meshing_status.precision_ns", "precision_ns", base.DEC, nil, nil, "of its clock")
F.meshing_status_answered = ProtoField.uint16("clocksync.meshing_status.answered", "answered", base.DEC, nil, nil, "neighbours that answer")
F.meshing_status_answered_count = ProtoField.uint16("clocksync.meshing_status.answered_count", "answered_count")
F.meshing_batch_token = ProtoField.uint64("clocksync.meshing_batch.token", "token", base.DEC, nil, nil, "of the order")
F.meshing_batch_peer = ProtoField.uint16("clocksync.meshing_batch.peer", "peer", base.DEC, nil, nil, "the neighbour")
F.meshing_batch_first = ProtoField.uint16("clocksync.meshing_batch.first", "first", base.DEC, nil, nil, "the number of the first one in this frame")
F.meshing_batch_total = ProtoField.uint16("clocksync.meshing_batch.total", "total", base.DEC, nil, nil, "how many there are of this neighbour")
F.meshing_batch_rows = ProtoField.bytes("clocksync.meshing_batch.rows", "rows", base.NONE, "T1 to T4, i64, and whether T3 is exact")
F.meshing_batch_rows_count = ProtoField.uint16("clocksync.meshing_batch.rows_count", "rows_count")
F.links_segment_incarnation = ProtoField.uint64("clocksync.links_segment.incarnation", "incarnation", base.DEC, nil, nil, "drawn by the sender when it started; never 0")
F.links_segment_to_incarnation = ProtoField.uint64("clocksync.links_segment.to_incarnation", "to_incarnation", base.DEC, nil, nil, "the receiver's, as the sender heard it; 0: not heard yet")
F.links_segment_sequence = ProtoField.uint64("clocksync.links_segment.sequence", "sequence", base.DEC, nil, nil, "number of this piece, from 1; 0: there is none, only what follows")
F.links_segment_received_up_to = ProtoField.uint64("clocksync.links_segment.received_up_to", "received_up_to", base.DEC, nil, nil, "every piece of the receiver's up to this one has arrived")
F.links_segment_received_beyond = ProtoField.uint64("clocksync.links_segment.received_beyond", "received_beyond", base.DEC, nil, nil, "bit i, from the least: piece received_up_to + 2 + i has too")
F.links_segment_window = ProtoField.uint16("clocksync.links_segment.window", "window", base.DEC, nil, nil, "how many pieces after received_up_to the sender takes at present")
F.links_segment_payload = ProtoField.bytes("clocksync.links_segment.payload", "payload", base.NONE, "the piece")
F.links_segment_payload_count = ProtoField.uint16("clocksync.links_segment.payload_count", "payload_count")
F.vsync_data_ring_sequence = ProtoField.uint64("clocksync.vsync_data.ring_sequence", "ring_sequence", base.DEC, nil, nil, "the ring's number")
F.vsync_data_ring_representative = ProtoField.uint16("clocksync.vsync_data.ring_representative", "ring_representative", base.DEC, nil, nil, "its smallest member, which formed it")
F.vsync_data_ring_nonce = ProtoField.uint32("clocksync.vsync_data.ring_nonce", "ring_nonce", base.DEC, nil, nil, "drawn when it was formed")
F.vsync_data_sequence = ProtoField.uint64("clocksync.vsync_data.sequence", "sequence", base.DEC, nil, nil, "its place in the order of that ring")
F.vsync_data_origin = ProtoField.uint16("clocksync.vsync_data.origin", "origin", base.DEC, nil, nil, "the member that sent it first")
F.vsync_data_flags = ProtoField.uint8("clocksync.vsync_data.flags", "flags", base.DEC, nil, nil, "1 safe, 2 first piece, 4 last piece, 8 suspect, 16 unverified, 32 the token lingers")
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
  [0x10] = { name = "peers.Probe", fields = {
    { "peers_probe_number", "number", 8 }
  } },
  [0x11] = { name = "peers.Echo", fields = {
    { "peers_echo_arrived", "number", 8 },
    { "peers_echo_left", "number", 8 },
    { "peers_echo_earlier", "number", 8 },
    { "peers_echo_earlier_arrived", "number", 8 },
    { "peers_echo_earlier_left", "number", 8 },
    { "peers_echo_number", "number", 8 }
  } },
  [0x12] = { name = "berkeley.Join", fields = {
    { "berkeley_join_member", "number", 2 },
    { "berkeley_join_boot", "number", 4 },
    { "berkeley_join_leaving", "number", 1 },
    { "berkeley_join_term", "number", 8 },
    { "berkeley_join_daemon", "number", 2 },
    { "berkeley_join_address", "bytes", 1, 1 },
    { "berkeley_join_padding", "fixed", 16 }
  } },
  [0x13] = { name = "berkeley.Poll", fields = {
    { "berkeley_poll_term", "number", 8 },
    { "berkeley_poll_boot", "number", 4 },
    { "berkeley_poll_round", "number", 4 },
    { "berkeley_poll_last", "number", 1 },
    { "berkeley_poll_interval", "number", 8 },
    { "berkeley_poll_rounds_left", "number", 4 },
    { "berkeley_poll_time", "number", 8 },
    { "berkeley_poll_roster", "bytes", 2, 1 },
    { "berkeley_poll_number", "number", 8 }
  } },
  [0x14] = { name = "berkeley.Answer", fields = {
    { "berkeley_answer_term", "number", 8 },
    { "berkeley_answer_daemon", "number", 2 },
    { "berkeley_answer_daemon_boot", "number", 4 },
    { "berkeley_answer_boot", "number", 4 },
    { "berkeley_answer_bound", "number", 8 },
    { "berkeley_answer_total", "number", 8 },
    { "berkeley_answer_pending", "number", 8 },
    { "berkeley_answer_difference", "number", 8 },
    { "berkeley_answer_earlier", "number", 8 },
    { "berkeley_answer_earlier_held", "number", 8 },
    { "berkeley_answer_number", "number", 8 }
  } },
  [0x15] = { name = "berkeley.Order", fields = {
    { "berkeley_order_term", "number", 8 },
    { "berkeley_order_round", "number", 4 },
    { "berkeley_order_boot", "number", 4 },
    { "berkeley_order_over", "number", 1 },
    { "berkeley_order_excluded", "number", 1 },
    { "berkeley_order_adjustment", "number", 8 },
    { "berkeley_order_rate", "number", 4 },
    { "berkeley_order_bound", "number", 8 },
    { "berkeley_order_residual", "number", 8 },
    { "berkeley_order_number", "number", 8 }
  } },
  [0x16] = { name = "rbs.Broadcast", fields = {
    { "rbs_broadcast_series", "number", 8 },
    { "rbs_broadcast_number", "number", 8 }
  } },
  [0x17] = { name = "rbs.Report", fields = {
    { "rbs_report_epoch", "number", 4 },
    { "rbs_report_beacon", "number", 2 },
    { "rbs_report_series", "number", 8 },
    { "rbs_report_first", "number", 8 },
    { "rbs_report_base", "number", 8 },
    { "rbs_report_heard", "list", 2, 8 }
  } },
  [0x18] = { name = "rbs.Relations", fields = {
    { "rbs_relations_epoch", "number", 4 },
    { "rbs_relations_told_at", "number", 8 },
    { "rbs_relations_others", "list", 2, 2 },
    { "rbs_relations_epochs", "list", 2, 4 },
    { "rbs_relations_vias", "list", 2, 2 },
    { "rbs_relations_hops", "list", 2, 1 },
    { "rbs_relations_ages", "list", 2, 8 },
    { "rbs_relations_offsets", "list", 2, 8 },
    { "rbs_relations_below", "list", 2, 8 },
    { "rbs_relations_above", "list", 2, 8 },
    { "rbs_relations_spreads", "list", 2, 4 },
    { "rbs_relations_skews", "list", 2, 4 },
    { "rbs_relations_used", "list", 2, 4 }
  } },
  [0x19] = { name = "meshing.Order", fields = {
    { "meshing_order_token", "number", 8 },
    { "meshing_order_action", "number", 1 },
    { "meshing_order_interval_us", "number", 4 },
    { "meshing_order_lasts_ms", "number", 4 },
    { "meshing_order_peer", "number", 2 },
    { "meshing_order_first", "number", 2 },
    { "meshing_order_neighbours", "bytes", 2, 1 },
    { "meshing_order_room", "bytes", 2, 1 }
  } },
  [0x1a] = { name = "meshing.Status", fields = {
    { "meshing_status_token", "number", 8 },
    { "meshing_status_state", "number", 1 },
    { "meshing_status_precision_ns", "number", 4 },
    { "meshing_status_answered", "list", 2, 2 }
  } },
  [0x1b] = { name = "meshing.Batch", fields = {
    { "meshing_batch_token", "number", 8 },
    { "meshing_batch_peer", "number", 2 },
    { "meshing_batch_first", "number", 2 },
    { "meshing_batch_total", "number", 2 },
    { "meshing_batch_rows", "bytes", 2, 1 }
  } },
  [0x20] = { name = "links.Segment", fields = {
    { "links_segment_incarnation", "number", 8 },
    { "links_segment_to_incarnation", "number", 8 },
    { "links_segment_sequence", "number", 8 },
    { "links_segment_received_up_to", "number", 8 },
    { "links_segment_received_beyond", "number", 8 },
    { "links_segment_window", "number", 2 },
    { "links_segment_payload", "bytes", 2, 1 }
  } },
  [0x30] = { name = "vsync.Data", fields = {
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
  [0x31] = { name = "vsync.Recovered", fields = {
    { "vsync_recovered_ring_sequence", "number", 8 },
    { "vsync_recovered_ring_representative", "number", 2 },
    { "vsync_recovered_ring_nonce", "number", 4 },
    { "vsync_recovered_sequence", "number", 8 },
    { "vsync_recovered_origin", "number", 2 },
    { "vsync_recovered_payload", "bytes", 2, 1 }
  } },
  [0x32] = { name = "vsync.Token", fields = {
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
  [0x33] = { name = "vsync.Join", fields = {
    { "vsync_join_incarnation", "number", 8 },
    { "vsync_join_ring_sequence", "number", 8 },
    { "vsync_join_leaving", "number", 1 },
    { "vsync_join_passed", "number", 1 },
    { "vsync_join_processes", "list", 2, 2 },
    { "vsync_join_failed", "list", 2, 2 }
  } },
  [0x34] = { name = "vsync.Commit", fields = {
    { "vsync_commit_ring_sequence", "number", 8 },
    { "vsync_commit_ring_representative", "number", 2 },
    { "vsync_commit_ring_nonce", "number", 4 },
    { "vsync_commit_hop", "number", 2 },
    { "vsync_commit_table", "bytes", 2, 1 }
  } },
  [0x35] = { name = "vsync.Merge", fields = {
    { "vsync_merge_ring_sequence", "number", 8 },
    { "vsync_merge_ring_representative", "number", 2 },
    { "vsync_merge_ring_nonce", "number", 4 },
    { "vsync_merge_incarnation", "number", 8 }
  } },
  [0x36] = { name = "vsync.HoldCancel", fields = {
    { "vsync_holdcancel_ring_sequence", "number", 8 },
    { "vsync_holdcancel_ring_representative", "number", 2 },
    { "vsync_holdcancel_ring_nonce", "number", 4 }
  } },
  [0x37] = { name = "vsync.Segment", fields = {
    { "vsync_segment_key", "number", 8 },
    { "vsync_segment_kind", "number", 1 },
    { "vsync_segment_index", "number", 1 },
    { "vsync_segment_count", "number", 1 },
    { "vsync_segment_part", "bytes", 2, 1 }
  } },
  [0x38] = { name = "vsync.Train", fields = {
    { "vsync_train_to", "number", 2 },
    { "vsync_train_data", "bytes", 2, 1 },
    { "vsync_train_token", "bytes", 2, 1 }
  } },
  [0x39] = { name = "vsync.Probe", fields = {
    { "vsync_probe_number", "number", 4 },
    { "vsync_probe_padding", "bytes", 2, 1 }
  } },
  [0x3a] = { name = "vsync.Heard", fields = {
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
