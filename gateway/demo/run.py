"""The demo: a small factory at work, the gateway as it ships, and a cloud that goes away and comes back."""

import asyncio
import contextlib
import errno
import fcntl
import json
import random
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp

from gateway.demo import factory, words
from gateway.demo.box import Box
from gateway.demo.cloud import StandInCloud
from gateway.demo.factory import Api, Worker
from gateway.demo.laser import CONFIGURATION as LASER
from gateway.demo.laser import DEVICE, Laser
from gateway.kernel.clock import Clock, SystemClock
from gateway.kernel.errors import StartupError
from gateway.uns.packets import Address

HOST = "127.0.0.1"
ENTERPRISE, SITE = "acme", "plant1"
MQTT_PORT = 1883
JOBS = 4
SEED = 7
BEGIN_MAX_S = 15.0  # after its start the gateway has pulled the plan, and its broker answers
DRAIN_MAX_S = 90.0  # the gateway knocks at a cloud that was away at least every 30 s
HURRY_MAX_S = 5.0  # the same for somebody who pressed Ctrl-C
LOOK_EVERY_S = 0.5
REPORT_EVERY_S = 10.0
SAVE_EVERY_S = 2.0
STOPPED = 130  # exit code of whoever was told to stop before he was through
# What happens, and how long it stays like that; then again.
CALM_S, AWAY_S, BACK_S, CUT_S = 25.0, 40.0, 10.0, 15.0
NEXT_ACTION = {"not_started": "start", "in_progress": "pause", "on_hold": "resume"}
KEPT_TABLES = (
    "cells",
    "profiles",
    "scrap_reasons",
    "jobs",
    "parts",
    "operations",
    "time_entries",
    "operation_quantities",
)


