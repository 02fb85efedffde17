"""Every command as a subprocess: what it prints, where, and how it ends; with the gateway stopped and running."""

import contextlib
import http.client
import json
import signal
import socket
import stat

import pytest

CELL = "00000000-0000-4000-8000-00000000ce01"
PERSON = "00000000-0000-4000-8000-00000000a001"
ROWS = json.dumps(
    {
        "cells": [{"id": CELL, "name": "Laser", "sequence": 1}],
        "profiles": [{"id": PERSON, "username": "anna", "full_name": "Anna", "role": "operator"}],
        "shipments": [{"id": CELL}],
    }
)


# ------------------------------------------------------------------ keys


def test_a_new_key_stands_alone_on_the_last_line_and_all_else_on_stderr(either):
    said = either.ok("keys", "create", "--name", "terminal 1", "--scope", "operate")
    assert said.out == said.last + "\n"
    assert said.last.startswith("ery_live_")
    assert "terminal 1" in said.err
    assert said.last not in said.err


def test_with_json_a_new_key_is_one_object_on_one_line(either):
    said = either.ok("keys", "create", "--name", "terminal 1", "--scope", "operate", "--json")
    assert json.loads(said.last) == said.json
    assert said.json["key"].startswith("ery_live_")
    assert (said.json["name"], said.json["scope"], said.json["cells"]) == ("terminal 1", "operate", None)


def test_a_key_lives_from_its_making_to_its_end(either):
    made = either.ok("keys", "create", "--name", "scada", "--scope", "read", "--json").json
    (listed,) = [key for key in either.ok("keys", "list", "--json").json if key["name"] == "scada"]
    assert (listed["id"], listed["active"], listed["scope"]) == (made["id"], True, "read")
    assert made["key"] not in either.ok("keys", "list").out
    renewed = either.ok("keys", "rotate", "scada", "--json").json
    assert renewed["replaces"] == made["id"]
    assert renewed["key"] != made["key"]
    assert renewed["scope"] == "read"
    either.ok("keys", "revoke", renewed["id"])
    states = {key["id"]: key["active"] for key in either.ok("keys", "list", "--json").json if key["name"] == "scada"}
    assert states == {made["id"]: False, renewed["id"]: False}


def test_rotate_prints_the_secret_as_create_does(either):
    old = either.ok("keys", "create", "--name", "erp", "--scope", "plan").last
    said = either.ok("keys", "rotate", "erp")
    assert said.out == said.last + "\n"
    assert said.last.startswith("ery_live_")
    assert said.last != old


def test_a_key_that_was_made_works_at_once_and_a_revoked_one_no_longer(running):
    key = running.key("read")
    assert running.get("/api-cells", key)[0] == 200
    running.ok("keys", "revoke", "test read")
    assert running.get("/api-cells", key)[0] == 401


def test_a_key_speaks_for_one_gateway_and_the_one_that_replaces_it_too(running):
    """The hub's credential of another gateway."""
    made = running.ok("keys", "create", "--name", "cell", "--scope", "plan", "--gateway", "gw-cell", "--json").json
    (listed,) = [key for key in running.ok("keys", "list", "--json").json if key["name"] == "cell"]
    assert (listed["gateway_id"], listed["scope"]) == ("gw-cell", "plan")
    renewed = running.ok("keys", "rotate", "cell").last
    for key, gateway, status in (
        (renewed, "gw-cell", 200),
        (renewed, "gw-other", 403),
        (made["key"], "gw-cell", 401),
        (running.key("plan"), "gw-other", 200),  # not bound: for whom it likes
    ):
        assert forwarded(running, key, gateway) == status, (gateway, status)


