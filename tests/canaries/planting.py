"""A gateway as a program, with a secret that can be recognised in every place where one can be; and everything that it does with
them, what fails above all.
"""

import asyncio
import base64
import contextlib
import json
import re
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import aiomqtt
import httpx2
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from plugins_folder import SOURCE
from program import Program
from servers import Rude

from gateway.admin import client as admin
from gateway.tls import HTTP, Tls

WAIT_MAX_S = 60.0
MARK = "c4n4ry"  # in every secret that is ours to choose
CLOUD_KEY, ADMIN_WRONG = f"ery_live_{MARK}cloud", f"ery_live_{MARK}wrong"
SERVICE, ANON = f"service {MARK}", f"anon-{MARK}-key"
RINGS, PUBLISHES = f"rings {MARK} long enough", f"publishes {MARK} long enough"
BRIDGE, PLC, PLUGIN = f"bridge {MARK}", f"plc {MARK}", f"plugin {MARK}"
HOOK, SENDER, OPS, TYPED = f"hook {MARK} secret", f"sender {MARK}", f"ops page {MARK} long", f"typed {MARK} long"
PASSPHRASE = f"passphrase {MARK} long"
PIN = "730519"
PERSON, NAME = "00000000-0000-4000-8000-00000000be01", "Wilhelmina Kanarienvogel"
CELL = "00000000-0000-4000-8000-00000000ce09"
BOX_KEY = bytes(range(100, 164))
CONFIGURATION = """plugins_dir = "{folder}/mine"
[http]
port = {http}
tls_host = "127.0.0.1"
tls_port = {https}
[log]
level = "debug"
format = "json"
[broker]
mode = "managed"
port = {mqtt}
tls_host = "127.0.0.1"
tls_port = {mqtts}
[broker.bridge]
address = "127.0.0.1:{nobody}"
username = "gw"
password = "{bridge}"
tls = false
[cloud]
url = "{cloud}/functions/v1"
api_key = "{key}"
pull_every = "1s"
timeout = "2s"
service_user = "edge@example.com"
service_password = "{service}"
anon_key = "{anon}"
webhook_secret = "{rings}"
publish_password = "{publishes}"
[webhooks]
allowed_networks = ["127.0.0.0/8"]
allow_http = true
[[uns.device]]
id = "press"
cells = ["Canary cell"]
commands = ["report"]
[plugins.mcp_server]
enabled = true
[plugins.opcua_client]
enabled = true
[[plugins.opcua_client.server]]
device = "press"
url = "opc.tcp://127.0.0.1:{nobody}"
user = "gw"
password = "{plc}"
tag = [{{ node = "ns=2;s=Count", to = "count" }}]
[plugins.failing]
enabled = true
login = "gw"
password = "{plugin}"
"""


