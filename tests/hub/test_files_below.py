"""/api-forward/files: bytes of another gateway's files. Whole and as they were said to be, once, from who may, or not at all."""

import asyncio
import hashlib
import io
import json
from urllib.parse import urlencode

import pytest
from hall import LASER
from little_room import leave
from test_entries import JOB, PART, change, codes, entry, taken, tree

from gateway.outbox import journal
from gateway.web.auth import NewKey
from gateway.web.routes import Scope

TENANT = "00000000-0000-4000-8000-000000000001"
FILE = "01890000-0000-7000-8000-0000000000f1"
PNG = b"\x89PNG\r\n\x1a\n" + b"photo" * 100
PATH = f"{TENANT}/parts/{PART}/1767323045000_{FILE}.png"
DRAWING = f"{TENANT}/files/plan-1a2b.pdf"
WHEN = "2026-01-02T03:04:05+00:00"


def said(data: bytes = PNG, **more) -> dict:
    about = {"gateway_id": "gw-cell", "epoch": 5, "bucket": "parts-images", "path": PATH, "content_type": "image/png"}
    about |= {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "created_at": WHEN}
    return {name: str(value) for name, value in {**about, **more}.items()}


async def call(floor, method: str, about: dict, data: bytes | None = None, *, key=None, file_id=FILE):
    url = f"{floor.url}/api-forward/files/{file_id}?{urlencode(about)}"
    headers = {"Authorization": f"Bearer {key or floor.key}"}
    body = None if data is None else io.BytesIO(data)
    async with floor.session.request(method, url, data=body, headers=headers) as answer:
        return answer.status, json.loads(await answer.text())


async def bring(floor, data: bytes = PNG, sent: bytes | None = None, *, key=None, file_id=FILE, **more):
    return await call(floor, "PUT", said(data, **more), data if sent is None else sent, key=key, file_id=file_id)


async def listing(floor, *paths: str, seq: int = 2, files=(), gone=(), **more) -> dict:
    """An entry in which the part lists these images."""
    told = change("parts", PART, "update", image_paths=json.dumps(paths), updated_at=WHEN)
    told |= {"fields": ["image_paths", "updated_at"], "files": [*files]}
    told["lists"] = {"image_paths": {"added": [*paths], "gone": [*gone]}}
    return entry(seq, told, **more)


def kept(tmp_path) -> list[bytes]:
    return [file.read_bytes() for file in (tmp_path / "files").rglob("*") if file.is_file()]


async def shown(floor) -> list[dict]:
    return (await floor.get(f"/api-parts-images/{PART}"))["images"]


ANNOUNCED = {"path": PATH, "sha256": hashlib.sha256(PNG).hexdigest()}


async def test_a_row_waits_for_its_file_and_is_told_anew_when_it_has_come(floor, tmp_path):
    assert await codes(floor, tree(floor.LASER), await listing(floor, PATH, files=[ANNOUNCED])) == []
    assert [(one["path"], one["url"]) for one in await shown(floor)] == [(PATH, None)]
    assert await call(floor, "GET", said()) == (200, {"success": True, "data": {"here": False}})
    since = await floor.db.read(journal.head)
    status, told = await bring(floor)
    assert (status, told["data"]) == (200, {"id": FILE, "size": len(PNG), "known": False})
    assert kept(tmp_path) == [PNG]
    assert (await shown(floor))[0]["size"] == len(PNG)
    (anew,) = await floor.db.read(journal.after, since)
    assert (anew.lane, anew.aggregate, anew.type, anew.origin) == (f"job:{JOB}", f"part:{PART}", None, "gw-test")
    assert json.loads(anew.changes)[0]["fields"] == ["image_paths"]
    assert await floor.query("SELECT count(*) FROM files_to_come") == [(0,)]


async def test_what_comes_twice_is_kept_once(floor, tmp_path):
    await bring(floor)
    assert (await call(floor, "GET", said()))[1]["data"] == {"here": True}
    status, told = await bring(floor)
    assert (status, told["data"]["known"]) == (200, True)
    both = await asyncio.gather(
        *(
            bring(
                floor, b"%PDF-1", path=DRAWING, bucket="issues", file_id=FILE[:-1] + "2", content_type="application/pdf"
            )
            for _ in range(2)
        )
    )
    assert sorted(status for status, _ in both) in ([200, 200], [200, 409])
    assert len(kept(tmp_path)) == 2


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (PNG[:-1], 400, "BAD_REQUEST"),  # cut
        (PNG[:-1] + b"?", 400, "BAD_REQUEST"),  # damaged
        (PNG + b"?", 413, "PAYLOAD_TOO_LARGE"),
        (b"", 400, "BAD_REQUEST"),
    ],
)
async def test_bytes_that_are_not_those_that_were_told_of_are_not_kept(floor, tmp_path, sent, status, code):
    answer, told = await bring(floor, PNG, sent)
    assert (answer, told["error"]["code"]) == (status, code)
    assert kept(tmp_path) == []
    assert await floor.query("SELECT count(*) FROM files") == [(0,)]


