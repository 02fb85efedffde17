"""`/api-parts-images`, in both styles: list, add, attach, fetch, delete."""

import asyncio
import json
import re

import aiohttp
import pytest
from little_room import leave
from pictures import EXE, IMAGES, JPEG, PDF, PNG, picture

from gateway.files import commands as commands_
from gateway.web.routes import Scope

TENANT = "00000000-0000-4000-8000-0000000ff001"
MAX = 10 * 1024 * 1024

# ------------------------------------------------------------------ adding


@pytest.mark.parametrize("kind", [*IMAGES, "image/jpg", "Image/PNG; x=y"])
async def test_every_type_is_taken_by_its_first_bytes(uploads, kind):
    part_id = await uploads.part()
    data = IMAGES.get(kind, PNG if "PNG" in kind else JPEG)
    told = await uploads.image(part_id, data, name="photo", kind=kind)
    ending = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp"}
    ending |= {"image/jpg": "jpg", "Image/PNG; x=y": "png"}
    assert re.fullmatch(rf"{TENANT}/parts/{part_id}/1793602800000_[0-9a-f-]{{36}}\.{ending[kind]}", told["path"])
    assert told.keys() >= {"path", "url", "size", "name"}
    assert (told["size"], told["name"]) == (len(data), told["path"].rpartition("/")[2])
    status, headers, got = await uploads.fetch(told["url"])
    assert (status, got, headers["Content-Type"].startswith("image/")) == (200, data, True)
    await uploads.agree()


async def test_what_stands_behind_the_last_dot_of_a_name_is_kept(uploads):
    part_id = await uploads.part()
    for name, ending in (
        ("x.JPG", ".jpg"),
        ("x.jpg-0123456789abcdef", ".jpg-0123456789abcdef"),
        ("x.exe", ".png"),
        ("x./../../etc", ".png"),
        ("x", ".png"),
    ):
        assert (await uploads.image(part_id, name=name))["path"].endswith(ending)


async def test_the_part_lists_it_and_says_when(uploads, floor):
    part_id = await uploads.part()
    await floor.clock.advance(60)
    first = await uploads.image(part_id)
    await floor.clock.advance(60)
    second = await uploads.image(part_id, picture(5000))
    part = await floor.part(part_id)
    assert part["image_paths"] == [first["path"], second["path"]]
    assert part["updated_at"] == "2026-11-02T07:02:00+00:00"
    images = await uploads.images(part_id)
    assert [(one["path"], one["size"], one["name"]) for one in images] == [
        (one["path"], one["size"], one["path"].rpartition("/")[2]) for one in (first, second)
    ]
    assert images[1]["created_at"] == "2026-11-02T07:02:00+00:00"
    assert [(await uploads.fetch(one["url"]))[2] for one in images] == [PNG, picture(5000)]


async def test_both_styles_list_the_same(uploads, floor):
    part_id = await uploads.part()
    await uploads.image(part_id)
    by_query = (await floor.get(f"/api-parts-images?part_id={part_id}"))["images"]
    assert by_query == await uploads.images(part_id) != []
    reply = await uploads.form(f"/api-parts-images?part_id={part_id}")
    assert reply.status == 201
    reply = await uploads.form(f"/api-parts-images/{part_id}")
    assert reply.status == 201
    assert len(await uploads.images(part_id)) == 3


async def test_it_is_told_as_a_file_and_as_a_change_of_the_part(uploads, floor):
    part_id = await uploads.part()
    before = len(await floor.events())
    await uploads.image(part_id)
    file, part = (await floor.events())[before:]
    ((file_id,),) = await floor.query("SELECT id FROM files")
    ((job_id, version, listed),) = await floor.query(
        "SELECT job_id, row_version, image_paths FROM parts WHERE id = ?", part_id
    )
    assert (file["aggregate"], file["lane"], file["type"]) == (f"file:{file_id}", f"files:{file_id}", None)
    assert [(one["table"], one["op"], one["id"]) for one in file["changes"]] == [("files", "insert", file_id)]
    assert (part["aggregate"], part["lane"], part["type"]) == (f"part:{part_id}", f"job:{job_id}", "part.updated")
    lists = {"image_paths": {"added": json.loads(listed), "gone": []}}
    told = {"table": "parts", "id": part_id, "op": "update", "version": version, "lists": lists}
    assert part["changes"] == [{**told, "fields": ["image_paths", "updated_at"]}]
    assert part["data"]["changes"] == ["image_paths"]


