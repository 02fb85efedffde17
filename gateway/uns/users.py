"""The broker's own users and their passwords; how a password is kept, in the form that Mosquitto reads."""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from pathlib import Path

from gateway.kernel.disk import write_whole
from gateway.kernel.errors import StorageFailed

OURS = "gateway"  # may do everything
VIEWER = "viewer"  # may read everything: for trials and for whoever only looks
FILE = "users.json"
PASSWORD_BYTES = 12  # 24 characters
SALT_BYTES = 12
ITERATIONS = 101  # Mosquitto's own number; the passwords are random, nobody can guess them
KEY_BYTES = 64


def passwords(folder: Path) -> dict[str, str]:
    """User -> password, made at the first start and kept in `users.json`, for the owner only."""
    there = known(folder)
    missing = {OURS, VIEWER} - there.keys()
    if missing:
        there |= {name: new_password() for name in sorted(missing)}
        write(folder / FILE, json.dumps(there))
    return there


def known(folder: Path) -> dict[str, str]:
    """Those that were made so far. Raises StorageFailed."""
    file = folder / FILE
    try:
        found: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    except ValueError as exc:
        raise StorageFailed(
            f"{file} is damaged ({exc}): remove it, and the next start makes new passwords for our own users"
        ) from None
    return found


def new_password() -> str:
    """Typed into panels and given to commands: nothing in it that one of them takes for something else."""
    return secrets.token_hex(PASSWORD_BYTES)


def hashed(password: str) -> str:
    """As `mosquitto_passwd` writes it: PBKDF2 with SHA-512."""
    salt = secrets.token_bytes(SALT_BYTES)
    key = _key(password, salt, ITERATIONS)
    return f"$7${ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


def matches(password: str, kept: str) -> bool:
    _, _, iterations, salt, key = kept.split("$")
    made = _key(password, base64.b64decode(salt), int(iterations))
    return hmac.compare_digest(made, base64.b64decode(key))


def password_file(hashes: Mapping[str, str]) -> str:
    return "".join(f"{name}:{kept}\n" for name, kept in sorted(hashes.items()))


def write(file: Path, text: str) -> None:
    write_whole(file, text.encode())


def _key(password: str, salt: bytes, iterations: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha512", password.encode(), salt, iterations, KEY_BYTES)
