"""Files of a cell at its site: each once and whole, whatever is cut, killed, full or damaged; nothing else waits for them."""

import asyncio
import shutil

import pytest
from hall import ANNA, LASER, SAW
from levels import level, until
from photos import Hangs, counted, drawing, fetched, hanging_line, images, on_disk, photograph, picture


@pytest.fixture
async def site(tmp_path):
    async with level(tmp_path / "site", "site") as site:
        await site.furnished()
        yield site


def below(site, key, url=None, **more):
    return {"kind": "hub", "url": url or site.url, "api_key": key, "cells": ["Laser"], "timeout": "5s", **more}


async def part_of(cell, number="J-1"):
    await until(lambda: cell.knows("cells", LASER), "the plan")
    return (await cell.job(number, LASER))["parts"][0]


async def shows(box, part_id, *pictures):
    """Exactly these, whole."""
    if not await box.knows("parts", part_id):
        return False
    return sorted((await images(box, part_id)).values(), key=str) == sorted(pictures, key=str)


async def test_a_photo_and_a_drawing_are_at_the_site_and_what_is_deleted_goes_there_too(tmp_path, site):
    async with level(tmp_path / "cell", "cell", above=site, cells=("Laser",)) as cell:
        part = await part_of(cell)
        paths = [await photograph(cell, part["id"], picture(str(number))) for number in range(3)]
        plan = await drawing(cell, "plan.pdf")
        await cell.done("PATCH", f"/api-parts?id={part['id']}", {"file_paths": [plan]})
        await until(cell.drained, "sent")
        assert await shows(site, part["id"], *(picture(str(number)) for number in range(3)))
        link = await site.done("GET", f"/api-parts/{part['id']}/file-url?path={plan}")
        assert (await fetched(site, link["url"])).startswith(b"%PDF")
        assert await site.ask("SELECT id, path, sha256 FROM files ORDER BY id") == await cell.ask(
            "SELECT id, path, sha256 FROM files ORDER BY id"
        )
        assert not await site.ask("SELECT 1 FROM files_to_come")
        await cell.done("DELETE", f"/api-parts-images?part_id={part['id']}", {"path": paths[0]})
        await until(cell.drained, "sent")
        assert await shows(site, part["id"], picture("1"), picture("2"))
        await until(lambda: has_on_disk(site, 3), "its bytes are gone")
        assert on_disk(site.folder) == on_disk(cell.folder)


async def has_on_disk(box, count):
    return len(on_disk(box.folder)) == count


@pytest.mark.parametrize(
    ("method", "when", "times"),
    [
        ("GET", "before", 2),
        ("GET", "after", 2),
        ("PUT", "before", 2),
        ("PUT", "middle", 2),
        ("PUT", "after", 1),  # then it asks first, and hears that it is there
    ],
)
async def test_a_line_that_is_cut_at_any_request(tmp_path, site, method, when, times):
    hangs, key = Hangs(method, when, left=times), await site.key_for("cell")
    async with hanging_line(site, hangs) as url:
        async with level(tmp_path / "cell", "cell", cloud=below(site, key, url)) as cell:
            part = await part_of(cell)
            await photograph(cell, part["id"], picture("a", 300_000))
            await until(cell.drained, "sent")
        assert hangs.left == 0
        assert hangs.seen == (1 if method == "PUT" and when == "after" else times + 1)
        assert await shows(site, part["id"], picture("a", 300_000))
        assert on_disk(site.folder) == [picture("a", 300_000)]
        assert len(await site.ask('SELECT id FROM events WHERE changes LIKE \'%"table":"files"%\'')) == 1


async def test_a_cell_that_ends_before_it_hears_that_its_file_was_taken(tmp_path, site):
    hangs, key = Hangs("PUT", "after", left=1_000), await site.key_for("cell")
    async with hanging_line(site, hangs) as url:
        async with level(tmp_path / "cell", "cell", cloud=below(site, key, url)) as cell:
            part = await part_of(cell)
            await photograph(cell, part["id"], picture("a"))
            await until(lambda: has_on_disk(site, 1), "taken")
            assert (await cell.link())["pending"] > 0
        taken = hangs.seen
        async with level(tmp_path / "cell", "cell", cloud=below(site, key, url)) as cell:
            await until(cell.drained, "sent")
    assert hangs.seen == taken  # it asked first, and sent nothing twice
    assert on_disk(site.folder) == [picture("a")]
    assert await shows(site, part["id"], picture("a"))


