"""UUIDv7: ids that are unique without asking anybody and grow with time, so new rows land at the end of an index."""

import os
import re
from collections.abc import Callable
from typing import NewType

from gateway.kernel.clock import Clock

Id = NewType("Id", str)
NewId = Callable[[], Id]

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_RANDOM_BYTES = 10
_RAND_B = (1 << 62) - 1
_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62


def is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def uuid7(clock: Clock, entropy: Callable[[int], bytes] = os.urandom) -> NewId:
    """A source of UUIDv7 text; the clock and the random bytes are the caller's."""

    def new() -> Id:
        milliseconds = int(clock.now().timestamp() * 1000)
        random = int.from_bytes(entropy(_RANDOM_BYTES))
        value = milliseconds << 80 | _VERSION | (random >> 62 & 0xFFF) << 64 | _VARIANT | random & _RAND_B
        digits = f"{value:032x}"
        return Id(f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}")

    return new
