"""Publishers of a floor that run beside its REST API, on brokers of somebody else."""

import asyncio
import ipaddress
import random
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from uns_hall import EPOCH, HOST, until

from gateway.kernel.clock import SystemClock
from gateway.kernel.health import Health, Link
from gateway.kernel.ids import uuid7
from gateway.kernel.secrets import Secrets
from gateway.kernel.supervise import keep_running, stop
from gateway.outbox import journal
from gateway.publishers.sender import Here
from gateway.publishers.senders import senders
from gateway.settings import Settings
from gateway.uns.payloads import Source
from gateway.uns.topics import Topics

PATH, LOGS = "/api-mqtt-publishers", "/api-mqtt-logs"
ALL = "{enterprise}/{site}/{area}/{cell}/{event}"


class Publishers:
    """`on()` is the time in which they run, supervised as in the app."""

    def __init__(self, floor: Any, **given: Any) -> None:
        self.floor = floor
        folder = floor.db.path.parent
        settings = Settings.model_validate({"gateway": {"id": "gw-test", "data_dir": folder}, **given})
        self.clock = SystemClock()
        self.health = Health(self.clock)
        self.here = Here(floor.db, self.clock, uuid7(self.clock), Topics.of(settings, "gw-test"), Secrets(folder))
        self.source = Source.of(settings, EPOCH)

    @asynccontextmanager
    async def on(self):
        link, rng = self.health.link("mqtt-publishers"), random.Random(5)
        ways = senders(self.here, self.source, self.health, link, rng)
        task = asyncio.create_task(keep_running(ways.run, link, clock=self.clock, rng=rng))
        try:
            await until(lambda: link.state == "up", "the publishers")
            yield self
        finally:
            await stop(task, within_s=5)

    async def make(self, port: int, **more: Any) -> dict[str, Any]:
        given = {"name": "plant", "broker_url": HOST, "port": port, "topic_pattern": ALL, "events": ["*"], **more}
        return (await self.floor.make(PATH, given))["mqtt_publisher"]

    async def change(self, row: dict[str, Any], **changes: Any) -> None:
        reply = await self.floor.send("PATCH", f"{PATH}?id={row['id']}", changes)
        assert reply.status == 200, reply.body

    async def row(self, row: dict[str, Any]) -> dict[str, Any]:
        return (await self.floor.get(f"{PATH}?id={row['id']}"))["mqtt_publisher"]

    async def logs(self, row: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
        """The oldest first."""
        asked = f"{LOGS}?mqtt_publisher_id={row['id']}&sort=created_at&order=asc{query}"
        return (await self.floor.get(asked))["mqtt_logs"]

    def link(self, row: dict[str, Any]) -> Link:
        return self.health.link(f"mqtt:{row['id']}")

    async def position(self, row: dict[str, Any]) -> dict[str, int]:
        rows = await self.floor.query(
            "SELECT since, position, skipped FROM event_readers WHERE name = ?", f"mqtt:{row['id']}"
        )
        return dict(zip(("since", "position", "skipped"), rows[0], strict=True)) if rows else {}

    async def drained(self, row: dict[str, Any]) -> None:
        """Its position is at the end of the journal."""
        for _ in range(500):
            if (await self.position(row))["position"] == await self.floor.db.read(journal.head):
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"{self.link(row)}")

    async def works(self, times: int = 1, number: str = "J-1", *, until_done: bool = False) -> list[str]:
        """An operation is started, paused, resumed ...; returns what is to be heard, in order."""
        operation = (await self.floor.job(number))["parts"][0]["operations"][0]["id"]
        for verb in ["start", *(["pause", "resume"] * times)][: 2 * times]:
            assert (await self.floor.press(verb, operation)).status == 200
        for verb in ("resume", "complete") if until_done else ():
            assert (await self.floor.press(verb, operation)).status == 200
        return [one["type"] for one in await self.floor.events() if one["type"]]


def certificates(folder: Path, *, name: str = "plant CA") -> tuple[str, Path]:
    """(a CA's certificate in PEM, the folder with ca.pem, server.pem and server.key)."""
    folder.mkdir(exist_ok=True)
    key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _name(name)
    begin = datetime.now(UTC) - timedelta(days=1)
    ca = _certificate(authority, authority, key.public_key(), begin)
    ca = ca.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    ca = ca.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    usage = dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
    )
    usage |= {"key_cert_sign": True, "crl_sign": True, "encipher_only": False, "decipher_only": False}
    ca = ca.add_extension(x509.KeyUsage(**usage), critical=True).sign(key, hashes.SHA256())
    server = _certificate(_name("broker"), authority, server_key.public_key(), begin)
    hosts = [x509.IPAddress(ipaddress.ip_address(HOST)), x509.DNSName("localhost")]
    server = server.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    server = server.add_extension(issuer, critical=False).sign(key, hashes.SHA256())
    pem = ca.public_bytes(serialization.Encoding.PEM)
    (folder / "ca.pem").write_bytes(pem)
    (folder / "server.pem").write_bytes(server.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(
        server_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return pem.decode(), folder


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _certificate(subject, issuer, public_key, begin) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=30))
    )
