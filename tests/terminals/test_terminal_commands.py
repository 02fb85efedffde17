"""What each tap does, over HTTP: rows, time, journal; and that it is done once, whole, or not at all."""

import asyncio
import json
import uuid
from datetime import datetime

import pytest
from hall import BURR, SCRATCH
from station import ANNA, BEN, LASER, SAW


async def entries(hall):
    sql = "SELECT p.full_name, t.start_time, t.end_time, t.duration_s, t.is_paused FROM time_entries t JOIN profiles p"
    return await hall.query(f"{sql} ON p.id = t.operator_id ORDER BY t.start_time, p.full_name")


def at(minute, second=0):
    return f"2026-11-02T07:{minute:02}:{second:02}+00:00"


async def test_start_books_the_operators_time_at_the_moment_of_the_tap(hall):
    first, _ = await hall.job()
    terminal = await hall.terminal()
    await terminal.sign_in()
    await hall.clock.advance(60)
    told = await terminal.tapped("start", first, age_ms=20_000)
    (card,) = told["operations"]
    assert (card["status"], card["on_it"][0]["name"]) == ("in_progress", "Anna")
    assert told["result"]["previous_status"] == "not_started"
    assert await entries(hall) == [("Anna", at(0, 40), None, None, 0)]
    (data,) = await hall.query("SELECT data FROM events WHERE type = 'operation.started'")
    event = json.loads(data[0])
    assert (event["operator_id"], event["cause"], event["new_status"]) == (
        ANNA,
        f"terminal:{terminal.id}",
        "in_progress",
    )


async def test_a_whole_order(hall):
    first, second = await hall.job()
    terminal = await hall.terminal()
    await terminal.sign_in()
    await terminal.tapped("start", first, {"setup": True})
    await hall.clock.advance(600)
    await terminal.tapped("pause", first)
    await hall.clock.advance(300)
    await terminal.tapped("resume", first)
    await hall.clock.advance(100)
    scrap = [{"reason_id": BURR, "quantity": 1}, {"reason_id": SCRATCH, "quantity": 2}]
    await terminal.tapped("report", first, {"good": 4, "scrap": scrap, "rework": 1})
    told = await terminal.tapped("finish", first, {"good": 6})
    (card,) = told["operations"]
    assert (card["status"], card["worked_s"], card["on_it"]) == ("completed", 700, [])
    assert (card["good"], card["scrap"], card["rework"]) == (10, 3, 1)
    assert await hall.query("SELECT time_type, duration_s FROM time_entries") == [("setup", 700)]
    booked = await hall.query(
        "SELECT quantity_good, quantity_scrap, recorded_by FROM operation_quantities ORDER BY rowid"
    )
    assert booked == [(4, 3, ANNA), (6, 0, ANNA)]
    assert await hall.query("SELECT sum(quantity), count(*) FROM operation_quantity_scrap_reasons") == [(3, 2)]
    kinds = [kind for kind in await hall.events() if kind.startswith(("operation.", "production."))]
    moved = ["operation.started", "operation.paused", "operation.resumed"]
    counted = ["production.quantity_reported", "production.scrap_recorded", "production.quantity_reported"]
    assert kinds == [*moved, *counted, "operation.completed"]
    (card,) = (await terminal.get(f"/snapshot?cell={SAW}"))["operations"]
    assert (card["id"], card["waits"]) == (second, False)


# ------------------------------------------------------------------ once, and whole


