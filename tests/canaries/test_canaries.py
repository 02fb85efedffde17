"""Secrets are planted wherever one can be, everything goes wrong that can, and then everything that can be seen is searched."""

import asyncio
import contextlib
import random
import re

import aiohttp
import pytest
from looking import MAY, files, hear, look, processes
from planting import CLOUD_KEY, HOOK, MARK, NAME, PIN, Planted, rows_of
from servers import Rude

from gateway.demo import factory
from gateway.demo.cloud import StandInCloud
from gateway.kernel.clock import SystemClock
from gateway.tls import HTTP, Tls

PLACES_MIN = 100


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> Planted:
    return asyncio.run(_played(tmp_path_factory.mktemp("canaries")))


async def _played(folder) -> Planted:
    cloud = StandInCloud(SystemClock(), random.Random(3))
    cloud.add_tenant(factory.TENANT_ID)
    cloud.add_key(factory.TENANT_ID, CLOUD_KEY)
    cloud.load(factory.plan(SystemClock().now(), 1))
    jar = aiohttp.CookieJar(unsafe=True)
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(cloud.serving())
        session = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=jar))
        rude = await stack.enter_async_context(Rude(url, session, HOOK).serving())
        here = Planted.at(folder, rude, session)
        Tls(here.program.data).issue(HTTP, SystemClock().now())
        serving = here.program.serving()
        process = await asyncio.to_thread(serving.__enter__)
        ear = asyncio.create_task(hear(here))
        try:
            await here.plant()
            await here.work()
            await look(here)
            here.shown |= processes(process.pid)
        finally:
            ear.cancel()
            await asyncio.gather(ear, return_exceptions=True)
            await asyncio.to_thread(serving.__exit__, None, None, None)
        here.shown["log"] = (folder / "log").read_text()
        here.shown["rows"] = rows_of(here.program.data / "gateway.sqlite")
        said = await asyncio.to_thread(here.program.call, "config", "show", "--origins")
        here.shown["config show"] = said.out + said.err
        here.shown |= {f"file {name}": text for name, text in files(here.program.data).items()}
    return here


SHORT_CHARACTERS = 12  # a PIN is a number like others: only as a word of its own is it found
USED_UP = {"backup", "rows", "file gateway.sqlite"}  # an address for one upload, in the receipt of who asked for it
ALPHABET = r"[0-9A-Za-z.]"


def places(shown: dict[str, str], secret: str) -> dict[str, str]:
    """Where it stands, with what is around it."""
    one = re.escape(secret)
    if len(secret) < SHORT_CHARACTERS and secret != MARK:
        one = f"(?<!{ALPHABET}){one}(?!{ALPHABET})"
    there = ((place, text) for place, text in shown.items() if secret.casefold() in text.casefold())
    found = ((place, re.search(one, text, re.IGNORECASE), text) for place, text in there)
    return {place: text[max(0, at.start() - 200) : at.end() + 60] for place, at, text in found if at}


def test_no_secret_is_seen_anywhere(seen):
    secrets = {"what was planted": MARK, "PIN": PIN, **seen.found}
    found = {name: places(seen.shown, secret) for name, secret in secrets.items()}
    assert found.pop("upload token").keys() == USED_UP
    assert {name: where for name, where in found.items() if where} == {}


def test_no_name_of_a_person_leaves_in_a_support_bundle(seen):
    bundle = {"support bundle": seen.shown["support bundle"]}
    assert [word for word in (*NAME.split(), "wkanarie") if places(bundle, word)] == []
    assert places(seen.shown, NAME), "elsewhere it is shown"


def test_what_was_searched_had_something_in_it(seen):
    """Otherwise nothing would be found there either."""
    log, shown = seen.shown["log"], seen.shown
    assert "RuntimeError: no answer to *** within 3 s" in log
    assert "cannot sign in as gw with ***" in log
    assert '"level": "debug"' in log
    assert "the cloud refuses it: " in shown["queue.list"]
    assert "Authorization" in shown["queue.list"], "the echo, without the key in it"
    assert "you are ***" in shown["GET /api-webhook-logs"]
    assert "[redacted]" in shown["GET /api-mcp-logs"]
    assert "cannot sign in at the cloud" in shown["GET /healthz"]
    assert "job.created" in shown["webhook deliveries"]
    assert "uns/event/1" in shown["MQTT"]
    assert "J0" in shown["export json"]
    assert "J0" in shown["backup"]
    assert "gateway_info" in shown["GET /metrics"]
    assert "mosquitto" in "".join(text for place, text in shown.items() if place.startswith("ps"))
    assert seen.upload_refused
    assert len(shown) > PLACES_MIN
    assert [place for place, text in shown.items() if not text and not place.startswith("file ")] == []


def test_what_may_hold_secrets_is_for_its_owner_only(seen):
    kept = [file for pattern in MAY for file in seen.program.data.glob(pattern)]
    assert len(kept) > len(MAY)
    assert {file.name: oct(file.stat().st_mode & 0o077) for file in (*kept, seen.program.config)} == {
        file.name: "0o0" for file in (*kept, seen.program.config)
    }


def test_the_search_finds_what_is_there():
    shown = {"a": f"x{MARK.upper()}y", "b": f'"{PIN}"', "c": f"12:00:00.{PIN} 1{PIN} {PIN}a", "d": "nothing"}
    assert places(shown, MARK).keys() == {"a"}
    assert places(shown, PIN).keys() == {"b"}
