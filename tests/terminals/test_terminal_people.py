"""Pairing, and who is signed in: codes, PINs, locks, badges, sessions that end, terminals that are shut out."""

import asyncio
import json
import re

import pytest
import structlog
from station import ANNA, BEN, CEM, LASER, PIN
from waiting import until

from gateway.terminals import pairing, pins
from gateway.terminals.model import NewTerminal


async def code(hall):
    return (await hall.gateway.terminals.code(NewTerminal("Laser 1", LASER, "nl", "dark")))[0]


async def pair(hall, code):
    headers = {"Content-Type": "application/json"}
    return await hall.send("POST", "/terminal/api/pair", {"code": code, "about": {"secure_context": False}}, **headers)


# ------------------------------------------------------------------ pairing


async def test_a_code_makes_one_terminal(hall):
    made = await code(hall)
    assert re.fullmatch("[A-HJKMNP-Z2-9]{6}", made)
    told = (await pair(hall, made.lower())).data
    assert {**told["terminal"], "id": ""} == {
        "id": "",
        "name": "Laser 1",
        "cell_id": LASER,
        "language": "nl",
        "theme": "dark",
    }
    assert told["key"].startswith("ery_term_")
    again = await pair(hall, made)
    assert (again.status, again.error["code"]) == (404, "NOT_FOUND")
    stored = str(await hall.query("SELECT * FROM terminals")) + str(await hall.query("SELECT * FROM terminal_codes"))
    assert told["key"] not in stored
    assert made not in stored


async def test_a_code_is_good_for_a_quarter_of_an_hour(hall):
    made = await code(hall)
    await hall.clock.advance(15 * 60)
    assert (await pair(hall, made)).status == 404


async def test_codes_are_not_guessed(hall):
    for _ in range(pairing.TRIES.burst):
        assert (await pair(hall, "AAAAAA")).status == 404
    reply = await pair(hall, await code(hall))
    assert (reply.status, reply.headers["Retry-After"]) == (429, "3")
    await hall.clock.advance(60)
    assert (await pair(hall, await code(hall))).status == 201


async def test_without_a_key_of_a_terminal_there_is_nothing_to_see(hall):
    terminal = await hall.terminal()
    for key in ("", "ery_term_0", hall.key):
        terminal.key = key
        for method, path in (("GET", "/snapshot"), ("GET", "/stream"), ("POST", "/sessions"), ("POST", "/commands")):
            reply = await terminal.send(method, path, {} if method == "POST" else None)
            assert (reply.status, reply.error["code"]) == (401, "TERMINAL_UNKNOWN"), path


async def test_the_key_of_a_terminal_opens_nothing_else(hall):
    terminal = await hall.terminal()
    reply = await hall.send("GET", "/api-jobs", Authorization=f"Bearer {terminal.key}")
    assert reply.status == 401


async def test_a_revoked_terminal_is_cut_off_and_its_taps_do_not_count(hall):
    first, _ = await hall.job()
    terminal = await hall.terminal()
    await terminal.sign_in()
    async with terminal.listening() as ear:
        await until(lambda: ear.of("status"))
        assert (await hall.send("DELETE", f"/api-terminals/{terminal.id}")).status == 200
        await until(lambda: ear.ended)
        assert ear.of("terminal") == [{"terminal": None}]
    reply = await terminal.tap("start", first, age_ms=60_000)
    assert (reply.status, reply.error["code"]) == (401, "TERMINAL_UNKNOWN")
    assert await hall.query("SELECT count(*) FROM time_entries") == [(0,)]


# ------------------------------------------------------------------ PINs


async def sign_in(terminal, **who):
    return await terminal.send("POST", "/sessions", who)


async def test_who_has_no_pin_is_told_so(hall):
    terminal = await hall.terminal()
    assert (await sign_in(terminal, operator_id=ANNA, pin=PIN)).error["code"] == "PIN_NOT_SET"
    assert (await sign_in(terminal, operator_id=LASER, pin=PIN)).error["code"] == "OPERATOR_UNKNOWN"
    await hall.do("UPDATE profiles SET active = 0 WHERE id = ?", BEN)
    assert (await sign_in(terminal, operator_id=BEN, pin=PIN)).error["code"] == "OPERATOR_INACTIVE"


