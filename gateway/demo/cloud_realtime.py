"""The cloud's realtime socket: who has joined is told of rows that were made, if row-level security lets him see them.

At most once, and without a past: what happened while nobody was joined is told to nobody. Both versions of the protocol.
"""

import asyncio
import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from gateway.demo.cloud_database import Row
from gateway.demo.cloud_tables import ACTIVITY, ANON_KEY, Tables

REALTIME = "/realtime/v1/websocket"
PUBLISHED = frozenset(("jobs", "parts", "operations", "time_entries", "issues", "notifications", ACTIVITY))
VERSIONS = ("1.0.0", "2.0.0")
ANY = "*"


@dataclass(slots=True)
class _Channel:
    """`changes`: what was asked for, by the number that it was given."""

    join_ref: str | None
    token: str
    changes: Mapping[int, Mapping[str, Any]]


@dataclass(slots=True, eq=False)
class _Client:
    socket: web.WebSocketResponse
    transport: asyncio.Transport | None
    version: str
    channels: dict[str, _Channel] = field(default_factory=dict)

    async def send(self, topic: str, event: str, payload: Any, ref: str | None, join_ref: str | None) -> None:
        if self.version == VERSIONS[0]:
            frame: Any = {"topic": topic, "event": event, "payload": payload, "ref": ref, "join_ref": join_ref}
        else:
            frame = [join_ref, ref, topic, event, payload]
        with contextlib.suppress(ConnectionError):
            await self.socket.send_str(json.dumps(frame))


class Realtime:
    """`away`: it takes no socket; `silent`: it takes them, and answers nothing. Only the activity log's entries are told."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._clients: set[_Client] = set()
        self.away = False
        self.silent = False
        self.heard: list[str] = []  # the events that clients have sent

    @property
    def joined(self) -> int:
        """How many channels there are."""
        return sum(len(client.channels) for client in self._clients)

    def cut(self) -> None:
        """Every socket breaks, without a goodbye."""
        for client in self._clients:
            if client.transport is not None:
                client.transport.abort()

    async def close(self) -> None:
        for client in list(self._clients):
            await client.socket.close(code=aiohttp.WSCloseCode.SERVICE_RESTART)

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        if self.away:
            return web.json_response({"message": "no Route matched with those values"}, status=404)
        if request.query.get("apikey") != ANON_KEY:
            return web.json_response({"message": "Invalid authentication credentials"}, status=401)
        version = request.query.get("vsn", VERSIONS[0])
        if version not in VERSIONS:
            return web.json_response({"message": f"unsupported serializer version {version}"}, status=400)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        client = _Client(socket, request.transport, version)
        self._clients.add(client)
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT and not self.silent:
                    await self._take(client, message.json())
        finally:
            self._clients.discard(client)
        return socket

    async def tell(self, entry: Row) -> None:
        """A row of the activity log was made."""
        for client in list(self._clients):
            for topic, channel in list(client.channels.items()):
                if refusal := self._refusal(channel.token):
                    await self._close(client, topic, refusal)
                    continue
                ids = [number for number, asked in channel.changes.items() if _wants(asked)]
                if ids and self._may_see(channel.token, entry):
                    await client.send(topic, "postgres_changes", {"ids": ids, "data": _data(entry)}, None, None)

    async def _take(self, client: _Client, frame: Any) -> None:
        if isinstance(frame, dict):
            frame = [frame.get(name) for name in ("join_ref", "ref", "topic", "event", "payload")]
        join_ref, ref, topic, event, payload = frame
        self.heard.append(event)
        if (topic, event) == ("phoenix", "heartbeat"):
            await client.send(topic, "phx_reply", {"status": "ok", "response": {}}, ref, join_ref)
        elif event == "phx_join":
            await self._join(client, topic, payload, ref, join_ref)
        elif topic not in client.channels:
            await _refuse(client, topic, "unmatched topic", ref, join_ref)
        elif event == "access_token":
            client.channels[topic].token = payload["access_token"]
            if refusal := self._refusal(payload["access_token"]):
                await self._close(client, topic, refusal)
        elif event == "phx_leave":
            await client.send(topic, "phx_reply", {"status": "ok", "response": {}}, ref, join_ref)
            await self._close(client, topic)
        else:
            await _refuse(client, topic, "unmatched event", ref, join_ref)

    async def _join(self, client: _Client, topic: str, payload: Any, ref: str | None, join_ref: str | None) -> None:
        token = payload.get("access_token") or ANON_KEY
        if refusal := self._refusal(token):
            await _refuse(client, topic, refusal, ref, join_ref)
            return
        asked: Sequence[Mapping[str, Any]] = payload["config"].get("postgres_changes") or ()
        changes = dict(enumerate(asked, 1))
        client.channels[topic] = _Channel(join_ref, token, changes)
        told = {"postgres_changes": [{"id": number, **one} for number, one in changes.items()]}
        await client.send(topic, "phx_reply", {"status": "ok", "response": told}, ref, join_ref)
        unknown = [one["table"] for one in asked if one["table"] not in PUBLISHED]
        text = (
            f"Unable to subscribe to changes with given parameters: {unknown}"
            if unknown
            else "Subscribed to PostgreSQL"
        )
        status = "error" if unknown else "ok"
        system = {
            "message": text,
            "status": status,
            "extension": "postgres_changes",
            "channel": topic.partition(":")[2],
        }
        await client.send(topic, "system", system, None, join_ref)

    async def _close(self, client: _Client, topic: str, why: str = "") -> None:
        channel = client.channels.pop(topic)
        if why:
            system = {"message": why, "status": "error", "extension": "system", "channel": topic.partition(":")[2]}
            await client.send(topic, "system", system, None, channel.join_ref)
        await client.send(topic, "phx_close", {}, channel.join_ref, channel.join_ref)

    def _refusal(self, token: str) -> str:
        """Why this token is none; empty for one that is good, also for nobody's in particular."""
        return "" if token == ANON_KEY else self._tables.token_refusal(token)

    def _may_see(self, token: str, entry: Row) -> bool:
        return ACTIVITY not in self._tables.hidden and self._tables.tenant_of(token) == entry["tenant_id"]


def _wants(asked: Mapping[str, Any]) -> bool:
    return asked.get("event") in (ANY, "INSERT") and asked.get("table") in (ANY, ACTIVITY)


def _data(entry: Row) -> dict[str, Any]:
    return {
        "schema": "public",
        "table": ACTIVITY,
        "type": "INSERT",
        "commit_timestamp": entry["created_at"],
        "errors": None,
        "columns": [],
        "record": entry,
    }


async def _refuse(client: _Client, topic: str, why: str, ref: str | None, join_ref: str | None) -> None:
    await client.send(topic, "phx_reply", {"status": "error", "response": {"reason": why}}, ref, join_ref)
