"""`/api-time-entries`: time that somebody books, ends and corrects by hand, and what the lifecycle booked."""

import pytest
from hall import Floor

from gateway.web.routes import Scope

PATH = "/api-time-entries"


async def operation(floor: Floor) -> str:
    return (await floor.job())["parts"][0]["operations"][0]["id"]


async def book(floor: Floor, operation_id: str, who: str = Floor.ANNA, **more):
    return (await floor.make(PATH, {"operation_id": operation_id, "operator_id": who, **more}))["time_entry"]


@pytest.mark.parametrize(
    ("given", "minutes", "seconds"),
    [
        ({"start_time": "2026-11-02T06:00:00Z", "end_time": "2026-11-02T06:30:30Z"}, 31, 1830),
        ({"start_time": "2026-11-02T06:00:00Z", "end_time": "2026-11-02T07:00:00Z", "duration": 45}, 45, 2700),
        ({"start_time": "2026-11-02T07:00:00+01:00", "end_time": "2026-11-02T06:00:00Z"}, 0, 0),
    ],
)
async def test_a_closed_entry_counts_in_the_operation_at_once(floor, given, minutes, seconds):
    operation_id = await operation(floor)
    data = await floor.make(PATH, {"operation_id": operation_id, "operator_id": floor.ANNA, **given})
    entry = data["time_entry"]
    assert data["time_entrie"] == entry
    assert (entry["duration"], entry["duration_seconds"], entry["time_type"]) == (minutes, seconds, "run")
    shown = await floor.operation(operation_id)
    assert (shown["actual_time"], shown["actual_time_seconds"], shown["status"]) == (minutes, seconds, "not_started")


async def test_the_row_names_the_operation_and_the_person(floor):
    operation_id = await operation(floor)
    entry = await book(floor, operation_id, notes="batch:7")
    assert (
        entry.items()
        >= {"operation_id": operation_id, "operator_id": floor.ANNA, "notes": "batch:7", "pauses": []}.items()
    )
    assert entry["operation"]["part"]["job"]["job_number"] == "J-1"
    assert entry["operator"] == {"id": floor.ANNA, "username": "anna", "full_name": "Anna"}
    assert (entry["start_time"], entry["end_time"], entry["duration"]) == ("2026-11-02T07:00:00+00:00", None, None)
    assert (await floor.get(f"{PATH}?id={entry['id']}"))["time_entry"] == entry


async def test_a_second_open_entry_of_the_same_person_is_a_conflict(floor):
    operation_id = await operation(floor)
    first = await book(floor, operation_id)
    reply = await floor.send("POST", PATH, {"operation_id": operation_id, "operator_id": floor.ANNA})
    assert (reply.status, reply.error["code"]) == (409, "CONFLICT")
    assert reply.error["details"] == {"time_entry_id": first["id"]}
    await book(floor, operation_id, floor.BEN)
    await book(floor, operation_id, end_time="2026-11-02T08:00:00Z")


