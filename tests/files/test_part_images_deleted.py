"""Images of parts are deleted."""

import pytest
from pictures import JPEG, PNG

TENANT = "00000000-0000-4000-8000-0000000ff001"
MAX = 10 * 1024 * 1024


@pytest.mark.parametrize("style", ["/{}", "?part_id={}"])
async def test_a_deleted_image_is_gone_from_part_table_and_disk(uploads, floor, style):
    part_id = await uploads.part()
    kept = (await uploads.image(part_id))["path"]
    path = (await uploads.image(part_id, JPEG, kind="image/jpeg"))["path"]
    url = (await floor.get(f"/api-parts-images/{part_id}/url?path={path}"))["url"]
    reply = await floor.send("DELETE", "/api-parts-images" + style.format(part_id), {"path": path})
    assert (reply.status, reply.data) == (200, {"success": True, "deleted_path": path})
    assert (await floor.part(part_id))["image_paths"] == [kept]
    assert list(uploads.on_disk().values()) == [PNG]
    await uploads.agree()
    assert (await uploads.fetch(url))[0] == 404
    part, file = (await floor.events())[-2:]
    assert (part["type"], part["changes"][0]["fields"]) == ("part.updated", ["image_paths", "updated_at"])
    assert (file["changes"][0]["op"], file["changes"][0]["fields"]["path"]) == ("delete", path)
    assert (await floor.send("DELETE", f"/api-parts-images/{part_id}", {"path": path})).status == 404


async def test_letting_go_of_an_attached_file_does_not_delete_it(uploads, floor):
    part_id = await uploads.part()
    path = await uploads.stored("a.png", "image/png", PNG)
    await floor.send("POST", "/api-parts-images", {"part_id": part_id, "file_path": path})
    assert (await floor.send("DELETE", f"/api-parts-images/{part_id}", {"path": path})).status == 200
    assert await uploads.images(part_id) == []
    assert list(uploads.on_disk().values()) == [PNG]
    await uploads.agree()


async def test_what_cannot_be_deleted(uploads, floor):
    part_id = await uploads.part()
    where = f"/api-parts-images/{part_id}"
    for body, status in (({}, 400), (None, 400), ({"path": ""}, 400), ({"path": None}, 400), ({"path": 1}, 422)):
        assert (await floor.send("DELETE", where, body)).status == status, body
    assert (await floor.send("DELETE", where, {"path": "x", "more": 1})).status == 422
    assert (await floor.send("DELETE", where, {"path": "x"})).status == 404
    assert (await floor.send("DELETE", "/api-parts-images", {"path": "x"})).status == 400
    assert (await floor.send("DELETE", f"/api-parts-images/{floor.NOWHERE}", {"path": "x"})).status == 404


async def test_a_delete_is_repeated_with_its_key(uploads, floor):
    part_id = await uploads.part()
    path, headers = (await uploads.image(part_id))["path"], {"Idempotency-Key": "gone"}
    first, again = [
        await floor.send("DELETE", f"/api-parts-images/{part_id}", {"path": path}, headers=headers) for _ in range(2)
    ]
    assert (first.status, again.status, again.data) == (200, 200, first.data)
