"""The configuration as the operations page sees and changes it: where values come from, what another text would change."""

import random

import pytest
from ops_page import serving, signed_in
from waiting import until

from gateway.demo import factory
from gateway.demo.cloud import StandInCloud
from gateway.kernel.clock import SystemClock
from gateway.settings import load

SECRET = "ery_live_c4n4ryc4n4ryc4n4ryc4n4ry"
TEXT = """# the hall
[gateway]
id = "gw-test"
data_dir = "{folder}"

[http]
port = 0     # any

[broker]
mode = "off"
"""


@pytest.fixture
async def here(tmp_path, monkeypatch):
    file = tmp_path / "gateway.toml"
    file.write_text(TEXT.format(folder=tmp_path / "data"))
    monkeypatch.setenv("GATEWAY_SITE__AREA", "hall-9")
    settings = load(file, None)
    async with serving(tmp_path / "data", source=(file, None), **settings.model_dump()) as here:
        yield await signed_in(here)


def values(told) -> dict:
    return {one["key"]: (one["value"], one["origin"]) for one in told["values"]}


async def test_every_value_says_where_it_comes_from(here, tmp_path):
    told = await here.verb("config.show")
    file = str(tmp_path / "gateway.toml")
    found = values(told)
    assert (told["file"], told["restart"], told["error"]) == (file, [], None)
    assert found["http.port"] == (0, file)
    assert found["site.area"] == ("hall-9", "GATEWAY_SITE__AREA")
    assert found["site.enterprise"] == ("enterprise", "default")


async def test_keys_are_written_with_the_rest_left_as_it_is(here, tmp_path):
    told = await here.verb(
        "config.set", changes={"site.enterprise": "acme", "cloud.kind": "off", "cloud.api_key": SECRET}
    )
    assert (told["written"], told["keys"]) == (True, ["cloud.api_key", "cloud.kind", "site.enterprise"])
    text = (tmp_path / "gateway.toml").read_text()
    assert "# the hall" in text
    assert "port = 0     # any" in text
    assert load(tmp_path / "gateway.toml", None).site.enterprise == "acme"
    shown = await here.verb("config.show")
    assert shown["restart"] == ["cloud.api_key", "site.enterprise"]
    assert values(shown)["site.enterprise"][0] == "enterprise"  # what runs is as it was
    assert "restart_needed" in [one["kind"] for one in await here.verb("repairs.list")]
    assert SECRET not in str(shown)
    assert SECRET not in str(await here.verb("ops.actions"))


async def test_what_would_not_be_a_configuration_is_not_written(here, tmp_path):
    before = (tmp_path / "gateway.toml").read_text()
    for changes, said in (
        ({"http.prt": 1}, 'did you mean "port"?'),
        ({"cloud.url": "http://10.0.0.1/"}, "use https"),
        ({"site.area": "x"}, "GATEWAY_SITE__AREA, which wins"),
        ({"Nonsense": 1}, "no key of the configuration"),
        ({}, "1 to 50"),
    ):
        answer = await here.send("POST", "/verbs/config.set", {"changes": changes})
        assert answer.status in (400, 422)
        assert said in answer.error["message"]
    assert (tmp_path / "gateway.toml").read_text() == before


async def test_a_file_that_cannot_be_written_is_said_with_what_to_paste(here, tmp_path, monkeypatch):
    def refuse(_file, _content):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("gateway.configuration.write_whole", refuse)
    told = await here.verb("config.set", changes={"site.enterprise": "acme", "site.site": "plant1"})
    assert (told["written"], "Permission denied" in told["why"]) == (False, True)
    assert told["paste"] == '[site]\nenterprise = "acme"\nsite = "plant1"'


async def test_a_text_is_checked_and_compared(here, tmp_path):
    text = (tmp_path / "gateway.toml").read_text()
    assert await here.verb("config.check", text=text) == {"ok": True, "errors": [], "warnings": []}
    wrong = await here.verb("config.check", text=text + "\n[htp]\n")
    assert (wrong["ok"], 'did you mean "http"?' in wrong["errors"][0]) == (False, True)
    assert (await here.verb("config.check", text="[[["))["errors"][0].endswith("column 3)")
    changed = await here.verb("config.diff", text=f'{text}\n[log]\nlevel = "debug"\n[cloud]\napi_key = "{SECRET}"\n')
    assert changed == [
        {"key": "cloud.api_key", "before": "", "after": "***"},
        {"key": "log.level", "before": "info", "after": "debug"},
    ]
    assert (await here.send("POST", "/verbs/config.diff", {"text": "x"})).status == 422


