"""Files in the stand-in cloud: addresses for uploads, images of parts, and what gets lost on the way."""

import asyncio
import io
import re

import aiohttp
import pytest

from gateway.demo.cloud_storage import ISSUES, PART_IMAGES

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) + b"\r\n--x\n\r"
CUT_OFF = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientPayloadError)
GHOST = "11111111-2222-4333-8444-555555555555"
STRANGER = "00000000-0000-4000-8000-000000002002"


async def send(shop, method, url, **more):
    async with shop.session.request(method, url, **more) as answer:
        return answer.status, await answer.read()


async def offered(shop, **more):
    given = {"filename": "plan.pdf", "content_type": "application/pdf", **more}
    status, answer = await shop.send("POST", "/api-upload-url", given)
    return answer["data"] if status == 200 else (status, answer["error"]["message"])


async def put(shop, url, data=b"%PDF-1", kind="application/pdf"):
    async with shop.session.put(url, data=io.BytesIO(data), headers={"Content-Type": kind}) as answer:
        return answer.status, await answer.json()


async def add(shop, name="a.png", data=PNG, kind="image/png", part=None):
    form = aiohttp.FormData()
    form.add_field("file", io.BytesIO(data), filename=name, content_type=kind)
    url = f"{shop.url}/api-parts-images/{part or shop.PART}/upload"
    async with shop.session.post(url, data=form, headers={"Authorization": f"Bearer {shop.KEY}"}) as answer:
        return answer.status, await answer.json()


async def listed(shop):
    status, answer = await shop.send("GET", f"/api-parts-images/{shop.PART}")
    assert status == 200
    return answer["data"]["images"]


# ------------------------------------------------------------------ uploads by address


async def test_an_address_takes_the_bytes_and_the_path_is_known_before(shop):
    told = await offered(shop, filename="pl an,1.pdf", job_number="J-1/..")
    assert told["file_path"] == f"{shop.TENANT}/jobs/J-1/../pl_an_1.pdf"  # the number is not looked at
    assert told["expires_at"] == "2026-11-02T07:15:00.000Z"
    told = await offered(shop)
    assert told["file_path"] == f"{shop.TENANT}/files/plan.pdf"
    assert await put(shop, told["upload_url"]) == (200, {"Key": f"issues/{told['file_path']}"})
    assert shop.cloud.storage.objects[ISSUES, told["file_path"]].data == b"%PDF-1"


async def test_the_same_path_is_taken_once(shop):
    first, second = await offered(shop), await offered(shop)
    assert first["file_path"] == second["file_path"]
    await put(shop, first["upload_url"])
    for told in (first, second):
        status, answer = await put(shop, told["upload_url"], b"%PDF-2")
        assert (status, answer["statusCode"], answer["error"]) == (400, "409", "Duplicate")
    assert shop.cloud.storage.objects[ISSUES, first["file_path"]].data == b"%PDF-1"
    shop.cloud.storage.signs_for_taken = False
    assert await offered(shop) == (500, "Failed to create upload URL: The resource already exists")


@pytest.mark.parametrize(
    "wrong",
    [
        {"filename": ""},
        {"content_type": ""},
        {"filename": "x" * 256},
        {"filename": "a..b"},
        {"filename": "a/b"},
        {"filename": "a\\b"},
        {"content_type": "video/mp4"},
    ],
)
async def test_what_gets_no_address(shop, wrong):
    assert (await offered(shop, **wrong))[0] == 400


@pytest.mark.parametrize(
    ("kind", "size", "code"),
    [("application/step", 9, "415"), ("image/gif", 9, "415"), ("application/pdf", 50 * 1024 * 1024 + 1, "413")],
)
async def test_the_bucket_has_types_and_a_size(shop, kind, size, code):
    told = await offered(shop, content_type=kind)
    status, answer = await put(shop, told["upload_url"], b"x" * size, kind)
    assert (status, answer["statusCode"]) == (400, code)
    assert shop.cloud.storage.objects == {}


async def test_an_address_is_good_for_two_hours_for_its_path_and_without_a_key(shop):
    told = await offered(shop)
    assert (await put(shop, told["upload_url"].replace("plan.pdf", "other.pdf")))[0] == 400
    await shop.clock.advance(2 * 3600)
    status, answer = await put(shop, told["upload_url"])
    assert (status, answer["error"]) == (400, "InvalidJWT")


async def test_whatever_the_method(shop):
    body = {"filename": "a.pdf", "content_type": "application/pdf"}
    assert (await shop.send("PUT", "/api-upload-url", body))[0] == 200


# ------------------------------------------------------------------ images of parts


