"""Names on the wire: every topic is built here, from levels that were made safe here. Pure.

Below a cell stands what the plant reads; levels that begin with `_` are the gateway's own.
"""

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.kernel.errors import Invalid, StartupError
from gateway.settings import Settings

LEVEL_BYTES_MAX = 64
TOPIC_BYTES_MAX = 512
SPARKPLUG = "spBv1.0"
LEVELS_KEPT = 1_024  # names that were made into levels: each event has the same few
NO_CELL = "default"  # the cell level of events that belong to none
CELL_ID_DIGITS = 8
TWIN_ID_DIGITS = (4, 8, 13, 18, 36)  # ids that were made within weeks of each other begin alike
_SPACES = re.compile(r"\s+")
_OUTSIDE = re.compile(r"[^a-z0-9_-]")
_UNSAFE = re.compile(r"[+#/\x00-\x1f\x7f]")
_WILD = re.compile(r"[+#\x00-\x1f\x7f]")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_FROM_DATA = ("line", "operation", "job_number", "part_number")  # placeholders that an event may fill
PLACEHOLDERS = ("enterprise", "site", "area", "cell", "tenant_id", "event", *_FROM_DATA)


@dataclass(frozen=True, slots=True)
class Place:
    """A cell as a place in the tree."""

    cell_id: str
    name: str
    slug: str


@functools.lru_cache(LEVELS_KEPT)
def level(name: str) -> str:
    """A name as people write it -> a level: `Laser Cell 1` is laser_cell_1. May be empty (`焊接`)."""
    return _OUTSIDE.sub("", _SPACES.sub("_", name.lower()))[:LEVEL_BYTES_MAX]


def checked(word: str) -> str:
    """An id as a level, letter for letter. Raises Invalid when MQTT would read it as something else."""
    if not word or _UNSAFE.search(word) or word.startswith("$") or len(word.encode()) > LEVEL_BYTES_MAX:
        raise Invalid(f"{word!r} cannot be a topic level: no + # / or control characters, 1 to {LEVEL_BYTES_MAX} bytes")
    return word


def matches(asked: str, allowed: str) -> bool:
    """Whether a topic, or everything that a filter asks for, lies in another filter."""
    levels, within = asked.split("/"), allowed.split("/")
    if levels[0].startswith("$") and within[0] in ("+", "#"):
        return False
    for number, one in enumerate(within):
        if one == "#":
            return True
        if number == len(levels) or levels[number] == "#" or one not in ("+", levels[number]):
            return False
    return len(levels) == len(within)


def slug(name: str, cell_id: str, taken: Iterable[str]) -> str:
    """The level of a cell: never empty, never beginning like ours, no other cell's."""
    own = level(name).lstrip("_") or f"cell-{cell_id[:CELL_ID_DIGITS]}"
    twins = (f"{own[: LEVEL_BYTES_MAX - digits - 1]}-{cell_id[:digits]}" for digits in TWIN_ID_DIGITS)
    others = set(taken)
    return next(one for one in (own, *twins, cell_id) if one not in others)


