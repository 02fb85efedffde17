"""The cloud's webhooks ring at a whole gateway: it reads at once, and believes nothing of what they say."""

import asyncio
import contextlib
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import timedelta

import aiohttp
import pytest
from cloud_shop import PLANNED_AT, shop_of, stand_in
from passing import pass_by
from shift import CUT
from waiting import WAIT_MAX_S, until

from gateway.app import Gateway, running
from gateway.cloud.downlink import BUDGET_SHARE, DAY_S
from gateway.demo import factory
from gateway.demo.cloud import StandInCloud
from gateway.inbound import BODY_MAX_BYTES, KEPT_MAX, Known, event_of
from gateway.kernel.clock import ManualClock
from gateway.settings import Settings

SECRET = "rings-like-a-bell-0123456789"
HOOK = "/functions/v1/api-cloud-webhook"


@dataclass
class Hall:
    cloud: StandInCloud
    gateway: Gateway
    session: aiohttp.ClientSession
    cloud_url: str

    @property
    def url(self) -> str:
        return f"http://{self.gateway.addresses[0]}{HOOK}"

    async def post(self, body: bytes, secret: str = SECRET, query: str = "", **headers: str) -> tuple[int, dict]:
        signature = f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
        sent = {"Content-Type": "application/json", "X-Eryxon-Signature": signature, **headers}
        async with self.session.post(self.url + query, data=body, headers=sent) as answer:
            return answer.status, await answer.json()

    async def in_the_office(self, **values) -> None:
        headers = {"Authorization": f"Bearer {factory.CLOUD_KEY}"}
        url = f"{self.cloud_url}/api-operations"
        async with self.session.patch(url, params={"id": CUT}, json=values, headers=headers) as answer:
            assert answer.status == 200

    async def estimated(self) -> int | None:
        """The time that the office thinks of, as it is known here."""
        sql = "SELECT estimated_time FROM operations WHERE id = ?"
        found = await self.gateway.db.read(lambda connection: connection.execute(sql, (CUT,)).fetchone())
        return found and found[0]

    async def knows(self, minutes: int) -> None:
        async with asyncio.timeout(WAIT_MAX_S):
            while await self.estimated() != minutes:
                await asyncio.sleep(0.02)

    def pulls(self) -> int:
        return sum(one.path == "/api-cells" and "limit=1000" in one.query for one in self.cloud.log)


@contextlib.asynccontextmanager
async def hall_of(folder, **cloud):
    stand = stand_in(PLANNED_AT)
    async with stand.serving("127.0.0.1", 0) as url, aiohttp.ClientSession() as session:
        given = {"url": url, "api_key": factory.CLOUD_KEY, "pull_every": "6h", "webhook_secret": SECRET, **cloud}
        settings = Settings.model_validate(
            {
                "gateway": {"id": "gw-test", "data_dir": folder},
                "site": {"tenant_id": factory.TENANT_ID},
                "http": {"port": 0},
                "broker": {"mode": "off"},
                "cloud": given,
            }
        )
        async with running(settings) as gateway:
            yield Hall(stand, gateway, session, url)


@pytest.fixture
async def hall(tmp_path):
    """It has pulled once, and would not again for hours."""
    async with hall_of(tmp_path) as hall:
        await until(lambda: hall.gateway.health.link("cloud-pull").state == "up", "pulled")
        yield hall


def event(name: str = "job.updated", **data) -> bytes:
    told = {"job_id": factory.named("job", "1"), "timestamp": "2026-11-02T07:00:00.000Z", **data}
    return json.dumps({"event": name, "timestamp": "2026-11-02T07:00:00.000Z", "data": told}).encode()


