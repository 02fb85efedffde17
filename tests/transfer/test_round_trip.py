"""What an export wrote, an empty gateway can read, and its own export is the same."""

import asyncio
import contextlib
import itertools
import json
import shutil
import zipfile
from contextlib import asynccontextmanager

import pytest
from filled import fill
from hall import Floor

from gateway.kernel.clock import ManualClock
from gateway.kernel.connection import offline
from gateway.kernel.db import Database
from gateway.kernel.errors import Conflict, Invalid
from gateway.kernel.ids import uuid7
from gateway.kernel.migrate import migrate
from gateway.outbox.event import Stamp
from gateway.transfer import sources, store
from gateway.transfer.commands import Import, Imports, bring_in
from gateway.transfer.export import Exports
from gateway.transfer.sources import in_file
from gateway.transfer.tables import KEPT, shapes

TENANT = "00000000-0000-4000-8000-0000000ff001"


@asynccontextmanager
async def empty(folder):
    folder.mkdir()
    clock = ManualClock()
    async with Database.open(folder, prepare=lambda path: migrate(path, clock)) as db:
        await db.write(lambda tx: tx.execute("INSERT INTO gateway_state VALUES ('tenant_id', ?)", (TENANT,)) and None)
        yield db


async def export(db, tmp_path, format_="json", entities="full"):
    """The file that came out."""
    made = await Exports(db, ManualClock(), "enterprise", TENANT).open(entities, format_)
    file = tmp_path / f"{id(made)}-{made.name}"
    file.write_bytes(b"".join([chunk async for chunk in made.chunks]))
    return file


async def take_in(db, file, name=None, *, dry_run=False):
    clock = ManualClock()
    running = Imports(db, clock, uuid7(clock), "gw-other").run(file, name or file.name, dry_run=dry_run)
    told = [one async for one in running]
    return told[-1]["answer"]


def content(file) -> dict:
    """All of a JSON export but when it was, and whose keys there are: those are never restored."""
    told = json.loads(file.read_text())
    del told["_metadata"]["exported_at"], told["api_keys"]
    told["_metadata"]["tables"] = [one for one in told["_metadata"]["tables"] if one["name"] != "api_keys"]
    return told


@pytest.mark.parametrize("format_", ["json", "csv"])
async def test_a_filled_hall_comes_back_whole(floor: Floor, tmp_path, format_):
    await fill(floor)
    first = await export(floor.db, tmp_path)
    assert all(rows for table, rows in content(first).items() if table in {kept.table for kept in KEPT})
    source = first if format_ == "json" else await export(floor.db, tmp_path, format_)
    async with empty(tmp_path / "other") as other:
        answer = await take_in(other, source)
        assert {name for name in answer["not_kept"] if name in {kept.table for kept in KEPT}} == {"api_keys"}
        assert content(await export(other, tmp_path)) == content(first)
        again = await take_in(other, source)
        assert {count["written"] for count in again["tables"].values()} == {0}


async def test_one_table_as_csv_is_known_by_the_name_of_its_file(floor: Floor, tmp_path):
    await fill(floor)
    async with empty(tmp_path / "other") as other:
        for table in ("profiles", "cells", "jobs", "parts"):
            file = tmp_path / f"{table}.csv"
            shutil.copy(await export(floor.db, tmp_path, "csv", table), file)
            await take_in(other, file)
        theirs, ours = content(await export(other, tmp_path)), content(await export(floor.db, tmp_path))
        for table in ("profiles", "cells", "jobs", "parts"):
            assert theirs[table] == ours[table]


async def test_every_bit_of_a_number_comes_back(floor: Floor, tmp_path):
    numbers = [
        0.1 + 0.2,
        1e-320,
        5e-324,
        1.7976931348623157e308,
        123456789.123456789,
        2 / 3,
        1e21,
        8.0,
        2**53 + 1,
        -0.1,
        8,
    ]
    parts = (await floor.job("J", *[(floor.LASER,)] * len(numbers)))["parts"]
    wanted = {part["id"]: number for part, number in zip(parts, numbers, strict=True)}
    for part, number in wanted.items():
        await floor.do("UPDATE parts SET weight_kg = ? WHERE id = ?", number, part)
    for format_ in ("json", "csv"):
        source = await export(floor.db, tmp_path, format_)
        async with empty(tmp_path / format_) as other:
            await take_in(other, source)
            found = dict(await other.read(lambda c: c.execute("SELECT id, weight_kg FROM parts").fetchall()))
            assert found == wanted
            assert all(type(found[part]) is type(number) for part, number in wanted.items())


