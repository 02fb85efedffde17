"""Files that parts and issues list: the bytes go up first, then the list with the cloud's paths; here it keeps ours."""

import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cloud_shop import PLANNED_AT, all_sent, shop_of, stand_in
from desk import BEAM, FOOT, HOOD, PARKED, at_desk, files_there, mark, pdf, png
from floor import differences
from shift import CUT, LASER, OTTO, Accident

from gateway.demo import factory
from gateway.demo.cloud_faults import Faults
from gateway.demo.cloud_storage import ISSUES
from gateway.operations.model import Verb
from gateway.outbox import parked

PLAN, LARGE, PHOTO = pdf("plan"), pdf("large", 3 * 1024 * 1024), png("photo")
STEP = b"ISO-10303-21;\nHEADER;\n"
LATE_S = {"late_min_s": 0.05, "late_max_s": 0.3}
FAULTS = "lose_reply late_delivery error_503 error_500 boot_error truncated_body duplicate database_away".split()


@pytest.fixture
async def shop(tmp_path, pulled):
    async with shop_of(tmp_path / "shop", stand_in(PLANNED_AT), pulled) as shop:
        yield shop


@pytest.fixture
async def desk(shop, tmp_path):
    return await at_desk(shop, tmp_path)


def calls(shop) -> list[str]:
    """What concerns a file, in order: where it went."""
    kinds = {"/api-upload-url": "address", "/storage/v1": "bytes", "/api-parts": "list", "/api-issues": "list"}
    told = [
        (kind, one) for one in shop.mutations_and_puts() for path, kind in kinds.items() if one.path.startswith(path)
    ]
    return [kind for kind, one in told if kind != "list" or names_files(one.body)]


def names_files(body) -> bool:
    return bool(body.get("file_paths") or body.get("image_paths"))


async def here(shop, table: str, row_id: str) -> list[str]:
    column = "file_paths" if table == "parts" else "image_paths"
    ((listed,),) = await shop.ask(f"SELECT {column} FROM {table} WHERE id = ?", row_id)
    return json.loads(listed)


async def well(shop) -> None:
    assert await shop.ask(PARKED) == []
    assert await shop.db.read(differences, shop.cloud) == []


async def test_a_drawing_of_a_part_is_there_and_its_list_names_it(shop, desk):
    path = await desk.file("plan 1.pdf", PLAN, job="J 1")
    await desk.lists(BEAM, path, r"\\server\cad\beam.dxf")
    async with shop.online():
        await shop.drained()
    tenant = factory.TENANT_ID
    assert path == f"{tenant}/jobs/J_1/plan_1.pdf"
    named, other = shop.cloud.row("parts", BEAM)["file_paths"]
    assert named == f"{tenant}/jobs/J_1/plan_1-{mark(PLAN)}.pdf"
    assert other == r"\\server\cad\beam.dxf"  # no file of ours: as it was
    assert shop.cloud.storage.objects[ISSUES, named].data == PLAN
    assert calls(shop)[:3] == ["address", "bytes", "list"]
    assert await here(shop, "parts", BEAM) == [path, other]
    await well(shop)


async def test_pictures_of_an_issue_follow_it(shop, desk):
    paths = [await desk.file("a.png", PHOTO, "image/png"), await desk.file("b.pdf", PLAN)]
    async with shop.online():
        issue_id = await desk.complains(*paths)
        await shop.drained()
        assert files_there(shop.cloud, "issues", issue_id) == [PHOTO, PLAN]
        await desk.shows(issue_id, paths[1])
        await shop.drained()
        assert files_there(shop.cloud, "issues", issue_id) == [PLAN]
    assert calls(shop) == ["address", "bytes"] * 2 + ["list"] * 2
    await well(shop)


async def test_one_file_in_several_lists_goes_once(shop, desk):
    path = await desk.file("plan.pdf", PLAN)
    async with shop.online():
        await desk.lists(BEAM, path)
        await shop.drained()
        await desk.lists(FOOT, path)
        await shop.drained()
        issue_id = await desk.complains(path)
        await shop.drained()
    assert calls(shop).count("bytes") == 1
    for table, row_id in (("parts", BEAM), ("parts", FOOT), ("issues", issue_id)):
        assert files_there(shop.cloud, table, row_id) == [PLAN]
    await well(shop)


async def test_two_files_with_the_same_bytes_are_two(shop, desk):
    paths = [await desk.file(name, PLAN) for name in ("a.pdf", "b.pdf", "a.pdf")]
    assert len({*paths}) == 3
    await desk.lists(BEAM, *paths)
    async with shop.online():
        await shop.drained()
    assert files_there(shop.cloud, "parts", BEAM) == [PLAN] * 3
    assert len({*shop.cloud.row("parts", BEAM)["file_paths"]}) == 3
    await well(shop)


async def test_a_large_one_arrives_as_it_is(shop, desk):
    await desk.lists(HOOD, await desk.file("x.pdf", LARGE))
    async with shop.online():
        await shop.drained()
    assert files_there(shop.cloud, "parts", HOOD) == [LARGE]


