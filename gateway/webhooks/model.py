"""One webhook as its row says it is."""

from dataclasses import dataclass, field

READERS = "webhook:"  # how the names of their readers begin, in the journal and in /healthz


@dataclass(frozen=True, slots=True)
class Webhook:
    """What its way out is built from: as long as it is equal, that need not be built anew. `secret` is sealed."""

    id: str
    url: str = field(repr=False)  # may hold a token
    events: frozenset[str]
    secret: str | None = field(repr=False)
    active: bool

    @property
    def reader(self) -> str:
        return reader_of(self.id)


def reader_of(webhook_id: str) -> str:
    return f"{READERS}{webhook_id}"
