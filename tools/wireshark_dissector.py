"""Writes ``docs/clocksync.lua``: a Wireshark dissector for the toolkit's frames.

``python -m tools.wireshark_dissector``; ``--check`` only says whether it is up to date. Generated
from the declarations that :mod:`tools.wire_tables` lists, so that Wireshark and tshark show every
frame in the envelope by name, with its fields by name. ::

    tshark -X lua_script:docs/clocksync.lua -Y clocksync -r FILE
"""

import sys
from collections.abc import Iterator

from clocksync.capture.toolkit import frame_name
from clocksync.runtime.envelope import MAGIC, EnvelopeHeader
from clocksync.runtime.wire import Bits, Counted, Field, Fixed, Frame, Sized, layout
from clocksync.security.datagram import Hello, SealedHeader
from tools import pages, wire_tables

SCRIPT = pages.DOCS / "clocksync.lua"

HEAD = """\
-- Wireshark dissector of clocksync, ordering and vsync, generated from the declarations by
-- python -m tools.wireshark_dissector; do not edit. Use it without installing it:
--   tshark -X lua_script:clocksync.lua -Y clocksync -r FILE
-- or put it into Wireshark's folder of personal Lua plugins.

local proto = Proto("clocksync", "clocksync toolkit")
local F = {}
"""

TAIL = """
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
"""


def script() -> str:
    """The whole dissector."""
    framed = [cls for cls in wire_tables.frames() if 0 < cls.KIND < 256 and cls is not Hello]
    lines = [HEAD, *_fields("envelope", EnvelopeHeader), *_fields("sealed", SealedHeader)]
    lines += _fields("hello", Hello)
    lines.append('F.sealed_body = ProtoField.bytes("clocksync.sealed.body", "body, sealed")')
    for cls in framed:
        lines += _fields(_key(cls), cls)
    lines.append(f"\nlocal MAGIC, HELLO = 0x{MAGIC:04x}, 0x{Hello.KIND:02x}")
    lines.append(f"local envelope = {_table('envelope', EnvelopeHeader)}")
    lines.append(f"local sealed = {_table('sealed', SealedHeader)}")
    lines.append(f"local hello = {_table('hello', Hello)}")
    lines.append("local frames = {")
    for cls in framed:
        fields = _table(_key(cls), cls)
        lines.append(f'  [0x{cls.KIND:02x}] = {{ name = "{frame_name(cls)}", fields = {fields} }},')
    return "\n".join([*lines, "}", TAIL])


def _key(cls: type[Frame]) -> str:
    return frame_name(cls).lower().replace(".", "_")


def _fields(key: str, cls: type[Frame]) -> Iterator[str]:
    """The ProtoField of each field, named such as ``clocksync.vsync_token.sequence``."""
    path = f"clocksync.{key}"
    bit = 0
    for field in layout(cls):
        place = f"F.{key}_{field.name}"
        name = f'"{path}.{field.name}", "{field.name}"'
        blurb = field.meaning.replace('"', "'")
        match field.shape:
            case Bits(bits, signed) if bits % 8 == 0 and bit % 8 == 0:
                kind = f"{'int' if signed else 'uint'}{bits}"
                yield f'{place} = ProtoField.{kind}({name}, base.DEC, nil, nil, "{blurb}")'
            case Bits():
                raise NotImplementedError(f"{cls.__name__}.{field.name}: bits within a byte")
            case Counted(bits, _):
                yield f'{place} = ProtoField.uint{bits}({name}, base.DEC, nil, nil, "{blurb}")'
            case _:
                yield f'{place} = ProtoField.bytes({name}, base.NONE, "{blurb}")'
        if isinstance(field.shape, Sized | Counted):
            width = field.shape.count_bits if isinstance(field.shape, Sized) else 16
            count = f'"{path}.{field.name}_count", "{field.name}_count"'
            yield f"{place}_count = ProtoField.uint{width}({count})"


def _table(key: str, cls: type[Frame]) -> str:
    """The declaration as the script's ``show`` reads it: key, shape, bytes, bytes of an entry."""
    rows = [_row(f"{key}_{field.name}", field) for field in layout(cls)]
    return "{\n    " + ",\n    ".join(rows) + "\n  }" if rows else "{}"


def _row(key: str, field: Field) -> str:
    match field.shape:
        case Bits(bits):
            return f'{{ "{key}", "number", {bits // 8} }}'
        case Fixed(length):
            return f'{{ "{key}", "fixed", {length} }}'
        case Sized(_, count_bits):
            return f'{{ "{key}", "bytes", {count_bits // 8}, 1 }}'
        case Counted(element_bits, _):
            return f'{{ "{key}", "list", 2, {element_bits // 8} }}'


main = pages.command(script, SCRIPT, "declarations", "tools.wireshark_dissector")

if __name__ == "__main__":
    sys.exit(main())
