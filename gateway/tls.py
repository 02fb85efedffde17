"""The gateway's own certificates: a CA for this box, and what it signs. Files in `tls` in the data folder, for the owner only.

`cryptography` is loaded with the first use: a gateway without TLS pays nothing for it.
"""

import array
import contextlib
import fcntl
import hashlib
import ipaddress
import os
import socket
import ssl
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.kernel.clock import BUILD_DATE
from gateway.kernel.disk import write_whole
from gateway.kernel.errors import StartupError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

FOLDER = "tls"
HTTP, MQTT = "server", "mqtt"  # whose certificates they are: HTTPS, the broker's listener
CA_DAYS = 7300
CERTIFICATE_DAYS = 825  # what browsers take of somebody's own CA
RENEW_DAYS = 30  # before its end
BACKDATED_DAYS = 1  # for devices whose clock is slow
_SIOCGIFCONF = 0x8912  # every interface with its IPv4 address
_IFCONF, _IFREQ_BYTES, _INTERFACES_MAX = "iP", 40, 256  # length and pointer; one entry on a 64-bit machine
_IPV6 = Path("/proc/net/if_inet6")
_ELSEWHERE = ("192.0.2.1", 9)  # an address for documentation
_LINK_LOCAL = "20"  # a scope in that file


@dataclass(frozen=True, slots=True)
class Pair:
    certificate: Path
    key: Path


