"""Webhooks of a floor that run beside its REST API, and a receiver in a process of its own."""

import asyncio
import ipaddress
import random
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import javascript
from waiting import until

from gateway.kernel.clock import Clock, ManualClock, SystemClock
from gateway.kernel.health import Health, Link
from gateway.kernel.ids import uuid7
from gateway.kernel.secrets import Secrets
from gateway.kernel.supervise import keep_running, stop
from gateway.outbox import journal
from gateway.webhooks.rules import Targets
from gateway.webhooks.sender import Here
from gateway.webhooks.senders import Senders

PATH, LOGS = "/api-webhooks", "/api-webhook-logs"
SECRET = "CANARY-9f3b-canary"
HERE = Path(__file__).parent
PLANT = {"webhooks": {"allowed_networks": ["127.0.0.0/8"], "allow_http": True}}
NEVER_S = 1e9


class Leaps(ManualClock):
    """Short pauses are over at once, long ones are listed and wait for `advance`."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    async def sleep(self, delay_s: float) -> None:
        if delay_s < 10:
            await asyncio.sleep(0)
            return
        if delay_s < NEVER_S:
            self.pauses.append(delay_s)
        await super().sleep(delay_s)


class Receiver:
    """What came in, in order; `script` says what is answered."""

    def __init__(self, script: javascript.Script) -> None:
        self._script = script

    @property
    def port(self) -> int:
        return self._script.said[0]["port"]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def requests(self) -> list[Any]:
        return [one for one in self._script.said if "body" in one]

    @property
    def events(self) -> list[str]:
        return [one["body"]["event"] for one in self.requests]

    @property
    def ids(self) -> list[str]:
        return [one["headers"]["webhook-id"] for one in self.requests]

    async def answers(self, **told: Any) -> None:
        told = {name.rstrip("_"): value for name, value in told.items()}
        heard = len([one for one in self._script.said if "heard" in one])
        await self._script.tell(told)
        await until(lambda: len([one for one in self._script.said if "heard" in one]) > heard)


@asynccontextmanager
async def receiving(secret: str = SECRET, port: int = 0):
    async with javascript.running(HERE / "receiver.cjs", secret, str(port)) as script:
        await until(lambda: script.said, "the receiver")
        yield Receiver(script)


class Hooks:
    """`on()` is the time in which they run, supervised as in the app."""

    def __init__(self, floor: Any, clock: Clock | None = None, **given: Any) -> None:
        self.floor = floor
        self.clock = clock or SystemClock()
        self.health = Health(self.clock)
        targets = Targets((ipaddress.ip_network("127.0.0.0/8"),), allow_http=True)
        box = Secrets(floor.db.path.parent)
        given = {"targets": targets, **given}
        self.here = Here(floor.db, self.clock, uuid7(self.clock), "gw-test", box, **given)

    @asynccontextmanager
    async def on(self):
        link, rng = self.health.link("webhooks"), random.Random(5)
        task = asyncio.create_task(
            keep_running(Senders(self.here, self.health, link, rng).run, link, clock=self.clock, rng=rng)
        )
        try:
            await until(lambda: link.state == "up", "the webhooks")
            yield self
        finally:
            await stop(task, within_s=5)

    async def make(self, url: str, **more: Any) -> dict[str, Any]:
        return (await self.floor.make(PATH, {"url": url, "events": ["*"], "secret_key": SECRET, **more}))["webhook"]

    async def change(self, row: dict[str, Any], **changes: Any) -> None:
        reply = await self.floor.send("PATCH", f"{PATH}?id={row['id']}", changes)
        assert reply.status == 200, reply.body

    async def logs(self, row: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
        """The oldest first."""
        asked = f"{LOGS}?webhook_id={row['id']}&sort=created_at&order=asc&limit=1000{query}"
        return (await self.floor.get(asked))["webhook_logs"]

    async def letters(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        return (await self.floor.get(f"{PATH}/{row['id']}/dead-letters"))["dead_letters"]

    def link(self, row: dict[str, Any]) -> Link:
        return self.health.link(f"webhook:{row['id']}")

    async def reader(self, row: dict[str, Any]) -> dict[str, int]:
        names = ("since", "position", "skipped", "failures")
        rows = await self.floor.query(
            f"SELECT {', '.join(names)} FROM event_readers WHERE name = ?", f"webhook:{row['id']}"
        )
        return dict(zip(names, rows[0], strict=True)) if rows else {}

    async def drained(self, row: dict[str, Any]) -> None:
        """Its position is at the end of the journal."""
        head = await self.floor.db.read(journal.head)
        async with asyncio.timeout(30):
            while (await self.reader(row)).get("position", 0) < head:
                await asyncio.sleep(0.01)

    async def works(self, times: int = 1, number: str = "J-1") -> list[Any]:
        """An operation is started, paused, resumed ...; returns the named events so far, in order."""
        operation = (await self.floor.job(number))["parts"][0]["operations"][0]["id"]
        for verb in ["start", *(["pause", "resume"] * times)][: 2 * times]:
            assert (await self.floor.press(verb, operation)).status == 200
        return await self.happened()

    async def happened(self) -> list[Any]:
        return [one for one in await self.floor.events() if one["type"]]
