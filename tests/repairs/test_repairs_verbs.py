"""What the operations page and the command line ask of a gateway: its problems, what somebody knows of, the journal's chain."""

import pytest

from gateway.admin import client
from gateway.app import running
from gateway.cli.audit import _verified
from gateway.cli.doctor import looked
from gateway.kernel.clock import SystemClock
from gateway.kernel.disk import DataLock, owner
from gateway.kernel.errors import GatewayError
from gateway.kernel.ids import uuid7
from gateway.opening import opened
from gateway.outbox.event import Stamp
from gateway.settings import Settings
from gateway.transfer.commands import bring_in, planned


@pytest.fixture
def settings(tmp_path) -> Settings:
    tmp_path.chmod(0o755)
    given = {"gateway": {"id": "gw-test", "data_dir": tmp_path}, "http": {"port": 0}, "broker": {"mode": "off"}}
    return Settings.model_validate(given)


async def test_a_problem_is_told_ignored_heeded_and_mended(settings, tmp_path):
    async def told() -> dict[str, dict]:
        return {one["id"]: one for one in await client.ask(tmp_path, "repairs.list", {})}

    async with running(settings):
        found = await told()
        assert found["data_folder_open"]["ignored_until"] is None
        assert all(not one["ok"] for one in found.values())
        until = (await client.ask(tmp_path, "repairs.ignore", {"id": "data_folder_open", "days": 3}))["ignored_until"]
        assert (await told())["data_folder_open"]["ignored_until"] == until
        await client.ask(tmp_path, "repairs.ignore", {"id": "data_folder_open", "days": 0})
        found = await told()
        assert found["data_folder_open"]["ignored_until"] is None
        fix = found["data_folder_open"]["fix"]
        assert await client.ask(tmp_path, fix["verb"], fix["given"]) == {"folder": str(tmp_path), "mode": "700"}
        assert "data_folder_open" not in await told()
        every = await client.ask(tmp_path, "repairs.list", {"all": True})
        assert next(one for one in every if one["kind"] == "data_folder_open")["ok"]


@pytest.mark.parametrize(
    ("given", "words"), [({"id": "nothing", "days": 1}, "nothing"), ({"id": "ballast", "days": 999}, "999")]
)
async def test_what_cannot_be_ignored_is_named(settings, tmp_path, given, words):
    async with running(settings):
        with pytest.raises(GatewayError, match=words):
            await client.ask(tmp_path, "repairs.ignore", given)


async def test_a_gateway_that_does_not_answer_is_named_with_its_process(settings, tmp_path):
    assert owner(tmp_path) is None
    with DataLock(tmp_path):
        process = owner(tmp_path)
        found = {one["kind"]: one for one in await looked(settings, None)}
    assert found["service"]["severity"] == "error"
    assert f"process {process} has the data folder" in found["service"]["found"]
    assert owner(tmp_path) is None
    assert next(one for one in await looked(settings, None) if one["kind"] == "service")["found"] == "stopped"


async def test_a_long_journal_is_verified_page_by_page_stopped_and_running(settings):
    count = 4_100
    ids = [f"00000000-0000-4000-8000-{number:012}" for number in range(count)]
    cells = planned({"cells": [{"id": one, "name": one, "sequence": 1} for one in ids]})
    clock = SystemClock()
    async with opened(settings, clock) as db:
        await db.write(bring_in, Stamp(clock.now(), "gw-test", uuid7(clock)), cells)
    stopped = await _verified(settings, 0)
    assert (stopped["ok"], stopped["checked"], stopped["head"]["seq"]) == (True, count, count)
    async with running(settings):
        assert await _verified(settings, 0) == stopped
        later = await _verified(settings, 4_000)
    assert (later["checked"], later["since"]["seq"], later["head"]) == (100, 4_000, stopped["head"])
