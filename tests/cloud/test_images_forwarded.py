"""Images of parts in the cloud: each once, with the bytes that it has here, whatever happens on the way."""

import json

import pytest
from cloud_shop import PLANNED_AT, all_sent, shop_of, stand_in
from desk import BEAM, FOOT, HOOD, PARKED, at_desk, images_there, mark, png
from shift import CALLER, CUT, OTTO, Accident

from gateway.cloud.uplink import BLOCKED_EVERY
from gateway.demo import cloud_files, factory
from gateway.demo.cloud_faults import Faults
from gateway.operations.model import Verb
from gateway.operations.trees.commands import JobTreeCommands
from gateway.outbox import parked

A, B, C = png("a"), png("b", 200_000), png("c")
LATE_S = {"late_min_s": 0.05, "late_max_s": 0.3}
SETTLE_AFTER_S = 1.0  # far above LATE_S: a machine with other work delivers late requests later still
FAULTS = "lose_reply late_delivery error_503 error_500 boot_error truncated_body duplicate database_away".split()
ENDPOINT = "/api-parts-images"


@pytest.fixture
async def shop(tmp_path, pulled):
    async with shop_of(tmp_path / "shop", stand_in(PLANNED_AT), pulled) as shop:
        yield shop


@pytest.fixture
async def desk(shop, tmp_path):
    return await at_desk(shop, tmp_path)


def image_calls(shop) -> list[str]:
    return [one.method for one in shop.cloud.log if one.path.startswith(ENDPOINT)]


async def nothing_parked(shop) -> bool:
    return await shop.ask(PARKED) == []


async def test_each_image_is_there_once_byte_for_byte_under_a_name_with_its_digest(shop, desk):
    for data, kind in ((A, "image/png"), (B, "image/jpeg"), (C, "image/webp")):
        head = {"image/jpeg": b"\xff\xd8\xff", "image/webp": b"RIFF\0\0\0\0WEBP"}.get(kind, b"")
        await desk.photo(BEAM, head + data, kind)
    async with shop.online():
        await shop.drained()
    assert images_there(shop.cloud, BEAM) == sorted([A, b"\xff\xd8\xff" + B, b"RIFF\0\0\0\0WEBP" + C])
    names = [path.rpartition(".")[2] for path in shop.cloud.row("parts", BEAM)["image_paths"]]
    assert names[0] == f"png-{mark(A)}"
    assert [name.partition("-")[0] for name in names] == ["png", "jpg", "webp"]
    assert image_calls(shop) == ["POST", "GET"] * 3  # one after another, and after each a look
    assert await nothing_parked(shop)


async def test_a_second_look_at_the_same_part_sends_nothing_again(shop, desk):
    await desk.photo(BEAM, A)
    async with shop.online():
        await shop.drained()
        await desk.changes(BEAM, material="Oak")
        await desk.photo(BEAM, C)
        await shop.drained()
    assert images_there(shop.cloud, BEAM) == sorted([A, C])
    assert image_calls(shop) == ["POST", "GET"] * 2


async def test_a_part_is_there_before_its_image(shop, desk):
    part_id = await desk.plans(part_number="P-NEW")
    await desk.photo(part_id, A)
    async with shop.online():
        await shop.drained()
    assert images_there(shop.cloud, part_id) == [A]


async def test_equal_images_are_one_there_and_it_stays_until_the_last_is_thrown_away(shop, desk):
    first, second = [await desk.photo(BEAM, A) for _ in range(2)]
    await desk.photo(FOOT, A)  # another part has its own
    async with shop.online():
        await shop.drained()
        assert (images_there(shop.cloud, BEAM), images_there(shop.cloud, FOOT)) == ([A], [A])
        await desk.throw_away(BEAM, first)
        await shop.drained()
        assert images_there(shop.cloud, BEAM) == [A]
        await desk.throw_away(BEAM, second)
        await shop.drained()
    assert (images_there(shop.cloud, BEAM), images_there(shop.cloud, FOOT)) == ([], [A])


async def test_what_is_thrown_away_before_it_went_up_never_goes(shop, desk):
    await desk.throw_away(BEAM, await desk.photo(BEAM, A))
    async with shop.online():
        await shop.drained()
    assert image_calls(shop) == []


async def test_an_image_that_the_office_deleted_already_is_gone_and_that_is_all(shop, desk):
    path = await desk.photo(BEAM, A)
    async with shop.online():
        await shop.drained()
        await shop.in_the_office("parts", BEAM, image_paths=[])
        shop.cloud.storage.objects.clear()
        await desk.throw_away(BEAM, path)
        await shop.drained()
    assert image_calls(shop)[-1] == "DELETE"
    assert await nothing_parked(shop)


