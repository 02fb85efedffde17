"""How much memory this process has taken."""

import resource
from pathlib import Path

MEMORY_MAX_BYTES = 512 * 1024 * 1024  # what the gateway needs at most; see docs/operate.md
_OWN = Path("/proc/self/statm")


def taken_bytes() -> int:
    """Resident now."""
    pages = int(_OWN.read_text().split()[1])
    return pages * resource.getpagesize()
