"""How often the gateway was started of late and came to nothing, and the configuration that worked last.

Five starts within two minutes, none of which lasted a minute: a crash loop. Then the last good configuration is tried; when that
fails too, or there is none, a page says why (`gateway/error_page.py`). What does not count: an orderly end (a person restarts it
as often as he likes), a start of the machine (its isolator may be pulled every evening), another text in the configuration file.
Times are the machine's seconds since its start: a clock that is set makes no loop, and hides none.
"""

import contextlib
import hashlib
import json
import time
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

from gateway.kernel.disk import owner, write_whole
from gateway.kernel.steady import boot

STARTS_MAX, WITHIN_S = 5, 120.0
LASTS_S = 60.0  # a start that has been ready for so long is a good one
WHY_MAX_CHARACTERS = 1_000
COUNT, LAST_GOOD_CONFIG = "starts.json", "last-good.toml"  # in the data folder


class Way(StrEnum):
    """How to start. FILE: as always; the others are for a crash loop."""

    FILE = "file"
    LAST_GOOD = "last-good"
    AGAIN = "again"  # with the file all the same: there is nothing else
    PAGE = "page"


@dataclass(frozen=True, slots=True)
class Past:
    """`at_s`: starts that came to nothing, this one included; `loop`: how the last one of a crash loop was begun, empty outside
    of one; `why`: what the last one that was refused said, without secrets.
    """

    boot: str = ""
    config: str = ""
    at_s: tuple[float, ...] = ()
    loop: str = ""
    why: str = ""


def judged(past: Past, here: Past, now_s: float, *, other: bool) -> tuple[Way, Past]:
    """`here`: boot and configuration of now; `other`: there is a last good configuration, and it is not the file's."""
    if (past.boot, past.config) != (here.boot, here.config):
        past = here
    recent = tuple(at_s for at_s in past.at_s if 0 <= now_s - at_s < WITHIN_S)
    past = replace(past, at_s=(*recent[1 - STARTS_MAX :], now_s))
    if not past.loop and len(past.at_s) < STARTS_MAX:
        return Way.FILE, past
    died = past.loop in (Way.LAST_GOOD, Way.AGAIN)  # without a word: say so before the next try
    way = Way.PAGE if died else Way.LAST_GOOD if other else Way.AGAIN
    return way, replace(past, loop=way)


class Start:
    """The one that is being made. A disk that takes no note of it is trouble enough: then the first refusal is the page's."""

    def __init__(self, folder: Path, config: bytes, now_s: float | None = None) -> None:
        """`config`: the text in force."""
        self._folder = folder
        self._config = config
        self.last_good = folder / LAST_GOOD_CONFIG
        here = Past(boot(), hashlib.sha256(config).hexdigest())
        now_s = time.monotonic() if now_s is None else now_s
        self.way, self._past = judged(_read(folder), here, now_s, other=self._other())
        if not self._noted(self._past) and self.way is Way.FILE:
            self.way = Way.AGAIN

    @property
    def looping(self) -> bool:
        return self.way is not Way.FILE

    @property
    def why(self) -> str:
        """What the last start that was refused said; empty: none was, it died."""
        return self._past.why

    def lasted(self) -> None:
        """It has been ready for LASTS_S: what it was started with is good."""
        self._note(Past(self._past.boot, self._past.config))
        if self.way in (Way.FILE, Way.AGAIN) and self._config and self._other_text():
            with contextlib.suppress(OSError):  # a full disk: the one before stays
                write_whole(self.last_good, self._config)

    def refused(self, why: str) -> None:
        """`why`: for people, without secrets. In a crash loop the page comes now, and the next start tries again."""
        self._note(replace(self._past, why=why[:WHY_MAX_CHARACTERS], loop=Way.PAGE if self.looping else ""))

    def ended(self) -> None:
        """In order: it is not counted."""
        self._note(Past(self._past.boot, self._past.config, self._past.at_s[:-1]))

    def _other(self) -> bool:
        return self.last_good.is_file() and self._other_text()

    def _other_text(self) -> bool:
        try:
            return self.last_good.read_bytes() != self._config
        except OSError:
            return True

    def _note(self, past: Past) -> None:
        self._past = past
        self._noted(past)

    def _noted(self, past: Past) -> bool:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self._folder / COUNT, json.dumps(asdict(past)).encode())
        except OSError:
            return False
        return True


def trouble(folder: Path) -> str | None:
    """What to say of a gateway that does not get up; None: nothing is known of that."""
    past = _read(folder)
    if not past.loop or past.boot != boot():
        return None
    return f"it was started {STARTS_MAX} times and more and does not get up: {past.why or 'it dies, the log says how'}"


def counted(folder: Path) -> bool:
    """Nobody has the folder: a start beside a gateway that runs is refused, and says nothing of that one."""
    return owner(folder) is None


def _read(folder: Path) -> Past:
    """What is not there, or not ours, is no past."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        found = json.loads((folder / COUNT).read_bytes())
        at_s = tuple(float(at_s) for at_s in found["at_s"])
        return Past(str(found["boot"]), str(found["config"]), at_s, str(found["loop"]), str(found["why"]))
    return Past()
