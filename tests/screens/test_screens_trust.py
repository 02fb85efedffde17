"""The page that says how a device comes to trust this gateway: in three languages, for a phone, without a script."""

import asyncio
import hashlib
import html
import json
import re
import ssl
import subprocess

import pytest
import pytest_asyncio
import segno
from browsing import LAN, opened
from looks import flaws
from terminal_screen import serving

from gateway.kernel.clock import SystemClock
from gateway.screens.assets import Assets
from gateway.screens.trust import COMMANDS, LANGUAGES, preferred
from gateway.tls import HTTP, Tls
from gateway.uns.broker import MQTT

FILES = Assets().files
WORDS = {language: json.loads(FILES[f"trust/{language}.json"]) for language in LANGUAGES}
PHONE = {"width": 390, "height": 844}
TLS = {"http": {"port": 0, "tls_host": "127.0.0.1", "tls_port": 0, "hosts": [LAN]}}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def trusted(tmp_path_factory):
    """A gateway after `tls init` and a restart."""
    folder = tmp_path_factory.mktemp("trusted")
    await asyncio.to_thread(Tls(folder).issue, HTTP, SystemClock().now())
    async with serving(folder, **TLS) as hall:
        yield hall


def certificate(hall) -> bytes:
    return ssl.PEM_cert_to_DER_cert((hall.gateway.settings.data_dir / "tls" / "ca.crt").read_text())


async def shown(hall, query: str = "", **headers: str) -> str:
    said = await hall.send("GET", f"/trust{query}", **headers)
    assert said.status == 200
    assert "{" not in re.sub(r"<pre.*?</pre>", "", said.text, flags=re.DOTALL)
    return html.unescape(said.text)


def test_every_language_says_the_same_with_the_same_values():
    def shape(words):
        if isinstance(words, dict):
            return {key: shape(value) for key, value in words.items()}
        return [shape(one) for one in words] if isinstance(words, list) else sorted(re.findall(r"\{\w+\}", words))

    assert shape(WORDS["en"]) == shape(WORDS["nl"]) == shape(WORDS["de"])
    assert COMMANDS.keys() <= WORDS["en"]["guides"].keys()
    for language in LANGUAGES:
        assert all(
            re.search(r"\w", text) for text in json.loads(FILES[f"trust/{language}.json"], object_pairs_hook=texts)
        )


def texts(pairs):
    return [text for _, value in pairs for text in (value if isinstance(value, list) else [value])]


@pytest.mark.parametrize(
    ("given", "accepted", "language"),
    [
        (None, "", "en"),
        (None, "fr-FR,fr;q=0.9", "en"),
        (None, "nl-NL,nl;q=0.9,en;q=0.8", "nl"),
        (None, "fr;q=1.0,en;q=0.3,de-AT;q=0.7", "de"),
        (None, "de", "de"),
        ("nl", "de", "nl"),
        ("xx", "de", "de"),
        (None, "en;q=1.2.3", "en"),
    ],
)
def test_it_speaks_the_language_that_was_chosen_or_that_the_browser_likes_best(given, accepted, language):
    assert preferred(given, accepted) == language


async def test_before_there_is_a_certificate_it_says_how_to_make_one(hall):
    text = await shown(hall)
    assert WORDS["en"]["none"] in text
    assert "eryxon-gateway tls init" in text
    assert "ca.crt" not in text


async def test_a_ca_that_signs_for_mqtt_only_is_shown_and_what_is_missing_said(tmp_path):
    await asyncio.to_thread(Tls(tmp_path).issue, MQTT, SystemClock().now())
    async with serving(tmp_path) as hall:
        text = await shown(hall)
    assert WORDS["en"]["unserved"] in text
    assert 'href="/ca.crt"' in text
    assert "data:image/svg" not in text.replace("data:,", "")


