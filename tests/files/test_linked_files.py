"""Where a file that a row lists can be fetched: CAD files of parts, photos of issues, pictures of nests."""

import pytest
from pictures import PNG, STEP

from gateway.web.routes import Scope


async def test_a_cad_file_that_is_stored_here_is_fetched(uploads, floor):
    path = await uploads.stored("bracket.step", "model/step", STEP, job_number="J-1")
    part_id = await uploads.part()
    await floor.send("PATCH", f"/api-parts?id={part_id}", {"file_paths": ["t/far.step", path]})
    told = await floor.get(f"/api-parts/{part_id}/file-url?path={path}")
    assert told.keys() == {"path", "url", "expires_in"}
    assert (told["path"], told["expires_in"]) == (path, 3600)
    status, headers, data = await uploads.fetch(told["url"])
    assert (status, data) == (200, STEP)
    assert headers["Content-Disposition"] == 'attachment; filename="bracket.step"'


async def test_one_that_is_not_here_says_why(uploads, floor):
    part_id, stored = await uploads.part(), await uploads.stored("other.step", "model/step", STEP)
    await floor.send("PATCH", f"/api-parts?id={part_id}", {"file_paths": ["t/far.step"]})
    for path, why in (("t/far.step", "it is kept in the cloud only"), (stored, "the part does not list it")):
        reply = await floor.send("GET", f"/api-parts/{part_id}/file-url?path={path}")
        assert (reply.status, reply.error["message"]) == (404, f"CAD file not found for this part: {path} ({why})")


async def test_it_needs_a_path_and_a_part(uploads, floor):
    part_id = await uploads.part()
    assert (await floor.send("GET", f"/api-parts/{part_id}/file-url")).status == 400
    assert (await floor.send("GET", f"/api-parts/{part_id}/file-url?path=")).status == 400
    for unknown in (floor.NOWHERE, "x"):
        assert (await floor.send("GET", f"/api-parts/{unknown}/file-url?path=a")).status == 404


async def test_who_may(uploads, floor):
    part_id = await uploads.part("J-1", (floor.SAW,))
    path = (await uploads.image(part_id, PNG))["path"]
    await floor.send("PATCH", f"/api-parts?id={part_id}", {"file_paths": [path]})
    for key, status in (
        (await floor.new_key(Scope.READ), 200),
        (await floor.new_key(Scope.READ, floor.SAW), 200),
        (await floor.new_key(Scope.ADMIN, floor.LASER), 404),
        ("ery_live_nobody", 401),
    ):
        assert (await floor.send("GET", f"/api-parts/{part_id}/file-url?path={path}", key=key)).status == status


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_only_get(uploads, floor, method):
    part_id = await uploads.part()
    assert (await floor.send(method, f"/api-parts/{part_id}/file-url?path=a", {})).status == 400


# ------------------------------------------------------------------ issues


async def issue(uploads, floor, *paths: str) -> str:
    job = await floor.job("J-9", (floor.SAW,))
    body = {"operation_id": job["parts"][0]["operations"][0]["id"], "title": "Burr", "description": "On the left edge"}
    return (await floor.make("/api-issues", {**body, "image_paths": [*paths]}))["issue"]["id"]


async def test_a_photo_of_an_issue_is_fetched(uploads, floor):
    path = await uploads.stored("burr.png", "image/png", PNG)
    issue_id = await issue(uploads, floor, path, "t/far.png")
    told = await floor.get(f"/api-issues/{issue_id}/image-url?path={path}")
    assert (told["path"], told["expires_in"]) == (path, 3600)
    assert (await uploads.fetch(told["url"]))[2] == PNG
    for missing, why in (("t/far.png", "it is kept in the cloud only"), ("t/other.png", "the issue does not list it")):
        reply = await floor.send("GET", f"/api-issues/{issue_id}/image-url?path={missing}")
        assert (reply.status, reply.error["message"]) == (404, f"Image not found for this issue: {missing} ({why})")


async def test_it_needs_a_path_an_issue_and_a_key_of_its_cell(uploads, floor):
    path = await uploads.stored("burr.png", "image/png", PNG)
    issue_id = await issue(uploads, floor, path)
    assert (await floor.send("GET", f"/api-issues/{issue_id}/image-url")).status == 400
    for unknown in (floor.NOWHERE, "x"):
        assert (await floor.send("GET", f"/api-issues/{unknown}/image-url?path={path}")).status == 404
    for cell, status in ((floor.SAW, 200), (floor.LASER, 404)):
        key = await floor.new_key(Scope.READ, cell)
        assert (await floor.send("GET", f"/api-issues/{issue_id}/image-url?path={path}", key=key)).status == status


# ------------------------------------------------------------------ batches


async def test_a_picture_of_a_nest_is_fetched(uploads, floor):
    nest = await uploads.stored("nest.png", "image/png", PNG)
    layout = await uploads.stored("layout.png", "image/png", PNG)
    body = {"batch_number": "N-1", "batch_type": "laser_nesting", "cell_id": floor.LASER, "nesting_image_url": nest}
    batch_id = (await floor.make("/api-batches", {**body, "layout_image_url": layout}))["batch"]["id"]
    for path in (nest, layout):
        told = await floor.get(f"/api-batches/{batch_id}/image-url?path={path}")
        assert (told["path"], told["expires_in"]) == (path, 3600)
        assert (await uploads.fetch(told["url"]))[2] == PNG
    reply = await floor.send("GET", f"/api-batches/{batch_id}/image-url?path=t/other.png")
    assert (reply.status, reply.error["message"]) == (
        404,
        "Image not found for this batch: t/other.png (the batch does not list it)",
    )
    assert (await floor.send("GET", f"/api-batches/{batch_id}/image-url")).status == 400
    for unknown in (floor.NOWHERE, "x"):
        assert (await floor.send("GET", f"/api-batches/{unknown}/image-url?path={nest}")).status == 404
    for cell, status in ((floor.LASER, 200), (floor.SAW, 404)):
        key = await floor.new_key(Scope.READ, cell)
        assert (await floor.send("GET", f"/api-batches/{batch_id}/image-url?path={nest}", key=key)).status == status


async def test_a_nest_without_a_picture_lists_none(floor):
    body = {"batch_number": "N-1", "batch_type": "laser_nesting", "cell_id": floor.LASER}
    batch_id = (await floor.make("/api-batches", body))["batch"]["id"]
    assert (await floor.send("GET", f"/api-batches/{batch_id}/image-url?path=t/a.png")).status == 404
