"""The configuration: a TOML file and the environment -> frozen `Settings`. The only reader of os.environ.

`GATEWAY_<SECTION>__<KEY>` wins over the file. An unknown key is an error that names the nearest one.
"""

import difflib
import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from gateway.kernel.errors import StartupError
from gateway.kernel.ids import is_uuid

PREFIX = "GATEWAY_"
SEPARATOR = "__"
CONFIG_PATH = Path("gateway.toml")
PORT_MAX = 65_535
_UNITS_S = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def _seconds(value: Any) -> Any:
    """`30s`, `5m`, `24h` as seconds."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError('a duration with its unit, such as "30s", "5m" or "24h"')
    return float(found[1]) * _UNITS_S[found[2]]


def _plain_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("letters, digits, dot, hyphen and underscore, at most 63")
    return value


def _id(value: str) -> str:
    if not is_uuid(value):
        raise ValueError("a UUID, such as 00000000-0000-4000-8000-000000000001")
    return value.lower()


def _listed(value: Any) -> Any:
    """In the environment a list is separated by commas."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


Duration = Annotated[float, BeforeValidator(_seconds), Field(gt=0)]
Port = Annotated[int, Field(ge=0, le=PORT_MAX)]
Name = Annotated[str, AfterValidator(_plain_name)]
Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Gateway(Section):
    """The device itself."""

    id: Name = Field("gw-1", description="Its name in events, on MQTT and in the cloud's eyes.")
    data_dir: Path = Field(Path("data"), description="The database, the broker's files, the admin socket.")
    plugins_dir: Path | None = Field(None, description="Folder with plugins of your own.")


class Site(Section):
    """Where it stands, in the words of ISA-95; the first levels of every topic."""

    enterprise: str = Field("eryxon", min_length=1)
    site: str = Field("main", min_length=1)
    area: str = Field("production", min_length=1)
    tenant_id: Annotated[str, AfterValidator(_id)] = Field(
        "00000000-0000-4000-8000-000000000001", description="The tenant in the cloud."
    )


class Http(Section):
    """The REST API."""

    host: str = Field("127.0.0.1", description="Plain HTTP; anything but loopback needs allow_plain_lan.")
    port: Port = 8080
    allow_plain_lan: bool = Field(False, description="Serve plain HTTP on the LAN: for containers and trials.")

    @model_validator(mode="after")
    def _loopback(self) -> "Http":
        if not self.allow_plain_lan and not is_loopback(self.host):
            raise ValueError(f'host "{self.host}" is not loopback: plain HTTP on the LAN needs allow_plain_lan = true')
        return self


class Broker(Section):
    """The MQTT broker."""

    mode: Literal["auto", "managed", "external", "embedded", "off"] = Field(
        "auto",
        description="managed: our own Mosquitto; external: yours; embedded: without Mosquitto; auto: what is there.",
    )
    host: str = "127.0.0.1"
    port: Port = 1883
    username: str = Field("", description="For an external broker.")
    password: SecretStr = Field(SecretStr(""), description="For an external broker.")


class Uns(Section):
    """The Unified Namespace."""

    health_every: Duration = Field(30.0, description="How often the gateway's own state is published.")


class Cloud(Section):
    """The line upstream."""

    kind: Literal["plain", "off"] | None = Field(None, description="plain when a url is given, else off.")
    url: str = Field("", description="https://project.example/functions/v1; http only to loopback.")
    api_key: SecretStr = SecretStr("")
    cells: Names = Field(("*",), description="Names or ids of the cells that are this gateway's.")
    pull_every: Duration = Field(300.0, description="How often plans are read; longer when the day's requests are few.")
    timeout: Duration = Field(15.0, description="For one request.")
    settle_after: Duration = Field(180.0, description="How long a request that nobody answered may still take effect.")
    requests_per_day: int | None = Field(None, gt=0, description="What the cloud's plan allows; learnt when not given.")

    @model_validator(mode="after")
    def _reachable(self) -> "Cloud":
        if not self.enabled:
            return self
        if not self.url.startswith(("https://", "http://")):
            raise ValueError('url must begin with "https://"')
        host = self.url.split("://", 1)[1].split("/", 1)[0].rsplit("@", 1)[-1].rsplit(":", 1)[0].strip("[]")
        if self.url.startswith("http://") and not is_loopback(host):
            raise ValueError(f"url {self.url} would send the key in clear text: use https")
        if not self.api_key.get_secret_value():
            raise ValueError("api_key is missing: the cloud's settings page makes one")
        return self

    @property
    def enabled(self) -> bool:
        return (self.kind or ("plain" if self.url else "off")) != "off"


