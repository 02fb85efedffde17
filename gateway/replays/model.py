"""One replay."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Replay:
    """Entries after `position` up to `to_seq` are still to be sent to `out`, a way out called like its reader."""

    id: str
    out: str
    to_seq: int
    position: int


@dataclass(frozen=True, slots=True)
class Went:
    """What came of some entries."""

    sent: int
    refused: int = 0
