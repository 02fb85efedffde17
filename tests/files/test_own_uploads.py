"""A key that is limited to cells lists what it uploaded itself, and so opens nobody else's files."""

import pytest
from pictures import PDF, PNG

from gateway.web.routes import Scope


@pytest.fixture
async def theirs(uploads):
    """A drawing that somebody from another cell has uploaded."""
    return await uploads.stored("secret.pdf", "application/pdf", PDF)


@pytest.fixture
async def saw(floor):
    return await floor.new_key(Scope.PLAN, floor.SAW)


async def written(floor, saw, path: str):
    """What each way of listing a path answers."""
    job = await floor.job("J-1", (floor.SAW,))
    part = job["parts"][0]
    operation_id = part["operations"][0]["id"]
    issue = {"operation_id": operation_id, "title": "Burr", "description": "left", "severity": "low"}
    raised = (await floor.make("/api-issues", issue))["issue"]["id"]
    fresh = {"job_id": job["id"], "part_number": "P-new", "material": "S235", "quantity": 1}
    asked = (
        ("PATCH", f"/api-parts?id={part['id']}", {"file_paths": [path]}),
        ("PATCH", f"/api-parts?id={part['id']}", {"image_paths": [path]}),
        ("POST", f"/api-parts-images/{part['id']}", {"file_path": path}),
        ("POST", "/api-parts", {**fresh, "file_paths": [path]}),
        ("POST", "/api-issues", {**issue, "image_paths": [path]}),
        ("PATCH", f"/api-issues?id={raised}", {"image_paths": [path]}),
    )
    return [await floor.send(*one, key=saw) for one in asked]


async def test_it_lists_nobody_elses_file(uploads, floor, saw, theirs):
    replies = await written(floor, saw, theirs)
    assert [(reply.status, reply.error["code"]) for reply in replies] == [(403, "CELL_NOT_ALLOWED")] * 6
    assert replies[0].error["message"] == f"this key did not upload {theirs}: upload it with this key, then list it"


async def test_nor_a_path_under_which_something_may_come(uploads, floor, saw, theirs):
    replies = await written(floor, saw, theirs.replace("secret", "tomorrow"))
    assert {reply.status for reply in replies} - {404} == {403}  # an image that is not there cannot be attached anyway


async def test_it_keeps_what_the_row_lists_already(floor, saw, theirs):
    part = (await floor.job("J-1", (floor.SAW,)))["parts"][0]
    address = f"/api-parts?id={part['id']}"
    assert (await floor.send("PATCH", address, {"file_paths": [theirs]})).status == 200
    assert (await floor.send("PATCH", address, {"file_paths": [theirs], "notes": "mine"}, key=saw)).status == 200
    assert (await floor.send("PATCH", address, {"file_paths": []}, key=saw)).status == 200
    assert (await floor.send("PATCH", address, {"file_paths": [theirs]}, key=saw)).status == 403


async def test_it_lists_its_own(uploads, floor, saw):
    reply = await floor.send("POST", "/api-upload-url", {"filename": "mine.png", "content_type": "image/png"}, key=saw)
    await uploads.put(reply.data["upload_url"], PNG, "image/png")
    path = reply.data["file_path"]
    part = (await floor.job("J-1", (floor.SAW,)))["parts"][0]
    for body in ({"file_paths": [path]}, {"image_paths": [path]}):
        assert (await floor.send("PATCH", f"/api-parts?id={part['id']}", body, key=saw)).status == 200
    assert (await uploads.fetch((await uploads.images(part["id"]))[0]["url"]))[2] == PNG


async def test_what_lies_in_the_cloud_alone_or_elsewhere_opens_nothing(floor, saw):
    part = (await floor.job("J-1", (floor.SAW,)))["parts"][0]
    body = {"file_paths": ["other-tenant/far.step", "https://drawings.example/1.pdf"]}
    assert (await floor.send("PATCH", f"/api-parts?id={part['id']}", body, key=saw)).status == 200


async def test_the_erp_with_such_a_key_is_held_to_it(floor, saw, theirs):
    part = {"external_id": "E-1", "external_source": "erp", "part_number": "P-erp", "material": "S235", "quantity": 1}
    job = await floor.job("J-1", (floor.SAW,))
    one = {**part, "job_id": job["id"], "file_paths": [theirs]}
    reply = await floor.send("PUT", "/api-parts/sync", one, key=saw)
    assert (reply.status, reply.error["message"][:25]) == (403, "this key did not upload 0")
    assert (await floor.send("PUT", "/api-parts/sync", {**one, "file_paths": []}, key=saw)).status == 201
    assert (await floor.send("PUT", "/api-parts/sync", one)).status == 200
    changed = {**one, "file_paths": [theirs, theirs.replace("secret", "other")]}
    assert (await floor.send("PUT", "/api-parts/sync", changed, key=saw)).status == 403
