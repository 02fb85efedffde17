"""The pages as they are served: headers, one build id, what a browser keeps, what it never needs from outside."""

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest
from browsing import SHOWN_MAX_MS, opened

from gateway.screens import pages
from gateway.screens.assets import SPRITE, STYLES, Assets
from gateway.screens.pages import IMPORTS, SHELL

ASSETS = Assets()
FOLDER = Path(pages.__file__).parent / "static"
STYLE = "terminal/styles.css"
REQUESTS_MAX, BYTES_MAX = 35, 150 * 1024
QUEUE_STANDS = "() => app.views.get('parts/timers') && app.store.link.gateway === 'up'"
AHEAD = ("/i18n/nl.json", "/i18n/de.json")  # with these a page begins to fetch what may be wanted without a gateway
QUEUE_REQUESTS_MAX = 44  # of a terminal that is switched on again, with what it asks the gateway
LOADED = """['navigation', 'resource'].flatMap(kind => performance.getEntriesByType(kind))
  .map(one => [one.name, one.encodedBodySize])"""


async def test_the_terminal_is_a_page_with_a_strict_policy(hall):
    said = await hall.send("GET", "/terminal/")
    assert said.status == 200
    imports = re.search(r'<script type="importmap">(.*?)</script>', said.text)[1]
    digest = base64.b64encode(hashlib.sha256(imports.encode()).digest()).decode()
    assert said.headers["Content-Security-Policy"] == (
        "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; "
        f"script-src 'self' 'sha256-{digest}'"
    )
    assert said.headers["X-Content-Type-Options"] == "nosniff"
    assert said.headers["Referrer-Policy"] == "no-referrer"
    assert said.headers["Permissions-Policy"] == "camera=(self)"
    assert said.headers["Cache-Control"] == "no-cache"
    assert "{{" not in said.text
    assert (await hall.send("GET", "/terminal/board")).status == 200


async def test_an_address_without_its_slash_leads_to_the_page(hall):
    async with hall.session.get(f"{hall.url}/terminal", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (308, "/terminal/")


async def test_a_page_that_has_not_changed_is_not_sent_again(hall):
    said = await hall.send("GET", "/terminal/")
    again = await hall.send("GET", "/terminal/", **{"If-None-Match": said.headers["ETag"]})
    assert (again.status, again.text) == (304, "")
    assert again.headers["Content-Security-Policy"] == said.headers["Content-Security-Policy"]


async def test_a_file_is_kept_for_ever_and_comes_compressed(hall):
    url = hall.url + ASSETS.url(STYLE)
    async with hall.session.get(url, headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
        assert await answer.read() == ASSETS.files[STYLE]
    async with hall.session.get(url, headers={"Accept-Encoding": "identity"}) as answer:
        assert "Content-Encoding" not in answer.headers
        assert await answer.read() == ASSETS.files[STYLE]


@pytest.mark.parametrize("path", ["shared/nothing.css", "..%2fassets.py", "vendor/swagger-ui/swagger-ui.css", "vendor"])
async def test_what_is_no_file_of_the_pages_is_not_found(hall, path):
    assert (await hall.send("GET", f"/static/{ASSETS.build}/{path}")).status == 404


async def test_a_file_of_another_build_is_not_found(hall):
    assert (await hall.send("GET", "/static/0123456789abcdef/shared/base.css")).status == 404


async def test_every_name_that_modules_import_leads_to_a_file(hall):
    for name, path in IMPORTS.items():
        assert (
            (path in ASSETS.files) if not path.endswith("/") else any(one.startswith(path) for one in ASSETS.files)
        ), name
    bare = {
        name
        for path, content in ASSETS.files.items()
        if path.startswith(("shared/", "terminal/", "ops/")) and path.endswith(".js")
        for name in re.findall(r'(?:from|import) "([^"./][^"]*)"', content.decode())
    }
    assert {
        one for one in bare if not any(one == name or (name.endswith("/") and one.startswith(name)) for name in IMPORTS)
    } == set()


async def test_the_worker_knows_every_file_that_the_terminal_may_need(hall):
    said = await hall.send("GET", "/terminal/sw.js")
    assert said.headers["Content-Type"].startswith("text/javascript")
    assert said.headers["Cache-Control"] == "no-cache"
    kept = json.loads(re.search(r"FILES = (\[.*?\]);", said.text)[1])
    assert ASSETS.url(SPRITE) in kept
    wanted = {
        ASSETS.url(path)
        for path in ASSETS.files
        if path.startswith(SHELL) and not path.endswith(("index.html", "sw.js"))
    }
    assert set(kept) == wanted
    for url in kept:
        assert (await hall.send("GET", url)).status == 200, url


def test_the_build_id_changes_with_any_file(tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "a.js").write_text("1")
    before = Assets(tmp_path).build
    assert Assets(tmp_path).build == before
    (tmp_path / "shared" / "a.js").write_text("2")
    after = Assets(tmp_path).build
    (tmp_path / "shared" / "a.js").rename(tmp_path / "shared" / "b.js")
    assert len({before, after, Assets(tmp_path).build}) == 3


def test_every_icon_is_in_one_file():
    sprite = ASSETS.files[SPRITE].decode()
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', sprite))
    used = {
        name
        for path, content in ASSETS.files.items()
        if path.startswith(("shared/", "terminal/", "ops/")) and path.endswith(".js")
        for name in re.findall(r'\bicon\("([\w-]+)"', content.decode())
    }
    assert "play" in drawn
    assert used - drawn == set()
    assert "@license lucide" in sprite


def test_what_is_compressed_is_whole():
    assert gzip.decompress(ASSETS.packed(SPRITE)) == ASSETS.files[SPRITE]


async def test_the_first_load_is_small_and_asks_nobody_outside(hall, watched):
    """All that comes before the first screen: at most 150 KB and 35 requests."""
    await watched.page.goto(f"{hall.url}/terminal/")
    await watched.page.wait_for_selector("input[name=code]", timeout=SHOWN_MAX_MS)
    loaded = await watched.page.evaluate(LOADED)
    assert len(loaded) <= REQUESTS_MAX, loaded
    assert 20 * 1024 < sum(size for _, size in loaded) <= BYTES_MAX
    assert [url for url in watched.asked if not url.startswith((hall.url, "data:"))] == []


async def test_a_terminal_that_is_switched_on_again_has_its_queue_after_few_requests(hall, kept, browser):
    watched = await opened(browser, storage_state=kept)
    await watched.page.goto(f"{hall.url}/terminal/")
    await watched.page.wait_for_selector("queue-view", timeout=SHOWN_MAX_MS)
    await watched.page.wait_for_function(QUEUE_STANDS)
    loaded = [url for url, _ in await watched.page.evaluate(LOADED)]
    await watched.context.close()
    ahead = next((place for place, url in enumerate(loaded) if url.endswith(AHEAD)), len(loaded))
    loaded = loaded[:ahead]
    assert 20 < len(loaded) <= QUEUE_REQUESTS_MAX, loaded
    assert not any("/views/login" in url for url in loaded)


async def test_a_page_has_one_style_sheet_of_all_its_parts(hall):
    for page in ("terminal", "ops"):
        said = await hall.send("GET", f"/{page}/")
        [url] = re.findall(r'<link rel="stylesheet" href="([^"]+)">', said.text)
        path = f"{page}/styles.css"
        assert url == ASSETS.url(path)
        parts = [(FOLDER / part).read_text() for part in STYLES[path]]
        assert (await hall.send("GET", url)).text == "\n".join(parts)
