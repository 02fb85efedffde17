"""The operations page in a real browser."""

import asyncio
import json
import random
import re
from pathlib import Path

import pytest
import pytest_asyncio
import structlog
from browsing import SHOWN_MAX_MS, opened
from ops_browser import MENU, Desk, park, parked
from ops_page import PASSWORD, serving, signed_in
from tcp import free_port

from gateway.demo import factory
from gateway.demo.cloud import StandInCloud
from gateway.kernel import logs
from gateway.kernel.clock import SystemClock
from gateway.ops import access
from gateway.settings import load

REFUSED = "the cloud says: name too long"
CANARY = "c4n4ryc4n4ryc4n4ry"
STATIC = Path(__file__).parents[2] / "gateway" / "screens" / "static"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def here(tmp_path_factory):
    """A gateway whose first run is over, with something of everything, and secrets everywhere they can be."""
    folder = tmp_path_factory.mktemp("ops")
    secrets = {
        "cloud": {"kind": "off", "url": "https://x.example/functions/v1", "api_key": f"ery_live_{CANARY}"},
        "broker": {"mode": "managed", "port": free_port(), "password": CANARY},
        "plugins": {"label_printer": {"token": CANARY}},
        "uns": {"device": [{"id": "laser-1", "cells": ["Laser"]}]},
    }
    async with serving(folder, **secrets) as here:
        logs.configure("info", "json", here.gateway._tail)
        await signed_in(here)
        await here.send("POST", "/fn/api-cells", {"name": "Laser"})
        await here.send("POST", "/fn/api-jobs", {"job_number": "J-1", "customer": "Acme"})
        await here.send(
            "POST",
            "/fn/api-webhooks",
            {"url": "https://x.example/", "secret_key": f"whsec_{CANARY}", "events": ["job.created"]},
        )
        await here.verb("keys.create", name="erp", scope="plan")
        structlog.get_logger("gateway.test").info("thing.happened", password=CANARY, text=f"Bearer {CANARY}")
        yield here
    structlog.reset_defaults()


@pytest_asyncio.fixture(loop_scope="session")
async def desk(here, browser, page_options):
    watched = await opened(browser, **page_options)
    desk = Desk(here, watched)
    await desk.enter()
    yield desk
    complaints = watched.complaints()
    await watched.context.close()
    assert complaints == []


@pytest_asyncio.fixture(loop_scope="session")
async def letters(here):
    """What a test has set aside goes again."""
    yield
    await here.verb("queue.discard", reader="cloud", seqs=None)


@pytest_asyncio.fixture(loop_scope="session")
async def cloud():
    """The address of a stand-in with the sample factory's plan."""
    clock = SystemClock()
    cloud = StandInCloud(clock, random.Random(1))
    cloud.add_tenant(factory.TENANT_ID)
    cloud.add_key(factory.TENANT_ID, factory.CLOUD_KEY)
    cloud.load(factory.plan(clock.now(), 1))
    async with cloud.serving("127.0.0.1", 0) as url:
        yield url


# ------------------------------------------------------------------ coming in


async def test_a_wrong_password_is_said_and_the_right_one_lets_in(here, browser):
    watched = await opened(browser)
    desk = Desk(here, watched)
    await desk.page.goto(f"{here.url}/ops/")
    await desk.page.fill("input[name=password]", "guessed wrongly")
    await desk.page.click("button.primary")
    await desk.says("the password is wrong")
    await desk.enter()
    assert (await desk.page.evaluate("document.cookie")) == ""  # no script sees it
    await desk.page.reload()
    await desk.page.wait_for_selector("#truth")
    await desk.page.get_by_role("button", name="Sign out").click()
    await desk.page.wait_for_selector("input[name=password]")
    await watched.context.close()


