"""The trail of the box: who came in, who was refused, who changed what about it, by whichever door."""

import json

import pytest
import structlog
from ops_page import PASSWORD, serving, signed_in

from gateway.admin import client
from gateway.admin.verbs import _VERBS, LOOKS
from gateway.cli.leaf import asked
from gateway.kernel import trail
from gateway.kernel.clock import SystemClock
from gateway.kernel.errors import StorageFull
from gateway.kernel.ids import uuid7
from gateway.kernel.trail import Act, Trail
from gateway.settings import load
from gateway.web.auth import NewKey
from gateway.web.routes import Scope

CANARY = "c4n4ry-secret-0123456789"
WRONG = "not the password"


@pytest.fixture
async def here(tmp_path):
    async with serving(tmp_path) as here:
        yield here


async def kept(here) -> list[tuple[str, str, int]]:
    """(who, action, status), the oldest first."""
    rows = await here.gateway.db.read(trail.newest)
    return [(row["who"], row["action"], row["status"]) for row in reversed(rows)]


async def test_who_comes_in_and_who_is_refused_is_kept_with_the_address(here):
    await signed_in(here)
    assert (await here.enter(password=WRONG)).status == 401
    assert (await here.enter(key="ery_live_" + "0" * 32)).status == 401
    _, key = await here.gateway.keys.create(NewKey("erp", Scope.READ))
    assert (await here.enter(key=key)).status in (401, 403)
    assert (await here.enter(password=PASSWORD)).status == 200
    assert await kept(here) == [
        ("operations page", "first password", 200),
        (trail.NOBODY, "sign in", 401),
        (trail.NOBODY, "sign in", 401),
        (trail.NOBODY, "sign in", 403),
        ("operations page", "sign in", 200),
    ]
    rows = await here.gateway.db.read(trail.newest)
    assert {row["source"] for row in rows} == {"127.0.0.1"}
    told = json.dumps([tuple(row) for row in rows])
    assert not any(secret in told for secret in (PASSWORD, WRONG, key))


async def test_what_the_command_line_does_to_a_running_box_is_kept(here):
    folder = here.gateway.settings.data_dir
    made = await client.ask(folder, "keys.create", {"name": "erp", "scope": "plan"})
    await client.ask(folder, "keys.list", {})
    await client.ask(folder, "keys.revoke", {"key": made["id"]})
    await client.ask(folder, "ops.code", {})
    who = "admin socket"
    assert await kept(here) == [(who, "keys.create", 200), (who, "keys.revoke", 200), (who, "ops.code", 200)]
    rows = await here.gateway.db.read(trail.newest)
    assert {row["source"] for row in rows} == {"admin.sock"}
    assert json.loads(rows[1]["detail"])["which"] == made["id"]
    assert made["key"] not in json.dumps([tuple(row) for row in rows])


async def test_what_the_command_line_does_to_a_stopped_box_is_kept(tmp_path):
    settings = load(None, tmp_path, environment={})
    made = await asked(settings, "keys.create", {"name": "erp", "scope": "plan"})
    (act,) = await asked(settings, "ops.actions", {})
    assert (act["who"], act["source"], act["action"]) == ("admin socket", "the stopped gateway", "keys.create")
    assert made["key"] not in json.dumps(act)


async def test_a_secret_that_is_set_is_not_kept(tmp_path):
    file = tmp_path / "gateway.toml"
    file.write_text(f'[gateway]\nid = "gw-test"\ndata_dir = "{tmp_path / "data"}"\n')
    async with serving(tmp_path / "data", source=(file, None)) as here:
        await signed_in(here)
        await here.verb("config.set", changes={"cloud.api_key": CANARY, "site.site": "plant1"})
        done = (await here.verb("ops.actions"))[0]
    assert (done["action"], done["detail"]["changes"]["site.site"]) == ("config.set", "plant1")
    assert CANARY not in file.read_text()
    assert "sealed:" in file.read_text()
    assert CANARY not in json.dumps(done)


async def test_a_full_disk_keeps_nobody_out_and_the_log_has_it(monkeypatch, here):
    async def full(*_given):
        raise StorageFull("the disk is full: nothing was written")

    clock = SystemClock()
    with structlog.testing.capture_logs() as said, monkeypatch.context() as disk:
        disk.setattr(type(here.gateway.db), "write", full)
        await Trail(here.gateway.db, clock, uuid7(clock)).add(Act("erp", "192.0.2.7", "sign in", status=401))
    assert [(one["event"], one["who"]) for one in said] == [("audit.acted", "erp"), ("audit.not_kept", "erp")]


def test_a_verb_that_is_not_known_to_only_look_is_kept():
    assert _VERBS.keys() > LOOKS
    changing = (
        "create",
        "revoke",
        "rotate",
        "set",
        "pin",
        "pair",
        "discard",
        "resolve",
        "drop",
        "add",
        "remove",
        "code",
    )
    assert not [name for name in LOOKS if name.endswith(tuple(f".{word}" for word in changing))]
