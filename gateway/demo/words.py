"""What the demo prints, in plain words."""

import shlex
import shutil
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

WIDTH = 110
ON_EVERY_PATH = (Path("/usr/bin"), Path("/bin"), Path("/usr/local/bin"))
INTRO = (
    "A small factory at work: Laser 1 cuts, Otto Operator bends, Petra Press welds. What they book goes to the gateway, "
    "which keeps it, tells the hall over MQTT, and forwards it to the cloud: a stand-in on this machine, full of plans. "
    "Soon the line to the cloud is cut for a while; later the gateway loses its power. Ctrl-C ends the demo."
)


@dataclass(frozen=True, slots=True)
class Invitation:
    """All that somebody needs to take part. `method` and `path`: of a request that works now. `code`: makes one terminal."""

    url: str
    key: str
    method: str
    path: str
    code: str
    operator: str
    pin: str
    mqtt: tuple[str, int]
    viewer: str
    broker: str
    kept: Path | None

    def __str__(self) -> str:
        host, port = self.mqtt
        api = f"{self.url}/functions/v1"
        curl = shown("curl", "-X", self.method, "-H", f"Authorization: Bearer {self.key}", f"{api}{self.path}")
        who = ("-u", "viewer", "-P", self.viewer)
        listen = shown("mosquitto_sub", "-h", host, "-p", str(port), *who, "-t", "#", "-v")
        data = f"{self.kept}, to go on with later" if self.kept else "thrown away at the end; `--data DIR` keeps it"
        lines = [
            "",
            *textwrap.wrap(INTRO, WIDTH),
            "",
            f"Terminal   {self.url}/terminal/#/pair/{self.code}   ({self.operator}, PIN {self.pin}; the code works once)",
            f"REST API   {api}   (by hand, with every route: {self.url}/docs)",
            f"API key    {self.key}",
            f"Operations {self.url}/ops/   (sign in with that key)",
            f"MQTT       {host}:{port}, user viewer, password {self.viewer}   ({self.broker})",
            f"Data       {data}",
            "",
            needs("curl", "In another terminal, work on an operation that nobody else works on"),
            f"  {curl}",
            "",
            needs("mosquitto_sub", "Listen to the Unified Namespace: first how everything stands, then what happens"),
            f"  {listen}",
            "",
        ]
        return "\n".join(lines)


def broker(link: Mapping[str, Any]) -> str:
    """Which one it is. `link` as in the gateway's health, as those of `describe`."""
    if "mode" not in link:
        return f"it does not answer: {link.get('error') or 'not tried yet'}"
    if link["mode"] == "embedded":
        return "no Mosquitto here: the gateway's embedded broker takes its place"
    return str(link.get("version") or "Mosquitto")


def needs(program: str, purpose: str) -> str:
    missing = "" if shutil.which(program) else f" (there is no {program} here; `make setup` says why)"
    return f"{purpose}{missing}:"


def shown(program: str, *words: str) -> str:
    """A command line to copy: the program by its name alone where everybody finds it."""
    found = shutil.which(program)
    name = found if found and Path(found).parent not in ON_EVERY_PATH else program
    return shlex.join([name, *words])


def describe(cloud: Mapping[str, Any], mqtt: Mapping[str, Any]) -> str:
    """The way to the cloud and the one to MQTT, in one line."""
    if mqtt.get("state") == "up":
        return f"{way_up(cloud)}. MQTT: {count(mqtt['sent'])} published."
    return (
        f"{way_up(cloud)}. MQTT: away ({mqtt.get('error') or 'not tried yet'}); {count(mqtt.get('pending', 0))} wait."
    )


def way_up(cloud: Mapping[str, Any]) -> str:
    pending, oldest_s = cloud["pending"], cloud.get("oldest_s") or 0
    aside = f", {cloud['parked']} set aside" if cloud.get("parked") else ""
    if cloud["state"] == "up":
        waiting = f"{count(pending)} on the way" if pending else "nothing waits"
        return f"Cloud: connected; {waiting}, {count(cloud['sent'])} forwarded so far{aside}"
    waiting = f"{count(pending)} waiting here, the oldest for {oldest_s:.0f} s" if pending else "nothing waits"
    why = str(cloud.get("error") or "").split(":")[0]
    return f"Cloud: away since {local(cloud['since'])}{f' ({why})' if why else ''}; {waiting}{aside}"


def count(events: int) -> str:
    return f"{events} event" if events == 1 else f"{events} events"


def local(instant: str) -> str:
    """An instant of the API as the clock on the wall shows it."""
    return f"{datetime.fromisoformat(instant).astimezone():%H:%M:%S}"