async def test_of_many_at_the_same_time_every_one_stays(uploads):
    part_id = await uploads.part()
    told = await asyncio.gather(*(uploads.image(part_id, picture(1000 + n)) for n in range(12)))
    images = await uploads.images(part_id)
    assert {one["path"] for one in images} == {one["path"] for one in told}
    assert sorted(one["size"] for one in images) == [1000 + n for n in range(12)]
    await uploads.agree()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (PNG, "text/plain"),
        (PNG, "image/svg+xml"),
        (PDF, "application/pdf"),
        (PNG, "application/octet-stream"),
        (EXE, "image/png"),
        (b"<svg/>", "image/png"),
        (JPEG, "image/png"),
        (b"", "image/png"),
        (b"\x89PN", "image/png"),
    ],
)
async def test_what_is_no_image_or_another_one_is_a_bad_request(uploads, floor, data, kind):
    part_id = await uploads.part()
    reply = await uploads.form(f"/api-parts-images/{part_id}/upload", data, kind=kind)
    assert (reply.status, reply.error["code"]) == (400, "BAD_REQUEST")
    assert (await floor.part(part_id))["image_paths"] == []
    assert not uploads.on_disk()


async def test_the_largest_is_taken_and_one_byte_more_is_not(uploads):
    part_id = await uploads.part()
    assert (await uploads.image(part_id, picture(MAX)))["size"] == MAX
    for size in (MAX + 1, MAX + 1_000_000):
        reply = await uploads.form(f"/api-parts-images/{part_id}/upload", picture(size))
        assert (reply.status, reply.error["code"]) == (413, "PAYLOAD_TOO_LARGE")
    await uploads.agree()


async def test_the_disk_s_last_megabytes_are_not_for_images(uploads, floor, monkeypatch):
    part_id = await uploads.part()
    leave(monkeypatch, 511)
    reply = await uploads.form(f"/api-parts-images/{part_id}/upload")
    assert (reply.status, reply.error["code"]) == (507, "INSUFFICIENT_STORAGE")
    assert not uploads.on_disk()
    assert await uploads.images(part_id) == []


async def test_a_form_without_the_file_is_a_bad_request(uploads, floor):
    part_id = await uploads.part()
    path = f"/api-parts-images/{part_id}/upload"
    assert (await uploads.form(path, field="image")).status == 400
    text = aiohttp.FormData()
    text.add_field("file", "text", content_type="image/png")
    text.add_field("more", "x")
    with aiohttp.MultipartWriter("form-data") as writer:
        part = writer.append("hello")
        part.set_content_disposition("form-data", name="file")
        assert (await uploads.raw("POST", path, writer)).status == 400
    for data, kind, status in (
        (b"", "multipart/form-data", 400),
        (b"", "multipart/form-data; boundary=x", 400),
        (b"--x\r\n", "multipart/form-data; boundary=x", 400),
        (b"--x--\r\n", "multipart/form-data; boundary=x", 400),
        (b"nothing", "multipart/form-data; boundary=" + "y" * 100, 400),
        (
            b'--x\r\nContent-Disposition: form-data; name="_charset_"\r\n\r\n' + b"z" * 99,
            "multipart/form-data; boundary=x",
            400,
        ),
        (b"--x\r\n" + b"A: b\r\n" * 5000, "multipart/form-data; boundary=x", 400),
        (b"--x\r\n" + b"A" * 100_000, "multipart/form-data; boundary=x", 400),
        (b"--x\r\n:::\r\n\r\n", "multipart/form-data; boundary=x", 400),
        (
            b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\na\r\n--y--\r\n--x--",
            "multipart/form-data; boundary=x",
            400,
        ),
        (PNG, "image/png", 415),
        (b"{}", "application/json", 415),
        (b"", "", 415),
    ):
        reply = await uploads.raw("POST", path, data, headers={"Content-Type": kind})
        assert reply.status == status, (data[:40], kind, reply.body)
    assert not uploads.on_disk()


async def test_a_form_that_ends_in_the_middle_of_the_file_is_not_one(uploads):
    part_id = await uploads.part()
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    for tail in (b"", b"\r\n", b"\r\n--", b"\r\n-x"):
        body = head + picture(2000) + tail
        reply = await uploads.raw(
            "POST",
            f"/api-parts-images/{part_id}/upload",
            body,
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        )
        assert (reply.status, uploads.on_disk()) == (400, {}), tail
    whole = head + picture(2000) + b"\r\n--x--\r\n"
    reply = await uploads.raw(
        "POST",
        f"/api-parts-images/{part_id}/upload",
        whole,
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )
    assert reply.status == 201
    assert list(uploads.on_disk().values()) == [picture(2000)]


async def test_a_part_has_no_more_than_so_many(uploads, monkeypatch):
    monkeypatch.setattr(commands_, "IMAGES_MAX", 2)
    part_id = await uploads.part()
    for _ in range(2):
        await uploads.image(part_id)
    reply = await uploads.form(f"/api-parts-images/{part_id}/upload")
    assert (reply.status, reply.error["code"]) == (409, "CONFLICT")
    await uploads.agree()


