"""Who we are to a server, and whether it is the one that somebody approved."""

import hashlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto import cert_gen, security_policies
from asyncua.crypto.uacrypto import CertProperties
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.plugin_api import Unavailable
from plugins.opcua_client.settings import Server

DAYS = 5 * 365  # after which a new one is made, and has to be trusted by the servers


@dataclass(frozen=True, slots=True)
class Own:
    """Our certificate and its key, for all servers; made when it is first needed. `uri` names this gateway in it."""

    folder: Path
    uri: str

    @classmethod
    def of(cls, folder: Path) -> "Own":
        return cls(folder, f"urn:{socket.gethostname()}:eryxon:gateway:client")

    @property
    def certificate(self) -> Path:
        """The file to give to whoever looks after the machine: its server has to trust it."""
        return self.folder / "client.der"

    @property
    def key(self) -> Path:
        return self.folder / "client.key"

    def make(self) -> None:
        """When there is none. Raises OSError."""
        if self.certificate.exists() and self.key.exists():
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = cert_gen.generate_private_key()
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(self.uri), x509.DNSName(socket.gethostname())]
        use = [ExtendedKeyUsageOID.CLIENT_AUTH]
        made = cert_gen.generate_self_signed_app_certificate(key, self.uri, {}, names, extended=use, days=DAYS)
        descriptor = os.open(self.key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(cert_gen.dump_private_key_as_pem(key))
        self.certificate.write_bytes(made.public_bytes(Encoding.DER))


async def secure(client: Client, server: Server, own: Own) -> None:
    """Agree on encryption, if the server shows the certificate that was approved. Raises Unavailable and what asyncua does."""
    policy = getattr(security_policies, f"SecurityPolicy{server.security}")
    endpoints = await client.connect_and_get_server_endpoints()
    found = next((one for one in endpoints if _fits(one, policy.URI)), None)
    if found is None:
        offered = sorted({str(one.SecurityPolicyUri).rpartition("#")[2] for one in endpoints})
        raise Unavailable(f"{server.url} does not offer {server.security} with encryption, but {', '.join(offered)}")
    shown = _first_of_chain(found.ServerCertificate)
    fingerprint = hashlib.sha256(shown).hexdigest()
    if not server.certificate:
        raise Unavailable(
            f"the certificate of {server.url} is not approved: compare its SHA-256 fingerprint at the machine, then set "
            f'certificate = "{fingerprint}"'
        )
    if fingerprint != server.certificate:
        raise Unavailable(
            f"{server.url} shows another certificate than the approved one: its SHA-256 fingerprint is {fingerprint}. "
            "Somebody renewed it, or it is another server"
        )
    await client.set_security(
        policy,
        CertProperties(own.certificate, "der"),
        CertProperties(own.key, "pem"),
        server_certificate=CertProperties(shown, "der"),
        mode=ua.MessageSecurityMode.SignAndEncrypt,
    )


def _fits(endpoint: ua.EndpointDescription, policy: str) -> bool:
    return bool(
        endpoint.SecurityPolicyUri == policy
        and endpoint.SecurityMode == ua.MessageSecurityMode.SignAndEncrypt
        and endpoint.ServerCertificate
    )


def _first_of_chain(der: bytes) -> bytes:
    """A server may send its issuers behind its own; an ASN.1 sequence says how long it is in bytes 2 and 3."""
    return der[: int.from_bytes(der[2:4], "big") + 4]
