"""What whoever keeps the box does about terminals: over REST, and from the command line on a stopped gateway and a running one."""

import json

import pytest
from click.testing import CliRunner
from program import Program
from station import ANNA, LASER, PIN, SAW

from gateway.admin import client
from gateway.cli import main
from gateway.web.auth import NewKey
from gateway.web.routes import Scope


async def test_a_code_a_move_and_the_end_over_rest(hall):
    made = (await hall.send("POST", "/api-terminals", {"name": "Laser 1", "cell_id": LASER, "language": "de"})).data
    assert (made["expires_at"], made["cell_id"], made["theme"]) == ("2026-11-02T07:15:00.000Z", LASER, None)
    told = (await hall.send("POST", "/terminal/api/pair", {"code": made["code"]})).data
    terminal_id = told["terminal"]["id"]
    moved = await hall.send("PATCH", f"/api-terminals/{terminal_id}", {"cell_id": SAW, "theme": "light"})
    assert (moved.data["terminal"]["cell_id"], moved.data["terminal"]["theme"]) == (SAW, "light")
    (row,) = (await hall.send("GET", "/api-terminals")).data["terminals"]
    assert (row["name"], row["cell_name"], row["active"], row["online"]) == ("Laser 1", "Saw", True, False)
    assert "key" not in json.dumps(row)
    assert (await hall.send("DELETE", f"/api-terminals/{terminal_id}")).status == 200
    assert (await hall.send("DELETE", f"/api-terminals/{terminal_id}")).status == 404
    (row,) = (await hall.send("GET", "/api-terminals")).data["terminals"]
    assert (row["active"], row["revoked_at"]) == (False, "2026-11-02T07:00:00+00:00")


async def test_how_a_terminal_says_that_it_stands(hall):
    terminal = await hall.terminal()
    told = {"waiting": 3, "oldest_age_ms": 9_000, "build": "b", "reload_protection": False, "battery": 0.4}
    assert (await terminal.send("POST", "/seen", {**told, "clock_offset_ms": -500})).status == 204
    await hall.do("UPDATE gateway_state SET value = value")  # what may wait is written along with it
    (row,) = (await hall.send("GET", "/api-terminals")).data["terminals"]
    assert (row["seen"], row["online"]) == ({**told, "clock_offset_ms": -500}, True)
    assert row["about"] == {"user_agent": "a test"}
    await hall.clock.advance(200)
    (row,) = (await hall.send("GET", "/api-terminals")).data["terminals"]
    assert row["online"] is False


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x", "cell_id": ANNA}, "cell_id"),
        ({"name": "x", "theme": "pink"}, "theme"),
    ],
)
async def test_a_code_for_something_that_cannot_be(hall, body, field):
    reply = await hall.send("POST", "/api-terminals", body)
    assert (reply.status, reply.error["details"][0]["field"]) == (422, field)


async def test_only_an_admin_key_of_all_cells_looks_after_terminals(hall):
    for wanted in (NewKey("planner", Scope.PLAN), NewKey("of the laser", Scope.ADMIN, (LASER,))):
        _, key = await hall.gateway.keys.create(wanted)
        reply = await hall.send("POST", "/api-terminals", {"name": "x"}, Authorization=f"Bearer {key}")
        assert reply.status == 403


async def test_a_pin_set_by_an_admin_works_at_once(hall):
    terminal = await hall.terminal()
    await hall.clock.advance(3600)
    assert (await hall.send("PUT", "/api-terminals/pins", {"operator_id": ANNA, "pin": PIN})).status == 200
    assert (await terminal.send("POST", "/sessions", {"operator_id": ANNA, "pin": PIN})).status == 201


# ------------------------------------------------------------------ command line


@pytest.fixture
def program(tmp_path) -> Program:
    program = Program.at(tmp_path)
    program.configure()
    people = [{"id": ANNA, "username": "anna", "full_name": "Anna", "employee_id": "1042"}]
    cells = [{"id": LASER, "name": "Laser", "sequence": 1}]
    (tmp_path / "hall.json").write_text(json.dumps({"cells": cells, "profiles": people}))
    call(program, "import", str(tmp_path / "hall.json"))
    return program


def call(program: Program, *words: str):
    done = CliRunner().invoke(main, [*words, "--config", str(program.config)])
    assert done.exit_code == 0, done.output
    return done


def test_codes_and_pins_from_the_command_line_of_a_stopped_gateway(program):
    paired = call(program, "terminals", "pair", "--name", "Laser 1", "--cell", "Laser", "--language", "nl")
    assert len(paired.stdout.strip()) == 6
    pin = call(program, "terminals", "pin", "1042")
    assert pin.stdout.strip().isdigit()
    assert json.loads(call(program, "terminals", "list", "--json").stdout) == []
    wrong = CliRunner().invoke(main, ["terminals", "revoke", "Laser 9", "--config", str(program.config)])
    assert (wrong.exit_code, "no paired terminal" in wrong.stderr) == (1, True)


async def test_the_same_through_the_socket_of_a_running_one(hall, tmp_path):
    terminal = await hall.terminal()

    code = await client.ask(
        tmp_path, "terminals.pair", {"name": "Saw 1", "cell": "Saw", "language": None, "theme": None}
    )
    assert (await hall.send("POST", "/terminal/api/pair", {"code": code["code"]})).status == 201
    rows = await client.ask(tmp_path, "terminals.list", {})
    assert [row["name"] for row in rows] == ["Laser 1", "Saw 1"]
    await client.ask(tmp_path, "terminals.pin", {"operator": "anna", "pin": PIN})
    assert (await terminal.send("POST", "/sessions", {"operator_id": ANNA, "pin": PIN})).status == 201
    await client.ask(tmp_path, "terminals.revoke", {"terminal": "Laser 1"})
    assert (await terminal.send("GET", "/snapshot")).status == 401
