"""What can be set: one class for each section, each key with its type and default. docs/settings.md says what they mean."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, IPvAnyNetwork, SecretStr, field_validator, model_validator

from gateway.cloud_section import Cloud
from gateway.values import (
    Days,
    DeviceName,
    Duration,
    Filter,
    Hosts,
    Level,
    Line,
    Name,
    Origins,
    Place,
    Port,
    SecretLine,
    Section,
    Size,
    Topic,
    hidden,
    is_loopback,
)


class Gateway(Section):
    id: Name = "gw-1"
    data_dir: Path = Path("data")
    plugins_dir: Path | None = None

    @field_validator("id")
    @classmethod
    def _not_the_cloud(cls, name: str) -> str:
        if name == "cloud":
            raise ValueError("this name stands for the cloud itself: choose another, as gw-a1")
        return name


class Site(Section):
    """Where we are: the first levels of every topic. `tenant_id` is the cloud's id of the company."""

    enterprise: Level = "enterprise"
    site: Level = "site"
    area: Level = "area"
    tenant_id: Annotated[str, Field(pattern=r"^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$")] = (
        "00000000-0000-4000-8000-000000000001"
    )


class Http(Section):
    host: str = "127.0.0.1"
    port: Port = 8080
    allow_plain_lan: bool = False
    tls_host: str = "0.0.0.0"  # nosec B104 # noqa: S104 -- TLS is meant for the LAN
    tls_port: Port = 8443
    tls_cert: Path | None = None
    tls_key: Path | None = None
    hosts: Hosts = ()
    cors_origins: Origins = ()

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if not is_loopback(self.host) and not self.allow_plain_lan:
            raise ValueError(
                f'host = "{self.host}" would send keys over the LAN in the clear: use tls_cert and tls_key for the LAN, '
                "or set allow_plain_lan = true (containers, trials)"
            )
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together: set both or none")
        return self

    def exposed(self) -> str | None:
        """What to say in health."""
        return "http.allow_plain_lan: keys travel over the LAN in the clear" if self.allow_plain_lan else None


class Bridge(Section):
    """A broker of the plant that gets everything below enterprise/site; none without an `address`."""

    address: Place | None = None
    username: Line = ""
    password: SecretLine = SecretStr("")
    tls: bool = True
    ca: Path | None = None
    protocol: Literal["mqttv50", "mqttv311"] = "mqttv50"

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if self.address and not self.tls and not is_loopback(self.address.rpartition(":")[0].strip("[]")):
            raise ValueError(f'tls = false would send everything to "{self.address}" in the clear: only to loopback')
        return self


class Broker(Section):
    """`username`, `password`, `tls` and `ca` are for `external`; the other brokers get users of their own.

    The listener with TLS is for devices on the LAN, and there once one has a password.
    """

    mode: Literal["auto", "managed", "external", "embedded", "off"] = "auto"
    host: str = "127.0.0.1"
    port: Port = 1883
    username: str = ""
    password: SecretStr = SecretStr("")
    tls: bool = False
    ca: Path | None = None
    tls_host: str = "0.0.0.0"  # nosec B104 # noqa: S104 -- TLS is meant for the LAN
    tls_port: Port = 8883
    client_certificates: bool = False
    bridge: Bridge = Bridge()


MachineState = Literal["running", "idle", "setup", "stopped", "fault", "off", "unknown"]
Move = Literal["start", "pause", "resume", "complete"]
PER_PROGRAM = "program.parts"  # a factor: as many pieces as one run of the program makes
FACTOR_MAX = 100_000


class Device(Section):
    """One MQTT user: a machine, a SCADA system, a reader."""

    id: DeviceName
    cells: tuple[str, ...]
    role: Literal["machine", "scada", "reader"] = "machine"
    commands: tuple[Literal["start", "pause", "resume", "complete", "report", "issue", "active", "queue"], ...] = ()
    read: tuple[Filter, ...] = ()
    operator: str = ""
    badge_valid: Duration = 36_000.0
    stale_after: Duration = 60.0
    allow_no_operator: bool = True
    start_head: bool = False
    execute_queued: bool = False
    rate_per_s: Annotated[int, Field(ge=1)] = 20


class Mapping_(Section):  # noqa: N801 -- `Mapping` is Python's
    """How a value of a device becomes pieces, a state or a command. With a `topic` its `input` is only a name."""

    device: str
    input: str | None = None
    topic: Topic | None = None
    path: str | None = None
    rule: Literal["counter_delta", "gauge", "state_map", "edge", "cycle"]
    report: Literal["quantity_good", "quantity_scrap", "quantity_rework"] | None = None
    bits: Annotated[int, Field(ge=0, le=64)] = 32
    reset: Literal["from_zero", "ignore"] = "from_zero"
    factor: float | str = 1.0
    max_step: Annotated[int, Field(ge=1)] = 500
    flush: Duration = 30.0
    no_active: Literal["hold", "drop", "issue"] = "hold"
    hold_max: Annotated[int, Field(ge=1)] = 1000
    map: Mapping[str, MachineState] = {}
    on_enter: Mapping[MachineState, Move] = {}
    debounce: Duration = 0.0
    edge: Literal["rising", "falling"] = "rising"
    command: Move | None = None
    allow_unidentified: bool = False
    rebase: bool = False

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.rule == "counter_delta" and self.report is None:
            raise ValueError(
                "report is missing: which pieces does it count? quantity_good, quantity_scrap, quantity_rework"
            )
        if self.rule == "edge" and (self.report is None) == (self.command is None):
            raise ValueError("an edge is one piece (report) or one command (command): set one of them")
        if self.rule == "state_map" and not self.map:
            raise ValueError('map is missing: which value is which state? as { 0 = "off", 4 = "running" }')
        if isinstance(self.factor, str) and self.factor != PER_PROGRAM:
            raise ValueError(f'factor = "{self.factor}": a number, or "{PER_PROGRAM}"')
        if not isinstance(self.factor, str) and not 0 < self.factor <= FACTOR_MAX:
            raise ValueError(f"factor = {self.factor}: more than 0, at most {FACTOR_MAX}")
        return self