@dataclass(frozen=True, slots=True)
class Topics:
    """All topics of one gateway. Use `Topics.of`: it refuses names that could not be told apart from ours."""

    enterprise: str
    site: str
    area: str
    areas: Mapping[str, str]  # cell name -> area level, where it is not `area`
    tenant_id: str
    pattern: str
    gateway_id: str
    upstream: bool = False  # [compat] topic: as the cloud does it today, not as it documents it

    @classmethod
    def of(cls, settings: Settings, gateway_id: str) -> "Topics":
        """Raises StartupError with the name and the way out."""
        site, uns = settings.site, settings.uns
        topics = cls(
            _configured("[site] enterprise", site.enterprise),
            _configured("[site] site", site.site),
            _configured("[site] area", site.area),
            {name: _configured(f'[uns.areas] "{name}"', area) for name, area in uns.areas.items()},
            site.tenant_id,
            uns.topic_pattern,
            checked(gateway_id),
            settings.compat.topic == "upstream",
        )
        topics._check_pattern()
        return topics

    @property
    def root(self) -> str:
        return f"{self.enterprise}/{self.site}"

    @property
    def status(self) -> str:
        return f"{self.root}/_gateway/{self.gateway_id}/status"

    @property
    def health(self) -> str:
        return f"{self.root}/_gateway/{self.gateway_id}/health"

    @property
    def own(self) -> tuple[str, str]:
        """What is retained about the gateway itself."""
        return self.status, self.health

    @property
    def probe(self) -> str:
        """Below it the broker's health is tried."""
        return f"{self.root}/_gateway/{self.gateway_id}/probe"

    @property
    def mark(self) -> str:
        """Our own word to ourselves, behind everything that the broker had kept for us."""
        return f"{self.probe}/mark"

    def inbound(self, device: str = "+") -> tuple[str, ...]:
        """What to subscribe to, to hear a device, or every one."""
        return tuple(f"{self.root}/_dev/{device}/{below}" for below in ("in/#", "cmd/#", "status"))

    def error(self, device: str) -> str:
        return f"{self.root}/_gateway/{self.gateway_id}/error/{checked(device)}"

    def answer(self, device: str, wished: str | None) -> str:
        """Where an answer goes: where the device wishes if that is its own place, else to that place itself."""
        own = f"{self.root}/_dev/{checked(device)}/rsp"
        if wished is None or not (wished == own or wished.startswith(own + "/")):
            return own
        safe = not _WILD.search(wished) and len(wished.encode()) <= TOPIC_BYTES_MAX
        return wished if safe else own

    def device_job(self, device: str) -> str:
        return f"{self.root}/_dev/{checked(device)}/job"

    def machine(self, place: Place, device: str) -> str:
        return f"{self.cell(place)}/machine/{checked(device)}"

    def from_device(self, topic: str) -> tuple[str, str] | None:
        """(device, the rest) of what a device has said below its own root; None for any other topic."""
        below = f"{self.root}/_dev/"
        device, slash, rest = topic.removeprefix(below).partition("/")
        return (device, rest) if topic.startswith(below) and slash else None

    def cell(self, place: Place) -> str:
        return f"{self.root}/{self.area_of(place)}/{place.slug}/_state"

    def operation(self, place: Place, operation_id: str) -> str:
        return f"{self.cell(place)}/operation/{checked(operation_id)}"

    def job(self, job_id: str) -> str:
        return f"{self.root}/_job/{checked(job_id)}"

    def device(self, device_id: str) -> str:
        """Below it a device writes and is answered."""
        return f"{self.root}/_dev/{checked(device_id)}"

    @property
    def every_state(self) -> str:
        """A filter: the state of all cells."""
        return f"{self.root}/+/+/_state/#"

    @property
    def events_elsewhere(self) -> tuple[str, ...]:
        """A filter, when the pattern leads events out of the tree below `root`."""
        before, _, _ = self.pattern.partition("{event}")
        fixed = {"enterprise": self.enterprise, "site": self.site, "tenant_id": self.tenant_id}
        named = _PLACEHOLDER.sub(lambda found: fixed.get(found[1], found[0]), before)
        levels = ["+" if "{" in one else one for one in named.split("/")[:-1] if one]
        return () if levels[:2] == [self.enterprise, self.site] else ("/".join((*levels, "#")),)

    def area_of(self, place: Place | None) -> str:
        return self.areas.get(place.name, self.area) if place else self.area

    def event(self, kind: str, place: Place | None, data: Mapping[str, Any]) -> str:
        """[U] the cloud's algorithm: values normalised, placeholders replaced, empty levels dropped.

        Every dot of the event becomes a slash (today's cloud: the first). An unknown placeholder stays as it is written.
        """
        given = {name: level(str(data.get(name) or "")) for name in _FROM_DATA}
        given |= {
            "enterprise": self.enterprise,
            "site": self.site,
            "area": self.area_of(place),
            "cell": self._cell_of(place),
            "operation": level(str(data.get("operation_name") or "")),
            "tenant_id": self.tenant_id,
            "event": kind.replace(".", "/", 1 if self.upstream else -1),
        }
        filled = _PLACEHOLDER.sub(lambda found: given.get(found[1], found[0]), self.pattern)
        return "/".join(part for part in filled.split("/") if part)

    def _cell_of(self, place: Place | None) -> str:
        if place is None:
            return NO_CELL
        return level(place.name) if self.upstream else place.slug

    @property
    def longest(self) -> str:
        """What the pattern can grow to, with the longest names."""
        names = dict.fromkeys(("operation_name", *_FROM_DATA), "x" * LEVEL_BYTES_MAX)
        return self.event("x.x", Place("x", "x", "x" * LEVEL_BYTES_MAX), names)

    def _check_pattern(self) -> None:
        """Raises StartupError: a topic of this pattern could not be published."""
        key = f'[uns] topic_pattern "{self.pattern}"'
        if problem := unpublishable(self.longest):
            raise StartupError(f"{key} {problem}")
        if "{event}" not in self.pattern:
            raise StartupError(f"{key} has no {{event}}: nobody could tell a start from a stop")
        if any(part.startswith("_") for part in self.pattern.split("/")):
            raise StartupError(f"{key}: levels that begin with _ are the gateway's own")


def unknown_placeholders(pattern: str) -> list[str]:
    """Those that nothing ever fills: they stay as they are written."""
    return [name for name in _PLACEHOLDER.findall(pattern) if name not in PLACEHOLDERS]


def unpublishable(topic: str) -> str | None:
    """What is wrong with the longest topic of a pattern; None when it can be published."""
    if not topic or _WILD.search(topic) or topic.startswith("$"):
        return "must not be empty, begin with $ or hold + # or control characters"
    size = len(topic.encode(errors="replace"))
    return f"can grow to {size} bytes: {TOPIC_BYTES_MAX} is the most" if size > TOPIC_BYTES_MAX else None


@dataclass(frozen=True, slots=True)
class SparkplugTopics:
    """The names that Sparkplug B gives the same gateway: a node of a group, its cells the devices below."""

    group: str
    node: str
    host: str  # the primary host, empty when there is none

    @classmethod
    def of(cls, settings: Settings) -> "SparkplugTopics":
        """Raises StartupError with the key and the way out."""
        given = settings.sparkplug
        names = {"group": given.group or level(settings.site.site), "primary_host": given.primary_host or "none"}
        for key, name in names.items():
            try:
                checked(name)
            except Invalid as exc:
                raise StartupError(f"[sparkplug] {key}: {exc.message}") from None
        return cls(names["group"], checked(settings.gateway.id), given.primary_host)

    def of_node(self, kind: str) -> str:
        return f"{SPARKPLUG}/{self.group}/{kind}/{self.node}"

    def of_device(self, kind: str, place: Place) -> str:
        return f"{self.of_node(kind)}/{place.slug}"

    @property
    def state(self) -> str:
        """Where the primary host says whether it is there."""
        return f"{SPARKPLUG}/STATE/{self.host}"


def _configured(key: str, name: str) -> str:
    made = level(name)
    if not made or made.startswith("_"):
        raise StartupError(
            f'{key} = "{name}" cannot be a topic level: it needs a letter or digit (a-z, 0-9), and must not begin with _'
        )
    return made