@pytest.mark.parametrize("tells_size", [True, False])
async def test_one_that_is_not_whole_there_is_sent_again(shop, desk, tells_size):
    """Somebody cut it; where the list tells no sizes the digest in its name has to do."""
    shop.cloud.files.tells_size = tells_size
    cut = f"{factory.TENANT_ID}/parts/{BEAM}/1_x.png-{mark(A)}"
    shop.cloud.storage.put(("parts-images", cut), A[:-1], "image/png")
    await shop.in_the_office("parts", BEAM, image_paths=[cut])
    await desk.photo(BEAM, A)
    async with shop.online():
        await shop.drained()
    assert images_there(shop.cloud, BEAM) == ([A] if tells_size else [A[:-1]])


# ------------------------------------------------------------------ accidents


async def story(shop, desk) -> None:
    """Two images come, one goes, another comes; each step on its own."""
    first = await desk.photo(BEAM, A)
    await shop.sent()
    await desk.photo(BEAM, B)
    await shop.sent()
    await desk.throw_away(BEAM, first)
    await shop.sent()
    await desk.photo(BEAM, C)
    await shop.drained()


@pytest.mark.parametrize("place", range(1, 5))
@pytest.mark.parametrize("fault", FAULTS)
async def test_an_accident_at_each_request_that_changes_something(shop, desk, fault, place):
    shop.cloud.faults = accident = Accident(fault=fault, place=place, times=2, **LATE_S)
    async with shop.online(settle_after_s=SETTLE_AFTER_S):
        await story(shop, desk)
    assert accident.met.partition("?")[0].partition("/upload")[0].endswith(f"{ENDPOINT}/{BEAM}")
    assert images_there(shop.cloud, BEAM) == sorted([B, C])
    assert await nothing_parked(shop)


@pytest.mark.parametrize("fault", ["error_503", "error_500", "boot_error", "truncated_body"])
async def test_a_list_that_does_not_come_is_asked_for_again(shop, desk, fault):
    shop.cloud.faults = Faults(**{fault: 0.6}, only=f"GET {ENDPOINT}")
    async with shop.online():
        await story(shop, desk)
    assert images_there(shop.cloud, BEAM) == sorted([B, C])
    assert image_calls(shop).count("POST") == 3  # nothing was sent blindly


async def test_an_image_that_arrives_late_and_is_not_wanted_any_more_does_not_stay(shop, desk):
    shop.cloud.faults = Faults(late_delivery=1.0, left=1, only=f"POST {ENDPOINT}", late_min_s=0.4, late_max_s=0.4)
    path = await desk.photo(BEAM, A)
    async with shop.online(settle_after_s=1.0):
        await shop.until(lambda _: image_calls(shop) != [], "the upload has left")
        await desk.throw_away(BEAM, path)
        await shop.drained()
    assert images_there(shop.cloud, BEAM) == []


async def cut_after(shop, requests: int) -> None:
    """The link is ended when so many more have come, or all is sent."""
    before = len(image_calls(shop))
    async with shop.linked():
        await shop.until(lambda c: len(image_calls(shop)) >= before + requests or all_sent(c))


@pytest.mark.parametrize("place", range(1, 5))
async def test_a_restart_in_the_middle(shop, desk, place):
    """A new link goes on with what the database knows; what the old one sent may still run."""
    path = await desk.photo(BEAM, A)
    await desk.photo(BEAM, B)
    await cut_after(shop, place)
    await desk.throw_away(BEAM, path)
    async with shop.linked():
        await shop.drained()
    assert images_there(shop.cloud, BEAM) == [B]
    assert await nothing_parked(shop)


async def test_a_restart_after_every_request(shop, desk):
    for data in (A, B):
        await desk.photo(BEAM, data)
    while not await shop.db.read(all_sent):
        await cut_after(shop, 1)
    async with shop.linked():
        await shop.drained()
    assert images_there(shop.cloud, BEAM) == sorted([A, B])
    assert await nothing_parked(shop)


async def test_what_the_look_afterwards_does_not_show_goes_up_again(shop, desk):
    """Whoever writes the list last wins over there: here the office, between our upload and its answer."""
    shop.cloud.faults.change(slow_s=0.3)
    async with shop.online(timeout_s=5.0):
        await desk.photo(BEAM, A)
        await shop.until(lambda _: shop.cloud.row("parts", BEAM)["image_paths"])
        await shop.in_the_office("parts", BEAM, image_paths=[])
        shop.cloud.faults.change(slow_s=0.0)
        await shop.drained()
    assert images_there(shop.cloud, BEAM) == [A]
    assert image_calls(shop).count("POST") == 2


# ------------------------------------------------------------------ what does not go


