"""Where HTTP is served: plain, and with TLS once there is a certificate."""

import asyncio
import ssl
from collections.abc import Collection

from aiohttp import web

from gateway.kernel.errors import StartupError
from gateway.settings import Http
from gateway.tls import HTTP, Tls, here, named
from gateway.web.hosts import Hosts

HANDSHAKE_MAX_S = 10.0  # in which a client has to do his part of the TLS handshake
BACKLOG = 1024  # connections that the kernel keeps while we are busy


def places(http: Http, tls: Tls) -> list[tuple[str, int, ssl.SSLContext | None]]:
    """Host, port, TLS or not: what the settings and the certificates ask for. Raises StartupError."""
    found: list[tuple[str, int, ssl.SSLContext | None]] = [(http.host, http.port, None)]
    certificate, key = http.tls_cert, http.tls_key
    if certificate is None and tls.there(HTTP):
        own = tls.pair(HTTP)
        certificate, key = own.certificate, own.key
    if certificate and key:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as exc:
            why = f"the certificate {certificate} or its key {key} cannot be used: {exc}"
            raise StartupError(f"{why}; set [http] tls_cert and tls_key, or run `eryxon-gateway tls renew`") from None
        found.append((http.tls_host, http.tls_port, context))
    return found


def hosts(http: Http, tls: Tls, apart: Collection[str]) -> Hosts:
    """The names of this machine, those that its certificate says, and what the settings add. Raises StartupError."""
    certificate = http.tls_cert or (tls.pair(HTTP).certificate if tls.there(HTTP) else None)
    told = named(certificate) if certificate else frozenset()
    own = {
        f"{scheme}://{name}" for name in http.hosts for scheme in ("https", "http")
    }  # behind a proxy that says another Host
    return Hosts(here() | told | {*http.hosts}, own | {*http.cors_origins}, apart)


class _Site(web.TCPSite):
    """aiohttp's, which gives everybody a minute for the TLS handshake: until it is over a connection counts for nobody."""

    async def start(self) -> None:
        await web.BaseSite.start(self)
        made = self._runner.server
        assert made is not None  # nosec B101 # noqa: S101 -- it is set up
        given = (made, self._host, self._port)
        limit_s = HANDSHAKE_MAX_S if self._ssl_context else None
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            *given, ssl=self._ssl_context, backlog=self._backlog, ssl_handshake_timeout=limit_s
        )


async def listen(served: web.AppRunner, host: str, port: int, context: ssl.SSLContext | None) -> None:
    try:
        await _Site(served, host, port, backlog=BACKLOG, ssl_context=context).start()
    except OSError as exc:
        raise StartupError(
            f"{host}:{port} cannot be listened on ({exc.strerror}): set another port in [http]"
        ) from None


def address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
