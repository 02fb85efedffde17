"""`/api-upload-url` and the address that it gives out: one file, once, of the declared type, for fifteen minutes."""

import asyncio
import hashlib
import io
import json
import re
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from little_room import leave
from pictures import CSV, DXF, EXE, GIF, JPEG, JSON, PDF, PNG, STEP, TEXT, WEBP, XLS, XLSX

from gateway.files import blobs as blobs_
from gateway.files import store
from gateway.web.routes import Scope

TENANT = "00000000-0000-4000-8000-0000000ff001"

# ------------------------------------------------------------------ asking for an address


async def test_an_address_is_given_out_where_the_caller_reached_us(uploads, floor):
    told = await uploads.offer("a.pdf")
    assert told["file_path"] == f"{TENANT}/files/a.pdf"
    assert told["expires_at"] == "2026-11-02T07:15:00.000Z"
    url = urlsplit(told["upload_url"])
    assert f"{url.scheme}://{url.netloc}" == floor.url
    assert url.path == f"/storage/v1/object/upload/sign/issues/{told['file_path']}"
    assert parse_qs(url.query)["token"] == [told["token"]]


async def test_its_host_is_the_one_that_was_asked(uploads):
    body = json.dumps({"filename": "a.pdf", "content_type": "application/pdf"})
    reply = await uploads.raw("POST", "/api-upload-url", body, headers={"Host": "hall-1.local:8443"})
    assert reply.data["upload_url"].startswith("http://hall-1.local:8443/storage/")
    for host in ("evil/path?", 'a"b', "a b", "x" * 300):
        assert (await uploads.raw("POST", "/api-upload-url", body, headers={"Host": host})).status == 400


async def test_the_path_has_the_job_number_in_it(uploads):
    assert (await uploads.offer("a.pdf", job_number="J-1"))["file_path"] == f"{TENANT}/jobs/J-1/a.pdf"
    assert (await uploads.offer("a.pdf", job_number=""))["file_path"] == f"{TENANT}/files/a.pdf"
    assert (await uploads.offer("b.pdf", job_number=None))["file_path"] == f"{TENANT}/files/b.pdf"


async def test_names_are_made_plain(uploads):
    for name, plain in (("ä b(1).pdf", "__b_1_.pdf"), (".", "_"), ("-x.pdf", "-x.pdf"), ("x" * 255, "x" * 255)):
        assert (await uploads.offer(name))["file_path"].endswith(f"/files/{plain}")
    climbing = await uploads.offer("a.pdf", job_number="../../x/..")
    assert climbing["file_path"] == f"{TENANT}/jobs/.._.._x_../a.pdf"
    assert (await uploads.offer("b.pdf", job_number=".."))["file_path"] == f"{TENANT}/jobs/__/b.pdf"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"filename": "a.pdf"},
        {"content_type": "application/pdf"},
        {"filename": "", "content_type": "application/pdf"},
        {"filename": None, "content_type": "application/pdf"},
        {"filename": "a.pdf", "content_type": None},
        {"filename": "x" * 256, "content_type": "application/pdf"},
        {"filename": "../a.pdf", "content_type": "application/pdf"},
        {"filename": "a..pdf", "content_type": "application/pdf"},
        {"filename": "a/b.pdf", "content_type": "application/pdf"},
        {"filename": "a\\b.pdf", "content_type": "application/pdf"},
        {"filename": "a.exe", "content_type": "application/x-msdownload"},
        {"filename": "a.html", "content_type": "text/html"},
        {"filename": "a.svg", "content_type": "image/svg+xml"},
        {"filename": "a.pdf", "content_type": "application/pdf", "job_number": "x" * 256},
    ],
)
async def test_what_is_missing_or_not_taken_is_a_bad_request(uploads, floor, body):
    reply = await floor.send("POST", "/api-upload-url", body)
    assert (reply.status, reply.error["code"]) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"filename": 1, "content_type": "application/pdf"}, 422),
        ({"filename": "a.pdf", "content_type": []}, 422),
        ({"filename": "a.pdf", "content_type": "application/pdf", "job_number": {}}, 422),
        ({"filename": "a.pdf", "content_type": "application/pdf", "size": 3}, 422),
        ([], 422),
        ("x", 422),
        (None, 400),
    ],
)
async def test_wrong_types_and_unknown_fields_are_named(floor, body, status):
    assert (await floor.send("POST", "/api-upload-url", body)).status == status


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_whatever_writes_may_ask(floor, method):
    assert (await floor.send(method, "/api-upload-url", {"filename": "a", "content_type": "text/plain"})).status == 200


