"""`update` as `install.sh` calls it, and a person by hand."""

import contextlib
import shutil
import sqlite3

import pytest

from gateway.kernel.migrate import steps

TODAY = max(steps())
NEVER = "CREATE TABLE later (id TEXT)"


def head(program) -> int:
    with contextlib.closing(sqlite3.connect(program.data / "gateway.sqlite")) as connection:
        return connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0]


def test_the_whole_way_of_an_update(program):
    """Tried while the old one works, begun when it is stopped, confirmed when the new one works."""
    key = program.key()
    with program.serving():
        tried = program.ok("update", "try", "--json").json
        assert tried["schema"] == {"from": TODAY, "to": TODAY}
        assert tried["bytes"] > 0
        assert program.get("/api-cells", key)[1].count("Trial") == 0  # what was tried was a copy
        assert not (program.data / "update-trial").exists()
        refused = program.call("update", "begin")
        assert (refused.code, "stop that gateway first" in refused.err) == (1, True)
        assert program.ok("update", "status").out == "no update of this box is known\n"
    begun = program.ok("update", "begin", "--json").json
    assert (begun["state"], begun["schema"], begun["head"]) == ("begun", TODAY, head(program))
    assert (program.data / begun["copy"]).is_file()
    with program.serving():
        assert "neither confirmed nor rolled back" in program.ok("update", "status").out
        assert program.ok("update", "confirm").out.startswith("confirmed: from 0.1.0 to 0.1.0")
        assert program.ok("update", "status", "--json").json["update"]["state"] == "confirmed"
        assert program.call("update", "confirm").code == 1


def test_a_try_that_fails_changes_nothing_and_says_why(program):
    program.key()
    database = program.data / "gateway.sqlite"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute(f"PRAGMA user_version={TODAY + 1}")
    before = database.read_bytes()
    said = program.call("update", "try")
    assert (said.code, f"newer gateway (schema {TODAY + 1}, this one knows {TODAY})" in said.err) == (1, True)
    assert database.read_bytes() == before
    assert not (program.data / "update-trial").exists()


def test_a_newer_database_is_refused_with_the_way_out_which_works(program):
    program.key()
    program.ok("update", "begin")
    database = program.data / "gateway.sqlite"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute(NEVER)
        connection.execute("INSERT INTO later VALUES ('x')")
        connection.execute(f"PRAGMA user_version={TODAY + 1}")
        connection.commit()
    refused = program.call("run")
    assert refused.code == 1
    assert "newer gateway" in refused.err
    assert "`eryxon-gateway update rollback`" in refused.err
    back = program.ok("update", "rollback", "--json").json
    assert (back["rolled_back"], back["schema"]) == (True, {"from": TODAY + 1, "to": TODAY})
    assert back["left"] == {"later": 1}
    with program.serving():
        told = program.call("status").out
        assert "the older version has no place for later (1 rows)" in told


@pytest.mark.parametrize("words", [("update", "confirm"), ("update", "rollback")])
def test_what_was_not_begun_cannot_be_ended(program, words):
    said = program.call(*words)
    assert (said.code, "update" in said.err) == (1, True)


def test_an_open_update_is_a_problem_that_doctor_names(program):
    program.key()
    program.ok("update", "begin")
    note = program.data / "update.json"
    note.write_text(note.read_text().replace('"at": "2', '"at": "1'))
    found = {one["kind"]: one for one in program.call("doctor", "--json").json}
    assert (found["update_open"]["ok"], found["update_open"]["severity"]) == (False, "warning")


def test_a_box_without_data_is_tried_and_begun(program):
    shutil.rmtree(program.data, ignore_errors=True)
    assert program.ok("update", "try", "--json").json["schema"] == {"from": None, "to": TODAY}
    assert program.ok("update", "begin").out == "begun: there is no database yet\n"
    assert program.ok("update", "confirm", "--json").json["state"] == "confirmed"