async def test_nobody_runs_two_entries_whoever_wrote_them(floor):
    one, other = (row["id"] for row in (await floor.job())["parts"][0]["operations"])
    await floor.pressed(("start", one, floor.ANNA))
    reply = await floor.send("POST", PATH, {"operation_id": other, "operator_id": floor.ANNA})
    assert (reply.status, reply.error["code"]) == (409, "OPERATOR_BUSY")
    await floor.pressed(("pause", one))
    await book(floor, other)
    assert (await floor.press("start", one, floor.ANNA)).error["code"] == "OPERATOR_BUSY"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"start_time": "2026-11-02T08:00:00Z", "end_time": "2026-11-01T08:00:00Z"}, "end_time"),
        ({"end_time": "2026-11-02T06:59:59Z"}, "end_time"),
        ({"duration": 5}, "duration"),
        ({"duration": -1, "end_time": "2026-11-02T08:00:00Z"}, "duration"),
        ({"duration": 1.5, "end_time": "2026-11-02T08:00:00Z"}, "duration"),
        ({"start_time": "yesterday-ish"}, "start_time"),
        ({"start_time": None}, "start_time"),
        ({"time_type": "nap"}, "time_type"),
        ({"operator_id": Floor.NOWHERE}, "operator_id"),
        ({"operator_id": None}, "operator_id"),
        ({"operation_id": Floor.NOWHERE}, "operation_id"),
        ({"is_paused": True}, "is_paused"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_an_entry_that_cannot_be_is_refused_by_name(floor, given, field):
    body = {"operation_id": await operation(floor), "operator_id": floor.ANNA, **given}
    reply = await floor.send("POST", PATH, body)
    assert (reply.status, reply.error["code"]) == (422, "VALIDATION_ERROR")
    assert [detail["field"] for detail in reply.error["details"]] == [field]
    assert (await floor.get(PATH))["pagination"]["total"] == 0


async def test_the_end_is_given_later_and_the_duration_follows(floor):
    operation_id = await operation(floor)
    entry = await book(floor, operation_id)
    path = f"{PATH}?id={entry['id']}"
    assert (await floor.send("PATCH", path, {"duration": 5})).error["details"][0]["field"] == "duration"
    assert (await floor.send("PATCH", path, {"end_time": "2026-11-02T06:00:00Z"})).error["details"][0][
        "field"
    ] == "end_time"
    row = (await floor.send("PATCH", path, {"end_time": "2026-11-02T07:50:00Z"})).data["time_entry"]
    assert (row["duration"], (await floor.operation(operation_id))["actual_time"]) == (50, 50)
    row = (await floor.send("PUT", path, {"duration": 45})).data["time_entrie"]
    assert (row["duration"], row["end_time"]) == (45, "2026-11-02T07:50:00+00:00")
    row = (await floor.send("PATCH", path, {"start_time": "2026-11-02T07:20:00Z"})).data["time_entry"]
    assert (row["duration"], (await floor.operation(operation_id))["actual_time"]) == (30, 30)
    for body, field in (({"end_time": None}, "end_time"), ({"operator_id": floor.BEN}, "operator_id")):
        reply = await floor.send("PATCH", path, body)
        assert (reply.status, reply.error["details"][0]["field"]) == (422, field)
    assert (await floor.send("PATCH", path, {"id": floor.NOWHERE})).status == 400


async def test_pauses_are_shown_and_an_end_by_hand_closes_the_last(floor):
    operation_id = await operation(floor)
    await floor.pressed(("start", operation_id, floor.ANNA, 600), ("pause", operation_id, None, 300))
    await floor.pressed(("resume", operation_id, None, 600), ("pause", operation_id, None, 600))
    [entry] = await floor.entries(operation_id)
    assert (entry["is_paused"], entry["end_time"]) == (True, None)
    assert [
        (one["paused_at"][11:16], one["resumed_at"] and one["resumed_at"][11:16], one["duration"])
        for one in entry["pauses"]
    ] == [
        ("07:10", "07:15", 300),
        ("07:25", None, None),
    ]
    reply = await floor.send("PATCH", f"{PATH}?id={entry['id']}", {"end_time": "2026-11-02T07:35:00Z"})
    row = reply.data["time_entry"]
    assert (row["is_paused"], row["duration_seconds"]) == (False, 1200)
    assert [pause["duration"] for pause in row["pauses"]] == [300, 600]
    assert (await floor.operation(operation_id))["actual_time_seconds"] == 1200


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"end_time": "2026-11-02T07:12:00Z"}, "end_time"),
        ({"end_time": "2026-11-02T07:05:00Z"}, "end_time"),
        ({"start_time": "2026-11-02T07:11:00Z"}, "start_time"),
    ],
)
async def test_an_entry_is_not_moved_away_from_its_pauses(floor, given, field):
    operation_id = await operation(floor)
    await floor.pressed(("start", operation_id, floor.ANNA, 600), ("pause", operation_id, None, 300))
    await floor.pressed(("resume", operation_id, None, 600), ("complete", operation_id))
    [entry] = await floor.entries(operation_id)
    reply = await floor.send("PATCH", f"{PATH}?id={entry['id']}", given)
    assert (reply.status, reply.error["details"][0]["field"]) == (422, field)
    assert (await floor.entries(operation_id)) == [entry]


