"""What every part of the judge needs."""

import json
from datetime import datetime
from pathlib import Path

OK = (200, 201)


class Verdict:
    """`facts`: what was looked at, and how much of it."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.facts: dict[str, object] = {}

    def hold(self, ok: bool, text: str) -> None:
        if not ok:
            self.faults.append(text)


def instant(written: str | None) -> datetime | None:
    return datetime.fromisoformat(written) if written else None


def alike(ours: object, theirs: object) -> bool:
    """Equal, or the same instant in other words."""
    if ours == theirs:
        return True
    try:
        return isinstance(ours, str) and isinstance(theirs, str) and instant(ours) == instant(theirs)
    except (ValueError, TypeError):
        return False


def lines(path: Path) -> list[dict]:
    """A last line that was cut by a kill is not a line."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            found.append(json.loads(line))
        except ValueError:
            break
    return found
