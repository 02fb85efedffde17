"""Who works while the disk fills up: people who book, people who upload, planners, a machine. What was answered is remembered."""

import json
import random
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from plan import contested_job, fixed
from processes import Box, until

ANSWER_MAX_S = 20.0
HEARD_MAX_S = 10.0
PAUSE_S = (0.1, 0.6)
ROOT = "drill/hall"
DEVICE = "plc-0"
PICTURE_BYTES = 4_000
FULL = int(HTTPStatus.INSUFFICIENT_STORAGE)
DONE = (int(HTTPStatus.OK), int(HTTPStatus.CREATED))


@dataclass
class Told:
    """What was answered 2xx, and how often which status came for what."""

    quantities: list[str] = field(default_factory=list)
    issues: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    counted: int = 0
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


class Desk:
    """One call each; what came of it is told and remembered."""

    def __init__(self, box: Box, told: Told, seed: int) -> None:
        self._box = box
        self.told = told
        self._rng = random.Random(seed)

    def book(self, operation: str, person: str) -> int:
        body = {"operation_id": operation, "recorded_by": person, "quantity_produced": 1, "quantity_good": 1}
        status, answer = self._call("booking", "POST", "/api-operation-quantities", body)
        if status in DONE:
            self.told.quantities.append(_row(answer)["id"])
        return status

    def report(self, operation: str, person: str, characters: int) -> int:
        """A booking that really takes room."""
        body = {"operation_id": operation, "title": "Burr", "description": "x" * characters, "severity": "low"}
        body["created_by"] = person
        status, answer = self._call("booking", "POST", "/api-issues", body)
        if status in DONE:
            self.told.issues.append(_row(answer)["id"])
        return status

    def plan(self, station: int) -> int:
        job, note = contested_job(station), f"note {self._rng.random()}"
        status, _ = self._call("plan", "PATCH", f"/api-jobs?id={job}", {"notes": note})
        if status in DONE:
            self.told.notes[job] = note
        return status

    def upload(self) -> int:
        wish = {"filename": "a.png", "content_type": "image/png"}
        status, offer = self._call("upload", "POST", "/api-upload-url", wish)
        if status not in DONE:
            return status
        bytes_ = b"\x89PNG\r\n\x1a\n" + self._rng.randbytes(PICTURE_BYTES)
        status, _ = self._call("upload", "PUT", offer["data"]["upload_url"], bytes_)
        if status in DONE:
            self.told.files.append(offer["data"]["file_path"])
        return status

    def read(self) -> int:
        return self._call("read", "GET", "/api-operations?limit=5")[0]

    def _call(self, what: str, method: str, path: str, body: dict | bytes | None = None) -> tuple[int, dict]:
        url = path if path.startswith("http") else self._box.url + path
        headers = {"Authorization": f"Bearer {self._box.key}", "Content-Type": "application/json"}
        if isinstance(body, bytes):
            headers = {"Content-Type": "image/png"}
        if method != "GET":
            headers["Idempotency-Key"] = str(uuid.uuid4())
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 -- loopback
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_MAX_S) as answer:  # noqa: S310 -- loopback
                status, told = answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as exc:
            status, told = exc.code, json.loads(exc.read() or b"{}")
        except OSError as exc:  # a refused upload may be cut off while it is still sent
            status, told = 0, {"error": str(exc)}
        self.told.statuses[what, status] += 1
        if status not in (*DONE, FULL) and not (what == "upload" and status == 0):
            self.told.wrong.append(f"{what} got {status}: {told}")
        return status, told


def _row(answer: dict) -> dict:
    return next(one for one in answer["data"].values() if isinstance(one, dict) and "id" in one)


class Machine:
    """Says its state and its counter, each with QoS 1, and hears what the gateway refuses."""

    def __init__(self, port: int, told: Told) -> None:
        self.refused = 0
        self._told = told
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=DEVICE)
        self._client.on_message = self._heard
        self._client.on_connect = lambda client, *_: client.subscribe(f"{ROOT}/_gateway/+/error/{DEVICE}", 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _heard(self, _client: mqtt.Client, _of: object, message: mqtt.MQTTMessage) -> None:
        if json.loads(message.payload)["code"] == "INSUFFICIENT_STORAGE":
            self.refused += 1

    def state(self, box: Box, desk_state: str) -> bool:
        """Whether the gateway took it."""
        before = self.refused
        self._say("state", desk_state, retain=False)
        ends = time.monotonic() + HEARD_MAX_S
        while self.refused == before:
            if _shown(box) == desk_state:
                return True
            if time.monotonic() > ends:
                self._told.wrong.append(f"the machine heard nothing of its state {desk_state}")
                return False
            time.sleep(0.1)
        return False

    def count(self) -> None:
        self._told.counted += 1
        self._say("counter/good", str(self._told.counted), retain=True)

    def _say(self, rest: str, payload: str, *, retain: bool) -> None:
        said = self._client.publish(f"{ROOT}/_dev/{DEVICE}/in/{rest}", payload, qos=1, retain=retain)
        said.wait_for_publish(ANSWER_MAX_S)

    def end(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def _shown(box: Box) -> str | None:
    request = urllib.request.Request(f"{box.url}/api-machines", headers={"Authorization": f"Bearer {box.key}"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=ANSWER_MAX_S) as answer:  # noqa: S310 -- loopback
        machines = json.loads(answer.read())["data"]["machines"]
    return next((one["state"] for one in machines if one["device"] == DEVICE), None)


class Shift:
    """People in the background, for as long as it lasts: what they are answered may be 507, and nothing else that is bad."""

    def __init__(self, box: Box, told: Told, machine: Machine, people: int, operations: int) -> None:
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._books, args=(Desk(box, told, 100 + one), one, operations))
            for one in range(people)
        ]
        self._threads += [
            threading.Thread(target=self._now_and_then, args=(Desk(box, told, 7).upload, 1.0)),
            threading.Thread(target=self._now_and_then, args=(partial(Desk(box, told, 8).plan, 1), 0.7)),
            threading.Thread(target=self._now_and_then, args=(machine.count, 0.3)),
        ]

    def _books(self, desk: Desk, station: int, operations: int) -> None:
        rng = random.Random(station)
        while not self._over.wait(rng.uniform(*PAUSE_S)):
            desk.book(fixed("operation", station, rng.randrange(operations)), fixed("person", station))
            desk.read()

    def _now_and_then(self, act, every_s: float) -> None:
        while not self._over.wait(every_s):
            act()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(ANSWER_MAX_S)
        until(lambda: not any(thread.is_alive() for thread in self._threads), ANSWER_MAX_S, "everybody has gone home")
