"""Retained state equals the database: after a change, a connect, a rename, a deletion, and when its time is over."""

import asyncio
import json

import pytest
from uns_hall import CALLER, LASER, OTTO, ROOT, Hall, database, operation, put, until

from gateway.demo import factory
from gateway.kernel.clock import ManualClock, SystemClock
from gateway.operations.model import Verb
from gateway.uns import retained
from gateway.uns.payloads import PAYLOAD_BYTES_MAX

BEAM, MEMBER = operation(1, "Beam"), operation(1, "Cross member")
JOB = factory.named("job", "1")
DAY_S = 86_400
TURN_MAX_S = 0.3  # 0.07 on an idle machine with two cores
OWN = {f"{ROOT}/_gateway/gw-test/status", f"{ROOT}/_gateway/gw-test/health"}
CELL = "fabrication/laser/_state"


@pytest.fixture
def turned():
    return ManualClock()


async def turning(clock: ManualClock, fact, step_s: float = 1.0):
    """Let the clock go on until something is so."""
    async with asyncio.timeout(20):
        while not (found := fact()):
            await clock.advance(step_s)
            await asyncio.sleep(0.01)
        return found


async def test_after_a_connect_every_cell_operation_and_job_is_there(hall):
    async with hall.on(), hall.ear() as ear:
        topics = await hall.retained_topics()
        await until(lambda: topics <= ear.states.keys())
        found = ear.states
    of_state = {topic for topic in found if "/_state" in topic or "/_job/" in topic}
    assert len([topic for topic in of_state if topic.endswith("/_state")]) == len(factory.CELLS)
    assert len([topic for topic in of_state if "/_state/operation/" in topic]) == await _count(hall, "operations")
    assert len([topic for topic in of_state if "/_job/" in topic]) == 2
    assert topics == of_state | OWN
    for topic in of_state:
        assert found[topic].retained
        assert 0 < found[topic].expires_s <= DAY_S
        assert found[topic].properties == {"schema": found[topic].payload["schema"], "source": "gw-test"}


async def test_what_a_cell_an_operation_and_a_job_say(hall):
    async with hall.on(), hall.ear() as ear:
        await hall.change(Verb.START, BEAM, operator_id=OTTO)
        await hall.count(BEAM, 2)
        cell = await until(lambda: ear.of(CELL, "active") and ear.state(CELL))
        await until(lambda: (ear.of(f"{CELL}/operation/{BEAM}", "quantity") or {}).get("good") == 2)
        cell, one, job = ear.state(CELL), ear.state(f"{CELL}/operation/{BEAM}"), ear.state(f"_job/{JOB}")
    assert cell["schema"] == "uns/cell/1"
    assert cell["quality"] == "good"
    assert cell["gateway"] == "gw-test"
    assert cell["timestamp"].endswith("Z")
    assert cell["cell"] == {"id": LASER, "name": "Laser", "slug": "laser"}
    assert cell["queue_length"] == 4
    assert cell["held"] == 0
    assert cell["wip"] == {"current": 1, "limit": None}
    assert cell["active"] == [
        {
            "operation_id": BEAM,
            "operation_name": "Laser cutting",
            "status": "in_progress",
            "job_number": "JOB-2601",
            "part_number": "JOB-2601-01",
            "quantity": {"planned": 6, "produced": 2, "good": 2, "scrap": 0, "rework": 0},
            "started_at": one["started_at"],
            "operators": 1,
        }
    ]
    assert one["operation_id"] == BEAM
    assert one["sequence"] == 1
    assert (job["status"], job["parts"]) == ("in_progress", {"done": 0, "total": 3})


async def test_a_hundred_changes_in_a_moment_are_two_or_three_messages_for_each_topic(hall):
    async with hall.on(), hall.ear() as ear:
        await hall.change(Verb.START, BEAM)
        await until(lambda: ear.of(CELL, "active"))
        ear.heard.clear()
        await asyncio.gather(*(hall.count(BEAM, 1) for _ in range(100)))
        await until(lambda: ear.of(CELL, "active")[0]["quantity"]["good"] == 100)
    assert len(ear.events) == 100
    assert 1 <= len([one for one in ear.heard if one.topic == f"{ROOT}/{CELL}"]) <= 4


