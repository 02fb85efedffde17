"""Files in a whole gateway: it starts with what is sound, says when uploads are refused, and takes its limits from the settings."""

import json

import aiohttp
import pytest
from little_room import leave
from pictures import PNG, picture

from gateway.app import running
from gateway.settings import Settings
from gateway.web.auth import NewKey
from gateway.web.routes import Scope

MIB = 1024 * 1024


def settings(folder, **limits) -> Settings:
    given = {"gateway": {"data_dir": folder}, "http": {"port": 0}, "broker": {"mode": "off"}, "limits": limits}
    return Settings.model_validate(given)


@pytest.fixture
async def caller():
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:

        async def call(gateway, method: str, path: str, data=None, **headers: str):
            _, key = await gateway.keys.create(NewKey("test", Scope.ADMIN))
            url = path if path.startswith("http") else gateway.urls[0] + path
            sent = {"Authorization": f"Bearer {key}", **headers}
            async with session.request(method, url, data=data, headers=sent) as answer:
                return answer.status, json.loads(await answer.text() or "null")

        yield call


async def uploaded(caller, gateway, data: bytes) -> int:
    wish = json.dumps({"filename": "a.png", "content_type": "image/png"})
    status, told = await caller(gateway, "POST", "/api-upload-url", wish)
    if status != 200:
        return status
    return (await caller(gateway, "PUT", told["data"]["upload_url"], data, **{"Content-Type": "image/png"}))[0]


async def test_a_start_sweeps_before_anything_is_taken(tmp_path, caller):
    async with running(settings(tmp_path)) as gateway:
        assert await uploaded(caller, gateway, PNG) == 200
    (kept,) = (tmp_path / "files" / "issues").iterdir()
    (tmp_path / "files" / "issues" / "of-nobody").write_bytes(b"x")
    (tmp_path / "files" / "incoming" / "half").write_bytes(b"x")
    async with running(settings(tmp_path)) as gateway:
        assert [file for file in (tmp_path / "files").rglob("*") if file.is_file()] == [kept]
        assert await uploaded(caller, gateway, PNG) == 200


async def test_a_box_whose_disk_is_nearly_full_says_so_and_works_on(tmp_path, caller, monkeypatch):
    leave(monkeypatch, 130)
    async with running(settings(tmp_path)) as gateway:
        assert await uploaded(caller, gateway, PNG) == 507
        _, health = await caller(gateway, "GET", "/healthz")
        assert health["status"] == "degraded"
        assert any("(130 MiB are free): uploads and backups, machine values" in told for told in health["problems"])
        assert (await caller(gateway, "POST", "/api-jobs", '{"job_number": "J-1"}'))[0] == 201
    async with running(settings(tmp_path, upload_reserve_bytes=50 * MIB)) as gateway:
        assert await uploaded(caller, gateway, PNG) == 200


async def test_the_limits_are_settings(tmp_path, caller):
    async with running(settings(tmp_path, upload_bytes=1000, image_bytes=500)) as gateway:
        assert await uploaded(caller, gateway, picture(1000)) == 200
        assert await uploaded(caller, gateway, picture(1001)) == 413
        part = {"part_number": "P-1", "operations": []}
        _, job = await caller(gateway, "POST", "/api-jobs", '{"job_number": "J-1"}')
        body = json.dumps({"job_id": job["data"]["job"]["id"], **part})
        _, told = await caller(gateway, "POST", "/api-parts", body)
        for size, status in ((500, 201), (501, 413)):
            form = aiohttp.FormData()
            form.add_field("file", picture(size), filename="a.png", content_type="image/png")
            path = f"/api-parts-images/{told['data']['part']['id']}/upload"
            assert (await caller(gateway, "POST", path, form))[0] == status


async def test_an_address_lives_on_over_a_restart(tmp_path, caller):
    async with running(settings(tmp_path)) as gateway:
        wish = json.dumps({"filename": "a.png", "content_type": "image/png"})
        _, told = await caller(gateway, "POST", "/api-upload-url", wish)
    async with running(settings(tmp_path)) as gateway:
        url = gateway.urls[0] + "/storage" + told["data"]["upload_url"].partition("/storage")[2]
        assert (await caller(gateway, "PUT", url, PNG, **{"Content-Type": "image/png"}))[0] == 200
