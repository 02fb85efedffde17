"""Throws mutated messages of machines at a real gateway over its own Mosquitto, while a good machine works beside them.

Nothing may fail, whatever is wrong has to be told by name, every request answered, and the good machine's pieces counted.

    python tests/fuzz/payloads.py [--payloads N] [--seed N]
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

sys.path.insert(0, str(Path(__file__).parents[1]))

from hall import HALL, LASER
from program import Program

PAYLOADS = 10_000
AT_ONCE = 20
BYTES_MAX = 290_000  # more than we take; at 300,000 the broker ends the connection
SETTLES_MAX_S = 120
ROOT = "acme/plant1"
NOISY = ("noisy-1", "noisy-2", "noisy-3")
VERBS = ("start", "pause", "resume", "complete", "report", "issue", "active", "queue")
CODES = {
    *(
        "MALFORMED_PAYLOAD",
        "PAYLOAD_TOO_LARGE",
        "VALIDATION_ERROR",
        "UNKNOWN_VERB",
        "UNKNOWN_DEVICE",
        "RETAINED_COMMAND",
    ),
    *(
        "EXPIRED",
        "IDEMPOTENCY_KEY_REUSED",
        "UNKNOWN_BADGE",
        "CELL_NOT_ALLOWED",
        "NOT_FOUND",
        "FORBIDDEN",
        "COUNTER_JUMP",
    ),
}
OF_THE_MOMENT = {"INVALID_STATE_TRANSITION", "NO_ACTIVE_OPERATION", "AMBIGUOUS_TARGET", "OPERATOR_BUSY", "CONFLICT"}
GOOD: list[tuple[str, Any]] = [
    ("in/state", {"v": 4, "ts": "2026-02-03T09:15:04Z"}),
    ("in/state", "running"),
    ("in/counter/good", {"v": 8841, "ts": "2026-02-03T09:15:04Z"}),
    ("in/counter/good", 8841),
    ("in/cycle", {"id": "c-88213", "good": 2, "scrap": 0, "program": "NEST_0042", "duration_s": 312.5}),
    ("in/badge", {"badge": "04A2BADGE", "on": True}),
    ("in/tag/x", {"a": {"b": [1, 2, 3]}}),
    ("status", {"online": True}),
    *(
        (f"cmd/{verb}", {"request_id": "7c1e", "operation_id": LASER, "operator": {"badge": "04A2BADGE"}})
        for verb in VERBS
    ),
    ("cmd/report", {"request_id": "7c20", "good": 5, "scrap": 1, "scrap_reason": "BURR", "job_number": "J-1"}),
]
ODD = [
    None,
    True,
    -1,
    1.5,
    1e308,
    2**63,
    -(2**70),
    10**4000,
    "",
    "x" * 5000,
    "\u0000",
    "\ud800",
    [],
    {},
    [[]],
    "🙂",
    "NaN",
]
SETTINGS = f"""
[site]
enterprise = "acme"
site = "plant1"
[broker]
mode = "managed"
port = %d
[[uns.device]]
id = "good-1"
cells = ["Saw"]
commands = {json.dumps(VERBS)}
rate_per_s = 1000
[[uns.mapping]]
device = "good-1"
input = "counter/good"
rule = "counter_delta"
report = "quantity_good"
flush = "1h"
""" + "".join(
    f'[[uns.device]]\nid = "{name}"\ncells = ["Laser"]\ncommands = {json.dumps(VERBS)}\nrate_per_s = 1000000\n'
    f'[[uns.mapping]]\ndevice = "{name}"\ninput = "tag/x"\nrule = "edge"\npath = "a.b[0]"\ncommand = "pause"\n'
    for name in NOISY
)


@dataclass(frozen=True)
class Thrown:
    device: str
    rest: str
    payload: bytes
    retain: bool
    properties: Properties | None

    @property
    def wants_an_answer(self) -> bool:
        """An empty one only takes back what was retained."""
        return self.rest.startswith("cmd/") and not (self.retain and not self.payload)


@dataclass
class Heard:
    """What came back."""

    codes: Counter = field(default_factory=Counter)
    answers: Counter = field(default_factory=Counter)
    answered: Counter = field(default_factory=Counter)  # by device
    echoes: list[str] = field(default_factory=list)

    def take(self, topic: str, text: str) -> None:
        if "/error/" in topic:
            told = json.loads(text)
            self.codes[told["code"]] += told["count"]
            if "04A2BADGE" in text:
                self.echoes.append(text)
        elif "/rsp" in topic:
            told = json.loads(text)
            device = topic.split("/")[3]
            self.answered[device] += 1
            self.answers["ok" if told["ok"] else told["error"]["code"]] += 1


def mutated(rng: random.Random) -> Thrown:
    rest, value = rng.choice(GOOD)
    payload = _bytes_of(rng, _bent(rng, value) if rng.random() < 0.7 else value)
    if rng.random() < 0.1:
        rest = rng.choice(
            ("in/weather", "in", "in/counter", "cmd/dance", "cmd/start/now", "cmd", "in/state/x", "status/x")
        )
    device = rng.choice(NOISY) if rng.random() < 0.95 else "stranger"
    return Thrown(device, rest, payload, rng.random() < 0.05, _properties(rng, device))


def _bent(rng: random.Random, value: Any) -> Any:
    """One thing in it is different."""
    if not isinstance(value, dict):
        return rng.choice(ODD)
    bent = dict(value)
    name = rng.choice([*bent, "surplus"])
    how = rng.randrange(4)
    if how == 0:
        bent[name] = rng.choice(ODD)
    elif how == 1:
        bent.pop(name, None)
    elif how == 2:
        bent[name] = _bent(rng, bent.get(name))
    else:
        bent = {rng.choice(list(ODD_NAMES)): inner for inner in bent.values()}
    return bent


ODD_NAMES = ("", "request_id", "v", "ts", "__proto__", "operation_id", "\u202e", "a" * 300)


def _bytes_of(rng: random.Random, value: Any) -> bytes:
    digits_max = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        payload = json.dumps(value).encode(errors="surrogatepass")
    finally:
        sys.set_int_max_str_digits(digits_max)
    for _ in range(rng.choice((0, 0, 0, 1, 1, 3))):
        payload = rng.choice(_CUTS)(rng, payload)
    return payload[:BYTES_MAX]


_CUTS = (
    lambda rng, given: given[: rng.randrange(len(given) + 1)],
    lambda rng, given: given[: (at := rng.randrange(len(given) + 1))] + rng.randbytes(3) + given[at:],
    lambda rng, given: given + given,
    lambda rng, given: b"[" * (depth := rng.choice((15, 17, 1000, 60_000))) + given + b"]" * depth,
    lambda rng, given: given.replace(b'"', b"'"),
    lambda rng, given: given.replace(b":", b":NaN,", 1),
    lambda rng, given: b'{"v":' + given + b',"v":1}',
    lambda rng, given: given.ljust(rng.choice((262_144, 262_145, 280_000)), b" ") if rng.random() < 0.1 else b"",
    lambda rng, given: given.decode(errors="replace").encode("utf-16"),
    lambda rng, given: given + b"\0" * 5,
)


def _properties(rng: random.Random, device: str) -> Properties | None:
    if rng.random() < 0.7:
        return None
    made = Properties(PacketTypes.PUBLISH)
    own = f"{ROOT}/_dev/{device}/rsp"
    made.ResponseTopic = rng.choice(
        (own, f"{own}/x", f"{own}//", f"{ROOT}/_dev/good-1/cmd/start", "a", "$SYS/x", "x" * 600)
    )
    made.CorrelationData = rng.randbytes(rng.choice((0, 1, 16, 97, 5000)))
    if rng.random() < 0.5:
        made.MessageExpiryInterval = 60
    return made


# ------------------------------------------------------------------ the throwing


def throw(folder: Path, payloads: int, seed: int) -> list[str]:
    """What was found; nothing is good."""
    program = Program.at(folder)
    port = program.free_port()
    program.configure(SETTINGS % port)
    program.ok("import", "-", stdin=json.dumps(HALL | _work()))
    key = program.key()
    with program.serving() as gateway:
        found = list(asyncio.run(_session(program, port, key, payloads, seed)))
        if gateway.poll() is not None:
            found.append(f"the gateway ended with {gateway.returncode}")
    log = (folder / "log").read_text()
    found += [f"the log says {word}" for word in ("Traceback", "uns.failed", "link.failed") if word in log]
    if "link.down" in log.split("broker.ready")[-1]:
        found.append("the connection to the broker broke")
    return found


def _work() -> dict[str, list[dict[str, Any]]]:
    """One operation for the good machine."""
    ids = [f"00000000-0000-4000-8000-00000000000{number}" for number in range(1, 4)]
    saw = HALL["cells"][1]["id"]
    operation = {"id": ids[2], "part_id": ids[1], "cell_id": saw, "operation_name": "Sawing", "sequence": 1}
    return {
        "jobs": [{"id": ids[0], "job_number": "J-1"}],
        "parts": [{"id": ids[1], "job_id": ids[0], "part_number": "P-1", "material": "Steel", "quantity": 1_000_000}],
        "operations": [operation],
    }


async def _session(program: Program, port: int, key: str, payloads: int, seed: int) -> Iterator[str] | list[str]:
    users = program.data / "broker" / "users.json"
    while (await _facts(program, key))["state"] != "up":
        await asyncio.sleep(0.2)
    password = json.loads(users.read_text())["gateway"]
    rng, heard = random.Random(seed), Heard()
    thrown = [mutated(rng) for _ in range(payloads)]
    async with asyncio.timeout(SETTLES_MAX_S + payloads / 50):
        async with _client(port, password) as client:
            client.pending_calls_threshold = payloads  # it warns of more
            for topic in (f"{ROOT}/_dev/+/rsp/#", f"{ROOT}/_gateway/+/error/+"):
                await client.subscribe(topic, qos=1)
            listening = asyncio.create_task(_listen(client, heard))
            done = threading.Event()
            # With a loop of its own: what is measured is the gateway, not who throws.
            working = asyncio.create_task(asyncio.to_thread(lambda: asyncio.run(_work_well(port, password, done))))
            for start in range(0, payloads, AT_ONCE):
                await asyncio.gather(*(_send(client, one) for one in thrown[start : start + AT_ONCE]))
            done.set()
            pieces, waits_s, ended = await working
            wanted = Counter(one.device for one in thrown if one.wants_an_answer)
            await _until(lambda: all(heard.answered[name] >= count for name, count in wanted.items()))
            facts = {}
            while facts.get("inbound_rejected", -1) != sum(heard.codes.values()):
                await asyncio.sleep(0.2)
                facts = await _facts(program, key)
            listening.cancel()
    print(f"{payloads} thrown: {facts['inbound_rejected']} told as {dict(heard.codes.most_common())}")
    print(f"answers: {dict(heard.answers.most_common())}")
    waits_ms = sorted(1000 * one for one in waits_s)
    middle, slow = waits_ms[len(waits_ms) // 2], waits_ms[int(len(waits_ms) * 0.99)]
    print(f"the good machine's {len(waits_ms)} requests: median {middle:.1f} ms, 99 of 100 in {slow:.1f} ms")
    return [
        *(f"a code nobody knows: {code}" for code in heard.codes.keys() - CODES),
        *(f"an answer nobody knows: {code}" for code in heard.answers.keys() - CODES - OF_THE_MOMENT - {"ok"}),
        *(f"a badge was repeated: {text}" for text in heard.echoes),
        *(f"{name}: {heard.answered[name]} answers to {count} requests" for name, count in wanted.items()
          if heard.answered[name] != count),
        *([] if ended["ok"] and ended["data"]["good"] == pieces else [f"{pieces} pieces were made: {ended}"]),
    ]  # fmt: skip


async def _facts(program: Program, key: str) -> dict[str, Any]:
    """What health says of the namespace."""
    return json.loads((await asyncio.to_thread(program.get, "/healthz", key))[1])["links"]["uns"]


async def _work_well(port: int, password: str, done: threading.Event) -> tuple[int, list[float], Any]:
    """A machine that counts and asks, all the time. (pieces, how long each answer took, the last answer)"""
    own, waits_s = f"{ROOT}/_dev/good-1", []
    async with _client(port, password) as client:
        await client.subscribe(f"{own}/rsp", qos=1)

        async def ask(verb: str, request_id: str, **body: Any) -> Any:
            began_s = time.monotonic()
            await client.publish(f"{own}/cmd/{verb}", json.dumps(body | {"request_id": request_id}), qos=1, timeout=60)
            async for message in client.messages:
                waits_s.append(time.monotonic() - began_s)
                told = json.loads(message.payload)
                assert told["request_id"] == request_id, told
                return told
            raise ConnectionError

        await ask("start", "start", job_number="J-1")
        count = 0
        await client.publish(f"{own}/in/counter/good", "0", qos=1, timeout=60)
        while not done.is_set() or count < 5:
            count += 1
            await client.publish(f"{own}/in/counter/good", str(count), qos=1, timeout=60)
            await ask("active", f"a-{count}")
        return count, waits_s, await ask("complete", "complete")


def _client(port: int, password: str) -> aiomqtt.Client:
    version = aiomqtt.ProtocolVersion.V5
    return aiomqtt.Client("127.0.0.1", port, username="gateway", password=password, protocol=version)


async def _send(client: aiomqtt.Client, one: Thrown) -> None:
    topic = f"{ROOT}/_dev/{one.device}/{one.rest}"
    await client.publish(topic, one.payload, qos=1, retain=one.retain, properties=one.properties, timeout=60)


async def _listen(client: aiomqtt.Client, heard: Heard) -> None:
    async for message in client.messages:
        heard.take(str(message.topic), message.payload.decode())


async def _until(fact) -> None:
    while not fact():
        await asyncio.sleep(0.002)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--payloads", type=int, default=PAYLOADS)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="payloads-") as folder:
        found = throw(Path(folder), given.payloads, given.seed)
    print("\n".join(found) or "nothing was found")
    return len(found)


if __name__ == "__main__":
    sys.exit(main())
