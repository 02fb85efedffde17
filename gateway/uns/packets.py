"""What goes over a connection to a broker, and where that leads: values, whatever library carries them."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

QOS = 1
REFUSED_FROM = 0x80  # reason codes from here on are failures


@dataclass(frozen=True, slots=True)
class Address:
    """Where a broker is and as whom to speak to it. `mqtt5` False: it is known to speak 3.1.1 only.

    `allowed` is asked for the address that the connection really leads to, before a word of MQTT is said.
    `credentials`: where people set user and password.
    """

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    mqtt5: bool = True
    tls: ssl.SSLContext | None = None
    allowed: Callable[[str], bool] | None = None
    credentials: str = "see [broker] username and password"


@dataclass(frozen=True, slots=True)
class Message:
    """Text is JSON, and is told to be; bytes are what their topic says. With `qos` 0 nobody says that it has arrived."""

    topic: str
    payload: str | bytes
    retain: bool = False
    expires_s: int | None = None
    properties: tuple[tuple[str, str], ...] = ()
    correlation: bytes | None = None
    qos: int = QOS

    @property
    def payload_bytes(self) -> int:
        return len(self.payload.encode() if isinstance(self.payload, str) else self.payload)


@dataclass(frozen=True, slots=True)
class Packet:
    """What somebody else sent, as it came. What stands below `mid` is never there with MQTT 3.1.1."""

    topic: str
    payload: bytes
    retain: bool
    qos: int
    mid: int
    response_topic: str | None = None
    correlation: bytes | None = None
    expires: bool = False


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says when we are gone without a word."""

    message: Message
    delay_s: int


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The broker's answer to one message, and how long it took."""

    message: Message
    code: int
    reason: str
    latency_s: float

    @property
    def refused(self) -> bool:
        """The broker took it and threw it away."""
        return self.code >= REFUSED_FROM