async def test_what_is_only_written_in_another_way_stays_as_it_is(floor: Floor, tmp_path):
    job = await floor.job(metadata={"b": 1, "a": [2.0]}, due_date="2026-12-31")
    file = tmp_path / "x.json"
    row = {"id": job["id"].upper(), "metadata": {"a": [2], "b": 1.0}, "due_date": "2026-12-31T01:00:00+01:00"}
    file.write_text(json.dumps({"jobs": [row]}))
    before = await floor.query("SELECT * FROM jobs")
    assert (await take_in(floor.db, file))["tables"] == {"jobs": {"written": 0, "unchanged": 1}}
    assert await floor.query("SELECT * FROM jobs") == before


async def test_exact_seconds_win_over_the_same_whole_minutes(floor: Floor, tmp_path):
    job = await floor.job()
    operation = job["parts"][0]["operations"][0]["id"]
    await floor.do("UPDATE operations SET actual_time_s = 2985 WHERE id = ?", operation)
    file = tmp_path / "x.json"
    file.write_text(json.dumps({"operations": [{"id": operation, "actual_time": 50, "actual_time_seconds": 3000}]}))
    assert (await take_in(floor.db, file))["tables"] == {"operations": {"written": 1, "unchanged": 0}}
    assert (await floor.operation(operation))["actual_time_seconds"] == 3000


async def test_fields_that_live_in_one_column_stay_when_they_are_not_named(floor: Floor, tmp_path):
    part = (await floor.job())["parts"][0]["id"]
    file = tmp_path / "x.json"
    for row in ({"drawing_url": "http://x", "description": "d"}, {"material_id": floor.NOWHERE, "description": None}):
        file.write_text(json.dumps({"parts": [{"id": part, **row}]}))
        await take_in(floor.db, file)
    shown = await floor.part(part)
    assert (shown["drawing_url"], shown["material_id"], shown["description"]) == ("http://x", floor.NOWHERE, None)


async def test_secrets_do_not_come_in(floor: Floor, tmp_path):
    """No column of this version is secret: one is added, as another slice will."""
    file = tmp_path / "x.json"
    await floor.do("ALTER TABLE operators ADD COLUMN pin_hash TEXT")
    row = {"id": "00000000-0000-4000-8000-00000000ee02", "employee_id": "7", "full_name": "J"}
    for secret in ("[redacted]", "somebody's"):
        file.write_text(json.dumps({"operators": [{**row, "pin_hash": secret}]}))
        await take_in(floor.db, file)
        assert await floor.query("SELECT pin_hash FROM operators") == [(None,)]
    await floor.do("UPDATE operators SET pin_hash = 'scrypt'")
    await take_in(floor.db, file)
    assert await floor.query("SELECT pin_hash FROM operators") == [("scrypt",)]
    assert content(await export(floor.db, tmp_path))["operators"][0]["pin_hash"] == "[redacted]"


# ------------------------------------------------------------------ files of any size, in any order


async def test_a_dry_run_says_what_would_be_and_leaves_everything(floor: Floor, tmp_path):
    await fill(floor)
    file = await export(floor.db, tmp_path)
    async with empty(tmp_path / "other") as other:
        answer = await take_in(other, file, dry_run=True)
        assert answer["dry_run"] is True
        assert answer["tables"]["operations"] == {"written": 5, "unchanged": 0}
        assert await other.read(lambda c: c.execute("SELECT count(*) FROM jobs").fetchone()[0]) == 0
        assert await other.read(lambda c: c.execute("SELECT count(*) FROM events").fetchone()[0]) == 0
        assert (await take_in(other, file))["tables"] == answer["tables"]


async def test_children_before_their_parents_and_tables_in_any_order(floor: Floor, tmp_path):
    await fill(floor)
    told = content(await export(floor.db, tmp_path))
    file = tmp_path / "x.json"
    file.write_text(json.dumps({table: told[table] for table in reversed(told)}, indent=3))
    parts = sorted(told["parts"], key=lambda row: row["parent_part_id"] is None)
    file.write_text(json.dumps({**{table: told[table] for table in reversed(told)}, "parts": parts}, indent=3))
    async with empty(tmp_path / "other") as other:
        await take_in(other, file)
        assert content(await export(other, tmp_path)) == told


async def test_more_children_than_can_wait_are_refused(floor: Floor, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "WAITING_MAX", 1)
    job = (await floor.job())["id"]
    ids = [f"00000000-0000-4000-8000-00000000d00{n}" for n in range(4)]
    rows = [
        {"id": a, "job_id": job, "part_number": a, "material": "m", "parent_part_id": b}
        for a, b in itertools.pairwise(ids)
    ]
    (tmp_path / "x.json").write_text(json.dumps({"parts": rows}))
    with pytest.raises(Invalid, match="more than 1 rows stand before their parent"):
        await take_in(floor.db, tmp_path / "x.json")