async def test_a_new_part_that_lists_a_file(shop, desk):
    part_id = await desk.plans(part_number="P-NEW", file_paths=[await desk.file("plan.pdf", PLAN)])
    async with shop.online():
        await shop.drained()
    assert files_there(shop.cloud, "parts", part_id) == [PLAN]
    await well(shop)


# ------------------------------------------------------------------ pull


async def test_a_pull_brings_no_path_of_the_clouds_for_a_file_of_ours(shop, desk):
    path = await desk.file("plan.pdf", PLAN)
    await desk.lists(BEAM, path)
    async with shop.online(pull_every_s=0.1):
        await shop.drained()
        (named,) = shop.cloud.row("parts", BEAM)["file_paths"]
        await shop.in_the_office("parts", BEAM, material="Oak")
        await shop.until(material(BEAM, "Oak"), "the pull came")
        assert await here(shop, "parts", BEAM) == [path]
        await shop.in_the_office("parts", BEAM, file_paths=["office.pdf", named], material="Elm")
        await shop.until(material(BEAM, "Elm"), "the pull came")
        assert await here(shop, "parts", BEAM) == ["office.pdf", path]
        await shop.drained()
        assert shop.cloud.row("parts", BEAM)["file_paths"] == ["office.pdf", named]
    assert await shop.ask("SELECT * FROM cloud_conflicts WHERE table_name = 'parts'") == []
    await well(shop)


async def test_a_file_that_is_stuck_here_stays_in_the_list_when_the_office_changes_it(shop, desk):
    path = await desk.file("model.step", STEP, "application/step")
    await desk.lists(BEAM, path)
    async with shop.online(pull_every_s=0.1):
        await shop.drained()
        await shop.db.write(parked.discard, "cloud", None)
        await shop.in_the_office("parts", BEAM, file_paths=["office.pdf"], material="Oak")
        await shop.until(material(BEAM, "Oak"), "the pull came")
    assert await here(shop, "parts", BEAM) == ["office.pdf", path]


def material(part_id: str, name: str):
    return lambda c: c.execute("SELECT material FROM parts WHERE id = ?", (part_id,)).fetchone()[0] == name


# ------------------------------------------------------------------ accidents


async def story(shop, desk) -> str:
    """Three files and three lists, each step on its own; the issue."""
    plan, photo = await desk.file("plan.pdf", PLAN), await desk.file("a.png", PHOTO, "image/png")
    await desk.lists(BEAM, plan)
    await shop.sent()
    issue_id = await desk.complains(photo)
    await shop.sent()
    await desk.lists(BEAM, plan, await desk.file("second.pdf", LARGE))
    await shop.drained()
    return issue_id


async def all_there(shop, issue_id: str) -> None:
    assert files_there(shop.cloud, "parts", BEAM) == [PLAN, LARGE]
    assert files_there(shop.cloud, "issues", issue_id) == [PHOTO]
    assert len(shop.cloud.storage.objects) == 3
    await well(shop)


@pytest.mark.parametrize("place", range(1, 11))
@pytest.mark.parametrize("fault", FAULTS)
async def test_an_accident_at_each_request(shop, desk, fault, place):
    shop.cloud.faults = accident = Accident(fault=fault, place=place, times=2, **LATE_S)
    async with shop.online():
        issue_id = await story(shop, desk)
    assert accident.met
    await all_there(shop, issue_id)


@pytest.mark.parametrize("fault", FAULTS[:6])
async def test_bytes_that_have_accidents_half_of_the_time(shop, desk, fault):
    shop.cloud.faults = Faults(**{fault: 0.6}, only="PUT /storage/", **LATE_S)
    async with shop.online():
        issue_id = await story(shop, desk)
    await all_there(shop, issue_id)


async def test_a_cloud_that_gives_no_address_for_what_it_has(shop, desk):
    """It took the bytes and nobody heard of it; the second time it does not even give an address."""
    shop.cloud.storage.signs_for_taken = False
    shop.cloud.faults = Faults(lose_reply=1.0, left=2, only="PUT /storage/")
    await desk.lists(BEAM, await desk.file("plan.pdf", PLAN))
    async with shop.online():
        await shop.drained()
    assert files_there(shop.cloud, "parts", BEAM) == [PLAN]
    await well(shop)


async def test_an_address_that_grew_too_old_is_asked_for_anew(shop, desk):
    await desk.lists(BEAM, await desk.file("plan.pdf", PLAN))
    known = shop.cloud.storage.upload_address
    shop.cloud.storage.upload_address = lambda place: old(shop, known, place)
    async with shop.online():
        await shop.drained()
    assert calls(shop).count("address") == 2
    assert files_there(shop.cloud, "parts", BEAM) == [PLAN]


def old(shop, known, place) -> str:
    """The first is good for nothing."""
    shop.cloud.storage.upload_address = known
    return known(place) + "0"


