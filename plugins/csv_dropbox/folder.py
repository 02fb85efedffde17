"""The folder: what lies in it and has come to rest, and where a file goes when it is done. It blocks: call it in a thread."""

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

TABLES = ("cells", "resources", "jobs", "parts", "operations")  # in this order: what is referred to comes first
DONE, FAILED = "done", "failed"
REPORT = ".report.txt"
FILE_MAX_BYTES = 20 * 1024 * 1024
FILES_MAX = 1_000  # looked at in one round
KEPT_S = 90 * 86_400.0  # in `done` and `failed`
DIGEST_CHARACTERS = 12  # in the name of a file that is done

_KIND = re.compile(rf"(?P<table>{'|'.join(TABLES)})?(?:[^a-z].*)?\.(?P<type>csv|json)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Lying:
    """A file as it was seen. `table`: what its name begins with, None for a JSON file of several kinds, or when nobody knows."""

    path: Path
    size: int
    mtime_ns: int
    table: str | None

    @property
    def turn(self) -> tuple[int, int, str]:
        """Tables in their order, several kinds after them, older ones first."""
        rank = TABLES.index(self.table) if self.table else len(TABLES)
        return rank, self.mtime_ns, self.path.name


@dataclass(frozen=True, slots=True)
class Read:
    """A whole file."""

    lying: Lying
    body: bytes

    @property
    def digest(self) -> str:
        """Of this file as it was dropped: the same content that is dropped once more, later, is another order."""
        about = f"{self.lying.path.name}\0{self.lying.mtime_ns}\0".encode()
        return hashlib.sha256(about + self.body).hexdigest()


def look(folder: Path) -> list[Lying]:
    """Files called `*.csv` and `*.json` that are files and nothing else. Raises OSError."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            kind = entry.name.lower().endswith((".csv", ".json")) and not entry.name.startswith(".")
            if kind and entry.is_file(follow_symlinks=False):
                known = entry.stat(follow_symlinks=False)
                found.append(Lying(Path(entry.path), known.st_size, known.st_mtime_ns, _table(entry.name)))
            if len(found) == FILES_MAX:
                break
    return sorted(found, key=lambda one: one.turn)


def ready(folder: Path) -> None:
    """Makes what is missing in it. Raises OSError."""
    for name in (DONE, FAILED):
        (folder / name).mkdir(exist_ok=True)


def read(lying: Lying) -> Read | None:
    """None when it has changed meanwhile. Raises OSError."""
    descriptor = os.open(lying.path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        body = file.read(FILE_MAX_BYTES + 1)
        now = os.fstat(descriptor)
    same = (now.st_size, now.st_mtime_ns) == (lying.size, lying.mtime_ns)
    return Read(lying, body) if same else None


def put_away(one: Read, where: str, report: str) -> Path:
    """The report first: a file that is gone from the folder has one. Done again after a crash it is the same. Raises OSError."""
    path = one.lying.path
    dropped = datetime.fromtimestamp(one.lying.mtime_ns / 1e9, UTC)
    name = f"{path.stem}.{dropped:%Y%m%dT%H%M%S}.{one.digest[:DIGEST_CHARACTERS]}{path.suffix}"
    goal = path.parent / where / name
    _written(goal.with_name(name + REPORT), report)
    path.replace(goal)
    return goal


def sweep(folder: Path, now_s: float) -> None:
    """What has been there for long goes, with its report. Raises OSError."""
    for report in _reports(folder):
        if report.stat().st_mtime < now_s - KEPT_S:
            report.with_name(report.name.removesuffix(REPORT)).unlink(missing_ok=True)
            report.unlink()


def _reports(folder: Path) -> Iterator[Path]:
    for where in (DONE, FAILED):
        yield from (folder / where).glob(f"*{REPORT}")


def _table(name: str) -> str | None:
    found = _KIND.fullmatch(name)
    return found["table"].lower() if found and found["table"] else None


def _written(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