async def test_the_first_run_goes_from_the_code_to_a_configuration(browser, tmp_path, cloud):
    file = tmp_path / "gateway.toml"
    file.write_text(
        f'# ours\n[gateway]\nid = "gw-test"\ndata_dir = "{tmp_path}/data"\n[http]\nport = 0\n[broker]\nmode = "off"\n'
    )
    async with serving(tmp_path / "data", source=(file, None), **load(file, None, {}).model_dump()) as here:
        code = await access.make_code(here.gateway.db)
        watched = await opened(browser)
        desk, page = Desk(here, watched), watched.page
        await page.goto(f"{here.url}/ops/setup")
        for name, value in (("code", "AAAAA-AAAAA"), ("password", PASSWORD), ("again", PASSWORD)):
            await page.fill(f"input[name={name}]", value)
        await page.get_by_role("button", name="Begin").click()
        await desk.says("the code is wrong")
        assert await desk.violations() == []
        await page.fill("input[name=code]", code.lower())
        await page.get_by_role("button", name="Begin").click()
        await page.fill('input[name="site.enterprise"]', "acme")
        await page.get_by_role("button", name="Save").click()
        await page.fill("input[name=url]", "http://127.0.0.1:1/functions/v1")
        await page.fill("input[name=api_key]", "ery_live_x")
        await page.get_by_role("button", name="Test").click()
        await desk.says("cannot connect")
        await page.fill("input[name=url]", cloud)
        await page.fill("input[name=api_key]", factory.CLOUD_KEY)
        await page.get_by_role("button", name="Test").click()
        await desk.says("The cloud answers; 4 cells are seen with this key.")
        await page.get_by_role("button", name="Save").click()
        await page.locator("label.check", has_text="Welding").click()  # all are chosen at first
        await page.get_by_role("button", name="Save").click()
        await page.fill("input[name=port]", "1")
        await page.get_by_role("button", name="Test").click()
        await page.locator("p.bar.red", has_text="127.0.0.1:1").wait_for()
        await page.get_by_role("button", name="Skip").click()
        await page.get_by_role("button", name="Go on").click()
        await desk.says("Restart needed: site.enterprise")
        assert "# ours" in file.read_text()
        written = load(file, None, {})
        assert (written.site.enterprise, written.cloud.url) == ("acme", cloud)
        assert written.cloud.api_key.get_secret_value() == factory.CLOUD_KEY
        assert len(written.cloud.cells) == 3
        assert "Welding" not in written.cloud.cells
        assert watched.complaints() == []
        await watched.context.close()


# ------------------------------------------------------------------ every view


@pytest.mark.parametrize(
    ("theme", "language", "size"),
    [("dark", "en", (1280, 800)), ("light", "de", (1024, 600))],
)
async def test_every_view_can_be_read_by_everybody(desk, here, letters, theme, language, size):
    """No violation that axe knows, nothing too small, nothing wider than the window; nothing asked for outside."""
    await park(here, REFUSED, "a")
    await desk.page.set_viewport_size({"width": size[0], "height": size[1]})
    await desk.page.select_option(".ops-head select >> nth=0", language)
    await desk.page.select_option(".ops-head select >> nth=1", theme)
    wrong = {}
    for name in MENU:
        await desk.go(name)
        found = [
            *(await desk.violations()),
            *(await desk.too_small()),
            *(["too wide"] if await desk.too_wide() else []),
        ]
        wrong |= {name: found} if found else {}
    assert wrong == {}
    assert [one for one in desk.watched.asked if not one.startswith((here.url, "data:"))] == []


async def test_dutch_fits_too(desk):
    await desk.page.set_viewport_size({"width": 1024, "height": 600})
    await desk.page.select_option(".ops-head select >> nth=0", "nl")
    for name in MENU:
        await desk.go(name)
        assert not await desk.too_wide(), name


def test_every_word_that_a_view_asks_for_is_there():
    words = json.loads((STATIC / "i18n" / "en.json").read_text())
    asked = {
        key
        for file in (STATIC / "ops").rglob("*.js")
        for key in re.findall(r'\bt\("((?:ops|common)\.[\w.-]+)"', file.read_text())
    }
    assert len(asked) > 150
    for key in asked:
        found = words
        for step in key.split("."):
            found = found.get(step, {})
        assert found, key


# ------------------------------------------------------------------ what people do


async def test_a_dead_letter_is_discarded_with_a_reason_and_another_is_sent_again(desk, here, letters):
    cell = (await here.send("GET", "/fn/api-cells")).data["cells"][0]["id"]
    await park(here, REFUSED, cell, "b")
    await park(here, "the cloud says: no such cell", "c")
    await desk.go("letters")
    await desk.says(REFUSED)
    groups = desk.page.locator("section.card")
    assert await groups.count() == 2
    first = groups.filter(has_text=REFUSED)
    await first.get_by_role("button", name="Show").first.click()
    await desk.says("rows are compared with a plain cloud only")
    await first.get_by_role("button", name="Discard", exact=True).first.click()
    assert "Discard" in await desk.dialog().get_by_role("heading").inner_text()
    await desk.dialog().get_by_role("button", name="Discard").click()  # without a reason nothing happens
    assert len(await parked(here)) == 3
    await desk.dialog().locator("input[name=reason]").fill("typed wrongly")
    await desk.dialog().get_by_role("button", name="Discard").click()
    await desk.says("1 given up")
    await groups.filter(has_text="no such cell").get_by_role("button", name="Retry", exact=True).click()
    await desk.says("1 is sent again")
    assert [(one["state"], one["reason"]) for one in await parked(here)] == [
        ("parked", REFUSED),
        ("retry", "the cloud says: no such cell"),
    ]
    done = await here.verb("ops.actions")
    assert [one["action"] for one in done[:2]] == ["queue.retry", "queue.discard"]
    assert done[1]["detail"]["reason"] == "typed wrongly"