async def test_a_repeat_gets_the_first_answer_and_books_nothing_twice(hall):
    first, _ = await hall.job()
    terminal = await hall.terminal()
    await terminal.sign_in()
    await terminal.tapped("start", first)
    tap = str(uuid.uuid4())
    one = await terminal.tap("report", first, {"good": 3}, id=tap, age_ms=5)
    two = await terminal.tap("report", first, {"good": 3}, id=tap, age_ms=9_000)
    assert one.body == two.body
    assert two.headers["Idempotency-Replayed"] == "true"
    assert await hall.query("SELECT count(*) FROM operation_quantities") == [(1,)]
    other = await terminal.tap("report", first, {"good": 4}, id=tap)
    assert (other.status, other.error["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_a_tap_whose_answer_was_lost_is_booked_once(hall):
    first, _ = await hall.job()
    terminal = await hall.terminal()
    await terminal.sign_in()
    await terminal.tapped("start", first)
    tap = {"id": str(uuid.uuid4()), "type": "report", "operation_id": first, "payload": {"good": 3}, "age_ms": 0}
    body = json.dumps({**tap, "session": terminal.session})
    host, _, port = hall.gateway.addresses[0].rpartition(":")
    _, line = await asyncio.open_connection(host, int(port))
    head = f"POST /terminal/api/commands HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {terminal.key}\r\n"
    line.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    await line.drain()
    line.close()  # the Wi-Fi is gone before anything was answered
    again = await terminal.tap("report", first, {"good": 3}, id=tap["id"], age_ms=4_000)
    assert (again.status, again.data["operations"][0]["good"]) == (200, 3)
    assert await hall.query("SELECT count(*) FROM operation_quantities") == [(1,)]


async def test_a_tap_is_answered_again_by_a_gateway_that_was_killed_meanwhile(halls):
    async with halls() as hall:
        first, _ = await hall.job()
        terminal = await hall.terminal()
        await terminal.sign_in()
        tap = str(uuid.uuid4())
        told = await terminal.tapped("start", first, id=tap)
    async with halls(hall.clock) as again:
        terminal.hall = again
        reply = await terminal.tap("start", first, id=tap)
        assert (reply.data, reply.headers["Idempotency-Replayed"]) == (told, "true")
        assert await again.query("SELECT count(*) FROM time_entries") == [(1,)]


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"good": 4}, "CONFIRMATION_NEEDED"),
        ({"good": 10, "scrap": [{"reason_id": ANNA, "quantity": 1}]}, "VALIDATION_ERROR"),
    ],
)
async def test_a_finish_that_is_refused_leaves_nothing_half_done(hall, payload, code):
    first, _ = await hall.job()
    terminal = await hall.terminal()
    await terminal.sign_in()
    await terminal.tapped("start", first)
    await terminal.tapped("pause", first)
    before = await hall.query("SELECT count(*) FROM events")
    reply = await terminal.tap("finish", first, payload)
    assert reply.error["code"] == code
    assert await hall.query("SELECT count(*) FROM events") == before
    assert await hall.query("SELECT status FROM operations WHERE id = ?", first) == [("on_hold",)]
    assert await hall.query("SELECT count(*) FROM operation_quantities") == [(0,)]
    assert (await entries(hall))[0][4] == 1


async def test_starting_one_and_pausing_the_other_is_one_transaction(hall):
    first, _ = await hall.job("J-1")
    other, _ = await hall.job("J-2")
    terminal = await hall.terminal()
    await terminal.sign_in()
    await terminal.tapped("start", first)
    await hall.clock.advance(60)
    error = (await terminal.tap("start", other)).error
    assert (error["code"], error["statusCode"]) == ("OPERATOR_BUSY", 409)
    assert error["details"] == {
        "operation_id": first,
        "operation_name": "Op 1",
        "job_number": "J-1",
        "part_number": "J-1-P",
        "cell_name": "Laser",
    }
    told = await terminal.tapped("start", other, {"pause_other": first})
    assert {card["id"]: card["status"] for card in told["operations"]} == {first: "on_hold", other: "in_progress"}
    assert await entries(hall) == [("Anna", at(0), None, None, 1), ("Anna", at(1), None, None, 0)]
    commits = "SELECT count(DISTINCT recorded_at) FROM events WHERE type IN ('operation.paused', 'operation.started') AND seq > 0"
    assert await hall.query(commits) == [(2,)]


# ------------------------------------------------------------------ when it was


