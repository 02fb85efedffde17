"""Where we are in what an agent has seen, on the disk: written beside, flushed, renamed."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Position:
    """Of one agent. `next`: the sequence to go on from, of the agent's life `instance`. `items`: those that the agent has and that
    have been read up to there.
    """

    instance: int
    next: int
    items: tuple[str, ...] = ()


class PositionFile:
    """A file of its own for each machine. A repeat is harmless, so what cannot be read begins anew."""

    def __init__(self, folder: Path, device: str) -> None:
        self._path = folder / f"{device}.json"
        self.saved: Position | None = None

    def load(self) -> Position | None:
        try:
            given = json.loads(self._path.read_text())
            self.saved = Position(int(given["instance"]), int(given["next"]), tuple(given["items"]))
        except (OSError, ValueError, KeyError, TypeError):
            self.saved = None
        return self.saved

    def save(self, position: Position) -> None:
        """Raises OSError."""
        if position == self.saved:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = self._path.with_suffix(".new")
        with beside.open("w") as file:
            json.dump(asdict(position), file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        self.saved = position