async def test_a_row_is_set_right_and_sent_again(desk, here, letters):
    cell = (await here.send("POST", "/fn/api-cells", {"name": "Bending press with far too long a name"})).data["cell"][
        "id"
    ]
    await park(here, REFUSED, cell)
    await desk.go("letters")
    await desk.page.get_by_role("button", name="Edit").click()
    await desk.dialog().locator("input[name=name]").fill("Bending")
    await desk.dialog().get_by_role("button", name="Save, retry").click()
    await desk.says("1 is sent again.")
    assert (await here.verb("data.row", table="cells", id=cell))["row"]["name"] == "Bending"
    assert [one["state"] for one in await parked(here)] == ["retry"]


async def test_all_of_one_cause_go_together(desk, here, letters):
    await park(here, REFUSED, "a", "b", "c")
    await desk.go("letters")
    await desk.page.get_by_role("button", name="Discard 3").click()
    await desk.dialog().locator("input[name=reason]").fill("all of them")
    await desk.dialog().get_by_role("button", name="Discard").click()
    await desk.says("Nothing was refused.")
    assert await parked(here) == []


async def test_a_terminal_is_paired_with_a_code_and_a_drawing_of_it(desk, here):
    await desk.go("terminals")
    await desk.page.get_by_role("button", name="Pair terminal").click()
    await desk.dialog().locator("input[name=name]").fill("Laser 1")
    await desk.dialog().locator("select[name=cell_id]").select_option(label="Laser")
    await desk.dialog().get_by_role("button", name="Make code").click()
    code = (await desk.dialog().locator("[data-secret]").inner_text()).strip()
    await desk.page.wait_for_function("document.querySelector('img.ops-qr')?.naturalWidth > 0")
    about = {"user_agent": "test", "secure_context": True, "service_worker": True}
    async with here.session.post(f"{here.url}/terminal/api/pair", json={"code": code, "about": about}) as answer:
        assert answer.status == 201, await answer.text()
    await desk.dialog().get_by_role("button", name="Close").click()
    await desk.page.locator("td", has_text="Laser 1").wait_for()
    await desk.page.get_by_role("button", name="Revoke").click()
    await desk.dialog().get_by_role("button", name="Revoke").click()
    await desk.says("Laser 1 is revoked.")
    assert [one["active"] for one in (await here.send("GET", "/fn/api-terminals")).data["terminals"]] == [False]


async def test_a_key_is_made_shown_once_and_revoked(desk, here):
    await desk.go("keys")
    await desk.page.get_by_role("button", name="Create key").click()
    await desk.dialog().locator("input[name=name]").fill("scada")
    await desk.dialog().locator("select[name=scope]").select_option("read")
    await desk.dialog().get_by_role("button", name="Create key").click()
    key = (await desk.dialog().locator("[data-secret]").inner_text()).strip()
    assert here.gateway.keys.identify(f"Bearer {key}").name == "scada"
    await desk.dialog().get_by_role("button", name="Close").click()
    row = desk.page.locator("tr", has_text="scada")
    await row.get_by_role("button", name="Revoke").click()
    await desk.dialog().get_by_role("button", name="Revoke").click()
    await desk.says("scada is revoked.")
    assert key not in await desk.page.content()


async def test_the_plots_are_tables_too(desk, here):
    await here.send("POST", "/fn/api-jobs", {"job_number": "J-PLOT"})
    await desk.go("sync")
    await desk.page.wait_for_selector(".ops-plot canvas")
    assert re.search(r"Waiting: \d+", await desk.page.locator(".ops-plot").first.get_attribute("aria-label"))
    await desk.page.get_by_role("button", name="Table").first.click()
    plot = desk.page.locator("ops-plot").first
    await plot.locator(".table tbody tr").first.wait_for()
    assert await plot.locator(".table thead th").all_inner_texts() == ["When", "Waiting", "Set aside"]
    assert not await plot.locator("canvas").is_visible()


