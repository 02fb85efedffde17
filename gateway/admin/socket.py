"""The socket: `admin.sock` in the data folder, for its owner only. Whoever can open it may do everything."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOCKET = "admin.sock"
PATH = "/_admin/"
CHUNK_BYTES = 256 * 1024
PATH_MAX_BYTES = 100  # a socket's address holds 108


class NotRunning(Exception):
    """No gateway serves this data folder."""


@contextmanager
def short(folder: Path) -> Iterator[Path]:
    """A short way to a folder whose own path may be too long for a socket's address."""
    if len(bytes(folder / SOCKET)) <= PATH_MAX_BYTES:
        yield folder
        return
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
