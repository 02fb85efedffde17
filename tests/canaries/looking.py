"""Everything that can be seen of a gateway, by name; and the places in which a secret may stand."""

import asyncio
import contextlib
import io
import json
import zipfile
from pathlib import Path

import aiomqtt
from planting import Planted, rows_of

from gateway.admin import client as admin

VERBS = {
    "status": {},
    "keys.list": {},
    "plugins.list": {},
    "queue.list": {},
    "queue.waiting": {"reader": "cloud"},
    "queue.tables": {},
    "queue.look": {"seq": 2},
    "backups.list": {},
    "conflicts.list": {"resolved_too": True},
    "uns.check": {},
    "uns.devices.list": {},
    "machines.list": {"all": True},
    "config.show": {},
    "data.counts": {},
    "logs.show": {},
    "ops.overview": {},
    "ops.history": {},
    "ops.actions": {},
    "ops.about": {},
    "terminals.list": {},
    "repairs.list": {"all": True},
    "support.list": {},
}
STREAM_MAX_S = 30.0  # in which a page that goes on for ever shows what there was
BALLAST = "ballast"  # 64 MB of nothing
# Below the data folder: what holds secrets, for its owner only. Everything else there is looked at.
MAY = (
    "first-admin-key",
    "tls/*.key",  # what a broker or a web server can only read from a file
    "broker/users.json",  # our own users of our own broker: Mosquitto's file has hashes only, and we have to sign in
    "broker/mosquitto.conf*",  # the bridge's password: Mosquitto reads no other place
    "plugins/*/pki/**/*",
)


async def look(here: Planted) -> None:
    """Fills `shown`."""
    pages = json.loads((await here.send("GET", "/openapi.json"))[1])["paths"]
    bare = [
        "/",
        "/docs",
        "/terminal/",
        "/ops/",
        "/livez",
        "/readyz",
        "/healthz",
        "/metrics",
        "/ca.crt",
        "/asyncapi.json",
    ]
    listed = [path for path, methods in pages.items() if "get" in methods and "{" not in path and "poll" not in path]
    for path in {*bare, *listed, "/api-changes?since=0&limit=1000", "/api-export?entities=all&format=json"}:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                here.shown[f"GET {path}"] = (await here.send("GET", path))[1]
    for name in ("/healthz", "/metrics"):
        here.shown[f"GET {name} without a key"] = (await here.send("GET", name, key="-"))[1]
    for verb, given in VERBS.items():
        here.shown[verb] = json.dumps(await here.ask(verb, **given))
        here.shown[f"ops {verb}"] = json.dumps(await here.verb_answer("POST", f"/verbs/{verb}", given))
    here.shown["data.row"] = json.dumps(await here.ask("data.row", table="webhooks", id=here.hook))
    for path in ("logs", "uns"):
        here.shown[f"stream {path}"] = await _begin(here, f"/ops/api/{path}")
    here.shown["support bundle"] = "\n".join((await here.ask("support.files")).values())
    for format_ in ("json", "csv"):
        async with admin.exported(here.program.data, "all", format_) as pieces:
            raw = b"".join([piece async for piece in pieces])
        here.shown[f"export {format_}"] = "\n".join(_texts(raw))
    made = await here.ask("backups.create", passphrase=None, kept=True)
    here.shown["backup"] = "\n".join(_texts(Path(made["file"]).read_bytes(), here.program.folder))
    here.shown["webhook deliveries"] = "\n".join(here.rude.told)
    here.shown["MQTT"] = "\n".join(here.heard)


async def _begin(here: Planted, path: str) -> str:
    text = b""
    async with asyncio.timeout(STREAM_MAX_S), here.session.get(here.program.url + path) as answer:
        while b"data: " not in text:
            text += await answer.content.readany()
    return text.decode()


def _texts(raw: bytes, folder: Path | None = None) -> list[str]:
    """What is in it, unpacked; of a database every row."""
    if not zipfile.is_zipfile(io.BytesIO(raw)):
        return [raw.decode()]
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        found = {name: archive.read(name) for name in archive.namelist() if not name.endswith(".sealed")}
    texts = [content.decode("utf-8", "replace") for content in found.values()]
    if folder is not None:
        (folder / "copy.sqlite").write_bytes(found["database.sqlite"])
        texts.append(rows_of(folder / "copy.sqlite"))
    return texts


async def hear(here: Planted) -> None:
    """All of MQTT, as somebody who may read everything."""
    users = here.program.data / "broker" / "users.json"
    while True:
        with contextlib.suppress(aiomqtt.MqttError, OSError):
            password = json.loads(users.read_text())["gateway"]
            here.found["broker, our user"] = password
            async with aiomqtt.Client(
                "127.0.0.1", here.mqtt, username="gateway", password=password, identifier="ear"
            ) as ear:
                await ear.subscribe("#")
                await ear.subscribe("$SYS/#")
                async for message in ear.messages:
                    here.heard.append(f"{message.topic} {bytes(message.payload).decode(errors='replace')}")
        await asyncio.sleep(0.1)


def processes(pid: int) -> dict[str, str]:
    """The command lines of this one and its children, and the environment of the children."""
    shown = {"ps": Path(f"/proc/{pid}/cmdline").read_text()}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        shown[f"ps {child}"] = "\n".join(Path(f"/proc/{child}/{name}").read_text() for name in ("cmdline", "environ"))
    return shown


def files(data: Path) -> dict[str, str]:
    """Those of the data folder in which no secret may stand, as bytes that are read as text."""
    allowed = {file for pattern in MAY for file in data.glob(pattern)}
    allowed.add(data / BALLAST)
    every = (file for file in data.rglob("*") if file.is_file() and not file.is_symlink())
    return {str(file.relative_to(data)): file.read_bytes().decode("latin-1") for file in every if file not in allowed}
