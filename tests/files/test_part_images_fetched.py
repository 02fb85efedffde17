"""Images of parts are fetched."""

from pictures import PNG

TENANT = "00000000-0000-4000-8000-0000000ff001"
MAX = 10 * 1024 * 1024


async def test_an_address_for_an_hour(uploads, floor):
    part_id = await uploads.part()
    path = (await uploads.image(part_id))["path"]
    told = await floor.get(f"/api-parts-images/{part_id}/url?path={path}")
    assert (told["path"], told["expires_in"]) == (path, 3600)
    assert (await uploads.fetch(told["url"]))[2] == PNG
    await floor.clock.advance(3600)
    assert (await uploads.fetch(told["url"]))[0] == 403


async def test_it_needs_a_path_that_the_part_lists(uploads, floor):
    part_id = await uploads.part()
    other = await uploads.stored("a.png", "image/png", PNG)
    assert (await floor.send("GET", f"/api-parts-images/{part_id}/url")).status == 400
    for path in (other, "x", f"{TENANT}/parts/{part_id}/x.png"):
        assert (await floor.send("GET", f"/api-parts-images/{part_id}/url?path={path}")).status == 404
    assert (await floor.send("GET", f"/api-parts-images/{floor.NOWHERE}/url?path=x")).status == 404


async def test_what_only_the_cloud_has_is_listed_without_an_address(uploads, floor):
    part_id = await uploads.part()
    await floor.send("PATCH", f"/api-parts?id={part_id}", {"image_paths": ["t/parts/p/far.png"]})
    far = {"path": "t/parts/p/far.png", "url": None, "size": 0, "created_at": None, "name": "far.png"}
    assert await uploads.images(part_id) == [far]
    reply = await floor.send("GET", f"/api-parts-images/{part_id}/url?path=t/parts/p/far.png")
    assert reply.status == 404
    assert "cloud" in reply.error["message"]
