"""A gateway that is killed in the middle of a file of the drop box."""

import contextlib
import sqlite3
import time

import pytest
from program import ENDS_MAX_S, Program

COUNT = 4_000  # ten turns of the writer


@pytest.fixture
def program(tmp_path):
    return Program.at(tmp_path)


def counted(program, sql: str) -> int:
    with contextlib.closing(sqlite3.connect(f"file:{program.data / 'gateway.sqlite'}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchone()[0]


def until(fact, what: str) -> None:
    ends_s = time.monotonic() + ENDS_MAX_S
    while not fact():
        assert time.monotonic() < ends_s, f"waited in vain for {what}"
        time.sleep(0.002)


def test_kill_9_in_the_middle_of_a_file_imports_every_record_once(program):
    drop = program.folder / "drop"
    drop.mkdir()
    program.configure(f'[broker]\nmode = "off"\n[plugins.csv_dropbox]\nenabled = true\nfolder = "{drop}"\n')
    rows = "".join(f"E-{number},J-{number}\r\n" for number in range(COUNT))
    (drop / "jobs.csv").write_text("external_id,job_number\r\n" + rows)
    jobs = "SELECT count(*) FROM jobs"
    with program.serving() as process:
        until(lambda: counted(program, jobs) > 0, "the first jobs")
        process.kill()
        process.wait(ENDS_MAX_S)
    there = counted(program, jobs)
    assert 0 < there < COUNT, "in the middle"
    assert (drop / "jobs.csv").exists()
    with program.serving():
        until(lambda: any((drop / "done").glob("jobs.*.csv")), "the rest")
        told = "\n".join(one.read_text() for one in (drop / "done").glob("*.txt"))
    assert f"{COUNT} of {COUNT} records taken over, 0 refused" in told
    assert f"{COUNT - there} created, 0 updated, {there} had nothing new" in told
    assert counted(program, jobs) == COUNT
    assert counted(program, "SELECT count(*) FROM events WHERE type = 'job.created'") == COUNT
    assert not (drop / "jobs.csv").exists()
