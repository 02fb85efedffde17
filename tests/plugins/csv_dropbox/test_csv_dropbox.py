"""The drop box: files of an ERP are taken over once they stand still, each once, with a report that people can read."""

import json
import os
from contextlib import asynccontextmanager

import aiohttp
import pytest
from hosted import links, settings
from waiting import until

from gateway.app import running
from gateway.kernel.clock import ManualClock
from gateway.kernel.health import Link
from gateway.plugin_api import Context, Outcome, Unavailable
from gateway.web.auth import NewKey
from gateway.web.routes import Scope
from plugins.csv_dropbox import box, folder

JOBS = "external_id,job_number,customer\r\nE-1,J-1,Acme\r\nE-2,J-2,Bolt\r\n"
PARTS = "external_id;part_number;job_external_id;quantity\r\nE-11;P-1;E-1;4\r\n"


@pytest.fixture
def drop(tmp_path, monkeypatch):
    """The folder; what lies in it is at rest after a fraction of a second."""
    monkeypatch.setattr(box, "STILL_S", 0.2)
    monkeypatch.setattr(box, "LOOK_EVERY_S", 0.02)
    found = tmp_path / "drop"
    found.mkdir()
    return found


class Office:
    def __init__(self, gateway, session, key) -> None:
        self.gateway, self.session = gateway, session
        self.base, self.auth = f"http://{gateway.addresses[0]}", {"Authorization": f"Bearer {key}"}

    @property
    def link(self):
        return links(self.gateway)["plugin:csv_dropbox"]

    async def get(self, path: str) -> dict:
        async with self.session.get(f"{self.base}{path}", headers=self.auth) as answer:
            return (await answer.json())["data"]

    async def jobs(self) -> dict[str, dict]:
        return {row["job_number"]: row for row in (await self.get("/api-jobs?limit=1000"))["jobs"]}


@asynccontextmanager
async def office(tmp_path, drop, **more):
    made = settings(tmp_path / "data", csv_dropbox={"enabled": True, "folder": str(drop), **more})
    async with running(made) as gateway, aiohttp.ClientSession() as session:
        _, key = await gateway.keys.create(NewKey("office", Scope.PLAN))
        yield Office(gateway, session, key)


def named(where) -> list[str]:
    """Without their stamps."""
    return sorted(one.name.split(".")[0] for one in where.glob("*") if not one.name.endswith(folder.REPORT))


def report(where, stem: str) -> str:
    (found,) = where.glob(f"{stem}.*{folder.REPORT}")
    return found.read_text()


async def test_tables_come_in_their_order_whatever_the_order_of_the_files(tmp_path, drop):
    (drop / "parts.csv").write_text(PARTS)
    (drop / "Jobs-2026-11.CSV").write_text("\ufeff" + JOBS)
    (drop / ".jobs.csv").write_text(JOBS)
    (drop / "jobs.csv.part").write_text("half")
    async with office(tmp_path, drop, external_source="sap") as there:
        await until(lambda: named(drop / "done") == ["Jobs-2026-11", "parts"], "both files")
        jobs = await there.jobs()
        assert {number: (job["customer"], job["external_source"]) for number, job in jobs.items()} == {
            "J-1": ("Acme", "sap"),
            "J-2": ("Bolt", "sap"),
        }
        (part,) = (await there.get("/api-parts"))["parts"]
        assert (part["part_number"], part["quantity"], part["job_id"]) == ("P-1", 4, jobs["J-1"]["id"])
        assert report(drop / "done", "Jobs-2026-11") == (
            "Jobs-2026-11.CSV: 2 of 2 records taken over, 0 refused\n  2 created, 0 updated, 0 had nothing new\n"
        )
        assert sorted(one.name for one in drop.iterdir()) == [".jobs.csv", "done", "failed", "jobs.csv.part"]
        (row,) = (await there.get("/api-erp-sync/status?entity_type=jobs"))["history"]
        assert (row["source"], row["created_count"]) == ("csv", 2), "as if it had come over HTTP"
        await until(lambda: there.link.facts["files_done"] == 2 and there.link.state == "up", "its health")
        assert there.link.facts["files_waiting"] == 0


