"""Backups on the operations page: made, listed, proven, downloaded, by nobody who has not signed in."""

import io
import zipfile

import pytest
from ops_page import serving, signed_in

PASSPHRASE = "c4n4ry of a passphrase"


@pytest.fixture
async def here(tmp_path):
    async with serving(tmp_path) as here:
        yield await signed_in(here)


async def test_a_backup_is_made_listed_proven_and_downloaded(here, tmp_path):
    assert await here.verb("backups.list") == {"folder": str(tmp_path / "backups"), "backups": []}
    made = await here.verb("backups.create", passphrase=PASSPHRASE)
    (listed,) = (await here.verb("backups.list"))["backups"]
    assert (listed["secrets"], listed["gateway"], listed["error"], listed["bytes"]) == (
        True,
        "gw-test",
        None,
        made["bytes"],
    )
    assert (await here.verb("backups.verify", name=listed["name"], passphrase=PASSPHRASE))["rows"] == listed["rows"]
    async with here.session.get(f"{here.url}/ops/api/backups/{listed['name']}") as answer:
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{listed["name"]}"'
        content = await answer.read()
    assert content == (tmp_path / "backups" / listed["name"]).read_bytes()
    assert "manifest.json" in zipfile.ZipFile(io.BytesIO(content)).namelist()
    done = await here.verb("ops.actions")
    assert {one["action"] for one in done} >= {"backups.create", "backups.verify", "backups.download"}
    assert PASSPHRASE not in str(done)


async def test_only_a_backup_is_downloaded_and_only_by_who_is_in(here):
    name = (await here.verb("backups.create"))["file"].rpartition("/")[2]
    for other in ("gateway.sqlite", "..%2Fgateway.sqlite", "gw-test-20200101T000000Z.backup.zip"):
        assert (await here.send("GET", f"/backups/{other}")).status == 404, other
    assert (await here.send("POST", "/verbs/backups.create", {"passphrase": "short"})).status == 422
    here.session.cookie_jar.clear()
    assert (await here.send("GET", f"/backups/{name}")).status == 401
