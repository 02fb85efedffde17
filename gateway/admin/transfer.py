"""`import`: its own way, since it takes minutes and tells how far it is."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from gateway.admin.box import Box
from gateway.transfer.commands import Imports


def importing(box: Box, path: Path, name: str, *, dry_run: bool) -> AsyncIterator[dict[str, Any]]:
    """See `Imports.run`."""
    return Imports(box.db, box.clock, box.new_id, box.settings.gateway.id).run(path, name, dry_run=dry_run)
