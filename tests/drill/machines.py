"""The drill of the counters: controllers that count, reboot, roll over and repeat themselves; a gateway and a broker that are
killed meanwhile. At the end every piece that was made is booked, each once, on the operation of its cell. Exit 1 otherwise.

A controller says its counter with its time, waits for the broker's acknowledgement, and after a lost connection says its last
values once more, then where it stands. It reboots only once the gateway has its last value: what a controller forgets before
anybody heard of it, nobody can count.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiomqtt
from processes import Box, fetch, free_port, say

from gateway.demo.plc import Counter, Sent
from gateway.kernel.clock import SystemClock

ROOT = "drill/hall"
REPEATED = 5  # last values that are said once more after a lost connection
AHEAD_MAX = 100  # messages that a controller sends without the gateway having shown that it follows
LOOK_EVERY_S = 0.3
FOLLOW_MAX_S = 120.0
SAID_EVERY_S = 3.0
DRAIN_MAX_S = 60.0
PIECES_MAX = 3  # of one message
QUEUE_MAX = 50_000  # messages that the broker keeps for a gateway that is away


def id_of(kind: str, number: int) -> str:
    return f"00000000-0000-4000-8000-{kind:>04}{number:08}"


class Broker:
    """A Mosquitto of its own, beside the gateway: each dies alone."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        user = "user root\n" if os.geteuid() == 0 else ""
        self._config.write_text(
            f"allow_anonymous true\nmax_queued_messages {QUEUE_MAX}\n{user}listener {self.port} 127.0.0.1\nlog_dest none\n"
        )
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
        assert program, "there is no mosquitto: run `make setup-tests`"
        self._process = subprocess.Popen([program, "-c", str(self._config)], stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Follower:
    """What the gateway shows of the counters."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self.values: dict[str, int] = {}

    async def run(self) -> None:
        while True:
            told = await asyncio.to_thread(fetch, f"{self._box.url}/api-machines", None, self._box.key)
            if isinstance(told, dict):
                self.values = {one["device"]: one["counters"].get("good") for one in told["data"]["machines"]}
            await asyncio.sleep(LOOK_EVERY_S)

    async def has(self, device: str, value: int, within_s: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self.values.get(device) != value:
                    await asyncio.sleep(LOOK_EVERY_S)
        return self.values.get(device) == value


class Controller:
    """`sent` counts messages, repeats included."""

    def __init__(self, number: int, port: int, follower: Follower, rng: random.Random) -> None:
        self.device = f"plc-{number}"
        bits = 16 if number % 2 else 32
        self.counter = Counter(SystemClock(), bits, 2**bits - 400)  # it will roll over soon
        self.reboots = 0
        self.sent = 0
        self._port = port
        self._follower = follower
        self._rng = rng
        self._last: list[Sent] = []
        self._client: aiomqtt.Client | None = None

    async def run(self, messages: int, reboots: int) -> None:
        when = sorted(self._rng.sample(range(messages // 10, messages), reboots))
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._leave)
            await self._say(self.counter.now())
            await self._followed()
            for number in range(messages):
                if when and number >= when[0] and not self.counter.near_its_end:
                    when.pop(0)
                    await self._followed()
                    await self._say(self.counter.reboot())
                    await self._followed()  # from 8 to 9 looks the same if nobody has heard of the 0 between them
                    self.reboots += 1
                await self._say(self.counter.make(self._rng.randint(1, PIECES_MAX)))
                if self._rng.random() < 0.05:
                    await self._repeat(self._rng.randint(1, REPEATED))
                if number % AHEAD_MAX == AHEAD_MAX - 1:
                    await self._followed()
            await self._followed()

    async def _followed(self) -> None:
        """Until the gateway shows the value. It is said again now and then, as controllers do: a broker may have lost it."""
        ends_s = time.monotonic() + FOLLOW_MAX_S
        while not await self._follower.has(self.device, self.counter.value, SAID_EVERY_S):
            assert time.monotonic() < ends_s, f"the gateway does not follow {self.device}: {self._follower.values}"
            await self._say(self.counter.now())

    async def _say(self, sent: Sent) -> None:
        self._last = [*self._last[-REPEATED:], sent]
        await self._publish([sent])

    async def _repeat(self, count: int) -> None:
        """As a client does whose acknowledgements got lost: older values first."""
        await self._publish(self._last[-count:])

    async def _publish(self, values: list[Sent]) -> None:
        while True:
            try:
                client = await self._connected()
                for one in values:
                    topic = f"{ROOT}/_dev/{self.device}/in/counter/good"
                    await client.publish(topic, json.dumps(one.payload), qos=1, retain=True)
                    self.sent += 1
            except aiomqtt.MqttError:
                await self._leave()
                await asyncio.sleep(0.2)
                values = [*self._last, self.counter.now()]
            else:
                return

    async def _connected(self) -> aiomqtt.Client:
        if self._client is None:
            client = aiomqtt.Client("127.0.0.1", self._port, identifier=self.device, timeout=5)
            await client.__aenter__()
            self._client = client
        return self._client

    async def _leave(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(aiomqtt.MqttError):
                await client.__aexit__(None, None, None)


def configure(box: Box, broker: Broker, count: int) -> None:
    box.configure(broker="external", kind="off")
    devices = "".join(
        f'[[uns.device]]\nid = "plc-{one}"\ncells = ["Cell {one}"]\nrate_per_s = 100000\nstale_after = "1h"\n'
        f'[[uns.mapping]]\ndevice = "plc-{one}"\ninput = "counter/good"\nrule = "counter_delta"\n'
        f'report = "quantity_good"\nbits = {16 if one % 2 else 32}\nflush = "1s"\nhold_max = 1000000\n'
        for one in range(count)
    )
    text = box.config.read_text().replace(f"port = {box.mqtt}\n", f"port = {broker.port}\n")
    box.config.write_text(text + devices)
    rows = {
        "cells": [{"id": id_of("ce", n), "name": f"Cell {n}", "sequence": n + 1} for n in range(count)],
        "jobs": [{"id": id_of("a0", n), "job_number": f"J-{n}"} for n in range(count)],
        "parts": [
            {
                "id": id_of("b0", n),
                "job_id": id_of("a0", n),
                "part_number": f"P-{n}",
                "material": "St",
                "quantity": 10**6,
            }
            for n in range(count)
        ],
        "operations": [
            {
                "id": id_of("c0", n),
                "part_id": id_of("b0", n),
                "cell_id": id_of("ce", n),
                "operation_name": "Turn",
                "sequence": 1,
            }
            for n in range(count)
        ],
    }
    file = box.folder / "rows.json"
    file.write_text(json.dumps(rows))
    box.command("import", str(file))


async def press(box: Box, verb: str, number: int) -> None:
    """Until somebody answers; a second press of what is done already is refused, and that is as good."""
    body = {"operation_id": id_of("c0", number), "action": verb}
    await asyncio.to_thread(fetch, f"{box.url}/api-operation-lifecycle", body, box.key)


async def stations(box: Box, count: int, rng: random.Random) -> None:
    """People who take breaks: what is counted meanwhile waits for them."""
    while True:
        number = rng.randrange(count)
        await press(box, "pause", number)
        await asyncio.sleep(rng.uniform(0.1, 1.0))
        await press(box, "resume", number)


async def trouble(
    box: Box, broker: Broker, controllers: list[Controller], given: argparse.Namespace, total: int
) -> None:
    """Kills, spread over the whole of it."""
    kills = ["gateway"] * given.kills + ["broker"] * given.broker_kills
    random.Random(given.seed).shuffle(kills)
    for place, which in enumerate(kills, 1):
        while sum(one.sent for one in controllers) < place * total / (len(kills) + 1):
            await asyncio.sleep(0.05)
        if which == "gateway":
            box.kill()
            await asyncio.sleep(0.3)
            took = await asyncio.to_thread(box.start)
            say(f"gateway killed, ready again after {took:.1f} s")
        else:
            broker.kill()
            await asyncio.sleep(0.3)
            broker.start()
            say("broker killed")


async def drill(box: Box, broker: Broker, given: argparse.Namespace) -> int:
    rng = random.Random(given.seed)
    each = given.messages // given.controllers
    follower = Follower(box)
    controllers = [
        Controller(n, broker.port, follower, random.Random(given.seed + n)) for n in range(given.controllers)
    ]
    for number in range(given.controllers):
        await press(box, "start", number)
    began = time.monotonic()
    beside = [asyncio.create_task(follower.run()), asyncio.create_task(stations(box, given.controllers, rng))]
    try:
        async with asyncio.TaskGroup() as floor:
            floor.create_task(trouble(box, broker, controllers, given, given.messages))
            for one in controllers:
                floor.create_task(one.run(each, given.reboots))
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
    for number in range(given.controllers):
        await press(box, "resume", number)
    took_s = time.monotonic() - began
    sent = sum(one.sent for one in controllers)
    say(
        f"{sent} messages in {took_s:.0f} s ({sent / took_s:.0f} a second), {sum(one.reboots for one in controllers)} reboots"
    )
    await asyncio.to_thread(drained, box)
    return verdict(box, controllers)


def drained(box: Box) -> None:
    """Nothing is gathered or held any more. Asked of the database: `/healthz` tells how it was within the last second."""
    ends = time.monotonic() + DRAIN_MAX_S
    waiting = "SELECT count(*) FROM gathered_pieces WHERE pending_millionths >= 1000000"
    while time.monotonic() < ends:
        with box.read() as connection:
            (left,) = connection.execute(waiting).fetchone()
        if not left:
            return
        time.sleep(0.2)
    raise SystemExit(f"pieces of {left} sources still wait")


def verdict(box: Box, controllers: list[Controller]) -> int:
    with box.read() as connection:
        booked = dict(
            connection.execute(
                "SELECT operation_id, sum(quantity_good) FROM operation_quantities GROUP BY operation_id"
            )
        )
        refused = [dict(row) for row in connection.execute("SELECT * FROM machine_quarantines")]
    wrong = 0
    for number, one in enumerate(controllers):
        here = booked.get(id_of("c0", number), 0)
        if here != one.counter.made:
            say(f"{one.device}: made {one.counter.made}, booked {here}")
            wrong += 1
    made = sum(one.counter.made for one in controllers)
    say(f"made {made}, booked {sum(booked.values())}; {len(refused)} quarantined")
    for row in refused[:5]:
        say(f"quarantined: {row}")
    say("every piece is booked once" if not wrong and not refused else f"WRONG: {wrong} controllers")
    return 1 if wrong or refused else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--controllers", type=int, default=20)
    parser.add_argument("--reboots", type=int, default=5, help="of each controller")
    parser.add_argument("--kills", type=int, default=10, help="of the gateway")
    parser.add_argument("--broker-kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # aiomqtt leaves futures behind when its broker is killed
    with tempfile.TemporaryDirectory(prefix="eryxon-machines-") as name:
        folder = Path(name)
        broker, box = Broker(folder), Box(folder, "gw-drill")
        try:
            configure(box, broker, given.controllers)
            broker.start()
            box.start()
            code = asyncio.run(drill(box, broker, given))
            if code:
                kept = shutil.copy(box.folder / "gateway.log", Path(tempfile.gettempdir()) / "machines-drill.log")
                say(f"the gateway's log: {kept}")
            return code
        finally:
            box.end()
            broker.kill()


if __name__ == "__main__":
    sys.exit(main())