@pytest.mark.parametrize(
    ("said", "minute", "second"),
    [
        ({"age_ms": 90_000}, 8, 30),
        ({"age_ms": None, "tapped_at": "2026-11-02T07:08:00Z"}, 8, 0),
        ({"age_ms": None, "tapped_at": "2026-11-02T09:00:00Z"}, 10, 0),  # never in the future
        ({"age_ms": 3_600_000}, 0, 0),  # nor before anybody was signed in
        ({"age_ms": 30_000, "tapped_at": "2026-11-02T02:00:00Z"}, 9, 30),  # a wrong clock books no wrong hours
    ],
)
async def test_the_time_of_a_tap(hall, said, minute, second):
    first, _ = await hall.job()
    terminal = await hall.terminal()
    await terminal.sign_in()
    await hall.clock.advance(600)
    await terminal.tapped("start", first, **said)
    assert (await entries(hall))[0][1] == at(minute, second)


async def test_taps_of_an_hour_without_a_gateway_arrive_with_their_times(hall):
    first, _ = await hall.job()
    terminal = await hall.terminal()
    await terminal.sign_in()
    await hall.clock.advance(3600)
    await terminal.tapped("start", first, age_ms=3_000_000)
    await terminal.tapped("pause", first, age_ms=2_400_000)
    await terminal.tapped("resume", first, age_ms=1_800_000)
    await terminal.tapped("finish", first, {"good": 10}, age_ms=600_000)
    ((name, start, end, worked_s, paused),) = await entries(hall)
    assert (name, start, end, worked_s, paused) == ("Anna", at(10), at(50), 600 + 1200, 0)
    ((recorded_at,),) = await hall.query("SELECT recorded_at FROM operation_quantities")
    assert recorded_at == at(50)


@pytest.mark.parametrize("said", [{"age_ms": None}, {"age_ms": 40 * 86_400_000}])
async def test_a_tap_without_a_time_or_from_long_ago_is_refused(hall, said):
    first, _ = await hall.job()
    terminal = await hall.terminal()
    await terminal.sign_in()
    reply = await terminal.tap("start", first, **said)
    assert (reply.status, reply.error["details"][0]["field"]) == (422, "age_ms")


# ------------------------------------------------------------------ several people


async def test_two_terminals_start_at_once_and_one_is_told_who_was_first(hall):
    first, _ = await hall.job()
    one, other = await hall.terminal("Laser 1"), await hall.terminal("Laser 2")
    await one.sign_in(ANNA)
    await other.sign_in(BEN)
    replies = await asyncio.gather(one.tap("start", first), other.tap("start", first))
    late = next(reply for reply in replies if reply.status != 200)
    assert (late.status, late.error["code"]) == (400, "INVALID_STATE_TRANSITION")
    assert late.error["details"]["on_it"][0] in ("Anna", "Ben")
    assert await hall.query("SELECT count(*) FROM time_entries") == [(1,)]


async def test_who_joins_pauses_and_goes_leaves_the_others_working(hall):
    first, _ = await hall.job()
    terminal = await hall.terminal()
    anna = await terminal.sign_in(ANNA)
    ben = await terminal.sign_in(BEN)
    await terminal.tapped("start", first, session=anna)
    await hall.clock.advance(60)
    await terminal.tapped("start", first, {"join": True}, session=ben)
    await hall.clock.advance(60)
    told = await terminal.tapped("pause", first, session=anna)
    assert told["operations"][0]["status"] == "in_progress"
    await hall.clock.advance(60)
    told = await terminal.tapped("pause", first, session=ben)  # the last one
    assert told["operations"][0]["status"] == "on_hold"
    told = await terminal.tapped("resume", first, session=ben)  # Anna is still away
    assert {one["name"]: one["paused"] for one in told["operations"][0]["on_it"]} == {"Anna": True, "Ben": False}
    await hall.clock.advance(60)
    await terminal.tapped("resume", first, session=anna)
    await hall.clock.advance(60)
    await terminal.tapped("finish", first, {"good": 10}, session=ben)
    assert [(row[0], row[3]) for row in await entries(hall)] == [("Anna", 120 + 60), ("Ben", 120 + 120)]
    assert await hall.query("SELECT actual_time_s FROM operations WHERE id = ?", first) == [(420,)]