async def test_work_goes_up_while_the_disk_of_the_site_is_full_and_the_file_waits(tmp_path):
    port, reserve = (
        None,
        shutil.disk_usage(tmp_path).free * 3 // 2,
    )  # twice what telemetry and four times what plans ask for
    async with level(tmp_path / "site", "site", limits={"upload_reserve_bytes": reserve}) as site:
        await site.furnished()
        port, key = int(site.url.rpartition(":")[2]), await site.key_for("cell")
        async with level(tmp_path / "cell", "cell", cloud=below(site, key)) as cell:
            part = await part_of(cell)
            operation = part["operations"][0]["id"]
            await photograph(cell, part["id"], picture("a"))
            await cell.done("POST", f"/api-operation-lifecycle/start?id={operation}", {"operator_id": ANNA})
            await until(lambda: started(site, operation), "the press is at the site")
            await until(lambda: waits_for(cell, "full"), "the reason is told")
            await until(lambda: only_the_file_waits(cell), "everything else is sent")
            assert await images(site, part["id"]) == dict.fromkeys(await images(cell, part["id"]))
            assert (await site.send("GET", "/healthz")).body["gateways"]["cell"]["files_to_come"] == 1
    async with (
        level(tmp_path / "site", "site", http={"port": port}) as site,
        level(tmp_path / "cell", "cell", cloud=below(site, key)) as cell,
    ):
        await until(cell.drained, "sent")
        assert await shows(site, part["id"], picture("a"))


async def started(box, operation):
    return bool(await box.ask("SELECT 1 FROM operations WHERE id = ? AND status = 'in_progress'", operation))


async def only_the_file_waits(cell):
    link = await cell.link()
    assert counted(link)
    return (link["pending"], link["parked"], link["files_waiting"]) == (1, 0, 1)


async def waits_for(cell, what):
    return what in str((await cell.link()).get("files_error"))


async def test_a_file_that_is_damaged_is_parked_by_itself_and_goes_when_it_is_whole(tmp_path, site):
    key = await site.key_for("cell")
    async with (
        hanging_line(site, Hangs("GET", "before", left=1_000)) as url,
        level(tmp_path / "cell", "cell", cloud=below(site, key, url)) as cell,
    ):
        part = await part_of(cell)
        await photograph(cell, part["id"], picture("a"))
        await photograph(cell, part["id"], picture("b"))
    damaged = find(tmp_path / "cell", picture("a"))
    damaged.write_bytes(picture("a")[:-1] + b"?")
    async with level(tmp_path / "cell", "cell", cloud=below(site, key)) as cell:
        await until(lambda: is_parked(cell, 1), "parked")
        link = await cell.link()
        assert (link["pending"], link["parked"]) == (0, 1)
        assert counted(link)
        assert await shows(site, part["id"], picture("b"), None)
        ((reason,),) = await cell.ask("SELECT reason FROM event_parked")
        assert "damaged" in reason
        damaged.write_bytes(picture("a"))
        await cell.gateway.db.write(retry)
        await until(cell.drained, "sent")
        assert await shows(site, part["id"], picture("a"), picture("b"))


def find(folder, data):
    return next(file for file in (folder / "files").rglob("*") if file.is_file() and file.read_bytes() == data)


def retry(tx):
    tx.execute("UPDATE event_parked SET state = 'retry'")


async def is_parked(cell, count):
    link = await cell.link()
    return link["parked"] == count and link["pending"] == 0


async def test_two_cells_photograph_the_same_part_and_every_list_has_both(tmp_path, site):
    """While neither can see the other, or the site; one of them takes a photo of the office's out."""
    keys = {name: await site.key_for(name) for name in ("laser", "saw")}
    clouds = {"laser": below(site, keys["laser"]), "saw": {**below(site, keys["saw"]), "cells": ["Saw"]}}
    part = (await site.job("J-1", LASER, SAW))["parts"][0]["id"]
    old = await photograph(site, part, picture("old"))
    for name, cloud in clouds.items():
        async with level(tmp_path / name, name, cloud=cloud) as cell:
            await until(lambda cell=cell: shows(cell, part, None), "the plan")
            await until(cell.drained, "sent")
    for name, cloud in clouds.items():
        async with level(tmp_path / name, name, cloud={**cloud, "url": "http://127.0.0.1:9"}) as cell:
            await photograph(cell, part, picture(name))
            if name == "saw":
                await cell.done("DELETE", f"/api-parts-images?part_id={part}", {"path": old})
    await photograph(site, part, picture("office"))
    async with (
        level(tmp_path / "laser", "laser", cloud=clouds["laser"]) as laser,
        level(tmp_path / "saw", "saw", cloud=clouds["saw"]) as saw,
    ):
        boxes = (laser, saw, site)
        await until(lambda: all_drained(laser, saw), "sent")
        await until(lambda: shows(site, part, picture("laser"), picture("saw"), picture("office")), "all of them")
        await until(lambda: agree(boxes, part), "every list has them")