@pytest.mark.parametrize("place", range(1, 8))
async def test_a_restart_in_the_middle(shop, desk, place):
    plan, photo = await desk.file("plan.pdf", PLAN), await desk.file("a.png", PHOTO, "image/png")
    await desk.lists(BEAM, plan)
    issue_id = await desk.complains(photo)
    await cut_after(shop, place)
    await desk.lists(BEAM, plan, await desk.file("second.pdf", LARGE))
    async with shop.linked():
        await shop.drained()
    await all_there(shop, issue_id)


async def test_a_restart_after_every_request(shop, desk):
    await desk.lists(BEAM, await desk.file("plan.pdf", PLAN), await desk.file("second.pdf", LARGE))
    issue_id = await desk.complains(await desk.file("a.png", PHOTO, "image/png"))
    while not await shop.db.read(all_sent):
        await cut_after(shop, 1)
    async with shop.linked():
        await shop.drained()
    await all_there(shop, issue_id)


async def cut_after(shop, requests: int) -> None:
    """The link is ended when so many more have come, or all is sent."""
    before = len(shop.mutations_and_puts())
    async with shop.linked():
        await shop.until(lambda c: len(shop.mutations_and_puts()) >= before + requests or all_sent(c))


# ------------------------------------------------------------------ what does not go


async def test_a_kind_that_the_clouds_storage_does_not_take_holds_nothing_up(shop, desk):
    steps = [{"operation_name": "Saw", "cell_id": LASER, "estimated_time": 5}]
    paths = [await desk.file("model.step", STEP, "application/step"), await desk.file("plan.pdf", PLAN)]
    part_id = await desk.plans(part_number="P-NEW", file_paths=paths, operations=steps)
    ((operation_id,),) = await shop.ask("SELECT id FROM operations WHERE part_id = ?", part_id)
    async with shop.online():
        await shop.sent()
        await shop.change(Verb.START, operation_id, operator_id=OTTO)
        await desk.changes(part_id, material="Oak")
        await shop.sent()
    assert shop.cloud.row("operations", operation_id)["status"] == "in_progress"
    assert shop.cloud.row("parts", part_id)["material"] == "Oak"
    assert files_there(shop.cloud, "parts", part_id) == [PLAN]
    ((aggregate, state, reason),) = await shop.ask(PARKED)
    assert (aggregate, state) == (f"file:{paths[0]}", "parked")
    assert reason == f"the cloud refuses it: {paths[0]}: mime type application/step is not supported"


async def test_what_was_parked_goes_when_somebody_asks(shop, desk, tmp_path):
    path = await desk.file("plan.pdf", PLAN)
    (file,) = (tmp_path / "shop" / "files" / "issues").iterdir()
    kept = file.rename(tmp_path / "elsewhere")
    await desk.lists(BEAM, path)
    async with shop.online():
        await shop.sent()
        ((_, _, reason),) = await shop.ask(PARKED)
        assert reason.startswith(f"it stays here: {path}: its bytes are not on this gateway any more")
        assert calls(shop) == []
        kept.rename(file)
        await shop.db.write(parked.retry, "cloud", None)
        await shop.until(lambda c: c.execute("SELECT count(*) FROM event_parked").fetchone()[0] == 0)
        await shop.drained()
    assert files_there(shop.cloud, "parts", BEAM) == [PLAN]
    await well(shop)


async def test_a_part_that_the_office_deleted_takes_no_files(shop, desk):
    await desk.lists(BEAM, await desk.file("plan.pdf", PLAN))
    await desk.photo(BEAM, PHOTO)
    await shop.in_the_office("parts", BEAM, deleted_at="2026-11-02T07:00:00Z")
    async with shop.online():
        await shop.drained()
        await shop.change(Verb.START, CUT, operator_id=OTTO)
        await shop.drained()
    assert await shop.ask(PARKED) == []
    assert (
        len(await shop.ask("SELECT reason FROM cloud_conflicts WHERE row_id = ? AND field = 'deleted_at'", BEAM)) == 1
    )


async def test_the_key_is_not_shown_to_the_storage(shop, desk):
    """An address is its own permission, and may lie at another host."""
    seen = []

    async def take(request: web.BaseRequest) -> web.Response:
        seen.append((request.method, {*request.headers}, await request.read()))
        return web.json_response({"Key": "x"})

    await desk.lists(BEAM, await desk.file("plan.pdf", PLAN))
    server = TestServer(web.Application())
    server.app.router.add_put("/{rest:.*}", take)
    async with server:
        shop.cloud.storage.base = str(server.make_url("/")).rstrip("/")
        async with shop.online():
            await shop.drained()
    ((method, headers, body),) = seen
    assert (method, body) == ("PUT", PLAN)
    assert "Authorization" not in headers
    assert "Content-Length" in headers


async def test_an_address_that_is_less_safe_than_the_cloud_is_not_used(shop, desk):
    shop.cloud.storage.base = shop.url.replace("http://", "ftp://")
    await desk.lists(BEAM, await desk.file("plan.pdf", PLAN))
    async with shop.online():
        await shop.sent()
    ((_, _, reason),) = await shop.ask(PARKED)
    assert "gives out an address for files that is not http" in reason