async def test_nobody_joins_where_the_site_does_not_want_that(halls):
    async with halls(terminal={"join": False}) as hall:
        first, _ = await hall.job()
        terminal = await hall.terminal()
        await terminal.sign_in(ANNA)
        await terminal.tapped("start", first)
        await terminal.sign_in(BEN)
        assert (await terminal.tap("start", first, {"join": True})).status == 403


# ------------------------------------------------------------------ issues, remarks, corrections


async def test_an_issue_that_stops_the_work_holds_it_until_a_reason_is_given(hall):
    first, _ = await hall.job()
    await hall.do(
        "INSERT INTO issue_categories (id, code, description, severity_default, created_at, updated_at) "
        "VALUES (?, 'M', 'Machine', 'high', ?, ?)",
        *(SAW, at(0), at(0)),
    )
    terminal = await hall.terminal()
    await terminal.sign_in()
    await terminal.tapped("start", first)
    await hall.clock.advance(60)
    given = {"category_id": SAW, "description": "It rattles", "stops_work": True, "photos": 2}
    told = await terminal.tapped("issue", first, given, age_ms=10_000)
    assert told["operations"][0]["held"] == {"issue_id": told["result"]["issue_id"], "title": "Machine"}
    row = "SELECT title, severity, created_by, created_at, causes_standstill FROM issues"
    assert await hall.query(row) == [("Machine", "high", ANNA, at(0, 50), 1)]
    refused = await terminal.tap("resume", first)
    assert refused.error["details"]["reason"] == "standstill"
    told = await terminal.tapped("resume", first, {"reason": "tightened"})
    assert (told["operations"][0]["status"], told["operations"][0]["held"]) == ("in_progress", None)
    assert await hall.query("SELECT status, resolution_notes FROM issues") == [("closed", "tightened")]


async def test_an_ncr_has_its_type_and_the_pieces_that_it_is_about(hall):
    first, _ = await hall.job()
    terminal = await hall.terminal()
    await terminal.sign_in()
    await terminal.tapped("issue", first, {"title": "Too short", "ncr_type": "dimensional", "affected_quantity": 3})
    row = await hall.query("SELECT issue_type, ncr_category, affected_quantity, ncr_number IS NOT NULL FROM issues")
    assert row == [("ncr", "dimensional", 3, 1)]
    assert (await terminal.tap("issue", first, {})).status == 422


async def test_a_remark_for_the_next_shift_takes_the_place_of_the_last(hall):
    first, _ = await hall.job()
    terminal = await hall.terminal()
    await terminal.sign_in(ANNA)
    await terminal.tapped("handoff", first, {"text": "Blade is dull"})
    await terminal.sign_in(BEN)
    await terminal.tapped("handoff", first, {"text": " Blade was changed "})
    assert (await terminal.get(f"/operations/{first}"))["handoff"] == {
        "text": "Blade was changed",
        "by": "Ben",
        "at": at(0),
    }
    assert (await terminal.tap("handoff", first, {"text": "x" * 281})).status == 422


async def supervisor(hall, terminal):
    await hall.do("UPDATE profiles SET role = 'admin' WHERE id = ?", BEN)
    mine, ben = terminal.session, await terminal.sign_in(BEN)
    terminal.session = mine
    return ben


