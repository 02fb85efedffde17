"""Secrets at rest: sealed with the key of this box, a file of its own that no backup holds.

`cryptography` is loaded with the first secret: a gateway without any pays nothing for it.
"""

import contextlib
import hmac
import os
import tempfile
from pathlib import Path

from gateway.kernel.errors import StorageFailed

FILE = "box.key"
KEY_BYTES = 64  # AES-256 in SIV mode: the same secret of the same row is sealed alike, so that a change is seen as one
MARK = "sealed:1:"  # how every sealed text begins; the number says in which way


class Secrets:
    """`about` names what the secret belongs to (`webhooks:<id>`): moved elsewhere, it does not open.

    All read a file and may make it: call them beside the event loop. They raise StorageFailed when it cannot be had.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def seal(self, secret: str, about: str) -> str:
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV  # noqa: PLC0415 -- paid with the first secret

        return MARK + AESSIV(self._key()).encrypt(secret.encode(), [about.encode()]).hex()

    def open(self, sealed: str, about: str) -> str | None:
        """None when it was sealed on another box, or for something else."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 -- paid with the first secret
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV  # noqa: PLC0415 -- paid with the first secret

        try:
            return AESSIV(self._key()).decrypt(bytes.fromhex(sealed.removeprefix(MARK)), [about.encode()]).decode()
        except (InvalidTag, ValueError):
            return None

    def derived(self, purpose: str) -> bytes:
        """A key of its own for something that is signed, not kept. Another box has another."""
        return hmac.digest(self._key(), purpose.encode(), "sha256")

    def _key(self) -> bytes:
        try:
            if not self._path.exists():
                self._make()
            key = self._path.read_bytes()
        except OSError as exc:
            raise StorageFailed(f"{self._path} cannot be read or made ({exc.strerror})") from exc
        if len(key) != KEY_BYTES:
            raise StorageFailed(f"{self._path} is damaged: bring it back, or remove it and set every secret anew")
        return key

    def _make(self) -> None:
        """Whole and on the disk before anything is sealed with it. Whoever comes second takes the first one's."""
        descriptor, part = tempfile.mkstemp(dir=self._path.parent, prefix=f"{FILE}.")  # for its owner only
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(os.urandom(KEY_BYTES))
                file.flush()
                os.fsync(descriptor)
            with contextlib.suppress(FileExistsError):
                os.link(part, self._path)
        finally:
            Path(part).unlink()
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