async def test_a_restarted_broker_has_everything_again(hall):
    async with hall.on(), hall.ear() as ear:
        await until(lambda: ear.state(CELL))
    (hall.folder / "mosquitto.db").unlink()
    async with hall.on(), hall.ear() as ear:
        topics = await hall.retained_topics()
        await until(lambda: topics <= ear.states.keys())


async def test_what_is_no_longer_wanted_is_taken_back_at_the_next_start(hall):
    """Changed with the gateway stopped: a job deleted, the site called otherwise."""
    async with hall.on(), hall.ear() as ear:
        await until(lambda: ear.state(f"_job/{JOB}"))
    await hall.jobs.delete(JOB, CALLER, None)
    async with hall.on(site={"enterprise": "acme", "site": "plant2", "area": "fabrication"}), hall.ear("acme/#") as ear:
        await until(lambda: f"acme/plant2/{CELL}" in ear.states)
        await until(lambda: not [topic for topic in ear.states if topic.startswith(ROOT)])
        assert f"acme/plant2/_job/{JOB}" not in ear.states
        assert not [topic for topic in await hall.retained_topics() if topic.startswith(ROOT)]


async def test_a_renamed_cell_leaves_nothing_under_its_old_name(hall):
    async with hall.on(), hall.ear() as ear:
        await until(lambda: ear.state(f"{CELL}/operation/{BEAM}"))
        await hall.cells.update(LASER, {"name": "Laser 7"}, CALLER, None)
        await until(lambda: ear.state(f"fabrication/laser_7/_state/operation/{BEAM}"))
        await until(lambda: not [topic for topic in ear.states if topic.startswith(f"{ROOT}/fabrication/laser/")])
        assert ear.state("fabrication/laser_7/_state")["cell"]["slug"] == "laser_7"
        await hall.change(Verb.START, BEAM)
        await until(lambda: [one for one in ear.heard if one.topic == f"{ROOT}/fabrication/laser_7/operation/started"])


async def test_a_deleted_cell_frees_its_place(hall):
    async with hall.on(), hall.ear() as ear:
        bay = {"name": "Bay", "sequence": 9}
        first = (await hall.cells.create(bay, CALLER, None)).data
        await until(lambda: ear.state("fabrication/bay/_state"))
        await hall.cells.delete(_id(first), CALLER, None)
        await until(lambda: ear.state("fabrication/bay/_state") is None)
        second = (await hall.cells.create(bay, CALLER, None)).data
        await until(lambda: (ear.state("fabrication/bay/_state") or {}).get("cell", {}).get("id") == _id(second))


async def test_an_operation_that_moves_shows_in_its_new_cell_only(hall):
    async with hall.on(), hall.ear() as ear:
        await until(lambda: ear.state(f"{CELL}/operation/{BEAM}"))
        await hall.operations.update(BEAM, {"cell_id": factory.named("cell", "Bending")}, CALLER, None)
        await until(lambda: ear.state(f"fabrication/bending/_state/operation/{BEAM}"))
        await until(lambda: ear.state(f"{CELL}/operation/{BEAM}") is None)
        await until(lambda: ear.of(CELL, "queue_length") == 4)


async def test_a_deleted_operation_and_a_deleted_job_are_taken_back(hall):
    async with hall.on(), hall.ear() as ear:
        await until(lambda: ear.state(f"{CELL}/operation/{BEAM}"))
        await hall.operations.delete(BEAM, CALLER, None)
        await until(lambda: ear.state(f"{CELL}/operation/{BEAM}") is None)
        await hall.jobs.delete(JOB, CALLER, None)
        await until(lambda: ear.state(f"_job/{JOB}") is None)
        await until(lambda: ear.state(f"{CELL}/operation/{MEMBER}") is None)


async def test_what_is_finished_is_shown_for_its_time_and_then_taken_back(make_hall, turned):
    hall = make_hall(turned)
    async with hall.on(), hall.ear() as ear:
        await hall.change(Verb.START, BEAM)
        await hall.change(Verb.COMPLETE, BEAM)
        own = f"{CELL}/operation/{BEAM}"
        await turning(turned, lambda: ear.of(own, "status") == "completed")
        await turning(turned, lambda: ear.state(own) is None, step_s=20)
        assert 600 <= turned.monotonic() < 700
        assert ear.state(f"_job/{JOB}")