async def test_a_change_in_the_office_is_here_at_once(hall):
    """As it is registered in docs/settings.md."""
    hook = {"url": hall.url, "secret_key": SECRET, "active": True, "events": ["job.update", "operation.update"]}
    headers = {"Authorization": f"Bearer {factory.CLOUD_KEY}"}
    async with hall.session.post(f"{hall.cloud_url}/api-webhooks", json=hook, headers=headers) as answer:
        assert answer.status == 201, await answer.text()
    await hall.in_the_office(estimated_time=77)
    await hall.knows(77)
    await until(lambda: hall.cloud.rows("webhook_logs"), "delivered")
    assert {row["status_code"] for row in hall.cloud.rows("webhook_logs")} == {200}


async def test_it_rings_once_for_each_event(hall):
    before = hall.pulls()
    assert await hall.post(event()) == (200, {"success": True, "data": {"new": True}})
    await until(lambda: hall.pulls() == before + 1, "read")
    assert await hall.post(event()) == (200, {"success": True, "data": {"new": False}})
    other = event(job_id=factory.named("job", "2"))
    assert (await hall.post(other))[1]["data"] == {"new": True}
    await until(lambda: hall.pulls() == before + 2, "read again")
    assert (await hall.post(event("operation.update", entity_id=CUT)))[1]["data"] == {"new": True}
    assert (await hall.post(event(timestamp="2026-11-02T07:00:00.001Z")))[1]["data"] == {"new": True}


async def test_nothing_in_it_is_believed(hall):
    known = await hall.estimated()
    changes = {"new": {"id": CUT, "estimated_time": 1}}
    assert (await hall.post(event("operation.update", entity_id=CUT, changes=changes)))[0] == 200
    before = hall.pulls()
    await until(lambda: hall.pulls() > before, "read")
    assert await hall.estimated() == known


@pytest.mark.parametrize("header", ["", "sha256=", "sha256=00", "deadbeef", "sha256=\u00e4"])
async def test_what_is_not_signed_is_refused(hall, header):
    status, answer = await hall.post(event(), **{"X-Eryxon-Signature": header})
    assert (status, answer["error"]["code"]) == (401, "UNAUTHORIZED")
    assert (await hall.post(event(), secret="another secret of somebody"))[0] == 401
    assert (await hall.post(event(), **{"X-Eryxon-Signature": "sha256=\udcff"}))[0] == 401


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"event":1,"data":{}}', b'{"event":"x"}', b"\xff"])
async def test_what_is_no_event_is_refused(hall, body):
    assert (await hall.post(body))[0] == 400


async def test_a_body_has_a_bound_and_the_query_none_that_we_know(hall):
    assert (await hall.post(b" " * (BODY_MAX_BYTES + 1)))[0] == 413
    assert (await hall.post(event(), query="?tenant=1"))[0] == 422


def test_only_so_many_are_remembered():
    known = Known()
    told = [event_of(json.loads(event(timestamp=str(number)))) for number in range(KEPT_MAX + 1)]
    assert all(map(known.add, told))
    assert not known.add(told[-1])
    assert known.add(told[0])


async def test_rings_cost_no_more_than_the_days_share(tmp_path, pulled):
    clock = ManualClock(PLANNED_AT + timedelta(hours=1))
    cloud, per_day, hours = stand_in(PLANNED_AT, clock=clock), 1_200, 3
    settings = {"requests_per_day": per_day, "pull_every_s": 60.0, "poll_s": 3_600.0}
    async with shop_of(tmp_path / "shop", cloud, pulled, clock) as shop, shop.linked(**settings) as link:
        for _ in range(hours * 60):
            link.downlink.ring()
            await pass_by(shop, 60, 30.0)
        answered = [one for one in cloud.log if one.status == 200]
    share = per_day * BUDGET_SHARE * hours * 3_600 / DAY_S
    first = 20  # the first round is on credit
    assert share / 2 < len(answered) <= share + first


async def test_without_a_secret_there_is_no_such_thing(tmp_path):
    async with hall_of(tmp_path, webhook_secret="") as hall:
        assert (await hall.post(event(), secret=""))[0] == 404