async def test_a_certificate_from_the_settings_is_said_to_be_one(tmp_path):
    pair = await asyncio.to_thread(Tls(tmp_path / "other").issue, HTTP, SystemClock().now())
    await asyncio.to_thread(Tls(tmp_path / "data").issue, MQTT, SystemClock().now())
    given = {"tls_cert": pair.certificate, "tls_key": pair.key}
    async with serving(tmp_path / "data", http={**TLS["http"], **given}) as hall:
        text = await shown(hall)
    assert WORDS["en"]["foreign"] in text
    assert WORDS["en"]["unserved"] not in text
    assert "<details" not in text


async def test_the_fingerprint_is_that_of_the_certificate_that_is_served(trusted):
    text = await shown(trusted)
    der = certificate(trusted)
    assert hashlib.sha256(der).digest().hex(":").upper() in text
    assert hashlib.sha1(der, usedforsecurity=False).hexdigest() in text
    served = await trusted.send("GET", "/ca.crt")
    assert served.headers["Content-Type"] == "application/x-x509-ca-cert"
    assert ssl.PEM_cert_to_DER_cert(served.text) == der
    told = subprocess.run(
        ["openssl", "x509", "-noout", "-fingerprint", "-sha256"],
        input=served.text,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert told.partition("=")[2].strip() in text


async def test_who_asks_at_the_box_is_shown_an_address_for_the_lan_and_who_comes_over_tls_his_own(trusted):
    port = trusted.gateway.addresses[1].rpartition(":")[2]
    own = set(Tls(trusted.gateway.settings.data_dir).names(HTTP))
    (address,) = set(re.findall(r"https://(\S+?)/ca\.crt", await shown(trusted)))
    host, _, found = address.rpartition(":")
    assert found == port
    assert host.strip("[]") in own - {"localhost", "127.0.0.1"}
    context = ssl.create_default_context(cafile=trusted.gateway.settings.data_dir / "tls" / "ca.crt")
    async with trusted.session.get(f"https://localhost:{port}/trust", ssl=context) as answer:
        assert set(re.findall(r"https://(\S+?)/ca\.crt", await answer.text())) == {f"localhost:{port}"}


async def test_it_needs_no_key_no_script_and_nothing_from_elsewhere(trusted):
    async with trusted.session.get(f"{trusted.url}/trust") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert "<script" not in await answer.text()


async def test_the_code_is_that_of_the_address_of_the_certificate(trusted):
    text = await shown(trusted)
    drawn = re.search(r'<img class="qr" src="(data:image/svg\+xml[^"]+)"', text)[1]
    (address,) = set(re.findall(r"https://\S+?/ca\.crt", text))
    assert drawn == segno.make(address, micro=False).svg_data_uri(scale=8, border=4, dark="#000", light="#fff")


@pytest.mark.parametrize("language", LANGUAGES)
async def test_it_can_be_read_and_used_on_a_phone_by_everybody(trusted, browser, language):
    watched = await opened(browser, viewport=PHONE, java_script_enabled=True)
    await watched.page.goto(f"{trusted.url}/trust?lang={language}")
    assert await watched.page.evaluate("document.documentElement.lang") == language
    for one in await watched.page.locator("summary").all():
        await one.click()
    assert await watched.page.evaluate("document.querySelector('.qr').naturalWidth") > 100
    assert await flaws(watched.page) == []
    assert {url.partition("?")[0] for url in watched.asked if not url.startswith("data:")} == {
        f"{trusted.url}/trust",
        f"{trusted.url}{Assets().url('trust/styles.css')}",
    }
    await watched.context.close()
    assert watched.complaints() == []


async def test_it_works_without_javascript(trusted, browser):
    watched = await opened(browser, viewport=PHONE, java_script_enabled=False)
    await watched.page.goto(f"{trusted.url}/trust")
    await watched.page.get_by_role("link", name="Deutsch").click()
    await watched.page.get_by_text("Windows", exact=True).click()
    await watched.page.get_by_text("Vertrauenswürdige Stammzertifizierungsstellen").wait_for()
    await watched.context.close()
