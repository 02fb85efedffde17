"""A client as the hub serves it: where its frames go, and what it has joined."""

from dataclasses import dataclass, field
from typing import Any

from gateway.realtime.bindings import Wish
from gateway.realtime.line import Line


@dataclass(frozen=True, slots=True)
class Channel:
    """`since`: the end of the journal when it was joined; what comes after that is told. `hears_itself`, `acknowledged`: its
    own broadcasts.
    """

    topic: str
    join_ref: Any
    wish: Wish
    since: int
    hears_itself: bool = False
    acknowledged: bool = False

    @property
    def name(self) -> str:
        """As the app calls it."""
        return self.topic.partition(":")[2]


@dataclass(eq=False, slots=True)
class Member:
    version: str
    line: Line
    channels: dict[str, Channel] = field(default_factory=dict)

    @property
    def wishes(self) -> tuple[Wish, ...]:
        return tuple(channel.wish for channel in self.channels.values() if channel.wish.bindings)

    @property
    def since(self) -> int:
        """Of the channel that was joined last."""
        return max((channel.since for channel in self.channels.values()), default=0)

    def told_up_to(self, topic: str) -> int:
        """Changes up to here are not told in that channel; 0 when it has been left meanwhile."""
        channel = self.channels.get(topic)
        return channel.since if channel else 0
