"""Values as they are written in a configuration: what is asked of each, and what it becomes."""

import ipaddress
import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    WithJsonSchema,
)

PORT_MAX = 65_535
TOPIC_BYTES_MAX = 512
BROKER_USERS = ("gateway", "viewer", "bridge")  # no device is called so
_UNITS_S = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::\d{1,5})?")

_HOST = re.compile(r"\*|(?:\*\.)?[a-z0-9_](?:[a-z0-9._-]*[a-z0-9])?")


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _seconds(value: Any) -> Any:
    """`30s`, `5m`, `24h` as seconds."""
    found = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError('a duration is a number with a unit, in quotes: "500ms", "30s", "5m", "24h", "30d"')
    return float(found[1]) * _UNITS_S[found[2]]


def _written(seconds: float) -> str:
    """As it would stand in the file: the largest unit that leaves a whole number."""
    for unit in ("d", "h", "m", "s"):
        count, rest = divmod(seconds, _UNITS_S[unit])
        if count and not rest:
            return f"{count:.0f}{unit}"
    return f"{seconds * 1000:.0f}ms"


def _listed(value: Any) -> Any:
    """In the environment a list may be separated by commas."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _origin(text: str) -> str:
    """As a browser sends it."""
    if _ORIGIN.fullmatch(text) is None:
        raise ValueError(
            f'"{text}" is no origin: as "https://office.example" or "http://10.0.0.5:3000", nothing behind it'
        )
    return text


def _host(text: str) -> str:
    """As a browser sends it, without the port."""
    if _HOST.fullmatch(text.lower()) is None:
        raise ValueError(
            f'"{text}" is no name of a host: as "gw-a1.plant.example" or "*.plant.example", without scheme and port; "*": any'
        )
    return text.lower()


def _filter(text: str) -> str:
    """Of topics, as MQTT has it. It is written into files of brokers: one line each."""
    levels = text.split("/")
    whole = all(level in ("+", "#") or not set("+#") & set(level) for level in levels) and "#" not in levels[:-1]
    if not text or not whole or len(text.encode()) > TOPIC_BYTES_MAX or not text.isprintable() or text != text.strip():
        raise ValueError(f'"{text}" is no topic filter: as "acme/plant1/#", + and # alone on their level, # the last')
    return text


def _topic(text: str) -> str:
    if set("+#") & set(_filter(text)) or text.startswith("$"):
        raise ValueError(f'"{text}" is no topic that a device can write: no + or #, and no $ at its beginning')
    return text


def _no_user_of_ours(name: str) -> str:
    if name in BROKER_USERS:
        raise ValueError(f'"{name}" is a user of the broker already: choose another id')
    return name


Duration = Annotated[
    float,
    BeforeValidator(_seconds),
    PlainSerializer(_written, return_type=str),
    WithJsonSchema({"type": "string", "pattern": rf"^{_DURATION.pattern}$", "examples": ["30s", "5m", "24h"]}),
]
Port = Annotated[int, Field(ge=0, le=PORT_MAX)]  # 0: any free one
Size = Annotated[int, Field(ge=1)]  # bytes
Days = Annotated[int, Field(ge=1, le=3650)]
Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
DeviceName = Annotated[Name, AfterValidator(_no_user_of_ours)]
Filter = Annotated[str, AfterValidator(_filter)]
Origin = Annotated[str, AfterValidator(_origin)]
Origins = Annotated[tuple[Origin, ...], BeforeValidator(_listed)]
Host = Annotated[str, AfterValidator(_host)]
Hosts = Annotated[tuple[Host, ...], BeforeValidator(_listed)]
Topic = Annotated[str, AfterValidator(_topic)]
Level = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^+#/$\x00-\x1f]+$")]  # of a topic


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _place(text: str) -> str:
    """A host and a port."""
    host, _, port = text.rpartition(":")
    if re.fullmatch(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]", host) is None or not port.isdecimal() or int(port) > PORT_MAX:
        raise ValueError(f'"{text}" is no place: as "broker.plant.example:8883"')
    return text


def _line(text: str) -> str:
    """What is written into a configuration of Mosquitto's."""
    if text and (not text.isprintable() or text != text.strip()):
        raise ValueError("no control characters, and no space at the beginning or end")
    return text


def _secret_line(secret: SecretStr) -> SecretStr:
    _line(secret.get_secret_value())
    return secret


Place = Annotated[str, AfterValidator(_place)]
Line = Annotated[str, AfterValidator(_line)]
SecretLine = Annotated[SecretStr, AfterValidator(_secret_line)]


SECRET_NAME = re.compile(r"secret|password|token|key$")  # of a key in a plugin's section
_NOT_SHOWN = "***"


def hidden(section: Any) -> Any:
    """A plugin's section for people: what is called like a secret is not shown."""
    if isinstance(section, list):
        return [hidden(one) for one in section]
    if not isinstance(section, dict):
        return section
    return {name: _NOT_SHOWN if SECRET_NAME.search(name) else hidden(value) for name, value in section.items()}