# ------------------------------------------------------------------ once and only once


async def test_the_same_key_and_bytes_get_the_first_answer(uploads):
    part_id = await uploads.part()
    path, headers = f"/api-parts-images/{part_id}/upload", {"Idempotency-Key": "photo-1"}
    first = await uploads.form(path, headers=headers)
    again = await uploads.form(path, headers=headers)
    assert (again.status, again.data) == (201, first.data)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(await uploads.images(part_id)) == 1
    await uploads.agree()


async def test_the_same_key_with_other_bytes_is_refused(uploads):
    part_id = await uploads.part()
    path, headers = f"/api-parts-images/{part_id}/upload", {"Idempotency-Key": "photo-1"}
    await uploads.form(path, headers=headers)
    reply = await uploads.form(path, picture(500), headers=headers)
    assert (reply.status, reply.error["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    await uploads.agree()


async def test_the_same_key_while_the_first_is_running_has_to_wait(uploads):
    part_id = await uploads.part()
    path, release = f"/api-parts-images/{part_id}/upload", asyncio.Event()
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    headers = {"Idempotency-Key": "photo-1", "Content-Type": "multipart/form-data; boundary=x"}

    async def slowly():
        yield head + PNG
        await release.wait()
        yield b"\r\n--x--\r\n"

    first = asyncio.create_task(uploads.raw("POST", path, slowly(), headers=headers))
    await asyncio.sleep(0.2)
    reply = await uploads.raw("POST", path, head + PNG + b"\r\n--x--\r\n", headers=headers)
    assert (reply.status, reply.error["code"]) == (409, "STILL_RUNNING")
    assert int(reply.headers["Retry-After"]) >= 1
    release.set()
    told = await first
    assert told.status == 201
    again = await uploads.raw("POST", path, head + PNG + b"\r\n--x--\r\n", headers=headers)
    assert (again.status, again.data) == (201, told.data)
    await uploads.agree()


# ------------------------------------------------------------------ attaching what was uploaded before


@pytest.mark.parametrize("style", ["body", "query", "path"])
async def test_an_uploaded_file_becomes_an_image_of_the_part(uploads, floor, style):
    part_id = await uploads.part()
    path = await uploads.stored("a.png", "image/png", PNG)
    where = {"body": "", "query": f"?part_id={part_id}", "path": f"/{part_id}"}[style]
    body = {"file_path": path, **({"part_id": part_id} if style == "body" else {})}
    reply = await floor.send("POST", f"/api-parts-images{where}", body)
    assert reply.status == 201, reply.body
    assert (reply.data["path"], reply.data["size"], reply.data["name"]) == (path, len(PNG), "a.png")
    assert (await uploads.fetch(reply.data["url"]))[2] == PNG
    again = await floor.send("POST", f"/api-parts-images{where}", body)
    assert again.status == 201
    assert (await floor.part(part_id))["image_paths"] == [path]
    assert [one["path"] for one in await uploads.images(part_id)] == [path]


async def test_what_cannot_be_attached(uploads, floor):
    part_id = await uploads.part()
    pdf = await uploads.stored("a.pdf")
    large = await uploads.stored("l.png", "image/png", picture(MAX + 1))
    image = await uploads.stored("a.png", "image/png", PNG)
    others = (await uploads.image(await uploads.part("J-2")))["path"]
    for body, status in (
        ({"part_id": part_id, "file_path": others}, 404),
        ({"part_id": part_id, "file_path": "nothing/here.png"}, 404),
        ({"part_id": part_id, "file_path": pdf}, 400),
        ({"part_id": part_id, "file_path": large}, 413),
        ({"part_id": floor.NOWHERE, "file_path": image}, 404),
        ({"part_id": part_id}, 400),
        ({"part_id": part_id, "file_path": None}, 400),
        ({"part_id": part_id, "file_path": ""}, 400),
        ({"file_path": image}, 400),
        ({"part_id": "x", "file_path": image}, 422),
        ({"part_id": part_id, "file_path": 1}, 422),
        ({"part_id": part_id, "file_path": image, "more": 1}, 422),
        ({}, 400),
        (None, 400),
        ([], 422),
    ):
        assert (await floor.send("POST", "/api-parts-images", body)).status == status, body
    reply = await floor.send("POST", f"/api-parts-images/{floor.NOWHERE}", {"part_id": part_id, "file_path": image})
    assert reply.status == 422
    assert (await floor.part(part_id))["image_paths"] == []


# ------------------------------------------------------------------ which part, which method, who


async def test_without_a_part_it_is_a_bad_request_and_an_unknown_one_is_not_found(uploads, floor):
    assert (await floor.send("GET", "/api-parts-images")).status == 400
    assert (await floor.send("GET", "/api-parts-images?part_id=")).status == 400
    assert (await uploads.form("/api-parts-images")).status == 400
    for part_id in (floor.NOWHERE, "not-an-id", "1"):
        assert (await floor.send("GET", f"/api-parts-images/{part_id}")).status == 404
        assert (await floor.send("GET", f"/api-parts-images?part_id={part_id}")).status == 404
        assert (await uploads.form(f"/api-parts-images/{part_id}/upload")).status == 404
    part_id = await uploads.part()
    assert (await floor.send("GET", f"/api-parts-images/{part_id.upper()}")).status == 200
    await floor.send("DELETE", f"/api-parts?id={part_id}")
    assert (await floor.send("GET", f"/api-parts-images/{part_id}")).status == 404
    assert (await uploads.form(f"/api-parts-images/{part_id}/upload")).status == 404


async def test_a_post_without_anything_to_add_is_a_bad_request(uploads, floor):
    part_id = await uploads.part()
    reply = await floor.send("POST", f"/api-parts-images/{part_id}")
    assert (reply.status, reply.error["code"]) == (400, "BAD_REQUEST")
    assert (await floor.send("POST", f"/api-parts-images/{part_id}", {})).status == 400


async def test_another_method_is_not_allowed(uploads, floor):
    part_id = await uploads.part()
    for path in ("/api-parts-images", f"/api-parts-images/{part_id}", f"/api-parts-images/{part_id}/upload"):
        for method in ("PUT", "PATCH"):
            reply = await floor.send(method, path, {})
            assert (reply.status, reply.error["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert (await floor.send("GET", f"/api-parts-images/{part_id}/upload")).status == 405
    assert (await floor.send("GET", f"/api-parts-images/{part_id}/nothing")).status == 404


async def test_who_may(uploads, floor):
    part_id = await uploads.part()
    path = (await uploads.image(part_id))["path"]
    reader, operator = await floor.new_key(Scope.READ), await floor.new_key(Scope.OPERATE)
    assert (await floor.send("GET", f"/api-parts-images/{part_id}", key=reader)).status == 200
    assert (await floor.send("GET", f"/api-parts-images/{part_id}/url?path={path}", key=reader)).status == 200
    assert (await uploads.form(f"/api-parts-images/{part_id}/upload", key=reader)).status == 403
    assert (await floor.send("DELETE", f"/api-parts-images/{part_id}", {"path": path}, key=reader)).status == 403
    assert (await uploads.form(f"/api-parts-images/{part_id}/upload", key=operator)).status == 201
    assert (await floor.send("DELETE", f"/api-parts-images/{part_id}", {"path": path}, key=operator)).status == 200


async def test_a_key_of_another_cell_sees_and_changes_nothing(uploads, floor):
    part_id = await uploads.part("J-1", (floor.SAW,))
    path = (await uploads.image(part_id))["path"]
    stored = await uploads.stored("a.png", "image/png", PNG)
    laser = await floor.new_key(Scope.PLAN, floor.LASER)
    assert (await floor.send("GET", f"/api-parts-images/{part_id}", key=laser)).status == 404
    assert (await floor.send("GET", f"/api-parts-images/{part_id}/url?path={path}", key=laser)).status == 404
    assert (await floor.send("GET", f"/api-parts/{part_id}/file-url?path={path}", key=laser)).status == 404
    for reply in (
        await uploads.form(f"/api-parts-images/{part_id}/upload", key=laser),
        await floor.send("DELETE", f"/api-parts-images/{part_id}", {"path": path}, key=laser),
        await floor.send("POST", f"/api-parts-images/{part_id}", {"file_path": stored}, key=laser),
    ):
        assert (reply.status, reply.error["code"]) == (403, "CELL_NOT_ALLOWED")
    saw = await floor.new_key(Scope.OPERATE, floor.SAW)
    assert (await uploads.form(f"/api-parts-images/{part_id}/upload", key=saw)).status == 201


async def test_both_base_paths_serve_them(uploads, floor):
    part_id = await uploads.part()
    for path in (f"/functions/v1/api-parts-images/{part_id}/", f"/api-parts-images/{part_id}"):
        assert (await floor.send("GET", path)).status == 200
    assert (await uploads.form(f"/functions/v1/api-parts-images/{part_id}/upload")).status == 201


async def test_the_answers_are_json(uploads):
    part_id = await uploads.part()
    reply = await uploads.form(f"/api-parts-images/{part_id}/upload")
    assert json.dumps(reply.body)
    assert reply.headers["Content-Type"] == "application/json"
