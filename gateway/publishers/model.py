"""One publisher as its row says it is."""

from dataclasses import dataclass, field

READERS = "mqtt:"  # how the names of their readers begin, in the journal and in /healthz


@dataclass(frozen=True, slots=True)
class Publisher:
    """What its way out is built from: as long as it is equal, that need not be built anew. `password` is sealed."""

    id: str
    name: str
    broker_url: str
    port: int
    username: str | None
    password: str | None = field(repr=False)
    topic_pattern: str
    enterprise: str | None
    site: str | None
    area: str | None
    use_tls: bool
    ca_certificate: str | None
    events: frozenset[str]
    active: bool

    @property
    def reader(self) -> str:
        return reader_of(self.id)


def reader_of(publisher_id: str) -> str:
    return f"{READERS}{publisher_id}"