async def test_asking_needs_a_key_that_may_operate(floor):
    body = {"filename": "a", "content_type": "text/plain"}
    assert (await floor.send("GET", "/api-upload-url")).status == 405
    assert (await floor.send("POST", "/api-upload-url", body, key=await floor.new_key(Scope.READ))).status == 403
    assert (await floor.send("POST", "/api-upload-url", body, key=await floor.new_key(Scope.OPERATE))).status == 200
    assert (await floor.send("POST", "/api-upload-url", body, key="ery_live_nobody")).status == 401


async def test_the_same_idempotency_key_gets_the_same_address(floor):
    body, headers = {"filename": "a", "content_type": "text/plain"}, {"Idempotency-Key": "one"}
    first, again = [await floor.send("POST", "/api-upload-url", body, headers=headers) for _ in range(2)]
    assert first.data == again.data
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_no_more_than_so_many_are_open_and_old_ones_are_forgotten(uploads, floor, monkeypatch):
    monkeypatch.setattr(store, "OFFERS_MAX", 3)
    for _ in range(3):
        await uploads.offer()
    reply = await floor.send("POST", "/api-upload-url", {"filename": "a", "content_type": "text/plain"})
    assert (reply.status, reply.error["code"]) == (503, "BUSY")
    await floor.clock.advance(3600)
    await uploads.offer()
    assert (await floor.query("SELECT count(*) FROM file_offers"))[0] == (1,)


