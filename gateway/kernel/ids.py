"""UUIDv7: ids that are unique without asking anybody and grow with time, so new rows land at the end of an index."""

import os
import random
import re
from collections.abc import Callable
from typing import NewType

from gateway.kernel.clock import Clock

Id = NewType("Id", str)
NewId = Callable[[], Id]

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_TIME_BYTES = 6  # milliseconds
_RANDOM_BYTES = 10
_SEED_BYTES = 32
_VERSION = "7"
_VARIANT = {f"{digit:x}": "89ab"[digit % 4] for digit in range(16)}  # two fixed bits, two random ones


def is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def unique_bytes() -> Callable[[int], bytes]:
    """Random bytes for ids: unique, not secret. The kernel's are asked for once, because each asking hands over Python's
    lock, which with two busy threads costs more than the whole id.
    """
    return random.Random(os.urandom(_SEED_BYTES)).randbytes  # nosec B311 # noqa: S311 -- ids are no secrets


def uuid7(clock: Clock, entropy: Callable[[int], bytes] | None = None) -> NewId:
    """A source of UUIDv7 text; the clock is the caller's, and the random bytes if wanted."""
    entropy = entropy or unique_bytes()

    def new() -> Id:
        time = int(clock.now().timestamp() * 1000).to_bytes(_TIME_BYTES).hex()
        rest = entropy(_RANDOM_BYTES).hex()
        return Id(f"{time[:8]}-{time[8:]}-{_VERSION}{rest[:3]}-{_VARIANT[rest[3]]}{rest[4:7]}-{rest[8:]}")

    return new