@pytest.mark.parametrize(
    ("more", "status", "word"),
    [
        ({"bucket": "../etc"}, 422, "bucket"),
        ({"sha256": "x" * 64}, 422, "sha256"),
        ({"size": "0"}, 422, "size"),
        ({"size": "-1"}, 422, "size"),
        ({"created_at": "yesterday"}, 422, "created_at"),
        ({"path": f"{TENANT}/../../x"}, 400, "path"),
        ({"path": f"{TENANT}/files/a b"}, 400, "path"),
        ({"path": "x"}, 400, "path"),
        ({"content_type": "text/html"}, 400, "content_type"),
        ({"epoch": "x"}, 400, "epoch"),
        ({"gateway_id": ""}, 400, "gateway_id"),
        ({"odd": "1"}, 422, "odd"),
    ],
)
async def test_what_is_wrong_is_told_by_name(floor, tmp_path, more, status, word):
    for method, data in (("GET", None), ("PUT", PNG)):
        answer, told = await call(floor, method, said(**more), data)
        assert (answer, word in told["error"]["message"]) == (status, True), told
    assert kept(tmp_path) == []


async def test_only_a_gateways_own_key_that_may_plan_brings_files(floor, tmp_path):
    async def key(scope, gateway_id):
        return (await floor.keys.create(NewKey(f"{scope} {gateway_id}", scope, gateway_id=gateway_id)))[1]

    allowed = {(Scope.PLAN, "gw-cell"), (Scope.ADMIN, "gw-cell"), (Scope.ADMIN, None)}
    for scope in (Scope.OPERATE, Scope.PLAN, Scope.ADMIN):
        for gateway_id in (None, "gw-cell", "gw-other"):
            status, _ = await call(floor, "GET", said(), key=await key(scope, gateway_id))
            assert status == (200 if (scope, gateway_id) in allowed else 403), (scope, gateway_id)
    assert (await bring(floor, key=await key(Scope.OPERATE, "gw-cell")))[0] == 403
    assert kept(tmp_path) == []


async def test_a_box_that_was_replaced_brings_nothing(floor, tmp_path):
    await taken(floor, epoch=9)
    for method, data in (("GET", None), ("PUT", PNG)):
        status, told = await call(floor, method, said(), data)
        assert (status, told["error"]["code"]) == (409, "EPOCH_FENCED")
    assert kept(tmp_path) == []


async def test_a_disk_that_is_full_is_said_before_anything_is_sent(floor, tmp_path, monkeypatch):
    leave(monkeypatch, 1)
    for method, data in (("GET", None), ("PUT", PNG)):
        status, told = await call(floor, method, said(), data)
        assert (status, told["error"]["code"]) == (507, "INSUFFICIENT_STORAGE")
    assert kept(tmp_path) == []


async def test_another_file_under_the_same_path_is_never_mistaken_for_it(floor, tmp_path):
    about = {"path": DRAWING, "bucket": "issues", "content_type": "application/pdf"}
    assert (await bring(floor, b"%PDF-1.7 one", **about))[0] == 200
    other = FILE[:-1] + "9"
    for method, data in (("GET", None), ("PUT", b"%PDF-1.7 two")):
        status, told = await call(floor, method, said(b"%PDF-1.7 two", **about), data, file_id=other)
        assert (status, told["error"]["code"]) == (409, "CONFLICT")
        assert "another name" in told["error"]["message"]
    named = {"path": DRAWING, "sha256": hashlib.sha256(b"%PDF-1.7 two").hexdigest()}
    await taken(floor, tree(floor.LASER))
    assert await codes(floor, await listing(floor, DRAWING, files=[named])) == ["CONFLICT"]
    status, told = await call(floor, "GET", said(b"%PDF-1.7 one", **about), file_id=other)
    assert (status, told["data"]) == (200, {"here": True})  # the same bytes under another id
    assert kept(tmp_path) == [b"%PDF-1.7 one"]


async def test_a_file_goes_when_its_part_has_let_go_of_it_and_not_before(floor, tmp_path):
    gone, lane = change("files", FILE, "delete"), f"job:{JOB}"
    await taken(floor, tree(floor.LASER), await listing(floor, PATH, files=[ANNOUNCED]))
    await bring(floor)
    await taken(floor, entry(1, change("files", FILE), lane=f"files:{FILE}"))
    await taken(floor, entry(2, gone, lane=f"files:{FILE}"))  # its gateway has lost the bytes
    assert kept(tmp_path) == [PNG]
    await taken(floor, await listing(floor, seq=3, gone=[PATH]), entry(4, gone, lane=lane))
    assert kept(tmp_path) == []
    assert await floor.query("SELECT count(*) FROM files") == [(0,)]
    await taken(floor, entry(5, change("files", FILE), lane=f"files:{FILE}"))  # told late: nothing comes back
    assert await floor.query("SELECT count(*) FROM files") == [(0,)]


async def test_lists_of_several_gateways_come_together(floor):
    """Whoever has not heard of another's image does not take it out."""
    images = [f"{TENANT}/parts/{PART}/{number}.png" for number in range(3)]
    await taken(floor, tree(LASER), await listing(floor, images[0]))
    others = {"gateway": "gw-other", "epoch": 1}
    await taken(floor, await listing(floor, images[1], epoch=1), **others)
    await taken(floor, await listing(floor, images[2], seq=3, gone=[images[0]]))
    assert [one["path"] for one in await shown(floor)] == images[1:]


async def test_a_file_that_a_row_has_let_go_of_is_not_waited_for(floor):
    """It was deleted down there before its bytes went up: they never come."""
    await taken(floor, tree(floor.LASER), await listing(floor, PATH, files=[ANNOUNCED]))
    assert await floor.query("SELECT path FROM files_to_come") == [(PATH,)]
    await taken(floor, await listing(floor, seq=3, gone=[PATH]))
    await taken(floor, entry(4, change("files", FILE, "delete"), lane=f"files:{FILE}"))
    assert await floor.query("SELECT path FROM files_to_come") == []
