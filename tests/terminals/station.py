"""A gateway with its terminals' API, and a terminal: what its page would send, and what it is told."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from hall import ANNA, BEN, CEM, LASER, SAW, Reply
from waiting import WAIT_MAX_S

from gateway.app import Gateway, running
from gateway.kernel.clock import Clock, ManualClock
from gateway.settings import Settings
from gateway.terminals.model import NewTerminal
from gateway.web.auth import NewKey
from gateway.web.routes import Scope

PIN = "4711"
API = "/terminal/api"


async def said(answer: aiohttp.ClientResponse) -> Reply:
    text = await answer.text()
    return Reply(answer.status, answer.headers, json.loads(text) if text else None)


@dataclass
class Hall:
    """The gateway, and somebody with an admin key."""

    gateway: Gateway
    clock: ManualClock
    session: aiohttp.ClientSession
    key: str

    @property
    def url(self) -> str:
        return f"http://{self.gateway.addresses[0]}"

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        sent = {"Authorization": f"Bearer {self.key}", **headers}
        data = None if body is None else json.dumps(body)
        async with self.session.request(method, self.url + path, data=data, headers=sent) as answer:
            return await said(answer)

    async def get(self, path: str) -> Any:
        return (await self.send("GET", path)).data

    async def get_health(self) -> Any:
        async with self.session.get(self.url + "/healthz", headers={"Authorization": f"Bearer {self.key}"}) as answer:
            return await answer.json()

    async def job(self, number: str = "J-1", *cells: str, quantity: int = 10, **more: Any) -> list[str]:
        """A job with one part, an operation in each of these cells (the laser and the saw if none is named); their ids."""
        steps = [
            {"operation_name": f"Op {n}", "sequence": n, "cell_id": cell, "estimated_time": 30}
            for n, cell in enumerate(cells or (LASER, SAW), 1)
        ]
        part = {"part_number": f"{number}-P", "material": "Steel", "quantity": quantity, "operations": steps, **more}
        made = (await self.send("POST", "/api-jobs", {"job_number": number, "parts": [part]})).data
        return [one["id"] for one in made["job"]["parts"][0]["operations"]]

    async def query(self, sql: str, *values: Any) -> list[tuple]:
        return await self.gateway.db.read(lambda c: [tuple(row) for row in c.execute(sql, values)])

    async def do(self, sql: str, *values: Any) -> None:
        """A change that no route makes, and no journal tells of."""
        await self.gateway.db.write(lambda tx: tx.execute(sql, values) and None)

    async def events(self) -> list[str]:
        return [row[0] for row in await self.query("SELECT type FROM events WHERE type IS NOT NULL ORDER BY seq")]

    async def terminal(self, name: str = "Laser 1", cell_id: str | None = LASER) -> "Terminal":
        """One that is paired."""
        code, _ = await self.gateway.terminals.code(NewTerminal(name, cell_id, "nl", "dark"))
        made = Terminal(self, "")
        told = (await made.send("POST", "/pair", {"code": code, "about": {"user_agent": "a test"}})).data
        made.key, made.id = told["key"], told["terminal"]["id"]
        return made


@dataclass
class Terminal:
    hall: Hall
    key: str
    id: str = ""
    session: str = ""  # of who is signed in

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        sent = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        data = None if body is None else json.dumps(body)
        url = self.hall.url + API + path
        async with self.hall.session.request(method, url, data=data, headers={**sent, **headers}) as answer:
            assert answer.headers["X-Build"]
            return await said(answer)

    async def get(self, path: str) -> Any:
        reply = await self.send("GET", path)
        assert reply.status == 200, reply.body
        return reply.data

    async def sign_in(self, operator_id: str = ANNA, pin: str = PIN) -> str:
        """With a PIN that is set on the way, if it can be; the session."""
        await self.send("POST", "/pins", {"operator_id": operator_id, "pin": pin})
        told = (await self.send("POST", "/sessions", {"operator_id": operator_id, "pin": pin})).data
        self.session = told["session"]["id"]
        return self.session

    async def tap(self, kind: str, operation_id: str, payload: Any = None, **more: Any) -> Reply:
        """`more`: id, session, age_ms, tapped_at."""
        tap = {"id": str(uuid.uuid4()), "session": self.session, "age_ms": 0, **more}
        tap |= {"type": kind, "operation_id": operation_id, "payload": payload or {}}
        tap = {name: value for name, value in tap.items() if value is not None}
        return await self.send("POST", "/commands", tap, **{"Idempotency-Key": tap["id"]})

    async def tapped(self, kind: str, operation_id: str, payload: Any = None, **more: Any) -> Any:
        """The `data` of one that has to be carried out."""
        reply = await self.tap(kind, operation_id, payload, **more)
        assert reply.status == 200, reply.body
        return reply.data

    @contextlib.asynccontextmanager
    async def listening(self, query: str = "") -> AsyncIterator["Ear"]:
        """`query`: `?since=...`."""
        headers = {"Authorization": f"Bearer {self.key}"}
        async with self.hall.session.get(f"{self.hall.url}{API}/stream{query}", headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            ear = Ear(answer)
            hearing = asyncio.create_task(ear.hear())
            try:
                yield ear
            finally:
                hearing.cancel()
                await asyncio.gather(hearing, return_exceptions=True)


@dataclass
class Ear:
    """What a stream told: (event, data)."""

    answer: aiohttp.ClientResponse
    heard: list[tuple[str, Any]] = field(default_factory=list)
    place: int = 0  # the last id
    ended: bool = False

    async def hear(self) -> None:
        kind = ""
        try:
            async for raw in self.answer.content:
                name, _, value = raw.decode().rstrip("\n").partition(": ")
                if name == "id":
                    self.place = int(value)
                elif name == "event":
                    kind = value
                elif name == "data":
                    self.heard.append((kind, json.loads(value)))
        except aiohttp.ClientError:
            pass
        self.ended = True

    def of(self, kind: str) -> list[Any]:
        return [data for one, data in self.heard if one == kind]

    def card(self, operation_id: str) -> Any:
        """As it was last told."""
        told = [card for rows in self.of("rows") for card in rows["operations"] if card["id"] == operation_id]
        return told[-1] if told else None


@contextlib.asynccontextmanager
async def serving(folder: Path, clock: Clock, **sections: Any) -> AsyncIterator[Hall]:
    given: dict[str, Any] = {
        "gateway": {"id": "gw-test", "data_dir": folder},
        "http": {"port": 0},
        "broker": {"mode": "off"},
    }
    settings = Settings.model_validate({**given, **sections})
    limit = aiohttp.ClientTimeout(total=None, sock_connect=WAIT_MAX_S)
    async with running(settings, clock=clock) as gateway, aiohttp.ClientSession(timeout=limit) as session:
        _, key = await gateway.keys.create(NewKey("test", Scope.ADMIN))
        yield Hall(gateway, clock, session, key)


__all__ = ["ANNA", "BEN", "CEM", "LASER", "PIN", "SAW", "Hall", "Terminal", "serving"]


async def entries(hall):
    sql = "SELECT p.full_name, t.start_time, t.end_time, t.duration_s, t.is_paused FROM time_entries t JOIN profiles p"
    return await hall.query(f"{sql} ON p.id = t.operator_id ORDER BY t.start_time, p.full_name")


def at(minute, second=0):
    return f"2026-11-02T07:{minute:02}:{second:02}+00:00"
