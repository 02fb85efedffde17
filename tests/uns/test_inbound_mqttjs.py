"""A machine that speaks with mqtt.js, as its own user of the broker: with MQTT 5 and with 3.1.1."""

import contextlib
import json
from pathlib import Path

import pytest
from devices import BEAM, UNS, eventually, rows, status
from javascript import Script, running
from uns_hall import HOST, ROOT, until

NOT_AUTHORISED = 135
OWN = f"{ROOT}/_dev/laser-1"


class Machine:
    def __init__(self, script: Script) -> None:
        self._script = script

    async def say(self, topic: str, payload, **more) -> int:
        """The reason code that the broker gave."""
        known = len(self._told)
        await self._script.tell({"topic": topic, "publish": json.dumps(payload), **more})
        return (await until(lambda: self._told[known:]))[0]["code"]

    @property
    def _told(self) -> list[dict]:
        return [one for one in self._script.said if "published" in one]

    @property
    def answers(self) -> list[dict]:
        return [one | {"told": json.loads(one["text"])} for one in self._script.said if "/rsp" in one.get("topic", "")]

    async def answer(self, number: int) -> dict:
        return (await until(lambda: self.answers[number:]))[0]


@contextlib.asynccontextmanager
async def machine(hall, version: int):
    script = Path(__file__).parent / "mqtt_client.cjs"
    password = hall.door.add("laser-1")
    async with hall.on():
        words = (f"mqtt://{HOST}:{hall.port}", "laser-1", password, "laser-1", f"{OWN}/#", str(version))
        async with running(script, *words) as told:
            await until(lambda: [one for one in told.said if "subscribed" in one], "mqtt.js")
            yield Machine(told)


@pytest.mark.parametrize("version", [5, 4])
async def test_it_works_from_end_to_end(make_hall, version):
    hall = make_hall(uns=UNS)
    async with machine(hall, version) as laser:
        await laser.say(f"{OWN}/in/state", 4, retain=True)
        await laser.say(f"{OWN}/cmd/start", {"request_id": "s", "operation_id": BEAM})
        await laser.say(f"{OWN}/in/counter/good", {"v": 100}, retain=True)
        await laser.say(f"{OWN}/in/counter/good", {"v": 105}, retain=True)
        await laser.say(f"{OWN}/cmd/complete", {"request_id": "c"})
        await laser.say(f"{OWN}/cmd/start", {"request_id": "s", "operation_id": BEAM})
        answers = [(await laser.answer(number))["told"] for number in range(3)]
        await eventually(lambda: rows(hall, "SELECT 1 FROM machine_states WHERE state = 'running'"))
    assert [(one["request_id"], one["ok"], one["replayed"]) for one in answers] == [
        ("s", True, False),
        ("c", True, False),
        ("s", True, True),
    ]
    assert answers[1]["data"]["good"] == 5
    assert await status(hall, BEAM) == "completed"


async def test_it_is_answered_where_it_wishes_and_nowhere_that_is_not_its_own(make_hall):
    hall = make_hall(uns=UNS)
    async with machine(hall, 5) as laser:
        given = {"responseTopic": f"{OWN}/rsp/hmi", "correlationData": "AP83"}
        await laser.say(f"{OWN}/cmd/active", {}, properties=given)
        wished = await laser.answer(0)
        await laser.say(f"{OWN}/cmd/active", {}, properties=given | {"responseTopic": f"{ROOT}/_dev/laser-2/rsp"})
        elsewhere = await laser.answer(1)
    assert wished["topic"] == f"{OWN}/rsp/hmi"
    assert bytes(wished["properties"]["correlationData"]["data"]) == b"\x00\xff7"
    assert wished["told"]["request_id"] == "AP83"
    assert elsewhere["topic"] == f"{OWN}/rsp"


async def test_the_broker_lets_it_speak_for_itself_only(make_hall):
    hall = make_hall(uns=UNS)
    async with machine(hall, 5) as laser:
        for topic in ("_dev/laser-2/in/state", "_dev/laser-1/rsp", "_dev/laser-1/job", "fabrication/laser/_state"):
            assert await laser.say(f"{ROOT}/{topic}", 4) == NOT_AUTHORISED, topic
        assert await laser.say(f"{OWN}/in/state", 4) != NOT_AUTHORISED