async def test_five_wrong_pins_lock_for_a_quarter_of_an_hour_over_a_restart(halls):
    async with halls() as hall:
        terminal = await hall.terminal()
        await terminal.sign_in()
        for left in (4, 3, 2, 1):
            error = (await sign_in(terminal, operator_id=ANNA, pin="0000")).error
            assert (error["code"], error["statusCode"]) == ("PIN_WRONG", 401)
            assert error["details"] == {"attempts_left": left}
        with structlog.testing.capture_logs() as said:
            locked = (await sign_in(terminal, operator_id=ANNA, pin="0000")).error
        assert (locked["code"], locked["statusCode"], locked["details"]) == ("PIN_LOCKED", 423, {"locked_for_s": 900})
        (told,) = [one for one in said if one["event"] == "terminal.pin_locked"]
        assert (told["log_level"], told["operator_id"]) == ("warning", ANNA)
        await hall.clock.advance(60)
    async with halls(hall.clock) as again:
        terminal.hall = again
        locked = (await sign_in(terminal, operator_id=ANNA, pin=PIN)).error
        assert (locked["code"], locked["details"]) == ("PIN_LOCKED", {"locked_for_s": 840})
        await again.clock.advance(841)
        assert (await sign_in(terminal, operator_id=ANNA, pin="0000")).error["details"] == {"attempts_left": 4}
        assert (await sign_in(terminal, operator_id=ANNA, pin=PIN)).status == 201
        assert (await sign_in(terminal, operator_id=ANNA, pin="0000")).error["details"] == {"attempts_left": 4}


async def test_many_at_once_are_not_more_attempts(hall):
    terminal = await hall.terminal()
    await terminal.sign_in()
    replies = await asyncio.gather(*(sign_in(terminal, operator_id=ANNA, pin=f"000{n}") for n in range(8)))
    assert sorted(reply.status for reply in replies) == [401] * 4 + [423] * 4


async def test_one_terminal_cannot_try_everybody(hall):
    terminal = await hall.terminal()
    for who in (ANNA, BEN, CEM):
        await terminal.send("POST", "/pins", {"operator_id": who, "pin": PIN})
    tried = [
        (await sign_in(terminal, operator_id=who, pin="0000")).status for who in (ANNA, BEN, CEM) for _ in range(4)
    ]
    assert tried == [401] * 10 + [429] * 2


async def test_a_pin_is_nowhere_to_be_read(hall, capfd):
    terminal = await hall.terminal()
    await terminal.send("POST", "/pins", {"operator_id": ANNA, "pin": "918273"})
    await sign_in(terminal, operator_id=ANNA, pin="918273")
    wrong = await terminal.send("POST", "/pins", {"operator_id": ANNA, "pin": "91827x"})
    assert "91827x" not in json.dumps(wrong.body)
    put = await hall.send("PUT", "/api-terminals/pins", {"operator_id": ANNA, "pin": "918273"})
    assert put.status == 200
    refused = await hall.send("PUT", "/api-terminals/pins", {"operator_id": ANNA, "pin": "918273555"})
    assert (refused.status, "91827" in json.dumps(refused.body)) == (422, False)
    for table in ("events", "receipts", "terminal_pins", "terminal_sessions"):
        assert "918273" not in str(await hall.query(f"SELECT * FROM {table}")), table
    exported = await hall.send("GET", "/api-export?entities=full")
    assert "terminal_pins" not in json.dumps(exported.body)
    told = capfd.readouterr()
    assert "918273" not in told.out + told.err
    assert terminal.key not in told.out + told.err


async def test_a_pin_of_another_box_opens_nothing(halls, tmp_path):
    async with halls() as hall:
        terminal = await hall.terminal()
        await terminal.sign_in()
    (tmp_path / "box.key").unlink()  # as after a restore on another machine
    async with halls(hall.clock) as again:
        terminal.hall = again
        assert (await sign_in(terminal, operator_id=ANNA, pin=PIN)).error["code"] == "PIN_NOT_SET"
        (anna, *_) = (await terminal.get("/snapshot"))["operators"]
        assert (anna["name"], anna["has_pin"]) == ("Anna", False)
        await terminal.sign_in()


async def test_after_the_first_quarter_of_an_hour_a_supervisor_sets_pins(hall):
    terminal = await hall.terminal()
    first = {"operator_id": ANNA, "pin": PIN}
    assert (await terminal.send("POST", "/pins", first)).status == 204
    assert (await terminal.send("POST", "/pins", {**first, "pin": "1111"})).status == 403  # she has one
    await terminal.sign_in(BEN)
    await hall.clock.advance(15 * 60)
    cem = {"operator_id": CEM, "pin": PIN}
    assert (await terminal.send("POST", "/pins", cem)).status == 403
    assert (await terminal.send("POST", "/pins", {**cem, "session": terminal.session})).status == 403
    await hall.do("UPDATE profiles SET role = 'admin' WHERE id = ?", BEN)
    assert (await terminal.send("POST", "/pins", {**cem, "session": terminal.session})).status == 204
    assert (await sign_in(terminal, operator_id=CEM, pin=PIN)).status == 201


