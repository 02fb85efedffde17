"""Secrets at rest: sealed with the key of this box. The key comes from the credential store of the service, or else is a file of
its own in the data folder; no backup holds it in the clear.

`cryptography` is loaded with the first secret: a gateway without any pays nothing for it.
"""

import contextlib
import hmac
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from gateway.kernel.disk import synced, write_whole
from gateway.kernel.errors import StorageFailed, Unavailable

FILE = "box.key"
CREDENTIAL = "box-key"  # its name in the credential store
KNOWN = "box-key.id"  # beside the database: which key of the credential store its secrets are sealed with
KEY_BYTES = 64  # AES-256 in SIV mode: the same secret of the same row is sealed alike, so that a change is seen as one
MARK = "sealed:1:"  # how every sealed text begins; the number says in which way
NOT_SHOWN = "***"
TOLD_APART_CHARACTERS = 4
_ID_DIGITS = 16  # of 64: tells keys apart, and nothing else
AWAY = (
    "the box key is in the credential store of the service, which a command cannot see: start the service and run this again "
    "(it then works through it), or run it as root with the credential: systemd-run --pipe --wait -p User=eryxon-gateway -p "
    "LoadCredential=box-key:/etc/credstore/eryxon-gateway.box-key eryxon-gateway ... (LoadCredentialEncrypted where it lies in "
    "/etc/credstore.encrypted)"
)


def kept_back(text: str, secrets: Iterable[str]) -> str:
    """What somebody else says, without the secrets that he was told; one of a few characters stands in every text, and stays."""
    for one in sorted(secrets, key=len, reverse=True):
        if len(one) >= TOLD_APART_CHARACTERS:
            text = text.replace(one, NOT_SHOWN)
    return text


def is_sealed(text: str) -> bool:
    return text.startswith(MARK)


def usable(text: str, key: str) -> str:
    """A secret of the configuration, to be sent to somebody. Raises Unavailable: it is sealed and did not open."""
    if is_sealed(text):
        raise Unavailable(
            f"{key} is sealed and does not open here: `eryxon-gateway config check` says why, and the way out"
        )
    return text


class Secrets:
    """`about` names what the secret belongs to (`webhooks:<id>`): moved elsewhere, it does not open. `credentials`: the folder in
    which systemd put those of the service.

    All read files and may make them: call them beside the event loop. They raise StorageFailed when the key cannot be had.
    """

    def __init__(self, folder: Path, credentials: Path | None = None) -> None:
        self._path = folder / FILE
        self._known = folder / KNOWN
        self._credential = None if credentials is None else credentials / CREDENTIAL

    def seal(self, secret: str, about: str) -> str:
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV  # noqa: PLC0415 -- paid with the first secret

        return MARK + AESSIV(self._key()).encrypt(secret.encode(), [about.encode()]).hex()

    def open(self, sealed: str, about: str) -> str | None:
        """None when it was sealed on another box, or for something else."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 -- paid with the first secret
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV  # noqa: PLC0415 -- paid with the first secret

        key = self.key()
        if key is None:
            return None
        try:
            return AESSIV(key).decrypt(bytes.fromhex(sealed.removeprefix(MARK)), [about.encode()]).decode()
        except (InvalidTag, ValueError):
            return None

    def derived(self, purpose: str) -> bytes:
        """A key of its own for something that is signed, not kept. Another box has another."""
        return hmac.digest(self._key(), purpose.encode(), "sha256")

    def key(self) -> bytes | None:
        """That of this box, None while it has none: nothing is made. Two that differ, or another than the one that was used
        until now: StorageFailed, for nothing may be sealed with the wrong one.
        """
        given, kept = self._given(), _read(self._path)
        if given and kept and not hmac.compare_digest(given, kept):
            raise StorageFailed(
                f"there are two box keys, {self._path} and {CREDENTIAL} in the credential store, and they differ: nothing is "
                "sealed or opened until one is left. After a restore the one in the data folder is right: install.sh, run again, "
                f"moves it into the credential store. Else delete {self._path}. Then restart"
            )
        key, known = given or kept, self._noted()
        if known is None:
            return key
        if key is None:
            raise StorageFailed(AWAY if self._credential is None else _lost(f"{CREDENTIAL} is not there", self._known))
        if _id(key) != known:
            where = self._path if given is None else CREDENTIAL
            raise StorageFailed(_lost(f"{where} is another one", self._known))
        return key

    def settle(self) -> None:
        """At each start: notes which key of the credential store is used here, so that no command makes another one beside it."""
        self.key()
        if (given := self._given()) and self._noted() is None:
            try:
                write_whole(self._known, _id(given).encode())
            except OSError as exc:
                raise StorageFailed(f"{self._known} cannot be written ({exc.strerror})") from exc

    def problem(self) -> str | None:
        """For people: why secrets cannot be sealed or opened."""
        try:
            self.key()
        except StorageFailed as exc:
            return exc.message
        return None

    def _key(self) -> bytes:
        key = self.key()
        if key is None:
            try:
                self._make()
            except OSError as exc:
                raise StorageFailed(f"{self._path} cannot be made ({exc.strerror})") from exc
            key = self.key()
            assert key is not None  # nosec B101 # noqa: S101 -- it was made
        return key

    def _given(self) -> bytes | None:
        return None if self._credential is None else _read(self._credential)

    def _noted(self) -> str | None:
        try:
            return self._known.read_text().strip()
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as exc:
            raise StorageFailed(f"{self._known} cannot be read ({exc})") from exc

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
        synced(self._path.parent)


def _read(file: Path) -> bytes | None:
    try:
        with file.open("rb") as opened:
            key = opened.read(KEY_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise StorageFailed(f"{file} cannot be read ({exc.strerror})") from exc
    if len(key) != KEY_BYTES:
        raise StorageFailed(f"{file} is damaged: bring it back, or remove it and set every secret anew")
    return key


def _id(key: bytes) -> str:
    return hmac.digest(key, b"which key this is", "sha256").hex()[:_ID_DIGITS]


def _lost(what: str, known: Path) -> str:
    return (
        f"{what}, and not the box key that the secrets here are sealed with: bring that one back into the credential store "
        f"(`docs/secrets.md`); when it is lost, delete {known} and set every secret anew"
    )