# ------------------------------------------------------------------ sending the bytes


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("image/jpeg", JPEG),
        ("image/png", PNG),
        ("image/gif", GIF),
        ("image/webp", WEBP),
        ("application/pdf", PDF),
        ("text/plain", TEXT),
        ("text/csv", CSV),
        ("application/json", JSON),
        ("application/step", STEP),
        ("application/stp", STEP),
        ("model/step", STEP),
        ("application/octet-stream", EXE),
        ("application/dxf", DXF),
        ("image/vnd.dxf", DXF),
        ("application/vnd.ms-excel", XLS),
        ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", XLSX),
    ],
)
async def test_every_type_is_taken_and_given_back_as_it_was(uploads, floor, kind, data):
    offer = await uploads.offer("name.ending", kind)
    reply = await uploads.put(offer["upload_url"], data, kind)
    assert reply.status == 200, reply.body
    assert reply.body["Key"] == f"issues/{offer['file_path']}"
    assert reply.data["file_path"] == offer["file_path"]
    assert (reply.data["size"], reply.data["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert list(uploads.on_disk().values()) == [data]
    part_id = await uploads.part()
    await floor.send("PATCH", f"/api-parts?id={part_id}", {"file_paths": [offer["file_path"]]})
    told = await floor.get(f"/api-parts/{part_id}/file-url?path={offer['file_path']}")
    status, headers, got = await uploads.fetch(told["url"])
    assert (status, headers["Content-Type"], got) == (200, kind, data)


async def test_the_client_s_name_is_never_one_on_the_disk(uploads, tmp_path):
    await uploads.stored("passwd", "text/plain", TEXT, job_number="etc")
    (name,) = uploads.on_disk()
    assert re.fullmatch(r"issues/[0-9a-f-]{36}", name)
    file = tmp_path / "files" / name
    assert file.stat().st_mode & 0o777 == 0o600
    assert {folder.stat().st_mode & 0o777 for folder in file.parents[:2]} == {0o700}
    assert (tmp_path / "box.key").stat().st_mode & 0o777 == 0o600


async def test_the_same_name_is_taken_again_beside_the_first(uploads):
    paths = {await uploads.stored("a.pdf", job_number="J-1") for _ in range(3)}
    assert len(paths) == 3
    assert f"{TENANT}/jobs/J-1/a.pdf" in paths
    assert all(re.fullmatch(r".*/jobs/J-1/a(-[0-9a-f]{12})?\.pdf", path) for path in paths)
    held = {(await uploads.offer("b"))["file_path"] for _ in range(2)}
    assert len(held) == 2, "an address that is given out holds its path"
    await uploads.agree()


async def test_an_upload_is_told_in_the_journal_as_a_file_of_its_own(uploads, floor):
    await uploads.stored()
    (entry,) = [entry for entry in await floor.events() if entry["aggregate"].startswith("file:")]
    ((file_id,),) = await floor.query("SELECT id FROM files")
    assert (entry["aggregate"], entry["lane"], entry["type"]) == (f"file:{file_id}", f"files:{file_id}", None)
    assert [(change["table"], change["id"], change["op"]) for change in entry["changes"]] == [
        ("files", file_id, "insert")
    ]


async def test_an_address_is_good_for_one_upload(uploads):
    offer = await uploads.offer()
    assert (await uploads.put(offer["upload_url"])).status == 200
    reply = await uploads.put(offer["upload_url"])
    assert (reply.status, reply.error["code"]) == (409, "CONFLICT")
    await uploads.agree()


async def test_one_of_two_at_the_same_time_wins(uploads):
    offer = await uploads.offer()
    data = PDF + b"x" * 3_000_000
    replies = await asyncio.gather(*(uploads.put(offer["upload_url"], data) for _ in range(4)))
    assert sorted(reply.status for reply in replies) == [200, 409, 409, 409]
    await uploads.agree()


async def test_an_upload_is_repeated_with_its_idempotency_key(uploads):
    offer = await uploads.offer()
    first = await uploads.put(offer["upload_url"], **{"Idempotency-Key": "up"})
    again = await uploads.put(offer["upload_url"], **{"Idempotency-Key": "up"})
    assert (again.status, again.body) == (200, first.body)
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await uploads.put(offer["upload_url"], PDF + b"other", **{"Idempotency-Key": "up"})
    assert (other.status, other.error["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    await uploads.agree()


async def test_it_ends_after_fifteen_minutes(uploads, floor):
    offer = await uploads.offer()
    await floor.clock.advance(15 * 60)
    reply = await uploads.put(offer["upload_url"])
    assert (reply.status, reply.error["code"]) == (403, "FORBIDDEN")
    assert not uploads.on_disk()


async def test_a_clock_that_was_never_set_ends_nothing(uploads, floor):
    offer = await uploads.offer()
    floor.clock.step(-3 * 365 * 24 * 3600)
    assert (await uploads.put(offer["upload_url"])).status == 200


async def test_a_revoked_key_ends_what_it_was_given(uploads, floor):
    offer = await uploads.offer()
    await floor.do("UPDATE api_keys SET active = 0")
    assert (await uploads.put(offer["upload_url"])).status == 403


@pytest.mark.parametrize("change", ["token", "path", "bucket", "download", "none", "key"])
async def test_an_address_that_was_changed_is_refused(uploads, tmp_path, change):
    url = (await uploads.offer())["upload_url"]
    changed = {
        "token": url[:-1] + ("A" if url[-1] != "A" else "B"),
        "path": url.replace("a.pdf", "b.pdf"),
        "bucket": url.replace("/issues/", "/parts-images/"),
        "download": url.replace("/upload/sign/", "/sign/"),
        "none": url.partition("?")[0],
        "key": url,
    }[change]
    if change == "key":
        other = await uploads.offer("other.pdf")
        changed = url.partition("=")[0] + "=" + other["token"]
    if change == "download":
        assert (await uploads.raw("GET", changed, key="")).status == 403
    else:
        assert (await uploads.put(changed)).status == (400 if change == "none" else 403)
    assert not uploads.on_disk()


async def test_another_method_is_not_allowed(uploads):
    offer = await uploads.offer()
    for method in ("GET", "POST", "DELETE"):
        assert (await uploads.raw(method, offer["upload_url"], key="")).status == 405


@pytest.mark.parametrize(
    ("declared", "data", "sent_as"),
    [
        ("image/png", JPEG, "image/png"),
        ("image/png", PNG, "image/jpeg"),
        ("image/png", b"", "image/png"),
        ("application/pdf", b"<html>", "application/pdf"),
        ("text/plain", EXE, "text/plain"),
        ("text/csv", XLSX, "text/csv"),
        ("application/step", b"solid x", "application/step"),
        ("application/json", b"<a/>", "application/json"),
        ("application/dxf", b"nothing", "application/dxf"),
    ],
)
async def test_what_does_not_look_as_declared_is_refused_and_does_not_stay(uploads, declared, data, sent_as):
    offer = await uploads.offer("x", declared)
    reply = await uploads.put(offer["upload_url"], data, sent_as)
    assert (reply.status, reply.error["code"]) == (400, "BAD_REQUEST")
    assert not uploads.on_disk()
    good = {"image/png": PNG, "application/pdf": PDF, "text/plain": TEXT, "text/csv": CSV}
    good |= {"application/step": STEP, "application/json": JSON, "application/dxf": DXF}
    assert (await uploads.put(offer["upload_url"], good[declared], declared)).status == 200, "the address is still good"


@pytest.mark.parametrize(
    "kind", [None, "application/octet-stream", "application/x-www-form-urlencoded", "Application/PDF; x=y"]
)
async def test_who_does_not_say_what_he_sends_is_judged_by_the_bytes(uploads, kind):
    offer = await uploads.offer()
    assert (await uploads.put(offer["upload_url"], PDF, kind)).status == 200


async def test_a_storage_client_s_form_is_taken_too(uploads, floor):
    offer = await uploads.offer()
    form = aiohttp.FormData()
    form.add_field("cacheControl", "3600")
    form.add_field("", io.BytesIO(PDF), filename="blob", content_type="application/pdf")
    async with floor.session.put(offer["upload_url"], data=form, headers={"x-upsert": "false"}) as answer:
        assert answer.status == 200
        assert (await answer.json())["Key"] == f"issues/{offer['file_path']}"
    assert list(uploads.on_disk().values()) == [PDF]


async def test_too_large_is_told_as_soon_as_it_is_known(uploads, floor):
    offer = await uploads.offer()
    sizes = 50 * 1024 * 1024 + 1

    async def endless():
        yield PDF
        for _ in range(sizes // 65536 + 1):
            yield b"x" * 65536

    reply = await uploads.put(offer["upload_url"], endless())
    assert (reply.status, reply.error["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert not uploads.on_disk()
    assert (await uploads.put(offer["upload_url"])).status == 200


async def test_the_disk_s_last_megabytes_are_not_for_uploads(uploads, floor, monkeypatch):
    offer = await uploads.offer()
    leave(monkeypatch, 511)
    reply = await uploads.put(offer["upload_url"])
    assert (reply.status, reply.error["code"]) == (507, "INSUFFICIENT_STORAGE")
    assert reply.headers["Retry-After"]
    assert not uploads.on_disk()
    await floor.job()  # the work goes on
    monkeypatch.undo()
    assert (await uploads.put(offer["upload_url"])).status == 200


async def test_a_body_that_breaks_off_leaves_nothing(uploads, floor):
    offer = await uploads.offer()
    url = urlsplit(offer["upload_url"])
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: x\r\nContent-Type: application/pdf\r\nContent-Length: 9999\r\n\r\n"
    writer.write(head.encode() + PDF)
    await writer.drain()
    await asyncio.sleep(0.1)
    writer.close()
    for _ in range(200):
        if not uploads.on_disk():
            break
        await asyncio.sleep(0.02)
    assert not uploads.on_disk()
    assert (await uploads.put(offer["upload_url"])).status == 200
    assert reader is not None


async def test_no_more_than_so_many_at_once(uploads, monkeypatch):
    monkeypatch.setattr(blobs_, "AT_ONCE_MAX", 1)
    offers = [await uploads.offer() for _ in range(2)]
    release = asyncio.Event()

    async def slowly():
        yield PDF
        await release.wait()

    first = asyncio.create_task(uploads.put(offers[0]["upload_url"], slowly()))
    await asyncio.sleep(0.2)
    reply = await uploads.put(offers[1]["upload_url"])
    assert (reply.status, reply.error["code"]) == (503, "BUSY")
    release.set()
    assert (await first).status == 200
    assert (await uploads.put(offers[1]["upload_url"])).status == 200
