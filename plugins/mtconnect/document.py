"""What an agent answers: XML, read without entities and within bounds. Pure.

Whoever runs an agent is not always us: a document type, and with it every entity, is refused before it is looked at.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from xml.parsers import expat

LEVELS_MAX = 64
ELEMENTS_MAX = 200_000
TEXT_MAX = 10_000  # characters of one value; longer ones are cut, no rule takes them
UNAVAILABLE = "UNAVAILABLE"
_NUMBERS = ("instanceId", "firstSequence", "lastSequence", "nextSequence")  # of a Header
_CONDITIONS = ("Normal", "Warning", "Fault", "Unavailable")


class Malformed(Exception):
    """No answer of an agent, or one that nobody should read."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What one data item said. `value` None: the agent does not know it."""

    item: str
    sequence: int
    at: datetime | None
    value: str | None


@dataclass(frozen=True, slots=True)
class Document:
    """`instance` changes when the agent starts anew and forgets what it had. `first` and `next` are sequence numbers: the oldest
    that it has, the one to go on from; what is between that and `last` still waits. `errors`: codes, as OUT_OF_RANGE.
    `observations` in the order of their sequence.
    """

    instance: int
    first: int
    last: int
    next: int
    errors: tuple[str, ...]
    observations: tuple[Observation, ...]


def parse(text: bytes) -> Document:
    """Raises Malformed."""
    found = _Reading()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = found.doctype
    parser.StartElementHandler = found.start
    parser.EndElementHandler = found.end
    parser.CharacterDataHandler = found.characters
    try:
        parser.Parse(text, True)
    except expat.ExpatError as exc:
        raise Malformed(f"no XML: {exc}") from None
    return found.document()


@dataclass(slots=True)
class _Reading:
    header: dict[str, str] | None = None
    errors: list[str] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    _open: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    _text: str = ""
    _count: int = 0

    def doctype(self, *_: object) -> None:
        raise Malformed("a document type is declared in it: no agent does so")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if len(self._open) >= LEVELS_MAX or self._count > ELEMENTS_MAX:
            raise Malformed(f"more than {LEVELS_MAX} levels or {ELEMENTS_MAX} elements")
        local = name.rpartition(":")[2]
        self._open.append((local, attributes))
        self._text = ""
        if local == "Header" and self.header is None:
            self.header = attributes

    def characters(self, data: str) -> None:
        if len(self._text) < TEXT_MAX:
            self._text += data

    def end(self, _name: str) -> None:
        local, attributes = self._open.pop()
        if local == "Error":
            self.errors.append(attributes.get("errorCode", ""))
        elif "dataItemId" in attributes and "sequence" in attributes:
            said = local.upper() if local in _CONDITIONS else self._text.strip()[:TEXT_MAX]
            value = None if said == UNAVAILABLE else said
            at = _instant(attributes.get("timestamp"))
            sequence = _number(attributes, "sequence")
            self.observations.append(Observation(attributes["dataItemId"], sequence, at, value))
        self._text = ""

    def document(self) -> Document:
        header = self.header
        if header is None:
            raise Malformed("it has no Header")
        numbers = [_number(header, name) for name in _NUMBERS if name in header]
        if self.errors:
            return Document(0, 0, 0, 0, tuple(self.errors), ())
        if len(numbers) < len(_NUMBERS):
            raise Malformed(f"its Header lacks one of {', '.join(_NUMBERS)}")
        ordered = sorted(self.observations, key=lambda one: one.sequence)
        instance, first, last, next_ = numbers
        return Document(instance, first, last, next_, (), tuple(ordered))


def _number(attributes: dict[str, str], name: str) -> int:
    text = attributes[name]
    if not (text.isascii() and text.isdigit()) or len(text) > 20:  # noqa: PLR2004 -- digits of 2^64
        raise Malformed(f"{name} is no number")
    return int(text)


def _instant(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