async def all_drained(*boxes):
    return all([await box.drained() for box in boxes])


async def agree(boxes, part):
    lists = [sorted(await images(box, part)) for box in boxes]
    return all(len(one) == 3 and one == lists[0] for one in lists)


async def test_names_of_drawings_of_two_gateways_do_not_meet(tmp_path, site):
    async with level(tmp_path / "cell", "cell", above=site, cells=("Laser",)) as cell:
        ours, theirs = await drawing(cell, "plan.pdf", b"%PDF-1.7\ncell"), await drawing(site, "plan.pdf")
        assert ours != theirs
        await until(cell.drained, "sent")
        assert len(await site.ask("SELECT 1 FROM files")) == 2


async def test_a_restored_cell_sends_no_file_twice_and_a_restored_site_gets_what_it_has_lost(tmp_path, monkeypatch):
    async with level(tmp_path / "site", "site") as site:
        await site.furnished()
        port, key = int(site.url.rpartition(":")[2]), await site.key_for("cell")
        async with level(tmp_path / "cell", "cell", cloud=below(site, key)) as cell:
            part = await part_of(cell)
            await photograph(cell, part["id"], picture("a"))
            await until(cell.drained, "sent")
    shutil.copytree(tmp_path / "cell", tmp_path / "cell-copy")
    shutil.copytree(tmp_path / "site", tmp_path / "site-copy")
    async with (
        level(tmp_path / "site", "site", http={"port": port}) as site,
        level(tmp_path / "cell", "cell", cloud=below(site, key)) as cell,
    ):
        await photograph(cell, part["id"], picture("b"))
        await until(cell.drained, "sent")
    monkeypatch.setattr("gateway.identity.machine", lambda: "another machine")
    async with level(tmp_path / "site-copy", "site", http={"port": port}) as site:
        monkeypatch.undo()
        async with level(tmp_path / "cell", "cell", cloud=below(site, key)) as cell:
            await until(lambda: shows(site, part["id"], picture("a"), picture("b")), "what it had lost")
            await until(cell.drained, "sent")
        monkeypatch.setattr("gateway.identity.machine", lambda: "a third machine")
        async with level(tmp_path / "cell-copy", "cell", cloud=below(site, key)) as copy:
            await photograph(copy, part["id"], picture("c"))
            await until(copy.drained, "sent")
            want = (picture("a"), picture("b"), picture("c"))
            await until(lambda: shows(site, part["id"], *want), "all three")
            assert on_disk(site.folder) == sorted(want)


async def test_a_photo_that_is_deleted_while_it_is_on_its_way_stays_nowhere(tmp_path, site):
    key = await site.key_for("cell")
    async with (
        hanging_line(site, Hangs("PUT", "after", left=1)) as url,
        level(tmp_path / "cell", "cell", cloud=below(site, key, url)) as cell,
    ):
        part = await part_of(cell)
        path = await photograph(cell, part["id"], picture("a"))
        await until(lambda: has_on_disk(site, 1), "its bytes are there")
        await cell.done("DELETE", f"/api-parts-images?part_id={part['id']}", {"path": path})
        await until(cell.drained, "sent")
        assert await shows(site, part["id"])
        await until(lambda: has_on_disk(site, 0), "gone")
        assert not await site.ask("SELECT 1 FROM files")


async def test_many_files_go_two_at_a_time_and_the_counts_always_add_up(tmp_path, site):
    async with level(tmp_path / "cell", "cell", above=site, cells=("Laser",)) as cell:
        part = await part_of(cell)
        for number in range(12):
            await photograph(cell, part["id"], picture(str(number), 200_000))
            assert counted(await cell.link())
        while not await cell.drained():
            assert counted(await cell.link())
            await asyncio.sleep(0.01)
        assert await shows(site, part["id"], *(picture(str(number), 200_000) for number in range(12)))