def forwarded(program, key: str, gateway: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", program.port, timeout=60)
    with contextlib.closing(connection):
        body = json.dumps({"gateway_id": gateway, "epoch": 1, "items": []})
        connection.request("POST", "/api-forward", body, {"Authorization": f"Bearer {key}"})
        return connection.getresponse().status


def test_a_key_can_be_held_to_cells_and_book_for_a_person(either):
    either.ok("import", "-", stdin=ROWS)
    made = either.ok(
        "keys", "create", "--name", "t", "--scope", "operate", "--cell", "Laser", "--operator", "anna", "--json"
    )
    assert made.json["cells"] == [CELL]
    (listed,) = [key for key in either.ok("keys", "list", "--json").json if key["name"] == "t"]
    assert (listed["cells"], listed["operator_id"]) == ([CELL], PERSON)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("keys", "create", "--name", "t", "--scope", "read", "--cell", "Nowhere"), "Nowhere"),
        (("keys", "create", "--name", "t", "--scope", "read", "--operator", "nobody"), "nobody"),
        (("keys", "revoke", "nothing"), "nothing"),
        (("keys", "rotate", "nothing"), "nothing"),
        (("conflicts", "resolve", "nothing", "--keep", "local"), "nothing"),
        (("conflicts", "resolve", CELL, "--keep", "cloud"), CELL),
    ],
)
def test_what_cannot_be_is_one_line_that_names_it_and_exit_code_1(program, words, told):
    said = program.call(*words)
    assert (said.code, said.out) == (1, "")
    assert told in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ("keys", "create", "--name", "t", "--scope", "everything"),
        ("keys", "create", "--scope", "read"),
        ("keys", "revoke"),
        ("queue", "retry"),
        ("queue", "retry", "1", "--all"),
        ("queue", "discard"),
        ("conflicts", "resolve", CELL),
        ("conflicts", "resolve", "--keep", "local"),
        ("conflicts", "resolve", CELL, "--keep", "both"),
        ("import", "no such file"),
        ("nothing",),
        ("status", "--colour"),
    ],
)
def test_wrong_usage_is_exit_code_2(program, words):
    said = program.call(*words)
    assert said.code == 2, said
    assert "Usage:" in said.err
    assert said.out == ""


# ------------------------------------------------------------------ import


def test_import_brings_rows_in_and_may_be_repeated(either, tmp_path):
    file = tmp_path / "rows.json"
    file.write_text(ROWS)
    first = either.ok("import", str(file), "--json").json
    assert first["tables"] == {
        "cells": {"written": 1, "unchanged": 0},
        "profiles": {"written": 1, "unchanged": 0},
    }
    assert first["not_kept"] == ["shipments"]
    again = either.ok("import", "-", stdin=ROWS)
    assert "cells: 0 written, 1 unchanged" in again.out
    assert "shipments: not kept by this version" in again.out


@pytest.mark.parametrize("text", ["{", "[]", '{"cells": {}}', '{"cells": [{"name": "no id"}]}', "\udcff"])
def test_what_is_no_import_is_one_line_and_nothing_of_it_is_there(program, tmp_path, text):
    file = tmp_path / "rows.json"
    file.write_bytes(text.encode(errors="surrogateescape"))
    said = program.call("import", str(file))
    assert said.code == 1, said
    assert said.err.count("\n") == 1
    assert program.ok("status", "--json").json["journal_head"] == 0


def test_an_import_of_a_running_gateway_is_served_at_once(running):
    running.ok("import", "-", stdin=ROWS)
    status, body = running.get("/api-cells", running.key("read"))
    assert (status, [cell["name"] for cell in json.loads(body)["data"]["cells"]]) == (200, ["Laser"])


# ------------------------------------------------------------------ init, version, openapi


def test_init_writes_a_configuration_a_data_folder_and_a_key(program):
    program.config.unlink()
    said = program.ok("init", "--data", str(program.data))
    assert said.out == said.last + "\n"
    assert said.last.startswith("ery_live_")
    assert stat.S_IMODE(program.config.stat().st_mode) == 0o600
    assert stat.S_IMODE(program.data.stat().st_mode) == 0o700
    again = program.call("init", "--data", str(program.data), "--json")
    assert (again.code, again.json["key"]) == (0, None)
    assert program.call("config", "check", "--data", str(program.data)).code == 0


def test_a_data_folder_that_was_given_to_init_is_in_its_configuration(program):
    program.config.unlink()
    key = program.ok("init", "--data", "here").last
    assert program.ok("config", "show").json["gateway"]["data_dir"] == str(program.folder / "here")
    (listed,) = program.ok("keys", "list", "--json").json
    assert key.startswith(listed["key_prefix"])


def test_init_keeps_a_configuration_that_is_there(program):
    before = program.config.read_text()
    said = program.ok("init", "--json")
    assert program.config.read_text() == before
    assert said.json["data"] == str(program.data)
    assert said.json["key"].startswith("ery_live_")


def test_version_needs_no_configuration(program):
    program.config.write_text("[http\n")
    assert program.ok("version").out.strip().count(".") == 2
    assert program.ok("version", "--json").json.keys() == {"version", "python", "sqlite"}