class Uns(Section):
    topic_pattern: str = "{enterprise}/{site}/{area}/{cell}/{event}"
    publish_names: bool = False
    health_every: Duration = 30.0
    job_linger: Duration = 86_400.0
    operation_linger: Duration = 600.0
    areas: Mapping[str, str] = {}
    device: tuple[Device, ...] = ()
    mapping: tuple[Mapping_, ...] = ()

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        names = [device.id for device in self.device]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ValueError(f'two [[uns.device]] have the id "{twice}": each MQTT user is one device')
        return self


class Sparkplug(Section):
    """The same work for hosts that speak Sparkplug B. Without a `group` it is the site's level."""

    enabled: bool = False
    group: str = ""
    primary_host: str = ""


class Webhooks(Section):
    allowed_networks: tuple[IPvAnyNetwork, ...] = ()
    allow_http: bool = False


class Terminal(Section):
    """What people may do at station terminals."""

    badge_only: bool = False
    lock_after: Duration = 300.0
    own_cell_only: bool = False
    join: bool = True
    start_anyway: bool = True
    work_modes: bool = False
    checklist_required: bool = False
    pedal_key: str = ""


class Retention(Section):
    journal_days: Days = 30
    log_days: Days = 30


class Backup(Section):
    """Where backups lie (`backups` in the data folder) and which of them stay."""

    folder: Path | None = None
    keep_daily: Annotated[int, Field(ge=0, le=366)] = 7
    keep_weekly: Annotated[int, Field(ge=0, le=520)] = 4
    max_bytes: Size | None = None


class Limits(Section):
    """What one client may take. Sizes in bytes."""

    requests_per_minute: Annotated[int, Field(ge=1)] = 6000
    burst: Annotated[int, Field(ge=1)] = 600
    requests_per_day: Annotated[int, Field(ge=1)] | None = None
    gateway_requests_per_minute: Annotated[int, Field(ge=1)] = 6000
    gateway_requests_per_day: Annotated[int, Field(ge=1)] | None = None
    connections: Annotated[int, Field(ge=1)] = 1000
    connections_per_key: Annotated[int, Field(ge=1)] = 100
    request_timeout: Duration = 30.0
    image_bytes: Size = 10 * 1024 * 1024
    upload_bytes: Size = 50 * 1024 * 1024
    upload_reserve_bytes: Size | None = None


class Compat(Section):
    """Where the cloud as it is and its documentation differ, and a client needs the other one."""

    topic: Literal["documented", "upstream"] = "documented"
    bulk_sync_shape: Literal["documented", "upstream"] = "documented"
    event_time_unit: Literal["minutes", "seconds"] = "minutes"


class Log(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"


class Settings(Section):
    gateway: Gateway = Gateway()
    site: Site = Site()
    http: Http = Http()
    broker: Broker = Broker()
    cloud: Cloud = Cloud()
    uns: Uns = Uns()
    sparkplug: Sparkplug = Sparkplug()
    webhooks: Webhooks = Webhooks()
    terminal: Terminal = Terminal()
    retention: Retention = Retention()
    backup: Backup = Backup()
    limits: Limits = Limits()
    compat: Compat = Compat()
    log: Log = Log()
    plugins: Mapping[str, Mapping[str, Any]] = Field(default={}, repr=False)  # there may be secrets in it

    _credentials: Path | None = None
    _locked: Mapping[str, str] = {}

    @property
    def data_dir(self) -> Path:
        return self.gateway.data_dir

    @property
    def credentials(self) -> Path | None:
        """The folder with what the service manager gave, None outside a service."""
        return self._credentials

    @property
    def locked(self) -> Mapping[str, str]:
        """Secrets that are sealed and do not open here, and keep their sealed text: key -> why."""
        return self._locked

    def loaded(self, credentials: Path | None, locked: Mapping[str, str]) -> Self:
        """Not settable: whoever reads the settings adds it."""
        self._credentials, self._locked = credentials, locked
        return self

    def shown(self) -> dict[str, Any]:
        """For people: as JSON, every secret hidden."""
        shown: dict[str, Any] = json.loads(self.model_dump_json())
        shown["plugins"] = {name: hidden(section) for name, section in shown["plugins"].items()}
        return shown