async def test_every_hour_everything_is_told_again_before_the_broker_forgets_it(make_hall, turned, monkeypatch):
    hall = make_hall(turned)
    async with hall.on(), hall.ear() as ear:
        topics = await hall.retained_topics() - OWN
        await until(lambda: topics <= ear.states.keys())
        ear.heard.clear()
        await turning(turned, lambda: topics <= {one.topic for one in ear.heard}, step_s=30)
    assert retained.REFRESH_S <= turned.monotonic() < retained.REFRESH_S + 120


async def test_a_cell_with_more_work_than_a_message_holds_says_so(hall, db):
    many = {"jobs": [], "parts": [], "operations": []}
    for number in range(100, 130):
        for table, rows in factory.job(number, hall.clock.now()).items():
            many[table] += rows
    for one in many["operations"]:
        one |= {"status": "in_progress", "cell_id": LASER, "operation_name": "ü" * 900}
    await put(db, many)
    async with hall.on(), hall.ear() as ear:
        cell = await until(lambda: ear.state(CELL))
    assert len(ear.states[f"{ROOT}/{CELL}"].text.encode()) <= PAYLOAD_BYTES_MAX
    assert cell["truncated"] is True
    assert cell["wip"]["current"] > len(cell["active"]) > 0


async def test_cells_whose_names_make_no_level_or_the_same_have_places_of_their_own(hall):
    """Ids made within days of each other begin alike: three of a name must not stop everything."""
    async with hall.on(), hall.ear() as ear:
        names = ("焊接", "切割", "Säge", "Sge", "S+g#e", "_laser", "Laser!")
        ids = [_id((await hall.cells.create({"name": name, "sequence": 9}, CALLER, None)).data) for name in names]
        await until(lambda: {one["cell"]["id"] for one in _cells(ear)} >= set(ids))
        slugs = {one["cell"]["name"]: one["cell"]["slug"] for one in _cells(ear)}
    assert len(set(slugs.values())) == len(slugs)
    assert slugs["焊接"] == f"cell-{ids[0][:8]}"
    assert slugs["切割"].startswith("cell-")
    assert slugs["Säge"] == "sge"
    assert slugs["Sge"] == f"sge-{ids[3][:4]}"
    assert slugs["_laser"] == f"laser-{ids[5][:4]}"


async def test_a_place_is_kept_over_restarts(hall, tmp_path):
    async with hall.on(), hall.ear() as ear:
        twin = _id((await hall.cells.create({"name": "Laser.", "sequence": 9}, CALLER, None)).data)
        before = await until(lambda: {one["cell"]["id"]: one["cell"]["slug"] for one in _cells(ear)}.get(twin))
    async with hall.on(), hall.ear() as ear:
        after = await until(lambda: {one["cell"]["id"]: one["cell"]["slug"] for one in _cells(ear)}.get(twin))
    assert before == after == f"laser-{twin[:4]}"


async def test_a_thousand_topics_at_a_connect_do_not_keep_a_booking_waiting(tmp_path):
    async with database(tmp_path / "large", jobs=110) as db:
        hall = Hall(db, tmp_path / "large", SystemClock())
        watching = asyncio.create_task(_slowest_turn_s(hall))
        async with hall.on():
            assert hall.link("uns").state == "up"
        assert len(await hall.retained_topics()) > 1000
        assert await watching < TURN_MAX_S


async def _slowest_turn_s(hall) -> float:
    """How long the event loop was away at most, until the gateway is born and gone again."""
    loop = asyncio.get_running_loop()
    slowest_s, began_s = 0.0, loop.time()
    while hall.publisher is None or hall.broker.ready.is_set() or hall.link("uns").state != "up":
        await asyncio.sleep(0.001)
        slowest_s, began_s = max(slowest_s, loop.time() - began_s), loop.time()
    return slowest_s


def _cells(ear) -> list:
    return [one.payload for topic, one in ear.states.items() if topic.endswith("/_state")]


def _id(answer: str) -> str:
    return json.loads(answer)["cell"]["id"]


async def _count(hall, table: str) -> int:
    return await hall.db.read(lambda connection: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