async def test_rows_that_are_there_cannot_become_parents_of_each_other(floor: Floor, tmp_path):
    one, two = (part["id"] for part in (await floor.job("J", (floor.LASER,), (floor.SAW,)))["parts"])
    rows = [{"id": one, "parent_part_id": two}, {"id": two, "parent_part_id": one}]
    (tmp_path / "x.json").write_text(json.dumps({"parts": rows}))
    with pytest.raises(Invalid, match="parents of each other"):
        await take_in(floor.db, tmp_path / "x.json")
    assert (await floor.part(one))["parent_part_id"] is None


async def test_a_large_import_tells_the_journal_in_pieces_and_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "HELD_MAX", 7)
    cell = "00000000-0000-4000-8000-0000000ce001"
    rows = {"cells": [{"id": cell, "name": "L", "sequence": 1}], "jobs": [], "parts": [], "operations": []}
    for n in range(10):
        job, part, operation = (f"00000000-0000-4000-8000-0000000{kind}{n:02}" for kind in ("da0", "db0", "dc0"))
        rows["jobs"].append({"id": job, "job_number": str(n)})
        rows["parts"].append({"id": part, "job_id": job, "part_number": str(n), "material": "m"})
        more = {"operation_name": "x", "sequence": 1}
        rows["operations"].append({"id": operation, "part_id": part, "cell_id": cell, **more})
    (tmp_path / "x.json").write_text(json.dumps(rows))
    async with empty(tmp_path / "other") as other:
        await take_in(other, tmp_path / "x.json")
        events = await other.read(lambda c: c.execute("SELECT lane, changes FROM events ORDER BY seq").fetchall())
    lanes: dict = {}
    for event in events:
        lanes.setdefault(event["lane"], []).extend(change["table"] for change in json.loads(event["changes"]))
    assert len(events) > 11
    assert [tables for lane, tables in lanes.items() if lane.startswith("job:")] == [
        ["jobs", "parts", "operations"]
    ] * 10


