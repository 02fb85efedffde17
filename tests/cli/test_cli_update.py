"""`update` as `install.sh` calls it, and a person by hand."""

import contextlib
import json
import sqlite3

from click.testing import CliRunner

from gateway import cli
from gateway.kernel.migrate import steps
from gateway.repairs.facts import machine
from gateway.settings import load

TODAY = max(steps())


def head(program) -> int:
    with contextlib.closing(sqlite3.connect(program.data / "gateway.sqlite")) as connection:
        return connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0]


def newer(program) -> None:
    """Another version has worked on it."""
    with contextlib.closing(sqlite3.connect(program.data / "gateway.sqlite")) as connection:
        connection.execute("CREATE TABLE later (id TEXT)")
        connection.execute("INSERT INTO later VALUES ('x')")
        connection.execute(f"PRAGMA user_version={TODAY + 1}")
        connection.commit()


def test_the_whole_way_of_an_update_and_back(program):
    """Tried while the old one works, begun when it is stopped, confirmed when the new one works; taken back later."""
    key = program.key()
    with program.serving():
        tried = program.ok("update", "try", "--json").json
        assert tried["schema"] == {"from": TODAY, "to": TODAY}
        assert tried["bytes"] > 0
        assert program.get("/api-cells", key)[1].count("Trial") == 0  # what was tried was a copy
        assert not (program.data / "update-trial").exists()
        refused = program.call("update", "begin")
        assert (refused.code, "stop that gateway first" in refused.err) == (1, True)
    begun = program.ok("update", "begin", "--json").json
    assert (begun["state"], begun["schema"], begun["head"]) == ("begun", TODAY, head(program))
    assert (program.data / begun["copy"]).is_file()
    with program.serving():
        assert program.ok("update", "confirm").out.startswith("confirmed: from ")
    newer(program)
    refused = program.call("run")
    assert (refused.code, "newer gateway" in refused.err) == (1, True)
    assert "`eryxon-gateway update rollback`" in refused.err
    back = program.ok("update", "rollback", "--json").json
    assert (back["rolled_back"], back["schema"]) == (True, {"from": TODAY + 1, "to": TODAY})
    assert back["left"] == {"later": 1}
    assert back["missing"] == "the older version has no place for later (1 rows)"


def said(program, *words: str) -> tuple[int, str]:
    """In this process: what it says, and its exit code."""
    done = CliRunner().invoke(cli.main, [*words, "--config", str(program.config)])
    return done.exit_code, done.output


def test_a_box_without_data_begins_and_is_told_of(program):
    assert said(program, "update", "status") == (0, "no update of this box is known\n")
    assert said(program, "update", "confirm") == (
        1,
        "eryxon-gateway: no update is open: `update status` shows the last one\n",
    )
    assert said(program, "update", "begin") == (0, "begun: there is no database yet\n")
    code, told = said(program, "update", "status")
    assert (code, "from an older version to " in told, "neither confirmed nor rolled back" in told) == (0, True, True)
    assert machine(load(program.config, None), served=False).folder.update is not None  # doctor names it after a while
    assert said(program, "update", "confirm")[0] == 0
    assert machine(load(program.config, None), served=False).folder.update is None
    code, told = said(program, "update", "status", "--json")
    assert (json.loads(told)["update"]["state"], json.loads(told)["history"]) == ("confirmed", [])