async def test_a_supervisor_corrects_pieces_and_what_they_were_stays_beside_them(hall):
    first, _ = await hall.job()
    terminal = await hall.terminal()
    await terminal.sign_in()
    await terminal.tapped("start", first)
    booked = (await terminal.tapped("report", first, {"good": 9}))["result"]["quantity_id"]
    given = {"quantity_id": booked, "good": 6, "scrap": [{"reason_id": BURR, "quantity": 3}], "reason": "miscounted"}
    refused = await terminal.tap("correct", first, {**given, "supervisor_session": terminal.session})
    assert refused.status == 403
    by = await supervisor(hall, terminal)
    told = await terminal.tapped("correct", first, {**given, "supervisor_session": by})
    assert (told["operations"][0]["good"], told["operations"][0]["scrap"]) == (6, 3)
    ((metadata,),) = await hall.query("SELECT metadata FROM operation_quantities")
    (note,) = json.loads(metadata)["corrections"]
    assert (note["by_name"], note["reason"], note["was"]["quantity_good"]) == ("Ben", "miscounted", 9)


async def test_a_supervisor_corrects_times(hall):
    first, other = await hall.job()
    terminal = await hall.terminal()
    await terminal.sign_in()
    await terminal.tapped("start", first)
    await hall.clock.advance(600)
    await terminal.tapped("finish", first, {"good": 10})
    ((entry,),) = await hall.query("SELECT id FROM time_entries")
    given = {"entry_id": entry, "end_time": "2026-11-02T07:05:00Z", "reason": "forgot to finish"}
    given["supervisor_session"] = await supervisor(hall, terminal)
    assert (await terminal.tap("correct", other, given)).status == 404
    told = await terminal.tapped("correct", first, given)
    assert told["operations"][0]["worked_s"] == 300
    ((notes,),) = await hall.query("SELECT notes FROM time_entries")
    assert notes == f"corrected by Ben: forgot to finish (was {at(0)} to {at(10)})"


# ------------------------------------------------------------------ what does not fit


@pytest.mark.parametrize(
    ("kind", "payload", "status"),
    [
        ("pause", {}, 400),
        ("resume", {}, 400),
        ("finish", {"good": 10}, 400),
        ("report", {}, 422),
        ("report", {"good": -1}, 422),
        ("report", {"bad": 1}, 422),
        ("check", {"substep_id": ANNA, "status": "completed"}, 404),
        ("dance", {}, 422),
    ],
)
async def test_what_cannot_be_is_refused_in_the_apis_words(hall, kind, payload, status):
    first, _ = await hall.job()
    terminal = await hall.terminal()
    await terminal.sign_in()
    assert (await terminal.tap(kind, first, payload)).status == status


async def test_an_operation_that_is_not_there(hall):
    terminal = await hall.terminal()
    await terminal.sign_in()
    assert (await terminal.tap("start", ANNA)).status == 404


async def test_the_idempotency_key_is_the_commands_id(hall):
    terminal = await hall.terminal()
    await terminal.sign_in()
    tap = {"id": str(uuid.uuid4()), "type": "pause", "operation_id": ANNA, "session": terminal.session, "age_ms": 0}
    reply = await terminal.send("POST", "/commands", tap, **{"Idempotency-Key": "another"})
    assert reply.status == 400


async def test_a_terminal_that_is_bound_to_its_cell_sees_no_other(halls):
    async with halls(terminal={"own_cell_only": True}) as hall:
        first, second = await hall.job()
        terminal = await hall.terminal(cell_id=LASER)
        await terminal.sign_in()
        told = await terminal.get("/snapshot")
        assert ([cell["id"] for cell in told["cells"]], [card["id"] for card in told["operations"]]) == (
            [LASER],
            [first],
        )
        assert (await terminal.send("GET", f"/snapshot?cell={SAW}")).error["code"] == "CELL_NOT_ALLOWED"
        assert (await terminal.send("GET", f"/operations/{second}")).error["code"] == "CELL_NOT_ALLOWED"
        assert (await terminal.tap("start", second)).error["code"] == "CELL_NOT_ALLOWED"
        assert (await terminal.get("/find?text=J-1"))["operations"][0]["id"] == first


def test_instants_are_compared_as_they_are_written():
    assert datetime.fromisoformat(at(1)) < datetime.fromisoformat(at(1, 1))