@dataclass
class Planted:
    """`found`: the secrets that the gateway itself made, by what they are. `shown`: what was seen from outside, by where."""

    program: Program
    rude: Rude
    session: aiohttp.ClientSession
    mqtt: int
    key: str = ""
    csrf: str = ""
    hook: str = ""  # its id
    upload_refused: bool = False  # the second time
    found: dict[str, str] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)

    @classmethod
    def at(cls, folder: Path, rude: Rude, session: aiohttp.ClientSession) -> "Planted":
        program = Program.at(folder)
        here = cls(program, rude, session, Program.free_port())
        given = {"bridge": BRIDGE, "key": CLOUD_KEY, "service": SERVICE, "anon": ANON, "rings": RINGS, "plc": PLC}
        given |= {"publishes": PUBLISHES, "plugin": PLUGIN, "cloud": rude.url, "folder": folder}
        ports = {name: Program.free_port() for name in ("https", "mqtts", "nobody")}
        program.configure(CONFIGURATION.format(**given, **ports, mqtt=here.mqtt, http=program.port))
        program.config.chmod(0o600)
        own = folder / "mine" / "failing"
        own.mkdir(parents=True)
        own.chmod(0o755)
        own.parent.chmod(0o755)
        (own / "__init__.py").write_text(SOURCE)
        store = folder / "credentials"
        store.mkdir()
        (store / "box-key").write_bytes(BOX_KEY)
        program.environment |= {"CREDENTIALS_DIRECTORY": str(store), "GATEWAY_PASSPHRASE": PASSPHRASE}
        program.data.mkdir(mode=0o700)
        return here

    # ------------------------------------------------------------------ asking

    async def send(self, method: str, path: str, body: Any = None, key: str | None = None, **headers: str) -> Any:
        """(status, text). Answers to who brought a secret himself are not looked at."""
        sent = {"Authorization": f"Bearer {key or self.key}", **headers}
        data = body if isinstance(body, bytes | str | None) else json.dumps(body)
        async with self.session.request(method, self.program.url + path, data=data, headers=sent) as answer:
            return answer.status, (await answer.read()).decode(errors="replace")

    async def made(self, path: str, body: Any, method: str = "POST") -> Any:
        status, text = await self.send(method, path, body)
        assert status in (200, 201), text
        return json.loads(text)["data"]

    async def ask(self, verb: str, /, **given: Any) -> Any:
        return await admin.ask(self.program.data, verb, given)

    async def until(self, fact, what: str) -> None:
        try:
            async with asyncio.timeout(WAIT_MAX_S):
                while not await fact():
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"waited in vain for {what}: {await self.ask('status')}") from None

    async def link(self, name: str) -> dict[str, Any]:
        return (await self.ask("status"))["links"].get(name, {})

    # ------------------------------------------------------------------ planting

    async def plant(self) -> None:
        self.key = (await self.ask("keys.create", name="test", scope="admin"))["key"]
        self.found["admin key"] = self.key
        self.found["first key"] = (self.program.data / "first-admin-key").read_text().strip()
        for name, content in (("base64", base64.b64encode(BOX_KEY).decode()), ("hex", BOX_KEY.hex())):
            self.found[f"box key, {name}"] = content
        self.found["publishes, basic"] = base64.b64encode(f"eryxon:{PUBLISHES}".encode()).decode()
        for name, lines in (("CA", Tls(self.program.data).ca.key), ("TLS", Tls(self.program.data).pair(HTTP).key)):
            self.found[f"{name} key"] = re.sub(r"-----[^-]+-----", "", lines.read_text()).strip().splitlines()[1]
        await self._people()
        await self._out()
        await self._pages()

    async def _people(self) -> None:
        rows = {
            "cells": [{"id": CELL, "name": "Canary cell", "sequence": 9}],
            "profiles": [{"id": PERSON, "full_name": NAME, "username": "wkanarie", "role": "operator", "active": True}],
        }
        file = self.program.folder / "rows.json"
        file.write_text(json.dumps(rows))
        async with admin.imported(self.program.data, _chunks(file), file.name, dry_run=False) as told:
            async for _ in told:
                pass
        await self.ask("terminals.pin", operator=PERSON, pin=PIN)
        code = (await self.ask("terminals.pair", name="Laser", cell="Canary cell", language="en", theme="dark"))["code"]
        self.found["pairing code"] = code
        paired = await self.made("/terminal/api/pair", {"code": code, "about": {}})
        terminal = self.found["terminal's key"] = paired["key"]
        session = await self.send("POST", "/terminal/api/sessions", {"operator_id": PERSON, "pin": PIN}, terminal)
        assert session[0] == 201, session
        await self.send("POST", "/terminal/api/sessions", {"operator_id": PERSON, "pin": f"{PIN}9"}, terminal)
        await self.send("POST", "/terminal/api/pair", {"code": code, "about": {"user_agent": TYPED}})
        device = await self.ask("uns.devices.add", device="press")
        self.found["device's password"] = device["password"]
        agent = await self.ask("mcp_keys.create", name="agent", tools=["*"], rate_limit=1000)
        self.found["agent's key"] = agent["key"]
        for name in ("", "2"):
            made = await self.made("/api-key-generate", {"name": f"panel{name}", "scope": "operate"})
            self.found[f"panel's key{name}"] = made["api_key"]

    async def _out(self) -> None:
        hook = {"url": f"{self.rude.url}/hook", "events": ["*"], "secret_key": HOOK}
        self.hook = (await self.made("/api-webhooks", hook))["webhook"]["id"]
        sender = {"name": "plant", "broker_url": "mqtt://127.0.0.1", "port": self.mqtt, "username": "gw"}
        sender |= {"password": SENDER, "topic_pattern": "{enterprise}/{site}/{area}/{cell}/{event}"}
        sender |= {"default_enterprise": "a", "default_site": "b", "default_area": "c", "events": ["*"]}
        await self.made("/api-mqtt-publishers", sender)

    async def _pages(self) -> None:
        code = (await self.ask("ops.code"))["code"]
        self.found["code of the first run"] = code
        status, text = await self.send("POST", "/ops/api/setup", {"code": code, "password": OPS})
        assert status == 200, text
        self.csrf = json.loads(text)["data"]["csrf"]
        self.found["ops csrf"] = self.csrf
        self.found["ops cookie"] = next(one.value for one in self.session.cookie_jar if one.key == "ops_session")
        for given in ({"password": TYPED}, {"key": ADMIN_WRONG}, {"password": OPS}):
            await self.send("POST", "/ops/api/session", given)
        self.csrf = (await self.verb_answer("GET", "/session"))["csrf"]
        await self.verb("terminals.pin", operator=PERSON, pin=PIN)
        await self.verb("config.set", changes={"cloud.api_key": CLOUD_KEY, "site.area": "canaries"})
        await self.verb("cloud.test", url=f"{self.rude.url}/hook", api_key=CLOUD_KEY)
        await self.verb("broker.test", host="127.0.0.1", port=self.mqtt, username="gw", password=SENDER)
        await self.verb("backups.create", passphrase=PASSPHRASE, kept=True)
        await self.verb("backups.create", passphrase="short", kept=True)
        self.found["key of the page"] = (await self.verb("keys.create", name="of the page", scope="read"))["key"]
        await self.verb("config.diff", text=f'[cloud]\napi_key = "{TYPED}"\nservice_pasword = "{TYPED}"\n')
        await self.verb("config.check", text=f'[cloud]\nurl = "https://gw:{TYPED}@x"\n"{TYPED}')

    async def verb_answer(self, method: str, path: str, body: Any = None) -> Any:
        status, text = await self.send(method, f"/ops/api{path}", body, **{"X-CSRF-Token": self.csrf})
        return json.loads(text).get("data") if status == 200 else None

    async def verb(self, name: str, /, **given: Any) -> Any:
        return await self.verb_answer("POST", f"/verbs/{name}", given)

    # ------------------------------------------------------------------ what is done with them

    async def work(self) -> None:
        """Everything goes wrong that can, with a secret in it."""
        await self._bad_requests()
        await self._rings()
        await self._upload()
        await self._agents()
        await self._realtime()
        await self._mqtt()
        self.rude.refusing = True
        before = self.rude.refused
        for number in range(2):
            part = {"part_number": f"P{number}", "operations": [{"operation_name": "Cut", "cell_id": CELL}]}
            await self.made("/api-jobs", {"job_number": f"J{number}", "parts": [part]})
        await self.until(self._parked, "what the cloud refuses is set aside")
        await self.until(self._delivered, "the webhook's refusal stands in its log")
        self.rude.broken = True
        now = self.rude.refused
        await self.until(lambda: _true(self.rude.refused > now > before), "the cloud is asked again and breaks")
        for name in ("api-jobs", "api-cells"):  # a key that nobody here knows is asked about
            await self.send("GET", f"/{name}", key=ADMIN_WRONG)

    async def _parked(self) -> bool:
        return (await self.link("cloud")).get("parked", 0) > 0

    async def _delivered(self) -> bool:
        status, text = await self.send("GET", "/api-webhook-logs")
        return status == 200 and json.loads(text)["data"]["pagination"]["total"] > 0

    async def _bad_requests(self) -> None:
        bearer = {"Authorization": f"Bearer {CLOUD_KEY}"}
        for method, path, body in (
            ("POST", "/api-jobs", {"job_number": {"secret": TYPED}}),
            ("POST", "/api-jobs", f'{{"password": "{TYPED}'),
            ("POST", f"/api-jobs/{TYPED.replace(' ', '-')}", {"a": TYPED}),
            ("PATCH", f"/api-jobs?id={TYPED.replace(' ', '-')}", {TYPED: 1}),
            ("GET", f"/api-export?token={TYPED.replace(' ', '-')}", None),
            ("GET", f"/api-jobs?apikey={ADMIN_WRONG}&limit={TYPED.replace(' ', '-')}", None),
            ("GET", f"/no-such-thing/{ADMIN_WRONG}", None),
            ("POST", "/api-webhooks", {"url": f"http://gw:{HOOK.replace(' ', '-')}@10.0.0.9/", "events": ["x"]}),
            ("POST", "/api-webhooks", {"url": "ftp://x", "events": ["*"], "secret_key": HOOK}),
            ("POST", "/api-mqtt-publishers", {"name": "x", "password": SENDER, "username": [SENDER]}),
            ("POST", "/api-key-generate", {"name": "x", "scope": TYPED}),
            ("PUT", "/api-terminals/pins", {"operator_id": PERSON, "pin": TYPED}),
            ("GET", "/plugins/failing/fail", None),
            ("POST", "/api-erp-sync", {"jobs": [{"external_id": TYPED, "password": TYPED}]}),
        ):
            status, _ = await self.send(method, path, body)
            assert status >= 400 or path.startswith(("/api-export", "/api-jobs?apikey", "/api-erp")), (path, status)
            await self.send(method, path, body, **bearer)
            await self.send(method, path, body, Authorization=f"Basic {self.found['publishes, basic']}")

    async def _rings(self) -> None:
        """The cloud's ways in, with the wrong and with the right secret."""
        event = {"event_type": "job.created", "data": {"id": CELL}, "secret": RINGS}
        await self.send("POST", "/api-cloud-webhook", event, **{"X-Eryxon-Signature": RINGS})
        basic = {"Authorization": f"Basic {self.found['publishes, basic']}"}
        told = {"topic": "a/operation/started", "payload": json.dumps(event)}
        for body in (told, {**told, "topic": PUBLISHES}):
            await self.send("POST", "/api-cloud-publish", body, **basic)
        await self.send(
            "POST", "/api-cloud-publish", told, Authorization=f"Basic {base64.b64encode(TYPED.encode()).decode()}"
        )

    async def _upload(self) -> None:
        made = await self.made("/api-upload-url", {"filename": "a.txt", "content_type": "text/plain"})
        self.found["upload token"] = made["token"]
        url = made["upload_url"]
        for _ in range(2):  # the second one is refused
            async with self.session.put(url, data=b"a drawing", headers={"Content-Type": "text/plain"}) as answer:
                self.upload_refused = answer.status >= 400

    async def _agents(self) -> None:
        key = self.found["agent's key"]
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=30) as http,
            streamable_http_client(f"{self.program.url}/mcp", http_client=http) as (read, write),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            for tool in (await session.list_tools()).tools:
                wrong = {"password": TYPED, "api_key": CLOUD_KEY, "secret_key": HOOK}
                for given in ({}, wrong) if tool.name.split("_")[0] in READS else (wrong,):
                    with contextlib.suppress(Exception):
                        said = await session.call_tool(tool.name, given)
                        if given is not wrong:
                            self.shown[f"mcp {tool.name}"] = said.model_dump_json()

    async def _realtime(self) -> None:
        join = {"config": {"postgres_changes": [{"event": "*", "schema": "public", "table": "*"}]}}
        for key in (ADMIN_WRONG, self.key):
            query = {"apikey": key, "vsn": "2.0.0"}
            with contextlib.suppress(aiohttp.ClientError):
                async with self.session.ws_connect(f"{self.program.url}/realtime/v1/websocket", params=query) as socket:
                    await socket.send_json(["1", "1", "realtime:screen", "phx_join", {**join, "access_token": key}])
                    said = [await socket.receive_str() for _ in range(2)]
                    await self.made(
                        "/api-webhooks", {"url": f"{self.rude.url}/hook", "events": ["job.*"], "secret_key": HOOK}
                    )
                    await self.made("/api-jobs", {"job_number": f"R-{len(self.shown)}"})
                    said.append(await socket.receive_str())
                    self.shown["realtime"] = "\n".join(said)

    async def _mqtt(self) -> None:
        password = self.found["device's password"]
        for given, payload in ((TYPED, b""), (password, json.dumps({"password": TYPED, "verb": TYPED}).encode())):
            with contextlib.suppress(aiomqtt.MqttError):
                async with aiomqtt.Client("127.0.0.1", self.mqtt, username="press", password=given) as press:
                    for topic in ("machine/count", "command/report"):
                        await press.publish(f"enterprise/site/area/Canary cell/{topic}", payload, qos=1)


READS = ("get", "list", "search", "fetch", "find", "query", "check")


async def _true(fact: bool) -> bool:
    return fact


async def _chunks(file: Path):
    yield file.read_bytes()


def rows_of(database: Path) -> str:
    """Every value of every row."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as rows:
        tables = [name for (name,) in rows.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return "\n".join(f"{name}: {row}" for name in tables for row in rows.execute(f'SELECT * FROM "{name}"'))
