"""Certificates: our own, and whose we trust. Files in `pki` in the plugin's folder; copying one into `trusted` is enough.

A client is trusted by its certificate itself, not by who has signed it.
"""

import hashlib
import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.plugin_api import StartupError, write_whole

KEY_BITS = 2048
CERTIFICATE_DAYS = 5 * 365
BACKDATED_DAYS = 1  # for clients whose clock is slow
WARN_DAYS = 60
REJECTED_MAX = 50
ID_DIGITS = 16  # of a fingerprint, as a name for people
OPEN_MINUTES_MAX = 60
CERTIFICATE_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class Told:
    """A certificate, for people. `id`: the first digits of its SHA-256."""

    id: str
    subject: str
    uri: str
    names: tuple[str, ...]
    ends: datetime


class Pki:
    """Raises StartupError where a file is none of ours or no certificate."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "pki"
        self.certificate = self._folder / "own" / "certificate.pem"
        self.key = self._folder / "own" / "key.pem"
        self._trusted = self._folder / "trusted"
        self._rejected = self._folder / "rejected"
        self._open = self._folder / "open-until"

    # ------------------------------------------------------------------ our own

    def own(self, now: datetime, *, renew: bool = False, names: Iterable[str] = ()) -> Told:
        """Made when there is none yet. A renewed one keeps the address under which clients know us, and the names it had."""
        there = self.certificate.exists() and self.key.exists()
        if there and not renew:
            return told(_load(self.certificate))
        before = told(_load(self.certificate)) if there else None
        host = socket.gethostname()
        uri = before.uri if before else f"urn:{host}:eryxon:gateway"
        known = {host, "localhost", "127.0.0.1", *names, *(before.names if before else ())}
        made, key = _signed(uri, host, sorted(known), now)
        _written(self.key, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        _written(self.certificate, made.public_bytes(Encoding.PEM))
        return told(made)

    # ------------------------------------------------------------------ theirs

    def trusts(self, der: bytes, now: datetime) -> bool:
        """Also while everybody is let in: who comes then stays trusted. Anybody else is kept for people to look at."""
        name = f"{fingerprint(der)}.der"
        if (self._trusted / name).exists() or der in self._copied():
            return True
        if now < self.open_until():
            _written(self._trusted / name, der)
            return True
        self._reject(name, der)
        return False

    def trust(self, which: str) -> Told:
        """`which`: the id of a rejected one, or a file."""
        found = self._one(self._rejected, which)
        file = found or Path(which)
        if not file.is_file() or file.stat().st_size > CERTIFICATE_BYTES_MAX:
            raise StartupError(f'"{which}" is neither a rejected certificate nor a file with one')
        certificate = _load(file)
        der = certificate.public_bytes(Encoding.DER)
        _written(self._trusted / f"{fingerprint(der)}.der", der)
        if found:
            found.unlink(missing_ok=True)
        return told(certificate)

    def distrust(self, which: str) -> Told:
        file = self._one(self._trusted, which)
        if file is None:
            raise StartupError(f'no trusted certificate has the id "{which}"')
        found = told(_load(file))
        file.unlink()
        return found

    def let_in(self, minutes: int, now: datetime) -> datetime:
        """Until then whoever comes is trusted, and stays it."""
        if not 0 <= minutes <= OPEN_MINUTES_MAX:
            raise StartupError(f"{minutes} minutes: 0 to {OPEN_MINUTES_MAX} are possible")
        until = now + timedelta(minutes=minutes)
        _written(self._open, until.isoformat().encode())
        return until

    def open_until(self) -> datetime:
        try:
            return datetime.fromisoformat(self._open.read_text())
        except (OSError, ValueError):
            return datetime.min.replace(tzinfo=UTC)

    def trusted(self) -> list[Told]:
        return [told(_load(file)) for file in _files(self._trusted)]

    def rejected(self) -> list[Told]:
        return [told(_load(file)) for file in _files(self._rejected)]

    def _copied(self) -> set[bytes]:
        """Those that somebody has put there under another name."""
        found = set()
        for file in _files(self._trusted):
            if len(file.stem) != hashlib.sha256().digest_size * 2:
                try:
                    found.add(_load(file).public_bytes(Encoding.DER))
                except StartupError:
                    continue  # a file that is no certificate trusts nobody
        return found

    def _reject(self, name: str, der: bytes) -> None:
        if (self._rejected / name).exists() or len(der) > CERTIFICATE_BYTES_MAX:
            return
        oldest_first = sorted(_files(self._rejected), key=lambda one: one.stat().st_mtime)
        for file in oldest_first[: max(0, len(oldest_first) - REJECTED_MAX + 1)]:
            file.unlink(missing_ok=True)
        _written(self._rejected / name, der)

    @staticmethod
    def _one(folder: Path, which: str) -> Path | None:
        found = [file for file in _files(folder) if which and told(_load(file)).id.startswith(which.lower())]
        return found[0] if len(found) == 1 else None


def told(certificate: x509.Certificate) -> Told:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    hosts = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    digits = fingerprint(certificate.public_bytes(Encoding.DER))[:ID_DIGITS]
    uri = uris[0] if uris else ""
    return Told(digits, certificate.subject.rfc4514_string(), uri, tuple(hosts), certificate.not_valid_after_utc)


def fingerprint(der: bytes) -> str:
    return hashlib.sha256(der).hexdigest()


def fingerprint_in(file: Path) -> str:
    """Of the certificate in a file, DER or PEM."""
    if not file.is_file() or file.stat().st_size > CERTIFICATE_BYTES_MAX:
        raise StartupError(f"{file} is no file with a certificate")
    return fingerprint(_load(file).public_bytes(Encoding.DER))


def _signed(uri: str, host: str, names: Iterable[str], now: datetime) -> tuple[x509.Certificate, rsa.RSAPrivateKey]:
    """By itself, as OPC UA applications do."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"eryxon-gateway {host}"[:64])])
    begins = now - timedelta(days=BACKDATED_DAYS)
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=True,
        key_cert_sign=True,  # it has signed itself
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=CERTIFICATE_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage(both), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri), *map(_general, names)]), critical=False
        )
    )
    return builder.sign(key, hashes.SHA256()), key


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _load(file: Path) -> x509.Certificate:
    """DER or PEM."""
    try:
        content = file.read_bytes()
        pem = content.lstrip().startswith(b"-----BEGIN")
        return x509.load_pem_x509_certificate(content) if pem else x509.load_der_x509_certificate(content)
    except (OSError, ValueError) as exc:
        raise StartupError(f"{file} is no certificate ({exc}): remove it") from None


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*") if file.suffix in (".der", ".crt", ".cer", ".pem"))


def _written(file: Path, content: bytes) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(file, content)
