"""The demo: a small factory at work, the gateway as it ships, and a cloud that goes away and comes back.

The gateway is a process of its own, started from the command line like anybody's, so that the power cut is a real one.
"""

import asyncio
import contextlib
import json
import random
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp

from gateway.demo import factory
from gateway.demo.cloud import StandInCloud
from gateway.demo.factory import Api, Worker
from gateway.kernel.clock import Clock, SystemClock
from gateway.kernel.errors import StartupError

HOST = "127.0.0.1"
MQTT_PORT = 1883
JOBS = 4
SEED = 7
READY_MAX_S = 30.0
STOP_MAX_S = 15.0
DRAIN_MAX_S = 60.0
REPORT_EVERY_S = 10.0
SAVE_EVERY_S = 5.0
# What happens, and how long it stays like that; then again.
CALM_S, AWAY_S, BACK_S, CUT_S = 25.0, 40.0, 20.0, 15.0


class Demo:
    """Holds what the story needs: the cloud, the gateway's process, its address and a key."""

    def __init__(self, folder: Path, port: int, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._rng = random.Random(SEED)
        self._port = free_port(port)
        self._mqtt = free_port(MQTT_PORT)
        self._config = folder / "gateway.toml"
        self._kept = folder / "cloud.json"
        self._process: asyncio.subprocess.Process | None = None
        self._jobs = JOBS
        self._key = ""
        self.cloud = StandInCloud(clock, self._rng)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._port}"

    async def play(self, minutes: float | None) -> int:
        """The whole story; returns what the process should exit with."""
        self._fill_cloud()
        async with self.cloud.serving(HOST, 0) as cloud_url, aiohttp.ClientSession() as session:
            self._configure(cloud_url)
            self._key = await self._command("keys", "create", "--name", "demo", "--scope", "admin")
            await self._import()
            await self._start()
            try:
                self._greet()
                await self._shift(session, minutes)
                return await self._close(session)
            finally:
                await self._stop()
                self._keep()

    # ------------------------------------------------------------------ setting up

    def _fill_cloud(self) -> None:
        self.cloud.add_tenant(factory.TENANT_ID)
        self.cloud.add_key(factory.TENANT_ID, factory.CLOUD_KEY)
        if self._kept.exists():
            self.cloud.load(json.loads(self._kept.read_text()))
            self._jobs = len(self.cloud.rows("jobs"))
        else:
            self.cloud.load(factory.plan(self._clock.now(), JOBS))

    def _keep(self) -> None:
        """So that the same folder can be played on with later."""
        tables = (
            "cells",
            "profiles",
            "scrap_reasons",
            "jobs",
            "parts",
            "operations",
            "time_entries",
            "operation_quantities",
        )
        written = self._kept.with_suffix(".part")
        written.write_text(json.dumps({table: self.cloud.rows(table) for table in tables}, default=str))
        written.replace(self._kept)

    def _configure(self, cloud_url: str) -> None:
        self._config.write_text(
            "# Written by the demo.\n"
            f'[gateway]\nid = "gw-demo"\ndata_dir = "{self._folder / "data"}"\n'
            f'[site]\nenterprise = "acme"\nsite = "plant1"\narea = "fabrication"\ntenant_id = "{factory.TENANT_ID}"\n'
            f'[http]\nhost = "{HOST}"\nport = {self._port}\n'
            f'[broker]\nmode = "auto"\nport = {self._mqtt}\n'
            f'[cloud]\nkind = "plain"\nurl = "{cloud_url}"\napi_key = "{factory.CLOUD_KEY}"\npull_every = "10s"\n'
        )

    async def _import(self) -> None:
        """[U] people cannot be read with an API key: somebody brings them."""
        people = self._folder / "people.json"
        people.write_text(json.dumps({"profiles": factory.people(self._clock.now())}))
        await self._command("import", str(people))

    async def _command(self, *words: str) -> str:
        """One call of the product's own command line; its last line of output."""
        process = await self._spawn(*words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
        told, complaint = await process.communicate()
        if process.returncode:
            raise StartupError(f"eryxon-gateway {' '.join(words)}: {complaint.decode().strip()}")
        lines = told.decode().strip().splitlines()
        return lines[-1] if lines else ""

    async def _spawn(self, *words: str, **streams: Any) -> asyncio.subprocess.Process:
        command = (sys.executable, "-m", "gateway", *words, "--config", str(self._config))
        return await asyncio.create_subprocess_exec(*command, start_new_session=True, **streams)

    # ------------------------------------------------------------------ the gateway's process

    async def _start(self) -> None:
        with (self._folder / "gateway.log").open("ab") as log:
            self._process = await self._spawn("run", stdout=log, stderr=log)
        async with aiohttp.ClientSession() as session:
            ends_s = self._clock.monotonic() + READY_MAX_S
            while self._clock.monotonic() < ends_s and self._process.returncode is None:
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(self.url + "/readyz", timeout=aiohttp.ClientTimeout(total=1)) as answer:
                        if answer.status == 200:  # noqa: PLR2004 -- the status by name
                            return
                await self._clock.sleep(0.1)
        raise StartupError(f"the gateway did not get ready: see {self._folder / 'gateway.log'}")

    async def _power_cut(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def _stop(self) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), STOP_MAX_S)
        except TimeoutError:
            await self._power_cut()

    # ------------------------------------------------------------------ the story

    def _greet(self) -> None:
        subscriber = shutil.which("mosquitto_sub")
        viewer = self._viewer()
        assembly = factory.named("operation", "1", factory.PRODUCTS[1][2][0], factory.ASSEMBLY[0])
        auth = f"-H 'Authorization: Bearer {self._key}'"
        print(
            f"\nThe gateway serves {self.url}  (API by hand: {self.url}/docs)\n"
            f"API key of the demo: {self._key}\n\n"
            f"Start an operation that nobody else works on:\n"
            f"  curl -X POST {auth} '{self.url}/functions/v1/api-operation-lifecycle/start?id={assembly}'\n\n"
            "Listen to the Unified Namespace:\n"
            + (
                f"  {subscriber} -h {HOST} -p {self._mqtt} -u viewer -P {viewer} -t '#' -v\n"
                if subscriber and viewer
                else "  (there is no mosquitto_sub here: `make setup` says why)\n"
            ),
            flush=True,
        )

    def _viewer(self) -> str | None:
        """The password of the broker's read-only user."""
        users = self._folder / "data" / "broker" / "users.json"
        found: dict[str, str] = json.loads(users.read_text()) if users.exists() else {}
        return found.get("viewer")

    async def _shift(self, session: aiohttp.ClientSession, minutes: float | None) -> None:
        """People, machine and events, until the time is over or somebody presses Ctrl-C."""
        api = Api(session, f"{self.url}/functions/v1", self._key)
        workers = [Worker(place, api, self._clock, self._rng, self._tell) for place in factory.PLACES]
        doing = [self._events(), self._reporting(api), self._keeping(), *(worker.run() for worker in workers)]
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ended.set)
        tasks = [asyncio.ensure_future(one) for one in doing]
        ending = asyncio.ensure_future(ended.wait())
        try:
            done, _ = await asyncio.wait(
                [*tasks, ending], timeout=None if minutes is None else minutes * 60, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done - {ending}:
                task.result()  # none of them ends by itself: this tells why
        finally:
            for task in (*tasks, ending):
                task.cancel()
            await asyncio.gather(*tasks, ending, return_exceptions=True)

    async def _events(self) -> None:
        while True:
            await self._clock.sleep(CALM_S)
            self._tell("*** The line to the cloud is cut. The floor works on. ***")
            self.cloud.go_away()
            await self._clock.sleep(AWAY_S)
            self.cloud.come_back()
            self._tell("*** The line is back: what waited is forwarded, with its true times. ***")
            self._new_job()
            await self._clock.sleep(BACK_S)
            self._tell("*** Power cut: the gateway is killed in the middle of its work. ***")
            await self._power_cut()
            began_s = self._clock.monotonic()
            await self._start()
            took_s = self._clock.monotonic() - began_s
            self._tell(f"*** The gateway is ready again after {took_s:.1f} s; nothing acknowledged is missing. ***")
            await self._clock.sleep(CUT_S)

    def _new_job(self) -> None:
        self._jobs += 1
        rows = factory.job(self._jobs, self._clock.now())
        self.cloud.load(rows)
        self._tell(f"The office enters a new job in the cloud: {rows['jobs'][0]['job_number']}")

    async def _reporting(self, api: Api) -> None:
        """One line every few seconds: how the cloud link is doing."""
        while True:
            await self._clock.sleep(REPORT_EVERY_S)
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, factory.Refused):
                self._tell(describe((await api.health())["links"]["cloud"]))

    async def _keeping(self) -> None:
        while True:
            await self._clock.sleep(SAVE_EVERY_S)
            self._keep()

    # ------------------------------------------------------------------ the end

    async def _close(self, session: aiohttp.ClientSession) -> int:
        """Let everything drain, then count on both sides."""
        print("\nClosing time: waiting for the cloud to have everything.", flush=True)
        self.cloud.come_back()
        if self._process is None or self._process.returncode is not None:
            await self._start()
        api = Api(session, f"{self.url}/functions/v1", self._key)
        ends_s = self._clock.monotonic() + DRAIN_MAX_S
        while (waiting := (await api.health())["links"]["cloud"]["pending"]) and self._clock.monotonic() < ends_s:
            await self._clock.sleep(0.5)
        here = await self._pieces(api)
        there = sum(row["quantity_good"] for row in self.cloud.rows("operation_quantities"))
        print(f"Good pieces booked here: {here}; in the cloud: {there}; still waiting: {waiting} events.", flush=True)
        return 0 if here == there and not waiting else 1

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


def describe(link: dict[str, Any]) -> str:
    """The cloud link in plain words."""
    waiting = f"{link['pending']} events wait" if link["pending"] else "nothing waits"
    if link["state"] == "up":
        return f"Cloud: connected; {waiting}, {link['sent']} forwarded so far."
    oldest = f", the oldest for {link['oldest_s']:.0f} s" if link["pending"] and link.get("oldest_s") else ""
    return f"Cloud: away since {link['since']} ({link['error']}); {waiting}{oldest}."


def free_port(wanted: int) -> int:
    """The wanted port, or another when somebody has it; says so."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError:
            probe.bind((HOST, 0))
            port = int(probe.getsockname()[1])
            print(f"Port {wanted} is taken by somebody else: using {port}.", flush=True)
            return port
    return wanted


@contextlib.contextmanager
def playground(data: Path | None) -> Iterator[Path]:
    """The folder that was asked for, or one that is gone afterwards."""
    if data is not None:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="eryxon-demo-") as folder:
        yield Path(folder)


def main(port: int, data: Path | None, minutes: float | None) -> int:
    """Play the demo; the exit code. Raises StartupError."""
    with playground(data) as folder:
        return asyncio.run(Demo(folder, port, SystemClock()).play(minutes))
