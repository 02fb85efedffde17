"""A PLC with an OPC UA server (asyncua's own): it can be switched off and on, and replaced by one whose namespaces have moved."""

import logging
from datetime import UTC, datetime
from pathlib import Path

from asyncua import Server, ua
from asyncua.common.node import Node
from asyncua.crypto import cert_gen
from asyncua.crypto.permission_rules import User, UserRole
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

HOST = "127.0.0.1"
VENDOR = "http://vendor.example/UA/"
URI = "urn:plc:1"
NONE = (ua.SecurityPolicyType.NoSecurity,)
ENCRYPTED = (ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,)


class Password:
    def get_user(self, _session, username=None, password=None, certificate=None) -> User | None:
        return User(UserRole.User, username) if (username, password) == ("gw", "secret") else None


class Plc:
    """`values` are those of its tags; a tag has the type of its first value."""

    def __init__(self, port: int, **values: object) -> None:
        logging.getLogger("asyncua").setLevel(logging.CRITICAL)
        self.port = port
        self.values = dict(values)
        self.writes = 0
        self._server: Server | None = None
        self._tags: dict[str, Node] = {}
        self._on = False

    @property
    def url(self) -> str:
        return f"opc.tcp://{HOST}:{self.port}"

    async def build(self, *before: str, policies=NONE, pair: tuple[Path, Path] | None = None) -> None:
        """A new server, off; `before`: namespaces that come before the vendor's."""
        users = None if pair is None else Password()
        server = Server(user_manager=users)
        await server.init()
        server.set_endpoint(self.url)
        await server.set_application_uri(URI)
        server.set_security_policy([*policies])
        if pair is not None:
            await server.load_certificate(pair[0])
            await server.load_private_key(pair[1])
        for address in before:
            await server.register_namespace(address)
        index = await server.register_namespace(VENDOR)
        self._tags = {
            name: await server.nodes.objects.add_variable(ua.NodeId(name, index), name, value)
            for name, value in self.values.items()
        }
        self._server = server

    async def on(self) -> None:
        await self._server.start()
        self._on = True

    async def off(self) -> None:
        if self._on:
            self._on = False
            await self._server.stop()

    async def set(self, name: str, value: object, *, status: int = 0, at: datetime | None = None) -> None:
        self.values[name] = value
        code = ua.StatusCode(ua.UInt32(status))
        now = (at or datetime.now(UTC)).replace(tzinfo=None)
        await self._tags[name].write_value(ua.DataValue(ua.Variant(value), code, SourceTimestamp=now))

    async def count(self, value: int) -> None:
        await self.set("Count", value)


def certificate(folder: Path) -> tuple[Path, Path]:
    """(certificate, key) of a PLC."""
    key = cert_gen.generate_private_key()
    names = [x509.UniformResourceIdentifier(URI), x509.DNSName(HOST)]
    use = [ExtendedKeyUsageOID.SERVER_AUTH]
    made = cert_gen.generate_self_signed_app_certificate(key, URI, {}, names, extended=use)
    files = folder / "plc.der", folder / "plc.pem"
    files[0].write_bytes(made.public_bytes(Encoding.DER))
    files[1].write_bytes(cert_gen.dump_private_key_as_pem(key))
    return files
