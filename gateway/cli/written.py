"""A file that a command writes: there whole or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from gateway.kernel.disk import synced


@contextlib.contextmanager
def written(output: Path) -> Iterator[IO[bytes]]:
    """Beside its place until it is whole and on the disk, so that a half one never has its name."""
    with (
        tempfile.NamedTemporaryFile(dir=output.parent, prefix=f".{output.name}.", delete=False) as file,
        contextlib.ExitStack() as stack,
    ):
        stack.callback(Path(file.name).unlink, missing_ok=True)
        yield file
        file.flush()
        os.fsync(file.fileno())
        Path(file.name).replace(output)
        stack.pop_all()
    synced(output.parent)