class Demo:
    """Holds what the story needs: the cloud, the gateway's box, its address and a key. `kept`: played on with later."""

    def __init__(self, folder: Path, port: int, clock: Clock, *, kept: bool) -> None:
        self._folder = folder
        self._kept = kept
        self._clock = clock
        self._rng = random.Random(SEED)  # nosec B311 # seeded play
        self._port = free_port(port)
        self._mqtt = free_port(MQTT_PORT, but=self._port)
        self.url = f"http://{HOST}:{self._port}"
        self._box = Box(folder, self.url, clock)
        self._jobs = JOBS
        self._key = ""
        self._password = ""  # nosec B105 # of the laser, at the broker; none yet
        self._pin = ""  # of somebody at the terminal
        self._code = ""  # makes a page a terminal
        self._workers: list[Worker | Laser] = []
        self._ended = asyncio.Event()
        self._open = False
        self._lost = 0
        self.cloud = StandInCloud(clock, self._rng)

    async def play(self, minutes: float | None) -> int:
        """The whole story; returns what the process should exit with. Cancelled when it is told to stop at once."""
        self._heed_signals()
        self._fill_cloud()
        async with self.cloud.serving(HOST, 0) as cloud_url, aiohttp.ClientSession() as session:
            try:
                api = await self._set_up(session, cloud_url)
                await self._greet(api)
                await self._shift(api, minutes)
                return await self._close(api)
            finally:
                await self._box.stop()
                self._keep()

    def _heed_signals(self) -> None:
        """The first one closes the factory in order, a second one (or one before it is open) stops everything at once."""
        story = asyncio.current_task()
        assert story is not None, "called by the story"  # nosec B101 # noqa: S101 -- a bug of ours
        stopping = asyncio.Event()

        def told() -> None:
            if self._open:
                self._open = False
                self._ended.set()
            elif not stopping.is_set():
                stopping.set()  # once: a third shall not cut the stopping short
                story.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, told)

    # ------------------------------------------------------------------ setting up

    def _fill_cloud(self) -> None:
        self.cloud.add_tenant(factory.TENANT_ID)
        self.cloud.add_key(factory.TENANT_ID, factory.CLOUD_KEY)
        if self._cloud_file.exists():
            self.cloud.load(json.loads(self._cloud_file.read_text()))
            self._jobs = len(self.cloud.rows("jobs"))
        else:
            self.cloud.load(factory.plan(self._clock.now(), JOBS))

    @property
    def _cloud_file(self) -> Path:
        return self._folder / "cloud.json"

    def _keep(self) -> None:
        """So that the same folder can be played on with later. A real cloud would not forget what it just took."""
        if not self._kept:
            return
        written = self._cloud_file.with_suffix(".part")
        written.write_text(json.dumps({table: self.cloud.rows(table) for table in KEPT_TABLES}, default=str))
        written.replace(self._cloud_file)

    async def _set_up(self, session: aiohttp.ClientSession, cloud_url: str) -> Api:
        print("Starting the cloud's stand-in, the gateway and the factory ...", flush=True)
        known = self._box.data.exists()
        self._box.config.write_text(self._configuration(cloud_url))
        self._key = await self._new_key(known=known)
        self._password = await self._new_password(known=known)
        people = self._folder / "people.json"  # [U] they cannot be read with an API key: somebody brings them
        people.write_text(json.dumps({"profiles": factory.people(self._clock.now())}))
        await self._box.command("import", str(people))
        self._pin = await self._box.command("terminals", "pin", factory.OPERATOR)
        self._code = await self._box.command("terminals", "pair", "--name", "Demo terminal")
        await self._box.start()
        return Api(session, f"{self.url}/functions/v1", self._key)

    def _configuration(self, cloud_url: str) -> str:
        return (
            "# Written by the demo.\n"
            f'[gateway]\nid = "gw-demo"\ndata_dir = {json.dumps(str(self._box.data))}\n'
            f'[site]\nenterprise = "{ENTERPRISE}"\nsite = "{SITE}"\narea = "fabrication"\ntenant_id = "{factory.TENANT_ID}"\n'
            f'[http]\nhost = "{HOST}"\nport = {self._port}\n'
            f'[broker]\nmode = "auto"\nport = {self._mqtt}\n'
            f'[cloud]\nkind = "plain"\nurl = "{cloud_url}"\napi_key = "{factory.CLOUD_KEY}"\npull_every = "10s"\n'
            f"{LASER}"
        )

    async def _new_key(self, *, known: bool) -> str:
        """One key of that name, however often the same folder is played on with."""
        if known:
            with contextlib.suppress(StartupError):  # the last demo was stopped before it had one
                return await self._box.command("keys", "rotate", "demo")
        return await self._box.command("keys", "create", "--name", "demo", "--scope", "admin")

    async def _new_password(self, *, known: bool) -> str:
        if known:
            with contextlib.suppress(StartupError):
                return await self._box.command("uns", "devices", "rotate", DEVICE)
        return await self._box.command("uns", "devices", "add", DEVICE)

    # ------------------------------------------------------------------ the story

    async def _greet(self, api: Api) -> None:
        """As soon as plan and broker are there: everything printed works from now on."""
        assembly = factory.named("operation", "1", factory.PRODUCTS[1][2][0], factory.ASSEMBLY[0])
        ends_s = self._clock.monotonic() + BEGIN_MAX_S
        status, broker = await self._status(api, assembly), await self._link(api, "broker")
        while (not status or "mode" not in broker) and self._clock.monotonic() < ends_s:
            await self._clock.sleep(LOOK_EVERY_S)
            status, broker = await self._status(api, assembly), await self._link(api, "broker")
        if not status:
            raise StartupError(f"no plan after {BEGIN_MAX_S:.0f} s: {self._box.last_words()}")
        action = NEXT_ACTION.get(status)
        invitation = words.Invitation(
            url=self.url,
            key=self._key,
            method="POST" if action else "GET",
            path=f"/api-operation-lifecycle/{action}?id={assembly}" if action else f"/api-operations?id={assembly}",
            code=self._code,
            operator=factory.PEOPLE[0],
            pin=self._pin,
            mqtt=(HOST, self._mqtt),
            viewer=self._box.viewer(),
            broker=words.broker(broker),
            kept=self._folder if self._kept else None,
        )
        print(invitation, flush=True)
        lists = [await api.get(path, limit="1") for path in ("/api-jobs", "/api-operations")]
        jobs, operations = (listed["pagination"]["total"] for listed in lists)
        self._tell(f"The gateway has pulled the plan from the cloud: {jobs} jobs with {operations} operations.")

    async def _status(self, api: Api, operation_id: str) -> str | None:
        """None while the gateway does not have it."""
        with contextlib.suppress(factory.Refused):
            status: str = (await api.get("/api-operations", id=operation_id))["operation"]["status"]
            return status
        return None

    async def _shift(self, api: Api, minutes: float | None) -> None:
        """People, machine and events, until the time is over or somebody presses Ctrl-C."""
        before = await self._pieces(api)
        people = [Worker(place, api, self._clock, self._rng, self._tell) for place in factory.PLACES]
        broker = Address(HOST, self._mqtt, DEVICE, self._password)
        laser = Laser(broker, f"{ENTERPRISE}/{SITE}", self._clock, self._rng, self._tell)
        self._workers = [laser, *people]
        doing = [
            self._events(api, before),
            self._reporting(api),
            self._keeping(),
            *(one.run() for one in self._workers),
        ]
        tasks = [asyncio.ensure_future(one) for one in doing]
        ending = asyncio.ensure_future(self._ended.wait())
        self._open = True
        try:
            done, _ = await asyncio.wait(
                [*tasks, ending], timeout=None if minutes is None else minutes * 60, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done - {ending}:
                task.result()  # none of them ends by itself: this tells why
        finally:
            self._open = False
            for task in (*tasks, ending):
                task.cancel()
            await asyncio.gather(*tasks, ending, return_exceptions=True)

    async def _events(self, api: Api, before: int) -> None:
        while True:
            await self._clock.sleep(CALM_S)
            self._tell("*** The line to the cloud is cut. The floor works on. ***")
            self.cloud.go_away()
            await self._clock.sleep(AWAY_S)
            self.cloud.come_back()
            self._tell("*** The line is back. The gateway notices within half a minute and forwards what waits. ***")
            self._new_job()
            await self._drained(api)
            await self._clock.sleep(BACK_S)
            await self._power_cut(api, before)
            await self._clock.sleep(CUT_S)

    def _new_job(self) -> None:
        self._jobs += 1
        rows = factory.job(self._jobs, self._clock.now())
        self.cloud.load(rows)
        self._tell(f"The office enters a new job in the cloud: {rows['jobs'][0]['job_number']}")

    async def _drained(self, api: Api) -> None:
        """Until nothing waits that is older than the line's return."""
        began_s = self._clock.monotonic()
        most = 0
        while (passed_s := self._clock.monotonic() - began_s) < DRAIN_MAX_S:
            cloud = await self._link(api, "cloud")
            most = max(most, cloud.get("pending", 0))
            if cloud.get("state") == "up" and (not cloud["pending"] or cloud["oldest_s"] < passed_s):
                self._tell(f"*** Drained: the {most} events that waited are in the cloud, with their true times. ***")
                return
            await self._clock.sleep(LOOK_EVERY_S)

    async def _power_cut(self, api: Api, before: int) -> None:
        self._tell("*** Power cut: the gateway is killed in the middle of its work. ***")
        await self._box.power_cut()
        booked = before + sum(worker.booked for worker in self._workers)
        began_s = self._clock.monotonic()
        await self._box.start()
        took_s = self._clock.monotonic() - began_s
        self._lost += max(0, booked - await self._pieces(api))
        found = (
            f"all {booked} good pieces" if not self._lost else f"but for {self._lost} (a defect!), the {booked} pieces"
        )
        self._tell(f"*** The gateway is ready again after {took_s:.1f} s, and {found} booked before are there. ***")

    async def _reporting(self, api: Api) -> None:
        """One line every few seconds: how the links are doing."""
        while True:
            await self._clock.sleep(REPORT_EVERY_S)
            if cloud := await self._link(api, "cloud"):
                self._tell(words.describe(cloud, await self._link(api, "uns")))

    async def _link(self, api: Api, name: str) -> dict[str, Any]:
        """As the gateway's health tells; empty while it cannot be asked, or has only just begun."""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            links: dict[str, dict[str, Any]] = (await api.health()).get("links", {})
            return links.get(name, {})
        return {}

    async def _keeping(self) -> None:
        while True:
            await self._clock.sleep(SAVE_EVERY_S)
            self._keep()

    # ------------------------------------------------------------------ the end

    async def _close(self, api: Api) -> int:
        """Let everything drain, then count on both sides."""
        hurried = self._ended.is_set()
        print("\nClosing time: waiting until the cloud has everything (Ctrl-C: at once).", flush=True)
        self.cloud.come_back()
        waiting = await self._waiting(api, HURRY_MAX_S if hurried else DRAIN_MAX_S)
        if waiting is None:
            print("The gateway was not back yet; what it acknowledged is on its disk.", flush=True)
            return STOPPED
        here = await self._pieces(api)
        there = sum(row["quantity_good"] for row in self.cloud.rows("operation_quantities"))
        print(f"Good pieces booked here: {here}; in the cloud: {there}; still waiting: {waiting} events.", flush=True)
        if waiting and hurried:
            print("What waits is kept, and forwarded when the gateway runs again (see `--data`).", flush=True)
            return 0
        return 0 if here == there and not waiting and not self._lost else 1

    async def _waiting(self, api: Api, limit_s: float) -> int | None:
        """Until nothing waits, but no longer than that; how many events still do, None if the gateway is not there."""
        waiting: int | None = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._box.start()
                while (waiting := await self._unsent(api)) != 0:
                    await self._clock.sleep(LOOK_EVERY_S)
        return waiting

    async def _unsent(self, api: Api) -> int | None:
        """Events that wait for the cloud, and pieces that were counted and are about to become events."""
        pending, gathered = (
            (await self._link(api, "cloud")).get("pending"),
            (await self._link(api, "machines")).get("gathered"),
        )
        return None if pending is None or gathered is None else pending + gathered

    async def _pieces(self, api: Api) -> int:
        total: int = 0
        offset = 0
        while True:
            listed = await api.get("/api-operation-quantities", limit="1000", offset=str(offset))
            page = listed["operation_quantities"]
            total += sum(one["quantity_good"] for one in page)
            offset += len(page)
            if offset >= listed["pagination"]["total"] or not page:
                return total

    def _tell(self, text: str) -> None:
        print(f"{self._clock.now().astimezone():%H:%M:%S}  {text}", flush=True)


def free_port(wanted: int, but: int = 0) -> int:
    """The wanted port, or another when it cannot be had; says so."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            if wanted == but:
                raise OSError(errno.EADDRINUSE, "")
            probe.bind((HOST, wanted))
        except OSError as exc:
            probe.bind((HOST, 0))
            why = "taken by another program" if exc.errno == errno.EADDRINUSE else f"not for us ({exc.strerror})"
            print(f"Port {wanted} is {why}: using {probe.getsockname()[1]}.", flush=True)
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def playground(data: Path | None) -> Iterator[Path]:
    """The folder that was asked for, or one that is gone afterwards. Raises StartupError."""
    if data is None:
        with tempfile.TemporaryDirectory(prefix="eryxon-demo-") as folder:
            yield Path(folder)
        return
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (data / "demo.lock").open("w")
    except OSError as exc:
        raise StartupError(f"the demo cannot use {data}: {exc.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StartupError(f"another demo plays in {data}: end it, or name another folder") from None
        yield data.absolute()


def main(port: int, data: Path | None, minutes: float | None) -> int:
    """Play the demo; the exit code. Raises StartupError."""
    with playground(data) as folder:
        try:
            return asyncio.run(Demo(folder, port, SystemClock(), kept=data is not None).play(minutes))
        except (asyncio.CancelledError, KeyboardInterrupt):
            print("\nStopped.", flush=True)
            return STOPPED
