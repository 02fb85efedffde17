"""`update.json` in the data folder: the last update of this box, how far it is, and those before it.

A file, not a row: the version that goes and the version that comes read it, whatever schema the database has.
"""

import contextlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.kernel import clock as time_
from gateway.kernel.disk import write_whole
from gateway.kernel.errors import StartupError

NOTE = "update.json"
BEGUN, CONFIRMED, ROLLED_BACK = "begun", "confirmed", "rolled back"
HISTORY_MAX = 20  # updates that are remembered


@dataclass(frozen=True, slots=True)
class Note:
    """`from_`, `to`: versions, None while nobody can tell. `schema`, `head`: of the database when it began, None: there was none.
    `at`, `ended_at`: ISO 8601. `copy`: what to go back to, below the data folder.
    """

    state: str
    from_: str | None
    to: str | None
    schema: int | None
    head: int | None
    at: str
    copy: str | None
    ended_at: str | None = None

    @property
    def begun(self) -> bool:
        return self.state == BEGUN

    def ended(self, state: str, version: str, now: datetime) -> "Note":
        """`version`: that of the program that says so."""
        to = version if state == CONFIRMED else self.to
        return replace(self, state=state, to=to, ended_at=time_.text(now))

    def told(self) -> dict[str, Any]:
        told = asdict(self)
        return {"state": told.pop("state"), "from": told.pop("from_"), **told}


def last(data: Path) -> Note | None:
    """Raises StartupError when it cannot be read."""
    return next(iter(_read(data)), None)


def all_of(data: Path) -> list[Note]:
    """Newest first. Raises StartupError."""
    return _read(data)


def open_since(data: Path) -> datetime | None:
    """When an update began that is neither confirmed nor rolled back."""
    with contextlib.suppress(StartupError):
        found = last(data)
        return time_.parse(found.at) if found is not None and found.begun else None
    return None


def put(data: Path, note: Note) -> None:
    """A new one; or the last one as it stands now, which is told by when it began. Whole or not at all. Raises OSError."""
    others = [one for one in _read(data) if one.at != note.at and not one.begun]
    text = json.dumps([one.told() for one in [note, *others][:HISTORY_MAX]], indent=1)
    write_whole(data / NOTE, text.encode())


def _read(data: Path) -> list[Note]:
    file = data / NOTE
    try:
        listed = json.loads(file.read_bytes())
        return [Note(one.pop("state"), one.pop("from"), **one) for one in listed]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as exc:
        raise StartupError(f"{file} cannot be read ({exc!r}): look at it, or move it away to begin anew") from exc
