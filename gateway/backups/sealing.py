"""Secrets under a passphrase: scrypt makes the key, AES-GCM seals. The files of a box that hold some, and where they go back to."""

import base64
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.kernel.disk import write_whole
from gateway.kernel.errors import Invalid
from gateway.kernel.secrets import FILE, KNOWN, Secrets

PASSPHRASE_MIN_CHARACTERS = 12
FILE_MAX_BYTES = 1024 * 1024  # keys, certificates and lists of users are far smaller
# Below the data folder, beside the key of the box: its CA and certificates, who may connect to its broker and its OPC UA server.
HOLDING = ("tls/*", "broker/users.json", "broker/devices.json", "plugins/*/users.json", "plugins/*/pki/**/*")
_MARK = b"sealed:scrypt-aesgcm:1:"
_SALT_BYTES, _NONCE_BYTES, _KEY_BYTES = 16, 12, 32
_COST, _BLOCK, _PARALLEL = 2**15, 8, 1  # 32 MB and a tenth of a second for each guess


@dataclass(frozen=True, slots=True)
class Kept:
    """`settings`: the way to a key of the configuration, with dots -> its value. `files`: name below the data folder -> content."""

    settings: Mapping[str, str]
    files: Mapping[str, bytes]

    def text(self) -> bytes:
        files = {name: base64.b64encode(content).decode() for name, content in self.files.items()}
        return json.dumps({"settings": {**self.settings}, "files": files}).encode()

    @classmethod
    def of(cls, text: bytes) -> "Kept":
        tree = json.loads(text)
        return cls(tree["settings"], {name: base64.b64decode(content) for name, content in tree["files"].items()})

    def put_back(self, folder: Path) -> None:
        """The files, each whole. Raises OSError. The key of the box goes into the data folder: the credential store is root's, and
        install.sh moves it there.
        """
        if FILE in self.files:
            (folder / KNOWN).unlink(missing_ok=True)  # what was sealed with the key until now goes, too
        for name, content in self.files.items():
            target = folder / name
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(target, content)


def holding(folder: Path, credentials: Path | None) -> dict[str, bytes]:
    """The files with secrets in a data folder, and the key of the box wherever it is. Raises StorageFailed."""
    key = Secrets(folder, credentials).key()
    own = {} if key is None else {FILE: key}
    return own | {str(file.relative_to(folder)): file.read_bytes() for file in _files(folder)}


def _files(folder: Path) -> Iterator[Path]:
    for pattern in HOLDING:
        found = (file for file in sorted(folder.glob(pattern)) if file.is_file() and not file.is_symlink())
        yield from (file for file in found if file.stat().st_size <= FILE_MAX_BYTES)


def require_strong(passphrase: str) -> None:
    """Raises Invalid."""
    if len(passphrase) < PASSPHRASE_MIN_CHARACTERS:
        raise Invalid(f"the passphrase is too short: at least {PASSPHRASE_MIN_CHARACTERS} characters")


def sealed(content: bytes, passphrase: str, about: str) -> bytes:
    """`about`: what it belongs to; sealed for something else it does not open."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 -- paid by who has secrets to keep

    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    return _MARK + salt + nonce + AESGCM(_key(passphrase, salt)).encrypt(nonce, content, about.encode())


def unsealed(text: bytes, passphrase: str, about: str) -> bytes:
    """Raises Invalid."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 -- paid by who has secrets to keep
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 -- paid by who has secrets to keep

    rest = text.removeprefix(_MARK)
    salt, nonce, hidden = rest[:_SALT_BYTES], rest[_SALT_BYTES:][:_NONCE_BYTES], rest[_SALT_BYTES + _NONCE_BYTES :]
    try:
        return AESGCM(_key(passphrase, salt)).decrypt(nonce, hidden, about.encode())
    except (InvalidTag, ValueError):
        raise Invalid("the passphrase does not open the secrets of this backup: try another, or go without") from None


def _key(passphrase: str, salt: bytes) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt  # noqa: PLC0415 -- paid by who has secrets to keep

    return Scrypt(salt=salt, length=_KEY_BYTES, n=_COST, r=_BLOCK, p=_PARALLEL).derive(passphrase.encode())
