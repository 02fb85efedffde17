"""The key that addresses are signed with: derived from that of the box, so that no copy of the database can make one."""

import asyncio

from gateway.kernel.secrets import Secrets

PURPOSE = "addresses of files"


class Signing:
    """Another box, or a box whose key was lost, ends every address that was given out."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._key = b""  # not read yet

    async def key(self) -> bytes:
        """Raises StorageFailed."""
        if not self._key:
            self._key = await asyncio.to_thread(self._secrets.derived, PURPOSE)
        return self._key