class Tls:
    """All methods that make something write files: call them beside the event loop. They raise StartupError."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / FOLDER
        self.ca = Pair(self.folder / "ca.crt", self.folder / "ca.key")

    def pair(self, name: str) -> Pair:
        return Pair(self.folder / f"{name}.crt", self.folder / f"{name}.key")

    def there(self, name: str) -> bool:
        pair = self.pair(name)
        return pair.certificate.exists() and pair.key.exists()

    def issue(self, name: str, now: datetime, names: Iterable[str] = ()) -> Pair:
        """A new certificate for this machine, under all its names and addresses and those given."""
        pair = self.pair(name)
        self._sign(pair, here(names), now, server=True)
        return pair

    def kept(self, name: str, now: datetime) -> Pair:
        """The one that is there; a new one when it ends soon or this machine has an address that it does not name."""
        if self.there(name):
            told = _told(self.pair(name).certificate)
            if now < told.ends - timedelta(days=RENEW_DAYS) and told.names >= here():
                return self.pair(name)
            return self.issue(name, now, told.names)
        return self.issue(name, now)

    def client(self, name: str, folder: Path, now: datetime) -> Pair:
        """For a device: `name` is the user that it is for."""
        pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
        self._sign(pair, frozenset((name,)), now, server=False)
        _write(folder / "ca.crt", self.ca.certificate.read_bytes())
        return pair

    def names(self, name: str) -> list[str]:
        return sorted(_told(self.pair(name).certificate).names)

    def ends(self, name: str) -> datetime:
        return ends(self.pair(name).certificate)

    def files(self, *others: Path | None) -> list[Path]:
        """The certificates that are served with, `others` among them."""
        own = [self.pair(name).certificate for name in (HTTP, MQTT) if self.there(name)]
        return [*own, *(file for file in others if file is not None)]

    def problem(self, now: datetime, *others: Path | None) -> str | None:
        """What to say in health."""
        return next((told for file in self.files(*others) if (told := ending(file, now))), None)

    # ------------------------------------------------------------------ signing

    def _sign(self, pair: Pair, names: frozenset[str], now: datetime, *, server: bool) -> None:
        from cryptography import x509  # noqa: PLC0415 -- paid with the first use
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 -- paid with the first use
        from cryptography.x509.oid import ExtendedKeyUsageOID  # noqa: PLC0415 -- paid with the first use

        with _alone(self.folder):  # the command line and the gateway may want a CA at the same moment
            authority, signing = self._authority(now)
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        subject = _subject(min(names - {"localhost"}, key=_as_address, default="localhost"))
        builder = (
            _builder(subject, authority.subject, key, now, CERTIFICATE_DAYS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
            .add_extension(x509.SubjectAlternativeName([_general(name) for name in sorted(names)]), critical=False)
        )
        _save(pair, builder, key, signing)

    def _authority(self, now: datetime) -> "tuple[x509.Certificate, EllipticCurvePrivateKey]":
        from cryptography import x509  # noqa: PLC0415 -- paid with the first use
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 -- paid with the first use
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 -- as above

        if not (self.ca.certificate.exists() or self.ca.key.exists()):
            key = ec.generate_private_key(ec.SECP256R1())
            subject = _subject(f"eryxon-gateway CA of {socket.gethostname()}")
            usage = dict.fromkeys(
                ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
            )
            builder = (
                _builder(subject, subject, key, now, CA_DAYS)
                .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
                .add_extension(
                    x509.KeyUsage(
                        digital_signature=True,
                        key_cert_sign=True,
                        crl_sign=True,
                        encipher_only=False,
                        decipher_only=False,
                        **usage,
                    ),
                    critical=True,
                )
            )
            _save(self.ca, builder, key, key)
        try:
            certificate = x509.load_pem_x509_certificate(self.ca.certificate.read_bytes())
            signing = load_pem_private_key(self.ca.key.read_bytes(), None)
        except (OSError, ValueError) as exc:
            raise StartupError(
                f"the CA in {self.folder} cannot be used ({exc}): bring ca.crt and ca.key back, or remove both for a new one"
            ) from None
        if not isinstance(signing, ec.EllipticCurvePrivateKey):
            raise StartupError(f"{self.ca.key} is no key of ours: bring the right one back")
        return certificate, signing


def ends(file: Path) -> datetime:
    """Of a certificate, ours or not. Raises StartupError."""
    from cryptography import x509  # noqa: PLC0415 -- paid with the first use

    try:
        return x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as exc:
        raise StartupError(
            f"{file} cannot be read as a certificate ({exc}): eryxon-gateway tls renew makes one"
        ) from None


def named(file: Path) -> frozenset[str]:
    """The names and addresses that a certificate is for; none of one that cannot be read, which is said where it is served with."""
    try:
        return _told(file).names
    except StartupError:
        return frozenset()


def fingerprint(file: Path) -> str:
    """SHA-256 of a certificate, as people compare it: `AB:CD:...`. Raises StartupError."""
    return hashlib.sha256(_der(file)).digest().hex(":").upper()


def thumbprint(file: Path) -> str:
    """SHA-1 of a certificate, as Windows shows it. Raises StartupError."""
    return hashlib.sha1(_der(file), usedforsecurity=False).hexdigest()


def _der(file: Path) -> bytes:
    try:
        return ssl.PEM_cert_to_DER_cert(file.read_text())
    except (OSError, ValueError) as exc:
        raise StartupError(f"{file} cannot be read as a certificate ({exc}): bring the right one back") from None


def ending(file: Path, now: datetime) -> str | None:
    """What people should know of this certificate; None: it is good for long."""
    try:
        left = ends(file) - now
    except StartupError as exc:
        return exc.message
    return (
        None
        if left >= timedelta(days=RENEW_DAYS)
        else f"{file} ends in {left.days} days: eryxon-gateway tls renew, then restart"
    )


@dataclass(frozen=True, slots=True)
class _Told:
    """What a certificate says."""

    ends: datetime
    names: frozenset[str]


def _told(file: Path) -> _Told:
    from cryptography import x509  # noqa: PLC0415 -- paid with the first use

    try:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound) as exc:
        raise StartupError(
            f"{file} is no certificate of ours ({exc}): eryxon-gateway tls renew makes a new one"
        ) from None
    return _Told(certificate.not_valid_after_utc, frozenset(str(name.value) for name in found))


def _builder(
    subject: "x509.Name", issuer: "x509.Name", key: "EllipticCurvePrivateKey", now: datetime, days: int
) -> "x509.CertificateBuilder":
    from cryptography import x509  # noqa: PLC0415 -- paid with the first use

    begins = max(now, BUILD_DATE) - timedelta(days=BACKDATED_DAYS)  # the clock may never have been set
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _save(
    pair: Pair, builder: "x509.CertificateBuilder", key: "EllipticCurvePrivateKey", signing: "EllipticCurvePrivateKey"
) -> None:
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 -- paid with the first use
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 -- as above
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    certificate = builder.sign(signing, hashes.SHA256())
    _write(pair.key, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    _write(pair.certificate, certificate.public_bytes(Encoding.PEM))


def _subject(name: str) -> "x509.Name":
    from cryptography import x509  # noqa: PLC0415 -- paid with the first use
    from cryptography.x509.oid import NameOID  # noqa: PLC0415 -- paid with the first use

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _general(name: str) -> "x509.GeneralName":
    from cryptography import x509  # noqa: PLC0415 -- paid with the first use

    with contextlib.suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(name))
    return x509.DNSName(name)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One at a time, of all processes."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(file, content)


# ------------------------------------------------------------------ what this machine is called


def outward() -> str:
    """The address with which this machine speaks to others; empty: it has no way there. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking, contextlib.suppress(OSError):
        asking.connect(_ELSEWHERE)
        return str(asking.getsockname()[0])
    return ""


def here(more: Iterable[str] = ()) -> frozenset[str]:
    """Its names and addresses, and `more`."""
    host = socket.gethostname()
    short = host.partition(".")[0]
    return frozenset((host, short, f"{short}.local", "localhost", *_ipv4(), *_ipv6(), *more))


def _ipv4() -> Iterable[str]:
    """Of every interface that has one. Not by `socket.if_nameindex()`: that is netlink, which our unit does not allow."""
    table = array.array("B", bytes(_INTERFACES_MAX * _IFREQ_BYTES))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        told = fcntl.ioctl(asking, _SIOCGIFCONF, struct.pack(_IFCONF, len(table), table.buffer_info()[0]))
    filled, _ = struct.unpack(_IFCONF, told)
    for at in range(0, filled, _IFREQ_BYTES):
        yield socket.inet_ntoa(table[at + 20 : at + 24].tobytes())


def _ipv6() -> Iterable[str]:
    """Those that other machines can use."""
    with contextlib.suppress(OSError):  # a machine without
        for line in _IPV6.read_text().splitlines():
            digits, _, _, scope, *_ = line.split()
            if scope != _LINK_LOCAL:
                yield str(ipaddress.IPv6Address(bytes.fromhex(digits)))


def _as_address(name: str) -> tuple[bool, str]:
    """For sorting: names before addresses."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False, name
    return True, name