class Taker:
    """A REST API that takes everything."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    async def call(self, request, caller) -> Outcome:
        self.paths.append(request.path)
        counts = dict.fromkeys(("created", "updated", "skipped", "errors"), 0)
        return Outcome(200, json.dumps({"success": True, "data": {**counts, "results": []}}))


async def test_what_is_still_written_waits_and_so_does_what_refers_to_it(tmp_path):
    clock, api = ManualClock(), Taker()
    link = Link("plugin:csv_dropbox", clock)
    there = box.DropBox(tmp_path, "erp", Context(None, api, None, clock, link, "0", None, tmp_path))
    folder.ready(tmp_path)
    (tmp_path / "parts.csv").write_text(PARTS)
    for size in range(40, len(JOBS) + 1, 4):
        (tmp_path / "jobs.csv").write_text(JOBS[:size])
        await there._round()
        await clock.advance(box.STILL_S - 0.1)
    assert api.paths == []
    await there._round()
    await clock.advance(0.05)
    os.utime(tmp_path / "jobs.csv", (1, 1))  # the same size, written once more
    await there._round()
    await clock.advance(box.STILL_S - 0.1)
    await there._round()
    assert api.paths == []
    await clock.advance(0.2)
    await there._round()
    assert api.paths == ["/api-jobs/bulk-sync", "/api-parts/bulk-sync"]
    assert named(tmp_path / "done") == ["jobs", "parts"]


async def test_a_gateway_that_takes_nothing_now_is_asked_again(tmp_path):
    clock, api = ManualClock(), Taker()
    there = box.DropBox(
        tmp_path, "erp", Context(None, api, None, clock, Link("plugin:csv_dropbox", clock), "0", None, tmp_path)
    )
    folder.ready(tmp_path)
    (tmp_path / "jobs.csv").write_text(JOBS)
    busy = json.dumps({"success": False, "error": {"code": "INSUFFICIENT_STORAGE", "message": "the disk is full"}})

    async def full(request, caller) -> Outcome:
        return Outcome(507, busy)

    api.call, works = full, api.call
    await there._round()
    await clock.advance(box.STILL_S)
    with pytest.raises(Unavailable, match="the disk is full"):
        await there._round()
    api.call = works
    await there._round()
    assert named(tmp_path / "done") == ["jobs"]


async def test_what_is_wrong_is_told_line_by_line_and_the_rest_is_taken(tmp_path, drop):
    (drop / "jobs.csv").write_text(JOBS + "E-3,,Nobody\r\n")
    (drop / "operations.csv").write_text("external_id,colour\r\nO-1,red\r\n")
    (drop / "prices.csv").write_text("a,b\r\n1,2\r\n")
    (drop / "cells.json").write_text('{"items": [}')
    (drop / "parts.json").write_bytes(b"\xff[]")
    async with office(tmp_path, drop) as there:
        await until(lambda: there.link.facts["files_failed"] == 5, "all five")
        failed = drop / "failed"
        assert named(failed) == ["cells", "jobs", "operations", "parts", "prices"]
        told = report(failed, "jobs")
        assert told.startswith("jobs.csv: 2 of 3 records taken over, 1 refused\n  2 created,")
        assert '\nline 4, external_id "E-3": ' in told
        assert "job_number" in told
        assert "What was taken over stays. Mend the rest and drop it again" in told
        assert "Unknown columns: colour" in report(failed, "operations")
        assert 'From the name "prices.csv" nobody can tell what is in it.' in report(failed, "prices")
        assert "The file is no JSON: Expecting value: line 1 column 12" in report(failed, "cells")
        assert "The file is not UTF-8 (at byte 0)" in report(failed, "parts")
        assert set(await there.jobs()) == {"J-1", "J-2"}
        (drop / "jobs.csv").write_text(JOBS + "E-3,J-3,Nobody\r\n")
        await until(lambda: named(drop / "done") == ["jobs"], "the mended file")
        assert "1 created, 0 updated, 2 had nothing new" in report(drop / "done", "jobs")


async def test_json_of_one_kind_and_of_several(tmp_path, drop, monkeypatch):
    monkeypatch.setattr("plugins.csv_dropbox.orders.RECORDS_MAX", 2)
    jobs = [{"external_id": f"E-{number}", "job_number": f"J-{number}"} for number in range(5)]
    (drop / "jobs_a.json").write_text(json.dumps(jobs))
    (drop / "jobs_b.json").write_text(json.dumps({"jobs": [{"external_id": "E-9", "job_number": "J-9"}]}))
    several = {
        "cells": [{"external_id": "C-1", "name": "Laser"}],
        "parts": [{"external_id": "E-11", "external_source": "erp", "part_number": "P-1", "job_external_id": "E-1"}],
    }
    (drop / "week 49.json").write_text(json.dumps(several))
    async with office(tmp_path, drop) as there:
        await until(lambda: there.link.facts["files_done"] == 3, "all three")
        assert set(await there.jobs()) == {"J-0", "J-1", "J-2", "J-3", "J-4", "J-9"}
        assert "5 of 5 records" in report(drop / "done", "jobs_a")
        assert "2 of 2 records" in report(drop / "done", "week 49")
        assert [row["part_number"] for row in (await there.get("/api-parts"))["parts"]] == ["P-1"]


async def test_the_same_file_again_changes_nothing_and_an_older_state_again_does(tmp_path, drop):
    other = JOBS.replace("Acme", "Other")
    async with office(tmp_path, drop) as there:
        for count, (text, customer) in enumerate(((JOBS, "Acme"), (JOBS, "Acme"), (other, "Other"), (JOBS, "Acme")), 1):
            (drop / "jobs.csv").write_text(text)
            await until(lambda wanted=count: there.link.facts["files_done"] == wanted, "the file")
            assert (await there.jobs())["J-1"]["customer"] == customer
        counts = [
            one.read_text().splitlines()[1].strip()
            for one in sorted((drop / "done").glob("*.txt"), key=os.path.getmtime)
        ]
        assert counts == [
            "2 created, 0 updated, 0 had nothing new",
            "0 created, 0 updated, 2 had nothing new",
            "0 created, 1 updated, 1 had nothing new",
            "0 created, 1 updated, 1 had nothing new",
        ]


async def test_put_away_in_vain_and_again_it_is_imported_once(tmp_path, drop, monkeypatch):
    """As after a kill between the commit and the move."""
    monkeypatch.setattr("gateway.kernel.supervise.BACKOFF_BASE_S", 0.01)
    (drop / "jobs.csv").write_text(JOBS)
    (drop / "failed").mkdir()
    (drop / "done").write_text("in the way")
    really = folder.put_away
    tries = []

    def in_vain(*given):
        tries.append(given)
        if len(tries) < 3:
            raise OSError(30, "Read-only file system", str(drop))
        return really(*given)

    monkeypatch.setattr(folder, "put_away", in_vain)
    async with office(tmp_path, drop) as there:
        await until(lambda: there.link.state == "down" and "done" in str(there.link.error), "a file in the way")
        (drop / "done").unlink()
        await until(lambda: named(drop / "done") == ["jobs"], "the third try")
        assert "2 created, 0 updated, 0 had nothing new" in report(drop / "done", "jobs"), "the first answer, again"
        (row,) = (await there.get("/api-erp-sync/status?entity_type=jobs"))["history"]
        assert row["created_count"] == 2


async def test_a_folder_that_is_away_and_what_is_no_file(tmp_path, drop, monkeypatch):
    monkeypatch.setattr("gateway.kernel.supervise.BACKOFF_BASE_S", 0.01)
    secret = tmp_path / "secret.csv"
    secret.write_text(JOBS)
    drop.rmdir()
    async with office(tmp_path, drop) as there:
        await until(lambda: there.link.state == "down" and "No such file" in str(there.link.error), "the folder")
        assert "see [plugins.csv_dropbox] folder" in there.link.error
        drop.mkdir()
        (drop / "jobs.csv").symlink_to(secret)
        (drop / "parts.csv").mkdir()
        (drop / "cells.csv").write_text("external_id,name\r\nC-1,Laser\r\n")
        await until(lambda: named(drop / "done") == ["cells"], "the file")
        assert there.link.state == "up"
        assert await there.jobs() == {}


def test_old_files_go_with_their_reports(drop):
    folder.ready(drop)
    lying = drop / "jobs.csv"
    for text in ("a", "b"):
        lying.write_text(text)
        (one,) = folder.look(drop)
        kept = folder.put_away(folder.read(one), folder.DONE, "fine")
    old = next(one for one in (drop / "done").glob("jobs*.csv") if one != kept)
    told = old.with_name(old.name + folder.REPORT)
    os.utime(told, (1_000, 1_000))
    folder.sweep(drop, now_s=1_000 + folder.KEPT_S + 1)
    assert sorted((drop / "done").iterdir()) == sorted((kept, kept.with_name(kept.name + folder.REPORT)))
