"""`doctor`, `audit verify`, `support-bundle`: as a person or a script has them, with the gateway stopped and running."""

import json
import re
import sqlite3
import stat

ROWS = json.dumps(
    {"cells": [{"id": f"00000000-0000-4000-8000-00000000ce0{n}", "name": f"C{n}", "sequence": n} for n in range(5)]}
)


def by_kind(said) -> dict[str, dict]:
    return {one["kind"]: one for one in said.json}


def test_doctor_looks_at_everything_and_leaves_it_as_it_is(program):
    said = program.ok("doctor", "--json")
    assert by_kind(said).keys() >= {"service", "python", "sqlite", "config", "data_folder", "clock_unset", "database"}
    assert not any(one.get("severity") == "error" for one in said.json)
    assert not program.data.exists()


def test_doctor_asks_a_gateway_that_runs_and_says_how_a_problem_is_mended(running):
    running.data.chmod(0o755)
    found = by_kind(running.ok("doctor", "--json"))
    assert found["service"]["found"] == "running"
    assert found.keys() >= {
        "files_open",
        "memory",
        "ballast",
        "plugin_down",
        "behind",
        "schema_drift",
        "keys_unused",
        "parked",
    }
    told = found["data_folder_open"]
    assert (told["ok"], told["severity"], told["fix"]["verb"]) == (False, "warning", "repairs.close_folder")
    text = running.ok("doctor").out
    assert "LOOK  data folder's rights" in text
    assert "      > `chmod 700` the folder." in text
    assert all(re.match(r"(ok|BAD|LOOK|note) |  +", line) for line in text.splitlines())


def test_what_somebody_knows_of_is_said_in_one_line_until_it_is_heeded_again(program):
    assert "ignored until 20" in program.ok("doctor", "--ignore", "data_folder_open", "--days", "7").out
    program.data.chmod(0o755)
    assert re.search(r"^known data folder's rights: \S.*\n(?! )", program.ok("doctor").out, re.MULTILINE)
    assert "heeded" in program.ok("doctor", "--ignore", "data_folder_open", "--days", "0").out
    assert by_kind(program.ok("doctor", "--json"))["data_folder_open"]["ignored_until"] is None


def test_doctor_finds_a_damaged_database_and_a_bundle_of_it_is_still_one(program):
    program.ok("status")
    (program.data / "gateway.sqlite").write_bytes(b"SQLite format 3\0" + bytes(5000))
    said = program.call("doctor")
    assert said.code == 1
    assert "BAD   database" in said.out
    assert program.call("status").code == 1
    named = program.ok("support-bundle", "--json").json["files"]
    assert "doctor.json" in named
    assert "counts.json" not in named


def test_doctor_says_what_is_wrong_with_the_configuration(program):
    program.config.write_text("[http]\nprot = 8080\n")
    said = program.call("doctor")
    assert said.code == 1
    assert "BAD   configuration" in said.out
    assert 'did you mean "port"?' in said.out


def test_a_journal_is_what_was_written_until_somebody_touches_it(program):
    program.ok("import", "-", stdin=ROWS)
    said = program.ok("audit", "verify", "--json").json
    assert (said["ok"], said["checked"], said["unchained"], said["broken"]) == (True, 5, 0, None)
    assert (said["head"]["seq"], len(said["head"]["hash"])) == (5, 64)
    connection = sqlite3.connect(program.data / "gateway.sqlite")
    with connection:
        connection.execute("UPDATE events SET occurred_at = '2026-01-01' WHERE seq = 4")
    connection.close()
    said = program.call("audit", "verify", "--json")
    assert (said.code, said.json["ok"], said.json["checked"]) == (1, False, 3)
    assert (said.json["broken"]["seq"], said.json["broken"]["what"]) == (4, "changed")
    assert "BROKEN at 4: changed" in program.call("audit", "verify").out
    text = program.ok("audit", "verify", "--since", "4").out
    assert re.fullmatch(r"since  4  [0-9a-f]{64}\nhead   5  [0-9a-f]{64}\n1 entries verified\n", text)


def test_the_journal_of_a_gateway_that_runs_is_verified_by_itself(running):
    running.ok("import", "-", stdin=ROWS)
    assert running.ok("audit", "verify", "--json").json["checked"] == 5


def test_a_bundle_is_written_for_its_owner_only_and_says_what_is_in_it(program):
    file = program.folder / "bundle.zip"
    said = program.ok("support-bundle", "--output", str(file))
    assert said.out == f"{file}\n"
    assert "doctor.json" in said.err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_bundle_of_a_gateway_that_runs_has_its_log(running):
    named = running.ok("support-bundle", "--json").json
    assert named["file"].startswith("support-gw-test-20")
    assert {"contents.txt", "health.json", "metrics.txt", "threads.txt", "log.jsonl"} <= named["files"].keys()
    assert named["files"]["log.jsonl"] > 200
