"""`export` and `import` as subprocesses, with the gateway stopped and running."""

import json
import os
import pty
import subprocess
import sys
import zipfile

import pytest

CELL = "00000000-0000-4000-8000-00000000ce01"
PERSON = "00000000-0000-4000-8000-00000000a001"
ROWS = {
    "cells": [{"id": CELL, "name": "Laser", "sequence": 1}],
    "profiles": [{"id": PERSON, "username": "anna", "full_name": "Anna", "role": "operator"}],
}
TEXT = json.dumps(ROWS)


@pytest.mark.parametrize("format_", ["json", "csv"])
def test_what_is_exported_can_be_imported_elsewhere_and_is_the_same(either, tmp_path, format_):
    either.ok("import", "-", stdin=TEXT)
    file, again = tmp_path / "out", tmp_path / "again.json"
    said = either.ok("export", "--format", format_, "--output", str(file), "--json")
    assert said.json == {"file": str(file), "bytes": file.stat().st_size}
    assert file.stat().st_mode & 0o777 == 0o600
    assert zipfile.is_zipfile(file) == (format_ == "csv")
    other = str(tmp_path / "other")
    told = either.ok("import", str(file), "--json", "--data", other).json
    assert told["tables"]["cells"] == {"written": 1, "unchanged": 0}
    assert "api_keys" in told["not_kept"]
    either.ok("export", "--output", str(again), "--data", other)
    first, second = json.loads(either.ok("export").out), json.loads(again.read_text())
    for one in (first, second):
        del one["_metadata"], one["api_keys"]
    assert first == second
    assert first["cells"][0]["name"] == "Laser"


def test_some_tables_on_stdout(either):
    either.ok("import", "-", stdin=TEXT)
    told = json.loads(either.ok("export", "--entities", "cells,profiles").out)
    assert list(told) == ["cells", "profiles", "_metadata", "_tenant_info"]
    said = either.ok("export", "--entities", "cells", "--format", "csv")
    assert said.out.splitlines()[1].startswith(CELL)


def test_a_dry_run_writes_nothing(either):
    said = either.ok("import", "-", "--dry-run", stdin=TEXT)
    assert "cells: 1 would be written, 0 unchanged" in said.out
    assert json.loads(either.ok("export", "--entities", "cells").out)["cells"] == []
    assert either.ok("import", "-", "--dry-run", "--json", stdin=TEXT).json["dry_run"] is True


@pytest.mark.parametrize("text", ["{", '{"cells": [{"id": "7"}]}', json.dumps({"cells": [{"id": CELL}]})])
def test_what_cannot_be_imported_is_one_line_and_exit_code_1(either, text):
    said = either.call("import", "-", stdin=text)
    assert (said.code, said.out, said.err.count("\n")) == (1, "", 1)


def test_a_file_that_cannot_be_written_is_one_line_and_nothing_is_left(program, tmp_path):
    said = program.call("export", "--output", str(tmp_path / "nowhere" / "x.json"))
    assert (said.code, said.err.count("\n")) == (1, 1)
    before = set(tmp_path.iterdir())
    (tmp_path / "x").mkdir()
    assert program.call("export", "--output", str(tmp_path / "x")).code == 2
    assert program.call("export", "--format", "xml").code == 2
    assert set(tmp_path.iterdir()) - before == {tmp_path / "x"}


def test_a_half_export_never_has_its_name(program, tmp_path):
    """The gateway dies in the middle of it."""
    many = [
        {"id": f"00000000-0000-4000-8000-{n:012}", "name": str(n), "description": "x" * 10_000} for n in range(3_000)
    ]
    program.ok("import", "-", stdin=json.dumps({"materials": many}))
    command = [sys.executable, "-m", "gateway", "export", "--config", str(program.config)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with program.serving() as process, subprocess.Popen(command, env=program.environment, **pipes) as half:
        half.stdout.read(100_000)
        process.kill()
        out, err = half.communicate()
    assert (half.returncode, err.count(b"\n")) == (1, 1)
    assert b"_tenant_info" not in out
    file = tmp_path / "out.json"
    file.write_text("the old one")
    program.ok("export", "--output", str(file))
    assert len(json.loads(file.read_text())["materials"]) == 3_000
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".out")] == []


def test_on_a_terminal_a_bar_shows_how_far_it_is(program, tmp_path):
    many = [{"id": f"00000000-0000-4000-8000-{n:012}", "name": str(n)} for n in range(20_000)]
    file = tmp_path / "many.json"
    file.write_text(json.dumps({"materials": many}))
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "gateway", "import", str(file), "--config", str(program.config)]
    done = subprocess.run(command, env=program.environment, stdout=subprocess.PIPE, stderr=theirs, check=True)
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert "/20000" in shown
    assert b"materials: 20000 written" in done.stdout