class Retention(Section):
    """How long things are kept."""

    journal_days: int = Field(30, ge=1, description="Sent events; unsent ones are never trimmed.")
    log_days: int = Field(30, ge=1)


class Log(Section):
    """Logs go to stderr: for people on a terminal, JSON otherwise."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(Section):
    gateway: Gateway = Gateway()
    site: Site = Site()
    http: Http = Http()
    broker: Broker = Broker()
    uns: Uns = Uns()
    cloud: Cloud = Cloud()
    retention: Retention = Retention()
    log: Log = Log()


def load(
    path: Path | None = None, *, data: Path | None = None, environment: Mapping[str, str] | None = None
) -> Settings:
    """Read the file (`gateway.toml` here when none is named and there is one) and the environment.

    `data` replaces `[gateway] data_dir`. Raises StartupError with the file, the key, the value and the way out.
    """
    values = _file(path)
    for keys, text in _environment(os.environ if environment is None else environment):
        _put(values, keys, text)
    if data is not None:
        _put(values, ["gateway", "data_dir"], str(data))
    _known(values, str(path or CONFIG_PATH))
    try:
        return Settings.model_validate(values)
    except ValidationError as exc:
        raise StartupError(f"{path or CONFIG_PATH}: " + "; ".join(_told(error) for error in exc.errors())) from None


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _file(path: Path | None) -> dict[str, Any]:
    if path is None and not CONFIG_PATH.exists():
        return {}
    try:
        return tomllib.loads((path or CONFIG_PATH).read_text(encoding="utf-8"))
    except OSError as exc:
        raise StartupError(f"{path} cannot be read ({exc.strerror}): `eryxon-gateway init` makes one") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise StartupError(f"{path or CONFIG_PATH} is not TOML: {exc}") from exc


def _environment(environment: Mapping[str, str]) -> list[tuple[list[str], str]]:
    """(section, key ...) and value. Other programs' variables that begin alike have no `__`."""
    return [
        (name.removeprefix(PREFIX).lower().split(SEPARATOR), text)
        for name, text in sorted(environment.items())
        if name.startswith(PREFIX) and SEPARATOR in name
    ]


def _put(values: dict[str, Any], keys: list[str], text: str) -> None:
    for key in keys[:-1]:
        values = values.setdefault(key, {})
        if not isinstance(values, dict):
            raise StartupError(f'"{key}" is a value, not a section')
    values[keys[-1]] = text


def _known(values: Mapping[str, Any], source: str) -> None:
    """Every key must be one of ours: a setting that is misspelt would silently do nothing."""
    sections = Settings.model_fields
    for section, keys in values.items():
        if section not in sections:
            raise StartupError(f"{source}: there is no section [{section}]{_nearest(section, sections)}")
        model = sections[section].annotation
        if not isinstance(keys, dict) or not isinstance(model, type) or not issubclass(model, BaseModel):
            raise StartupError(f"{source}: [{section}] must be a section")
        for key in keys:
            if key not in model.model_fields:
                raise StartupError(f"{source}: [{section}] has no key {key}{_nearest(key, model.model_fields)}")


def _nearest(word: str, known: Mapping[str, Any]) -> str:
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f': did you mean "{found[0]}"?' if found else f": known are {', '.join(known)}"


def _told(error: Any) -> str:
    """One complaint: where, what is wrong, what was given."""
    section, *rest = (str(part) for part in error["loc"])
    where = f"[{section}] {'.'.join(rest)}".strip()
    given = (
        ""
        if error["type"] == "missing" or "password" in rest or "api_key" in rest or not rest
        else f" (given: {error['input']!r})"
    )
    return f"{where}: {error['msg'].removeprefix('Value error, ')}{given}"