@pytest.mark.parametrize("wrong", ["123", "1234567", "12a4", "", "\u0661\u0662\u0663\u0664"])
async def test_a_pin_has_four_to_six_digits(hall, wrong):
    terminal = await hall.terminal()
    assert (await terminal.send("POST", "/pins", {"operator_id": ANNA, "pin": wrong})).status == 422


def test_a_verifier_costs_what_a_small_box_can_bear():
    assert 128 * pins.SCRYPT_N * pins.SCRYPT_R == 16 * 1024 * 1024 < pins.SCRYPT_MAX_BYTES


# ------------------------------------------------------------------ badges, sessions


async def test_a_badge_and_a_pin_or_a_badge_alone(halls):
    async with halls() as hall:
        await hall.do("UPDATE profiles SET employee_id = '1042' WHERE id = ?", ANNA)
        terminal = await hall.terminal()
        await terminal.send("POST", "/pins", {"operator_id": ANNA, "pin": PIN})
        assert (await sign_in(terminal, badge="1042")).error["code"] == "PIN_WRONG"
        assert (await sign_in(terminal, badge=" 1042 ", pin=PIN)).data["session"]["name"] == "Anna"
        assert (await sign_in(terminal, badge="7")).error["code"] == "OPERATOR_UNKNOWN"
    async with halls(hall.clock, terminal={"badge_only": True}) as again:
        terminal.hall = again
        assert (await sign_in(terminal, badge="1042")).status == 201
        assert (await sign_in(terminal, operator_id=ANNA)).error["code"] == "PIN_WRONG"


async def test_a_locked_screen_is_opened_by_the_same_person(hall):
    terminal = await hall.terminal()
    session = await terminal.sign_in()
    assert (await terminal.send("POST", f"/sessions/{session}/unlock", {"pin": "0000"})).status == 401
    told = (await terminal.send("POST", f"/sessions/{session}/unlock", {"pin": PIN})).data
    assert (told["session"]["id"], told["session"]["operator_id"]) == (session, ANNA)
    await terminal.send("DELETE", f"/sessions/{session}")
    assert (await terminal.send("POST", f"/sessions/{session}/unlock", {"pin": PIN})).error["code"] == "SESSION_ENDED"


async def test_what_was_tapped_before_somebody_signed_out_counts(hall):
    first, second = await hall.job()
    terminal = await hall.terminal()
    session = await terminal.sign_in()
    await hall.clock.advance(600)
    assert (await terminal.send("DELETE", f"/sessions/{session}")).status == 204
    await hall.clock.advance(600)
    await terminal.tapped("start", first, age_ms=700_000)
    late = await terminal.tap("pause", first, age_ms=100_000)
    assert (late.status, late.error["code"]) == (401, "SESSION_ENDED")
    await terminal.send("POST", "/sessions", {"operator_id": ANNA, "pin": PIN})
    terminal.session = session
    await terminal.tapped("pause", first, age_ms=100_000)  # the same person vouches for it
    other = await hall.terminal("Laser 2")
    other.session = session
    assert (await other.tap("resume", first)).error["code"] == "SESSION_ENDED"
    assert second


async def test_a_session_ends_by_itself_after_a_long_shift(hall):
    first, _ = await hall.job()
    terminal = await hall.terminal()
    await terminal.sign_in()
    await hall.clock.advance(17 * 3600)
    assert (await terminal.tap("start", first)).error["code"] == "SESSION_ENDED"
    await terminal.tapped("start", first, age_ms=2 * 3_600_000)


async def test_six_people_can_be_signed_in_at_one_terminal(hall):
    people = [f"00000000-0000-4000-8000-00000000ab{n:02}" for n in range(7)]
    for n, one in enumerate(people):
        await hall.do(
            "INSERT INTO profiles (id, username, full_name, employee_id, created_at, updated_at) VALUES (?, ?, ?, ?, '', '')",
            *(one, f"p{n}", f"P {n}", f"b{n}"),
        )
    terminal = await hall.terminal()
    for one in people:
        await terminal.send("POST", "/pins", {"operator_id": one, "pin": PIN})
        await hall.clock.advance(10)
    replies = [await sign_in(terminal, operator_id=one, pin=PIN) for one in (*people[:6], people[0], people[6])]
    assert [reply.status for reply in replies] == [201] * 7 + [409]
    assert replies[-1].error["details"]["operators"][0] == "P 1"
