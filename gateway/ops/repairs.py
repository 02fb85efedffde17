"""Problems that the box can see by itself. What each means, does and how it is mended stands in the texts of the page
(`ops.repair.<kind>`). Pure but for a look at the disk.
"""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from gateway.settings import Settings, is_loopback

FREE_MIN_MB = 1024
CLOCK_OFF_MAX_S = 60.0
ERROR, WARNING = "error", "warning"
FIRST_KEY = "first-admin-key"  # a file in the data folder, for its owner only


@dataclass(frozen=True, slots=True)
class Problem:
    """`about` tells several of one kind apart."""

    kind: str
    severity: str
    about: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.kind}:{self.about}" if self.about else self.kind

    def shown(self, ignored_until: str | None) -> dict[str, Any]:
        return {"id": self.id, **asdict(self), "ignored_until": ignored_until}


def found(report: Mapping[str, Any], settings: Settings, restart: list[str], forgotten: int) -> list[Problem]:
    """The worst first. `restart`: keys of the configuration that only a restart brings; `forgotten`: pauses left running."""
    every = [*_core(report, settings), *_links(report), *_network(settings), *_people(settings, restart, forgotten)]
    return sorted(every, key=lambda one: one.severity != ERROR)


def _core(report: Mapping[str, Any], settings: Settings) -> Iterator[Problem]:
    free_mb = shutil.disk_usage(settings.data_dir).free // (1024 * 1024)
    if free_mb < FREE_MIN_MB:
        yield Problem("disk_low", ERROR, values={"free_mb": free_mb, "folder": str(settings.data_dir)})
    if not report["clock_trusted"]:
        yield Problem("clock_unset", ERROR)
    offset_s = report["links"].get("cloud", {}).get("clock_offset_s")
    if offset_s is not None and abs(offset_s) > CLOCK_OFF_MAX_S:
        yield Problem("clock_off", WARNING, values={"offset_s": offset_s})
    for text in report.get("problems", ()):
        if not text.startswith("http.allow_plain_lan"):  # told below, with what helps
            yield Problem("core", ERROR, about=text[:80], values={"text": text})


def _links(report: Mapping[str, Any]) -> Iterator[Problem]:
    probes = report["links"].get("cloud", {}).get("probes") or {}
    for name, verdict in sorted(probes.items()):
        if verdict.get("is") in ("down", "bare", "refused"):
            values = {"function": name, "why": verdict.get("why") or verdict["is"]}
            yield Problem("cloud_function", WARNING, about=name, values=values)
    for name, link in report["links"].items():
        if name.startswith("plugin:") and link["state"] == "down":
            yield Problem("plugin_down", WARNING, about=name, values={"plugin": name[7:], "error": link["error"]})


def _network(settings: Settings) -> Iterator[Problem]:
    if settings.http.allow_plain_lan:
        yield Problem("plain_lan", WARNING)
    broker = settings.broker
    if broker.mode == "external" and not is_loopback(broker.host):
        if not broker.username:
            yield Problem("broker_anonymous", WARNING, values={"host": broker.host})
        if not broker.tls:
            yield Problem("broker_plain", WARNING, values={"host": broker.host})


def _people(settings: Settings, restart: list[str], forgotten: int) -> Iterator[Problem]:
    if (settings.data_dir / FIRST_KEY).exists():
        yield Problem("first_key", WARNING, values={"file": str(settings.data_dir / FIRST_KEY)})
    if restart:
        yield Problem("restart_needed", WARNING, values={"keys": ", ".join(restart)})
    if forgotten:
        yield Problem("forgotten_pause", WARNING, values={"count": forgotten})
