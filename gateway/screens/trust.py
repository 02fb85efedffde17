"""`/trust`: how a device comes to trust this gateway's CA, for people. Made here and whole: no script, also for an old phone."""

import asyncio
import json
import re
from collections.abc import Sequence
from functools import cached_property, lru_cache
from html import escape
from ipaddress import IPv4Address, ip_address
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from gateway.kernel.errors import NotFound
from gateway.screens.assets import Assets
from gateway.sections import Http
from gateway.tls import HTTP, Tls, fingerprint, here, named, outward, thumbprint

PATH = "/trust"
CA = "/ca.crt"
LANGUAGES = {"en": "English", "nl": "Nederlands", "de": "Deutsch"}
INIT, SHOW = "eryxon-gateway tls init", "eryxon-gateway tls show"
ACCEPTED_MAX_CHARACTERS = 200
DRAWN_MAX = 16  # codes that are kept
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Vary": "Accept-Language",
}
GET = "curl --insecure --remote-name {url}\nopenssl x509 -in ca.crt -noout -fingerprint -sha256\n"
# What is typed, for each system of the words. It is the same in every language.
COMMANDS = {
    "windows": "certutil -addstore -f Root ca.crt",
    "macos": "sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain ca.crt",
    "linux": f"{GET}sudo install -m 0644 ca.crt /usr/local/share/ca-certificates/eryxon-gateway.crt\nsudo update-ca-certificates",
    "chromium": f"{GET}sudo apt install libnss3-tools\nmkdir -p ~/.pki/nssdb\n"
    'certutil -d sql:$HOME/.pki/nssdb -A -t "C,," -n eryxon-gateway -i ca.crt',
    "programs": f"{GET}curl --cacert ca.crt {{base}}/livez\n"
    "SSL_CERT_FILE=ca.crt python3 -c 'import urllib.request as u; print(u.urlopen(\"{base}/livez\").read())'\n"
    "NODE_EXTRA_CA_CERTS=ca.crt node -e 'fetch(\"{base}/livez\").then(r => r.text()).then(console.log)'",
}
_PREFERRED = re.compile(r"\b(en|nl|de)\b(?:-\w+)*\s*(?:;\s*q=([01](?:\.\d+)?))?")


class Trust:
    """Of the certificates as they lie in the data folder now. `urls`: under which this gateway serves."""

    def __init__(self, assets: Assets, tls: Tls, http: Http, urls: Sequence[str]) -> None:
        self._assets = assets
        self._tls = tls
        self._http = http
        self._urls = urls
        self._drawn = lru_cache(DRAWN_MAX)(_drawn)

    def add_to(self, app: web.Application) -> None:
        app.router.add_get(PATH, self._page)

    @property
    def _tls_port(self) -> int | None:
        """Where HTTPS is served; None: not yet."""
        return next((port for url in self._urls if url.startswith("https:") and (port := urlsplit(url).port)), None)

    async def _page(self, request: web.Request) -> web.Response:
        if "trust/index.html" not in self._assets.files:
            raise NotFound("this page is not part of this build")
        language = preferred(request.query.get("lang"), request.headers.get("Accept-Language", ""))
        words = self._words[language]
        used = request.headers.get("Host", "").lower()
        own = f"https://{used}" if request.secure and used else ""
        values = {
            "lang": language,
            "build": self._assets.build,
            "languages": _languages(language),
            "state": await asyncio.to_thread(self._state, words, own),
            **{name: escape(words[name]) for name in ("title", "language", "what")},
        }
        text = self._assets.files["trust/index.html"].decode()
        return web.Response(text=_filled(text, values), headers=HEADERS)

    @cached_property
    def _words(self) -> dict[str, dict[str, Any]]:
        return {language: json.loads(self._assets.files[f"trust/{language}.json"]) for language in LANGUAGES}

    def _state(self, words: dict[str, Any], own: str) -> str:
        """What there is to do, as far as this gateway has come. `own`: the address over TLS at which somebody came already."""
        if not self._tls.ca.certificate.is_file():
            return _p(words["none"]) + _pre(INIT)
        foreign, port = self._http.tls_cert is not None, self._tls_port
        parts = [] if port else [_p(words["unserved"]), _pre(INIT)]
        parts += [_p(words["foreign"])] if foreign else []
        ca = self._tls.ca.certificate
        parts += [f"<h2>{escape(words['print'])}</h2>", f'<p class="print">{fingerprint(ca)}</p>']
        parts += [_p(words["compare"]), _pre(SHOW)]
        parts += [f'<p><a class="button" href="{CA}">{escape(words["download"])}</a></p>']
        if port and not foreign:
            parts += self._steps(words, own or self._base(port), thumbprint(ca))
        return "\n".join(parts)

    def _steps(self, words: dict[str, Any], base: str, sha1: str) -> list[str]:
        said = {"url": base + CA, "base": base, "pages": f"{base}/terminal/", "sha1": sha1}
        code = f'<img class="qr" src="{self._drawn(base + CA)}" alt="{escape(_said(words["code_of"], said))}">'
        guides = []
        for name, (title, *steps) in words["guides"].items():
            listed = "".join(f"<li>{escape(_said(step, said))}</li>" for step in steps)
            typed = _pre(_said(COMMANDS[name], said)) if name in COMMANDS else ""
            guides.append(f"<details><summary>{escape(title)}</summary><ol>{listed}</ol>{typed}</details>")
        scan, after = (_p(_said(words[name], said)) for name in ("scan", "after"))
        return [scan, f"<p>{code}</p>", f"<h2>{escape(words['steps'])}</h2>", *guides, after]

    def _base(self, port: int) -> str:
        """The address at which a phone gets to us, as far as the certificate names it."""
        names = named(self._tls.pair(HTTP).certificate) & here() or here()
        host = out if (out := outward()) in names else min(names, key=_reach)
        return f"https://{f'[{host}]' if ':' in host else host}:{port}"


def preferred(given: str | None, accepted: str) -> str:
    """The language that was chosen, else what the browser likes best of ours."""
    if given in LANGUAGES:
        return given
    liked = [
        (name, float(weight or 1)) for name, weight in _PREFERRED.findall(accepted.lower()[:ACCEPTED_MAX_CHARACTERS])
    ]
    return max(liked, key=lambda one: one[1], default=("en", 1.0))[0]


def _reach(name: str) -> tuple[int, str]:
    """For choosing: an IPv4 address of the LAN, an IPv6 one, a name for the LAN, another name, at last what leads nowhere."""
    try:
        address = ip_address(name)
    except ValueError:
        return (4 if name == "localhost" else 2 if name.endswith(".local") else 3), name
    return (5 if address.is_loopback else 0 if isinstance(address, IPv4Address) else 1), name


def _drawn(text: str) -> str:
    """A QR code as an address of data."""
    import segno  # noqa: PLC0415 -- paid by who looks at one

    return str(segno.make(text, micro=False).svg_data_uri(scale=8, border=4, dark="#000", light="#fff"))


def _languages(chosen: str) -> str:
    marked = {chosen: ' aria-current="true"'}
    links = (
        f'<a class="button" lang="{one}" hreflang="{one}" href="?lang={one}"{marked.get(one, "")}>{name}</a>'
        for one, name in LANGUAGES.items()
    )
    return "".join(links)


def _p(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _pre(text: str) -> str:
    return f'<pre tabindex="0"><code>{escape(text)}</code></pre>'


def _said(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{{{name}}}}}", value)
    return text