def test_openapi_is_what_the_gateway_serves(running):
    status, body = running.get("/openapi.json")
    assert status == 200
    assert json.loads(body) == running.ok("openapi").json == running.ok("openapi", "--json").json


def test_asyncapi_is_what_the_gateway_serves(running):
    status, body = running.get("/asyncapi.json")
    assert status == 200
    assert json.loads(body) == running.ok("asyncapi").json == running.ok("asyncapi", "--json").json


def test_help_is_there_for_everybody(program):
    said = program.call("--help", where=False)
    assert said.code == 0
    words = "run demo init keys status queue conflicts export import config doctor audit support-bundle version"
    for word in f"{words} openapi asyncapi".split():
        assert word in said.out
    assert program.call("queue", "retry", "--help", where=False).code == 0


@pytest.mark.slow
def test_the_demo_tells_its_story_and_ends_by_itself(program):
    said = program.call("demo", "--port", str(program.port), "--minutes", "0.02", where=False)
    assert said.code == 0, said
    assert f"http://127.0.0.1:{program.port}" in said.out
    for words in ("API key", "curl -X POST", "Closing time", "still waiting: 0 events"):
        assert words in said.out


def test_the_demo_refuses_a_data_folder_that_cannot_be(program):
    file = program.folder / "file"
    file.write_text("")
    assert program.call("demo", "--data", str(file), "--minutes", "0.01").code == 2


# ------------------------------------------------------------------ where the gateway is


def test_the_data_folder_of_the_command_wins_over_the_configured(program, tmp_path):
    program.ok("keys", "create", "--name", "there", "--scope", "read", "--data", str(tmp_path / "other"))
    assert program.ok("keys", "list", "--json").json == []
    assert len(program.ok("keys", "list", "--json", "--data", str(tmp_path / "other")).json) == 1


def test_an_empty_and_a_missing_data_folder_are_filled(program):
    program.data.mkdir()
    assert program.ok("keys", "list").out == "no keys\n"
    assert program.ok("keys", "list", "--data", str(program.folder / "a" / "b")).out == "no keys\n"


def test_a_data_folder_with_a_long_path_works_stopped_and_running(program):
    program.data = program.folder / ("a" * 100) / ("b" * 100)
    program.configure()
    program.ok("status")
    with program.serving():
        key = program.key()
        assert stat.S_IMODE((program.data / "admin.sock").stat().st_mode) == 0o600
        assert program.get("/api-cells", key)[0] == 200


def test_only_the_owner_may_open_the_socket(running):
    file = (running.data / "admin.sock").stat()
    assert stat.S_ISSOCK(file.st_mode)
    assert stat.S_IMODE(file.st_mode) == 0o600


def test_a_socket_that_nobody_listens_on_is_no_gateway(program):
    program.data.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(program.data / "admin.sock"))
    assert program.ok("keys", "list").out == "no keys\n"
    with program.serving():
        program.ok("keys", "list")


def test_after_a_kill_the_socket_is_dead_and_the_commands_work(program):
    with program.serving() as process:
        process.kill()
        process.wait()
    assert (program.data / "admin.sock").exists()
    program.ok("status")


@pytest.mark.slow
def test_a_gateway_that_does_not_answer_is_exit_code_3(program):
    with program.serving() as process:
        process.send_signal(signal.SIGSTOP)
        said = program.call("status")
        process.send_signal(signal.SIGCONT)
    assert (said.code, said.out) == (3, "")
    assert f"is in use by process {process.pid}" in said.err


def test_a_locked_folder_without_a_socket_is_exit_code_3(program):
    with program.serving() as process:
        (program.data / "admin.sock").unlink()
        said = program.call("keys", "list", "--json")
    assert (said.code, said.out) == (3, "")
    assert str(process.pid) in said.err


def test_a_folder_that_cannot_be_written_in_is_one_line(program):
    (program.data / "lock").mkdir(parents=True)
    said = program.call("status")
    assert said.code == 1, said
    assert str(program.data) in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("data", ["file", "file/below"])
def test_a_data_folder_that_is_a_file_is_one_line(program, data):
    (program.folder / "file").write_text("")
    program.data = program.folder / data
    program.configure()
    said = program.call("status")
    assert said.code == 1, said
    assert str(program.data) in said.err
    assert "Traceback" not in said.err