async def test_the_log_is_seen_as_it_is_written(desk):
    await desk.go("logs")
    structlog.get_logger("gateway.uns.publisher").warning("thing.broke", what="a fuse", password=CANARY)
    line = desk.page.locator("#records li", has_text="thing.broke")
    await line.wait_for()
    assert "what=a fuse" in await line.inner_text()
    await desk.page.fill("input[name=module]", "cloud")
    await desk.page.get_by_role("button", name="Show these").click()
    await line.wait_for(state="detached")


async def test_topics_are_a_tree_with_what_they_say(desk):
    await desk.go("uns")
    tree = desk.page.locator("#topics")
    await tree.get_by_text("status", exact=True).wait_for()
    await tree.get_by_text('"gateway": "gw-test"').first.wait_for()
    await desk.page.fill("input[type=search]", "no such topic")
    await tree.get_by_text("status", exact=True).wait_for(state="detached")


async def test_the_link_is_paused_with_a_banner_everywhere_and_goes_on(desk, here):
    await desk.go("sync")
    await desk.page.get_by_role("button", name="Pause link").click()
    await desk.dialog().locator("input[name=reason]").fill("maintenance")
    await desk.dialog().get_by_role("button", name="Pause link").click()
    await desk.says("The cloud link is paused.")
    assert here.gateway._switch.paused.reason == "maintenance"
    await here.verb("queue.resume")


async def test_a_gateway_that_is_gone_leaves_the_last_data_greyed_with_its_age(desk):
    await desk.page.route("**/ops/api/**", lambda route: route.abort())
    await desk.page.evaluate("document.querySelector('ops-app').look()")
    await desk.page.wait_for_selector("main.stale")
    await desk.says("The gateway does not answer. What you see is from")
    assert await desk.page.locator("#truth").is_visible()
    await desk.page.unroute("**/ops/api/**")
    await desk.page.evaluate("document.querySelector('ops-app').look()")
    await desk.page.wait_for_selector("main:not(.stale)")


async def test_a_planted_secret_appears_nowhere(desk, here):
    bodies: list[str] = []
    reading: set[asyncio.Task] = set()

    def read(response) -> None:
        if (
            "/ops/api/" in response.url
            and not response.url.endswith(("/uns", "/logs"))
            and "/logs?" not in response.url
        ):
            task = asyncio.ensure_future(response.text())
            reading.add(task)
            task.add_done_callback(lambda done: bodies.append("" if done.exception() else done.result()))

    desk.page.on("response", read)
    for name in MENU:
        await desk.go(name)
        bodies.append(await desk.page.content())
    await desk.go("data")
    job = (await here.send("GET", "/fn/api-webhooks")).data["webhooks"][0]
    await desk.page.select_option("select[name=table]", "webhooks")
    await desk.page.fill("input[name=id]", job["id"])
    await desk.page.get_by_role("button", name="Show").click()
    await desk.says("Version 1")
    bodies.append(await desk.page.content())
    await asyncio.gather(*reading, return_exceptions=True)
    assert len(bodies) > 2 * len(MENU)
    assert [one for one in bodies if CANARY in one] == []


async def test_a_problem_is_mended_by_its_button(desk, here):
    here.gateway.settings.data_dir.chmod(0o755)
    await desk.go("repairs")
    problem = desk.page.locator("section").filter(has_text="Data folder's rights")
    await problem.get_by_role("button", name="Close it to others").click()
    await problem.wait_for(state="detached", timeout=SHOWN_MAX_MS)
    assert here.gateway.settings.data_dir.stat().st_mode & 0o777 == 0o700


async def test_a_backup_is_made_proven_and_downloaded(desk, here):
    await desk.go("backups")
    await desk.page.get_by_role("button", name="Make a backup").click()
    await desk.dialog().get_by_role("button", name="Make a backup").click()
    await desk.says("The backup is made and proven.")
    (made,) = (await here.verb("backups.list"))["backups"]
    await desk.page.get_by_role("button", name="Verify").click()
    await desk.dialog().get_by_role("button", name="Verify").click()
    await desk.says("The backup is sound.")
    async with desk.page.expect_download() as coming:
        await desk.page.get_by_role("link", name="Download").click()
    assert (await coming.value).suggested_filename == made["name"]
    await desk.says(f"{made['name']} --yes")
