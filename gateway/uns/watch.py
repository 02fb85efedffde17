"""The namespace as somebody at a terminal sees it: each topic with what it said last, how often it spoke, how long ago. Pure."""

import json
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gateway.kernel.errors import Invalid
from gateway.values import Filter

TOPICS_MAX = 10_000  # remembered; a wild client must not fill the memory of whoever looks
TEXT_CHARACTERS_MAX = 1_000
NARROW = 60  # columns; below that only the names, how often and how long ago
QUALITIES = ("good", "uncertain", "bad")
_BESIDE = ("schema", "timestamp", "gateway", "quality")  # of a payload: not what it says
_AGES = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


def filter_of(text: str) -> str:
    """What somebody typed as one. Raises Invalid with how a filter looks."""
    try:
        return TypeAdapter(Filter).validate_python(text)
    except ValidationError as exc:
        message = str(exc.errors()[0]["ctx"]["error"])
        raise Invalid(message, [{"field": "topic", "message": message, "constraint": "FORMAT"}]) from None


@dataclass(slots=True)
class Seen:
    """A topic. `payload`: the JSON that it said last, or text."""

    payload: Any
    quality: str | None
    count: int
    at_s: float


class Tree:
    """`take` what comes, look at `lines`."""

    def __init__(self) -> None:
        self.topics: dict[str, Seen] = {}  # the one that spoke last stands last
        self.left_out = 0

    def take(self, topic: str, payload: bytes, at_s: float) -> Seen | None:
        """None: the topic was taken back, or there are too many of them."""
        before = self.topics.pop(topic, None)
        if not payload:
            return None
        if before is None and len(self.topics) >= TOPICS_MAX:
            self.left_out += 1
            return None
        said = read(payload)
        quality = said.get("quality") if isinstance(said, dict) else None
        seen = Seen(said, quality if quality in QUALITIES else None, before.count + 1 if before else 1, at_s)
        self.topics[topic] = seen
        return seen

    def lines(self, now_s: float, width: int, height: int) -> list[str]:
        """What fits, those that spoke last first in choosing, in the order of their names."""
        shown, hidden = self._chosen(height - 1)
        drawn = [_line(depth, name, seen, now_s, width) for depth, name, seen in _drawn(shown)]
        more = hidden + self.left_out
        count = f"{len(self.topics)} topics" + (f", {more} not shown: name fewer" if more else "")
        return [*drawn, fitting(count, width)]

    def _chosen(self, height: int) -> tuple[dict[str, Seen], int]:
        shown: dict[str, Seen] = {}
        nodes: set[str] = set()
        for topic, seen in reversed(self.topics.items()):
            needed = nodes | set(_path(topic))
            if len(needed) > height:
                break
            nodes = needed
            shown[topic] = seen
        return dict(sorted(shown.items())), len(self.topics) - len(shown)


def read(payload: bytes) -> Any:
    """As JSON; else as text; what is neither by its length."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return f"<{len(payload)} bytes>"
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def said(payload: Any) -> str:
    """In one line, without what can be seen otherwise."""
    if isinstance(payload, dict):
        payload = {name: value for name, value in payload.items() if name not in _BESIDE}
    text = payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)
    return plain(text[:TEXT_CHARACTERS_MAX])


def plain(text: str) -> str:
    """Nothing that a terminal would obey: what a device sends is not to be trusted."""
    return "".join(one if one.isprintable() else "\N{MIDDLE DOT}" for one in text)


def fitting(text: str, width: int) -> str:
    """Cut to so many columns; an ideograph takes two."""
    taken = 0
    for place, one in enumerate(text):
        taken += _columns(one)
        if taken > width:
            return text[:place]
    return text


def age(seconds: float) -> str:
    for size_s, unit in _AGES:
        if seconds >= size_s:
            return f"{seconds // size_s:.0f}{unit}"
    return "now"


@dataclass(slots=True)
class _Node:
    seen: Seen | None = None
    below: dict[str, "_Node"] = field(default_factory=dict)


def _path(topic: str) -> Iterator[str]:
    """The topic and everything above it."""
    levels = topic.split("/")
    for depth in range(1, len(levels) + 1):
        yield "/".join(levels[:depth])


def _drawn(topics: dict[str, Seen]) -> Iterable[tuple[int, str, Seen | None]]:
    """(depth, name, what it said) of every line; levels with nothing else beside them share one."""
    root = _Node()
    for topic, seen in topics.items():
        node = root
        for level in topic.split("/"):
            node = node.below.setdefault(level, _Node())
        node.seen = seen
    yield from _below(root, 0)


def _below(node: _Node, depth: int) -> Iterator[tuple[int, str, Seen | None]]:
    for level, one in sorted(node.below.items()):
        name, here = level, one
        while here.seen is None and len(here.below) == 1:
            ((further, here),) = here.below.items()
            name = f"{name}/{further}"
        yield depth, name, here.seen
        yield from _below(here, depth + 1)


def _line(depth: int, name: str, seen: Seen | None, now_s: float, width: int) -> str:
    left = "  " * depth + plain(name)
    if seen is None:
        return fitting(left, width)
    how = f" {seen.count}x {age(now_s - seen.at_s):>4}"
    if seen.quality not in (None, "good"):
        how = f" {seen.quality}{how}"
    room = max(width - len(how), 0)
    if width >= NARROW:
        left = f"{left}  {said(seen.payload)}"
    left = fitting(left, room)
    return fitting(left + " " * (room - sum(map(_columns, left))) + how, width)


def _columns(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
