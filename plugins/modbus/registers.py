"""Which addresses are read together, and what stands in them. Pure."""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from plugins.modbus.settings import BITS, Tag

REGISTERS_MAX, BITS_MAX = 125, 2_000  # of one request, as the protocol has it
SCALED_DIGITS = 9  # behind the point: 70 * 0.1 is 7
_FORMATS = {
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}


@dataclass(frozen=True, slots=True)
class Block:
    """One request: `count` addresses of a table, and the tags in them."""

    table: str
    address: int
    count: int
    tags: tuple[Tag, ...]

    def value(self, tag: Tag, found: Sequence[int | bool]) -> float | int | bool | str | None:
        """Of one tag, in what was read; None: no number, no text."""
        at = tag.address - self.address
        if tag.table in BITS:
            return bool(found[at])
        words = [int(one) for one in found[at : at + tag.words]]
        if tag.bit is not None:
            return bool(words[0] >> tag.bit & 1)
        return text(tag, words) if tag.type == "string" else number(tag, words)


def blocks(tags: Sequence[Tag]) -> list[Block]:
    """Neighbours are read together, so that they are of one moment; addresses that nobody named are never read."""
    made: list[Block] = []
    for tag in sorted(tags, key=lambda one: (one.table, one.address)):
        end = tag.address + tag.words
        if made and (last := made[-1]).table == tag.table and tag.address <= last.address + last.count:
            count = max(last.count, end - last.address)
            if count <= (BITS_MAX if tag.table in BITS else REGISTERS_MAX):
                made[-1] = Block(tag.table, last.address, count, (*last.tags, tag))
                continue
        made.append(Block(tag.table, tag.address, tag.words, (tag,)))
    return made


def number(tag: Tag, words: Sequence[int]) -> float | int | None:
    """What these registers say; None: no number."""
    ordered = words if tag.word_order == "big" else [*reversed(words)]
    packed = struct.pack(f">{len(ordered)}H", *ordered)
    found: float | int = struct.unpack(f">{_FORMATS[tag.type]}", packed)[0]
    if not math.isfinite(found):
        return None
    return found if tag.scale == 1 else round(found * tag.scale, SCALED_DIGITS)


def text(tag: Tag, words: Sequence[int]) -> str | None:
    """Up to the first zero, without blanks around it; None: not of ASCII's printable characters."""
    order: Literal["big", "little"] = tag.word_order
    packed = b"".join(word.to_bytes(2, order) for word in words)
    found = packed.partition(b"\0")[0].decode("latin-1").strip()
    return found if found.isascii() and found.isprintable() else None
