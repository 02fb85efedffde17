"""However many rows there are: the process stays small."""

import contextlib
import http.client
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from many_rows import fill
from program import Program

ROWS = 200_000
RSS_MAX_MIB = 110  # 67 of them before the first row
LOOK_EVERY_S = 0.02


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Program:
    program = Program.at(tmp_path_factory.mktemp("many"))
    program.configure()
    fill(program.data, ROWS)
    return program


def peak_mib(pid: int) -> float:
    [line] = [one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def call(program: Program, *words: str) -> float:
    """Run it to its end; its peak in MiB."""
    command = [sys.executable, "-m", "gateway", *words, "--config", str(program.config)]
    child = subprocess.Popen(command, env=program.environment, stdout=subprocess.DEVNULL)
    peak = 0.0
    while child.poll() is None:
        with contextlib.suppress(ValueError):  # it has just ended
            peak = peak_mib(child.pid)
        time.sleep(LOOK_EVERY_S)
    assert child.returncode == 0
    return peak


@pytest.mark.slow
@pytest.mark.parametrize("format_", ["json", "csv"])
def test_a_gateway_that_exports_stays_small(many, format_):
    key = many.key()
    with many.serving() as process:
        connection = http.client.HTTPConnection("127.0.0.1", many.port, timeout=60)
        connection.request(
            "GET", f"/api-export?entities=full&format={format_}", headers={"Authorization": f"Bearer {key}"}
        )
        answer, size = connection.getresponse(), 0
        while chunk := answer.read(65536):
            size += len(chunk)
        connection.close()
        assert size > 1_000_000
        assert peak_mib(process.pid) < RSS_MAX_MIB


@pytest.mark.slow
def test_the_commands_stay_small_and_lose_no_row(many, tmp_path):
    file = tmp_path / "all.json"
    assert call(many, "export", "--output", str(file)) < RSS_MAX_MIB
    other = Program.at(tmp_path)
    other.configure()
    assert call(other, "import", str(file)) < RSS_MAX_MIB
    again = tmp_path / "again.json"
    call(other, "export", "--output", str(again))
    counts = [json.loads(one.read_text())["_metadata"]["tables"] for one in (file, again)]
    assert [one for one in counts[0] if one["name"] != "api_keys"] == [
        one for one in counts[1] if one["name"] != "api_keys"
    ]