async def test_a_deleted_entry_no_longer_counts_and_the_journal_keeps_it_with_its_pauses(floor):
    operation_id = await operation(floor)
    await floor.pressed(("start", operation_id, floor.ANNA, 600), ("pause", operation_id, None, 60))
    await floor.pressed(("resume", operation_id, None, 60), ("complete", operation_id))
    [entry] = await floor.entries(operation_id)
    for _ in range(2):
        assert (await floor.send("DELETE", f"{PATH}?id={entry['id']}")).status == 200
    assert (await floor.operation(operation_id))["actual_time"] == 0
    change = (await floor.events())[-1]["changes"][0]
    assert (change["op"], change["id"], len(change["fields"]["pauses"])) == ("delete", entry["id"], 1)


async def test_time_on_a_deleted_operation_can_still_be_put_right(floor):
    operation_id = await operation(floor)
    entry = await book(floor, operation_id, end_time="2026-11-02T08:00:00Z")
    assert (await floor.send("DELETE", f"/api-operations?id={operation_id}")).status == 200
    path = f"{PATH}?id={entry['id']}"
    assert (await floor.send("PATCH", path, {"duration": 10})).data["time_entry"]["duration"] == 10
    assert (await floor.send("DELETE", path)).status == 200
    assert (await floor.send("GET", path)).status == 404


async def test_an_operation_ends_with_every_open_entry_on_it(floor):
    operation_id = await operation(floor)
    await floor.pressed(("start", operation_id, floor.ANNA, 600))
    await book(floor, operation_id, floor.BEN)
    await floor.clock.advance(600)
    await floor.pressed(("complete", operation_id))
    assert sorted(entry["duration"] for entry in await floor.entries(operation_id)) == [10, 20]
    assert (await floor.operation(operation_id))["actual_time"] == 30


async def test_lists_are_filtered_sorted_and_cut(floor):
    operation_id = await operation(floor)
    for day, who, kind, note in (
        (1, floor.ANNA, "setup", "a%b"),
        (2, floor.BEN, "run", "aXb"),
        (3, floor.BEN, "wait", None),
    ):
        times = {"start_time": f"2026-10-0{day}T08:00:00Z", "end_time": f"2026-10-0{day}T{8 + day:02}:00:00Z"}
        await book(floor, operation_id, who, time_type=kind, notes=note, **times)

    async def hours(query: str) -> list[int]:
        return [row["duration"] // 60 for row in (await floor.get(f"{PATH}?{query}"))["time_entries"]]

    assert await hours("") == [3, 2, 1]
    assert await hours("order=asc") == [1, 2, 3]
    assert await hours("sort=duration&order=desc&limit=1") == [3]
    assert await hours(f"operator_id={floor.BEN}&time_type=run") == [2]
    assert await hours("start_date=2026-10-02&end_date=2026-10-02T08:00:00Z") == [2]
    assert await hours("search=a%25b") == [1]
    assert await hours("limit=1&offset=1") == [2]
    assert (await floor.get(f"{PATH}?limit=1"))["pagination"].items() >= {"total": 3, "offset": 0, "limit": 1}.items()
    assert (await floor.send("GET", f"{PATH}?start_date=soon")).error["details"][0]["constraint"] == "DATE_FORMAT"
    assert await hours("time_type=nap") == []  # [U] a text there: nothing has it


async def test_who_may_book_and_see(floor):
    laser, saw = (one["id"] for one in (await floor.job())["parts"][0]["operations"])
    entry = await book(floor, saw)
    reader = await floor.new_key(Scope.READ)
    body = {"operation_id": laser, "operator_id": floor.BEN}
    assert (await floor.send("POST", PATH, body, key=reader)).error["code"] == "FORBIDDEN"
    key = await floor.new_key(Scope.OPERATE, floor.LASER)
    await floor.make(PATH, body, key=key)
    refused = await floor.send("POST", PATH, {**body, "operation_id": saw}, key=key)
    assert (refused.status, refused.error["code"]) == (403, "CELL_NOT_ALLOWED")
    assert (await floor.get(PATH, key=key))["pagination"]["total"] == 1
    assert (await floor.send("GET", f"{PATH}?id={entry['id']}", key=key)).status == 404
    for method, change in (("PATCH", {"notes": "x"}), ("DELETE", None)):
        refused = await floor.send(method, f"{PATH}?id={entry['id']}", change, key=key)
        assert (refused.status, refused.error["code"]) == (403, "CELL_NOT_ALLOWED")
