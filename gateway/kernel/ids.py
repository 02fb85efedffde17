"""UUIDv7: ids that are unique without asking anybody and grow with time, so new rows land at the end of an index."""

import re
import secrets
from collections.abc import Callable
from typing import NewType

from gateway.kernel.clock import Clock

Id = NewType("Id", str)
NewId = Callable[[], Id]

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_RANDOM_BITS = 74
_RAND_B_BITS = 62


def is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def uuid7(clock: Clock, randbits: Callable[[int], int] = secrets.randbits) -> NewId:
    """A source of UUIDv7 text; clock and randomness are the caller's."""

    def new() -> Id:
        milliseconds = int(clock.now().timestamp() * 1000)
        random = randbits(_RANDOM_BITS)
        value = (
            (milliseconds & 0xFFFF_FFFF_FFFF) << 80
            | 0x7 << 76
            | (random >> _RAND_B_BITS) << 64
            | 0b10 << _RAND_B_BITS
            | random & ((1 << _RAND_B_BITS) - 1)
        )
        digits = f"{value:032x}"
        return Id(f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}")

    return new