GOOD = '{"cells": [{"id": "00000000-0000-4000-8000-0000000ce001", "name": "\u00e4\u20ac", "sequence": 1}]}'


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 100])
@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f" \r\n\t{GOOD}\n ",
        "\ufeff" + GOOD,
        GOOD.replace("[{", ' [ { "x":[1,-2.5e3,true,null,"\\ud83d\\ude00"],').replace(
            "]}", ' ] , "_metadata" : {}, "others": [ 1 , [2], "x" ], "n": 12345 }'
        ),
    ],
)
def test_json_is_read_in_pieces_of_any_size(tmp_path, monkeypatch, chunk, text):
    monkeypatch.setattr(sources, "CHUNK_BYTES", chunk)
    (tmp_path / "x.json").write_text(text, newline="")
    cells, *others = in_file(tmp_path / "x.json", "x.json", {})
    for _ in range(2):
        [(place, row)] = cells.rows()
        assert (cells.table, cells.count, place, row["name"]) == ("cells", 1, 0, "\u00e4\u20ac")
    assert sorted(one.table for one in others) in ([], ["n", "others"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is not JSON: { is wanted"),
        ("{", "the file is not JSON"),
        ("\x00", "the file is not JSON"),
        ("hello", "the file is not JSON"),
        ("[]", "an import is an object with tables in it"),
        ('"x"', "an import is an object with tables in it"),
        ('{"jobs": [NaN]}', "NaN is not a JSON number"),
        ('{"jobs": []', "the file is not JSON"),
        ('{"jobs": [], }', "the file is not JSON"),
        ('{"jobs": [}', "the file is not JSON"),
        ('{"jobs" []}', "the file is not JSON: : is wanted"),
        ("{7: []}", "the file is not JSON: a name is wanted"),
        ('{"jobs": []} x', "something follows its end"),
        ('{"jobs": ' + "[" * 100_000, "the file is not JSON"),
        ('{"jobs": {}}', "jobs: a list of rows is wanted"),
        ('{"jobs": [{}]}', "jobs[0]: a row with an id (a UUID) is wanted"),
        ('{"jobs": [], "jobs": []}', "jobs: the table stands there twice"),
    ],
)
def test_what_is_no_import_is_said(tmp_path, text, words):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(Invalid) as refused:
        in_file(tmp_path / "x.json", "x.json", {})
    assert words in refused.value.message


def test_what_is_not_utf_8_is_said(tmp_path):
    (tmp_path / "x.json").write_bytes(b'{"jobs": ["\xff"]}')
    with pytest.raises(Invalid, match="it is not UTF-8"):
        in_file(tmp_path / "x.json", "x.json", {})


def test_a_row_that_is_too_large_and_too_many_of_them(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "CHUNK_BYTES", 10)
    monkeypatch.setattr(sources, "VALUE_MAX_CHARACTERS", 20)
    (tmp_path / "x.json").write_text(GOOD)
    with pytest.raises(Invalid, match="the file is not JSON"):
        in_file(tmp_path / "x.json", "x.json", {})
    monkeypatch.undo()
    monkeypatch.setattr(sources, "ROWS_MAX", 0)
    with pytest.raises(Invalid, match="more than 0 rows"):
        in_file(tmp_path / "x.json", "x.json", {})


def test_wrong_rows_of_csv_and_broken_zips_are_said_with_their_place(tmp_path):
    file = tmp_path / "cells.csv"
    file.write_text("id,name\n00000000-0000-4000-8000-0000000ce001,Laser\n7,Saw\n")
    with pytest.raises(Invalid, match="cells line 3: a row with an id"):
        in_file(file, "cells.csv", {})
    packed = tmp_path / "x.zip"
    with zipfile.ZipFile(packed, "w") as zipped:
        zipped.writestr("cells.csv", file.read_text().replace("7,", ","))
        zipped.writestr("readme.txt", "hello")
    with pytest.raises(Invalid, match="cells line 3: a row with an id"):
        in_file(packed, "x", {})
    packed.write_bytes(packed.read_bytes()[:-30])
    with pytest.raises(Invalid, match="the zip cannot be read"):
        in_file(packed, "x", {})


async def test_a_wrong_row_of_csv_is_said_with_its_line_and_nothing_is_there(floor: Floor, tmp_path):
    file = tmp_path / "cells.csv"
    file.write_text(
        "id,name,sequence\n00000000-0000-4000-8000-0000000ce009,New,1\n00000000-0000-4000-8000-0000000ce008,Newer,first\n"
    )
    with pytest.raises(Invalid, match="cells line 3 00000000-0000-4000-8000-0000000ce008: "):
        await take_in(floor.db, file)
    assert await floor.query("SELECT count(*) FROM cells") == [(2,)]


async def test_a_long_import_is_no_stuck_writer(floor: Floor, tmp_path, monkeypatch):
    """systemd asks when the writer last moved."""
    monkeypatch.setattr("gateway.transfer.commands.TOLD_EVERY", 1)
    moved = []
    monkeypatch.setattr(Database, "moving", lambda _db: moved.append(1))
    (tmp_path / "x.json").write_text(GOOD)
    await take_in(floor.db, tmp_path / "x.json")
    assert moved


async def test_a_failed_import_reads_its_file_again_and_takes_only_itself_back(floor: Floor, tmp_path):
    """The writer runs a group again when one of it failed after it had written."""
    (tmp_path / "x.json").write_text(
        json.dumps({"materials": [{"id": floor.NOWHERE, "name": "New"}, {"id": floor.ANNA, "name": "Steel S235"}]})
    )
    importing = asyncio.ensure_future(take_in(floor.db, tmp_path / "x.json"))
    job = await floor.job("J-1")
    with pytest.raises(Conflict):
        await importing
    assert (await floor.get(f"/api-jobs?id={job['id']}"))["job"]
    assert await floor.query("SELECT count(*) FROM materials") == [(1,)]


@pytest.mark.parametrize(
    "more",
    [
        {"name": "\ud800"},
        {"name": "a\0b"},
        {"description": 7},
        {"active": "yes"},
        {"active": 1e999},
        {"active": 2**70},
        {"row_version": 1e999},
        {"parent_part_id": 7},
        {"created_at": "\ud800"},
        {"name": ["x"], "color": {"a": 1e999}},
        {"name": {"a": "\ud800"}},
    ],
)
async def test_whatever_a_value_is_the_row_is_named(floor: Floor, tmp_path, more):
    row = {"id": floor.NOWHERE, "name": "New", **more}
    (tmp_path / "x.json").write_text(json.dumps({"materials": [row]}))
    with contextlib.suppress(Invalid):
        await take_in(floor.db, tmp_path / "x.json")
        assert set(more) <= {"parent_part_id", "description"}  # a number as a text is its digits
    await export(floor.db, tmp_path)


async def test_shapes_are_of_what_is_there(floor: Floor):
    here = await floor.db.read(shapes)
    assert here["operations"].seconds == {"actual_time_s": ("actual_time", "actual_time_seconds")}
    assert set(here["parts"].packed) == {"extra"}
    with offline(floor.db.path) as connection:
        wanted = Import([])
        connection.execute("BEGIN")
        assert bring_in(connection, Stamp(floor.clock.now(), "x", lambda: floor.NOWHERE), wanted) == {
            "tables": {},
            "not_kept": [],
        }
        connection.rollback()