async def test_a_broker_that_is_not_there_is_said_to_be_so(here):
    told = await here.verb("broker.test", host="127.0.0.1", port=1, username="", password="")
    assert (told["ok"], "127.0.0.1:1" in told["error"]) == (False, True)
    assert (await here.send("POST", "/verbs/broker.test", {"host": "x", "port": "no"})).status == 422


@pytest.fixture
async def cloud():
    clock = SystemClock()
    cloud = StandInCloud(clock, random.Random(1))
    cloud.add_tenant(factory.TENANT_ID)
    cloud.add_key(factory.TENANT_ID, factory.CLOUD_KEY)
    cloud.load(factory.plan(clock.now(), 1))
    async with cloud.serving("127.0.0.1", 0) as url:
        yield cloud, url


async def test_a_cloud_is_tried_before_it_is_set(here, cloud):
    _, url = cloud
    told = await here.verb("cloud.test", url=url, api_key=factory.CLOUD_KEY)
    assert (told["ok"], told["error"]) == (True, None)
    assert "Laser" in str([cell["name"] for cell in told["cells"]])
    told = await here.verb("cloud.test", url=url, api_key="ery_live_wrong")
    assert (told["ok"], told["status"]) == (False, 401)
    assert (await here.send("POST", "/verbs/cloud.test", {"url": "http://10.1.1.1/", "api_key": "x"})).status == 422


async def test_the_cloud_link_stops_and_goes_on_and_a_restart_does_not_end_that(tmp_path, cloud):
    standing, url = cloud
    sections = {"cloud": {"url": url, "api_key": factory.CLOUD_KEY}}
    async with serving(tmp_path, **sections) as here:
        await signed_in(here)
        links = {link.name: link for link in here.gateway.health}
        await until(lambda: links["cloud"].state == "up", "the cloud link")
        told = await here.verb("queue.pause", reason="line costs money")
        assert (told["by"], told["reason"]) == ("operations page", "line costs money")
        await until(lambda: links["cloud"].state == "off", "the pause")
        assert (await here.verb("ops.overview"))["state"] == "paused"
        await here.send("POST", "/fn/api-jobs", {"job_number": "J-PAUSED"})
        asked = len(standing.log)
    async with serving(tmp_path, **sections) as here:
        await signed_in(here)
        links = {link.name: link for link in here.gateway.health}
        assert links["cloud"].state == "off"
        assert (await here.verb("status"))["links"]["cloud"]["paused"]["reason"] == "line costs money"
        assert len(standing.log) == asked
        await here.verb("queue.resume")
        await until(lambda: any(row["job_number"] == "J-PAUSED" for row in standing.rows("jobs")), "what waited")
        assert (await here.verb("status"))["links"]["cloud"]["paused"] is None
        known = {one["table"]: one for one in await here.verb("queue.tables")}
        assert known["jobs"]["rows"] >= 1
        assert await here.verb("queue.now") == {}


async def test_a_row_here_is_compared_with_the_one_in_the_cloud(tmp_path, cloud):
    standing, url = cloud
    async with serving(tmp_path, cloud={"url": url, "api_key": factory.CLOUD_KEY}) as here:
        await signed_in(here)
        job = (await here.send("POST", "/fn/api-jobs", {"job_number": "J-1", "customer": "Acme"})).data["job"]["id"]
        await until(lambda: any(row["id"] == job for row in standing.rows("jobs")), "the job in the cloud")
        seq = (await here.verb("data.row", table="jobs", id=job))["events"][0]["seq"]
        assert [one["differences"] for one in await here.verb("queue.compare", seq=seq)] == [[]]
        with standing.committing() as rows:
            rows.tables["jobs"][job]["customer"] = "Somebody else"
        (told,) = await here.verb("queue.compare", seq=seq)
        assert (told["table"], told["id"], told["error"]) == ("jobs", job, None)
        assert told["differences"] == [{"field": "customer", "local": "Acme", "cloud": "Somebody else"}]
        assert (await here.send("POST", "/verbs/queue.compare", {"seq": 10**6})).status == 404