async def test_one_that_is_too_large_waits_for_a_person_and_nothing_else_does(shop, desk):
    large = await desk.photo(BEAM, png("x", 10 * 1024 * 1024 + 1))
    await desk.photo(BEAM, A)
    async with shop.online():
        await shop.sent()
        await desk.photo(BEAM, C)
        await desk.changes(BEAM, material="Oak")
        await shop.change(Verb.START, CUT, operator_id=OTTO)
        await shop.sent()
        assert images_there(shop.cloud, BEAM) == sorted([A, C])
        assert shop.cloud.row("parts", BEAM)["material"] == "Oak"
        assert shop.cloud.row("operations", CUT)["status"] == "in_progress"
        ((aggregate, state, reason),) = await shop.ask(PARKED)
        assert (aggregate, state) == (f"file:{large}", "parked")
        assert reason == f"it stays here: {large}: it has 10.0 MiB, the cloud takes 10 at most"
        await desk.throw_away(BEAM, large)
        await shop.db.write(parked.retry, "cloud", None)
        await shop.until(lambda c: c.execute("SELECT count(*) FROM event_parked").fetchone()[0] == 0)
    assert shop.cloud.storage.objects.keys() == {
        ("parts-images", path) for path in shop.cloud.row("parts", BEAM)["image_paths"]
    }


async def test_one_whose_bytes_are_gone_or_damaged_is_not_sent(shop, desk, tmp_path):
    gone, damaged = await desk.photo(BEAM, A), await desk.photo(FOOT, B)
    folder = tmp_path / "shop" / "files" / "parts-images"
    for file in folder.iterdir():
        if file.stat().st_size == len(A):
            file.unlink()
        else:
            file.write_bytes(b"?" + B[1:])
    async with shop.online():
        await shop.sent()
    reasons = {aggregate: reason for aggregate, _, reason in await shop.ask(PARKED)}
    assert "not on this gateway any more" in reasons[f"file:{gone}"]
    assert "damaged on the disk" in reasons[f"file:{damaged}"]
    assert image_calls(shop) == []


async def test_a_path_without_bytes_is_looked_for_over_there(shop, desk):
    """As after an import: the cloud has the one; the other was here once and is lost."""
    known, lost = (f"{factory.TENANT_ID}/parts/{BEAM}/{name}.png" for name in ("1_known", "2_lost"))
    await shop.in_the_office("parts", BEAM, image_paths=[known])
    await desk.changes(BEAM, image_paths=[known, lost, "a word"])
    async with shop.online():
        await shop.sent()
        ((aggregate, _, reason),) = await shop.ask(PARKED)
        assert aggregate == f"file:{lost}"
        assert "not on this gateway any more" in reason
        await desk.changes(BEAM, image_paths=[])
        await shop.sent()
    assert shop.cloud.row("parts", BEAM)["image_paths"] == []


async def test_a_full_storage_is_asked_again_every_day(shop, desk):
    tenant = shop.cloud.add_tenant(factory.TENANT_ID)
    tenant.max_storage_bytes = 0
    await desk.photo(BEAM, A)
    async with shop.online():
        await shop.sent()
        ((_, state, reason),) = await shop.ask(PARKED)
        assert state == "blocked_quota"
        assert "its storage is full" in reason
    tenant.max_storage_bytes = None
    back = f"-{BLOCKED_EVERY.total_seconds()} seconds"
    sql = "UPDATE event_parked SET parked_at = strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now', ?)"
    await shop.db.write(lambda tx: tx.execute(sql, (back,)) and None)
    async with shop.online():
        await shop.until(lambda c: c.execute("SELECT count(*) FROM event_parked").fetchone()[0] == 0)
    assert images_there(shop.cloud, BEAM) == [A]


# ------------------------------------------------------------------ others


async def test_images_on_their_way_do_not_keep_the_presses_waiting(shop, desk, monkeypatch):
    """More slow uploads than there are places at the cloud, and a press in another job."""
    monkeypatch.setattr(cloud_files, "STORING_S", 2.0)
    async with shop.online(timeout_s=10.0):
        for number in range(5):
            await desk.photo(await a_part(shop, f"J-{number}"), A)
        await shop.until(lambda _: image_calls(shop) != [], "an upload is on its way")
        await shop.change(Verb.START, CUT, operator_id=OTTO)
        await shop.until(lambda _: shop.cloud.row("operations", CUT)["status"] == "in_progress")
        assert [part["image_paths"] for part in shop.cloud.rows("parts") if part["image_paths"]] == []
        monkeypatch.setattr(cloud_files, "STORING_S", 0.0)
        await shop.drained()
    assert len(shop.cloud.storage.objects) == 5


async def a_part(shop, job_number: str) -> str:
    """In a job of its own."""
    jobs = JobTreeCommands(shop.db, shop.clock, shop.new_id, "gw-test")
    given = {"job_number": job_number, "customer": "x", "parts": [{"part_number": f"P-{job_number}"}]}
    answer = await jobs.create(given, CALLER, None)
    return json.loads(answer.data)["job"]["parts"][0]["id"]


async def test_each_request_counts_against_the_days_number(shop, desk):
    await desk.photo(HOOD, A)
    async with shop.online() as link:
        await shop.drained()
        # Two functions that are only asked whether they are there are unknown to the stand-in, and not in its log.
        await shop.until(lambda _: link.budget.made == len(shop.cloud.log) + 2, "each is counted")