async def test_an_image_is_kept_under_a_name_of_the_clouds_but_for_its_ending(shop):
    status, answer = await add(shop, "Foto.1.JPG-00FF")
    told = answer["data"]
    assert status == 201
    name = re.escape(f"{shop.TENANT}/parts/{shop.PART}/1793602800000_") + r"[0-9a-f-]{36}\.jpg-00ff"
    assert re.fullmatch(name, told["path"])
    assert (told["size"], told["name"]) == (len(PNG), told["path"].rpartition("/")[2])
    assert await send(shop, "GET", told["url"]) == (200, PNG)
    assert shop.cloud.row("parts", shop.PART)["image_paths"] == [told["path"]]
    (image,) = await listed(shop)
    assert image.keys() == {"path", "url", "size", "created_at", "name"}
    assert (image["path"], image["size"]) == (told["path"], len(PNG))
    shop.cloud.files.tells_size = False
    assert [one["size"] for one in await listed(shop)] == [0]


async def test_six_at_a_time_lose_paths(shop):
    assert {status for status, _ in await asyncio.gather(*(add(shop) for _ in range(6)))} == {201}
    assert len(shop.cloud.storage.objects) == 6
    assert 1 <= len(await listed(shop)) < 6


async def test_a_deleted_image_is_gone_and_a_repeat_is_404(shop):
    paths = [(await add(shop))[1]["data"]["path"] for _ in range(2)]
    where = f"/api-parts-images/{shop.PART}"
    body = {"success": True, "data": {"success": True, "deleted_path": paths[0]}}
    assert await shop.send("DELETE", where, {"path": paths[0]}) == (200, body)
    assert (await shop.send("DELETE", where, {"path": paths[0]}))[0] == 404
    assert (await shop.send("DELETE", where, {}))[0] == 400
    assert [one["path"] for one in await listed(shop)] == [paths[1]]
    assert list(shop.cloud.storage.objects) == [(PART_IMAGES, paths[1])]


async def test_the_address_of_one_image(shop):
    path = (await add(shop))[1]["data"]["path"]
    where = f"/api-parts-images/{shop.PART}/url"
    _, answer = await shop.send("GET", f"{where}?path={path}")
    assert (answer["data"]["path"], answer["data"]["expires_in"]) == (path, 3600)
    assert await send(shop, "GET", answer["data"]["url"]) == (200, PNG)
    assert (await shop.send("GET", where))[0] == 400
    assert (await shop.send("GET", f"{where}?path=x"))[0] == 404


async def test_what_is_no_image_or_of_no_part_of_ours(shop):
    shop.cloud.add_tenant(STRANGER)
    shop.cloud.load({"parts": [{**shop.cloud.row("parts", shop.PART), "id": GHOST, "tenant_id": STRANGER}]})
    assert (await add(shop, kind="application/pdf"))[0] == 400
    assert (await add(shop, data=b"x" * (10 * 1024 * 1024 + 1)))[0] == 400
    assert (await add(shop, part=GHOST))[0] == 401
    assert (await add(shop, part=shop.NEW))[0] == 404
    assert (await shop.send("GET", "/api-parts-images"))[0] == 400
    assert (await shop.send("POST", f"/api-parts-images/{shop.PART}"))[0] == 400


async def test_a_full_storage_is_a_422_without_words(shop):
    shop.tenant.max_storage_bytes = len(PNG)
    assert (await add(shop))[0] == 201
    assert await add(shop) == (422, {"success": False, "error": {"statusCode": 422}})


# ------------------------------------------------------------------ accidents


async def test_an_upload_whose_reply_is_lost_is_there(shop):
    shop.cloud.faults.change(lose_reply=1.0, left=1)
    with pytest.raises(CUT_OFF):
        await add(shop)
    assert len(await listed(shop)) == 1
    await add(shop)
    assert len(await listed(shop)) == 2  # nobody knows that it is the same


async def test_a_late_upload_doubles_an_image(shop):
    shop.cloud.faults.change(late_delivery=1.0, left=1, late_min_s=20.0, late_max_s=20.0)
    with pytest.raises(CUT_OFF):
        await add(shop)
    await add(shop)
    assert len(await listed(shop)) == 1
    await shop.clock.advance(20)
    await shop.until(lambda: len(shop.cloud.row("parts", shop.PART)["image_paths"]) == 2)


@pytest.mark.parametrize("fault", ["lose_reply", "late_delivery", "error_503", "duplicate"])
async def test_the_storage_has_accidents_too(shop, fault):
    told = await offered(shop)
    late = {"late_min_s": 5.0, "late_max_s": 5.0}
    times = 2 if fault in ("lose_reply", "late_delivery") else 1  # the client repeats a PUT by itself
    shop.cloud.faults.change(**{fault: 1.0}, left=times, only="PUT /storage/", **late)
    if fault in ("lose_reply", "late_delivery"):
        with pytest.raises(CUT_OFF):
            await put(shop, told["upload_url"])
    else:
        status, _ = await send(
            shop, "PUT", told["upload_url"], data=b"%PDF-1", headers={"Content-Type": "application/pdf"}
        )
        assert status == (503 if fault == "error_503" else 200)
    assert bool(shop.cloud.storage.objects) == (fault in ("lose_reply", "duplicate"))
    await shop.clock.advance(5)
    expected = fault != "error_503"
    await shop.until(lambda: bool(shop.cloud.storage.objects) == expected)
    assert shop.cloud.log[-1].body == "6 bytes"
