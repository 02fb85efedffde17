"""The one file: a zip whose last member says what the others are. Nothing of it is believed before its digest was compared."""

import contextlib
import hashlib
import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Self

from gateway.backups import manifest as manifest_
from gateway.backups.manifest import MANIFEST, Manifest, Member
from gateway.backups.pace import Pace
from gateway.kernel.errors import Invalid

BLOCK_BYTES = 256 * 1024
MANIFEST_MAX_BYTES = 64 * 1024 * 1024  # some hundred bytes for each file
PACKED_LEVEL = 1  # of nine: the database shrinks to a third, at the speed of a good disk
# What zipfile and zlib say of damage: a method they do not know, a member that claims to be encrypted, a file that ends too soon.
_BROKEN = (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError)


class Writing:
    """A new archive, at the path given: the caller gives it its name once it is whole."""

    def __init__(self, file: Path) -> None:
        self.members: dict[str, Member] = {}
        self._stack = contextlib.ExitStack()
        self._path = file

    def __enter__(self) -> Self:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._file = self._stack.enter_context(os.fdopen(descriptor, "w+b"))
        self._pace = Pace(descriptor)
        self._zip = self._stack.enter_context(zipfile.ZipFile(self._file, "w", compresslevel=PACKED_LEVEL))
        return self

    def __exit__(self, *raised: object) -> None:
        self._stack.close()

    def add(self, name: str, source: IO[bytes], *, packed: bool) -> Member:
        """Raises OSError."""
        digest, size = hashlib.sha256(), 0
        self._zip.compression = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
        with self._zip.open(name, "w", force_zip64=True) as target:
            while block := source.read(BLOCK_BYTES):
                digest.update(block)
                size += len(block)
                target.write(block)
                self._pace.wrote(len(block))
        self.members[name] = Member(size, digest.hexdigest())
        return self.members[name]

    def forget(self, name: str) -> None:
        """It was not what it should have been: the manifest does not know it."""
        del self.members[name]

    def finish(self, manifest: Manifest) -> None:
        """With the manifest it is whole, and on the disk."""
        self._zip.writestr(MANIFEST, manifest.text().encode(), zipfile.ZIP_DEFLATED)
        self._zip.close()
        self._file.flush()
        os.fsync(self._file.fileno())


class Archive:
    """One that is there. Raises Invalid, OSError when it is opened."""

    def __init__(self, file: Path) -> None:
        self.file = file
        with _said(file), contextlib.ExitStack() as stack:
            self._zip = stack.enter_context(zipfile.ZipFile(file))
            self.manifest = self._read_manifest()
            stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._zip.close()

    def read(self, name: str) -> bytes:
        """A small member. Raises Invalid."""
        with _said(self.file):
            return b"".join(self._blocks(name))

    def check(self) -> None:
        """Everything is there, and what it was. Raises Invalid."""
        with _said(self.file):
            for name in self.manifest.members:
                for _ in self._blocks(name):
                    pass

    def extract(self, name: str, target: Path) -> None:
        """Raises Invalid, OSError."""
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with _said(self.file), os.fdopen(descriptor, "wb") as file:
            pace = Pace(descriptor)
            for block in self._blocks(name):
                file.write(block)
                pace.wrote(len(block))
            file.flush()
            os.fsync(descriptor)

    def _read_manifest(self) -> Manifest:
        about = self._zip.getinfo(MANIFEST) if MANIFEST in self._zip.namelist() else None
        if about is None or about.file_size > MANIFEST_MAX_BYTES:
            raise Invalid(f"it has no {MANIFEST}, or one that is too large: no backup of a gateway")
        found = manifest_.read(self._zip.read(about))
        if missing := [name for name in found.members if name not in self._zip.namelist()]:
            raise Invalid(f"{missing[0]} is missing in it")
        return found

    def _blocks(self, name: str) -> Iterator[bytes]:
        """Never more than was announced: a small file can be packed from a very large one."""
        wanted = self.manifest.members[name]
        digest, size = hashlib.sha256(), 0
        with self._zip.open(name) as member:
            while block := member.read(BLOCK_BYTES):
                digest.update(block)
                size += len(block)
                if size > wanted.bytes:
                    break
                yield block
        if size != wanted.bytes or digest.hexdigest() != wanted.sha256:
            raise Invalid(f"{name} in it is damaged")


@contextlib.contextmanager
def _said(file: Path) -> Iterator[None]:
    try:
        yield
    except Invalid as exc:
        raise Invalid(f"{file} is no sound backup: {exc.message}") from exc
    except zipfile.BadZipFile as exc:
        raise Invalid(f"{file} is no sound backup: it is cut off, damaged, or something else ({exc})") from exc
    except _BROKEN as exc:
        raise Invalid(f"{file} is no sound backup: it is damaged ({exc})") from exc


def free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free
