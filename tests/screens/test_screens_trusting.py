"""Clients of other people trust the gateway once they have its CA, by the very lines that `/trust` tells them; and not before."""

import asyncio
import html
import os
import re
import ssl
from pathlib import Path

import pytest
import pytest_asyncio
from browsing import chromium
from javascript import node
from terminal_screen import serving

from gateway.kernel.clock import SystemClock
from gateway.tls import HTTP, Tls

ENDS_MAX_S = 60
SUDO = re.compile(r"^sudo .*\n", re.MULTILINE)  # what is asked of an administrator


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def box(tmp_path_factory):
    """A gateway with HTTPS on this machine."""
    folder = tmp_path_factory.mktemp("box")
    await asyncio.to_thread(Tls(folder).issue, HTTP, SystemClock().now())
    async with serving(folder, http={"port": 0, "tls_host": "127.0.0.1", "tls_port": 0}) as hall:
        yield hall


def address(box) -> str:
    return next(url for url in box.gateway.urls if url.startswith("https:"))


def own(box) -> Tls:
    return Tls(box.gateway.settings.data_dir)


async def lines(box, which: str) -> str:
    """What the page says is to be typed on that system, as somebody reads it who came over TLS."""
    context = ssl.create_default_context(cafile=own(box).ca.certificate)
    async with box.session.get(f"{address(box)}/trust?lang=en", ssl=context) as answer:
        page = await answer.text()
    guide = re.search(rf"<summary>{which}.*?<code>(.*?)</code>", page, re.DOTALL)[1]
    return html.unescape(guide)


async def typed(text: str, folder: Path) -> tuple[int, str, str]:
    environment = {**os.environ, "HOME": str(folder), "PATH": f"{Path(node()).parent}:{os.environ['PATH']}"}
    shell = await asyncio.create_subprocess_exec(
        *("sh", "-e", "-c", text),
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(ENDS_MAX_S):
        out, err = await shell.communicate()
    return shell.returncode, out.decode(), err.decode()


async def test_curl_python_and_node_do_by_the_lines_of_the_page(box, tmp_path):
    code, out, err = await typed(await lines(box, "curl"), tmp_path)
    assert code == 0, err
    assert (tmp_path / "ca.crt").read_bytes() == own(box).ca.certificate.read_bytes()
    printed, curl_and_python, node_said = out.strip().split("\n")
    assert printed.lower().startswith("sha256 fingerprint=")
    assert (curl_and_python, node_said) == ("liveb'live'", "live")


@pytest.mark.parametrize(
    "command",
    [
        "curl --silent --show-error {base}/livez",
        "python3 -c 'import urllib.request as u; u.urlopen(\"{base}/livez\")'",
        "node -e 'fetch(\"{base}/livez\").then(r => r.text())'",
    ],
    ids=["curl", "python", "node"],
)
async def test_without_it_none_of_them_does(box, tmp_path, command):
    code, _, err = await typed(command.replace("{base}", address(box)), tmp_path)
    assert code != 0
    assert re.search("certificate|SELF_SIGNED|UNABLE_TO_VERIFY", err), err


async def test_chromium_does_by_the_lines_of_the_page_and_not_before(box, tmp_path):
    browser = f"{chromium()} --no-sandbox --dump-dom {address(box)}/livez"
    _, out, err = await typed(browser, tmp_path)
    assert "live" not in out
    assert "ERR_CERT_AUTHORITY_INVALID" in err
    code, _, err = await typed(SUDO.sub("", await lines(box, "Chromium")), tmp_path)
    assert code == 0, err
    _, out, err = await typed(browser, tmp_path)
    assert ">live<" in out, err


async def test_openssl_does_as_strictly_as_it_can(box, tmp_path):
    """The CA signs for hosts and for nothing below it; nothing in either certificate is against the rules (RFC 5280)."""
    pair, ca = own(box).pair(HTTP), own(box).ca.certificate
    strict = f"openssl verify -x509_strict -purpose sslserver -verify_ip 127.0.0.1 -CAfile {ca} {pair.certificate}"
    code, out, err = await typed(strict, tmp_path)
    assert (code, out.strip().endswith(": OK")) == (0, True), err
    assert (await typed(strict.replace("127.0.0.1", "192.0.2.77"), tmp_path))[0] != 0


async def test_python_does_as_strictly_as_newer_versions_do_by_default(box):
    context = ssl.create_default_context(cafile=own(box).ca.certificate)
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    async with box.session.get(f"{address(box)}/livez", ssl=context) as answer:
        assert await answer.text() == "live"
