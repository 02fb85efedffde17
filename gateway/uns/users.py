"""The broker's own users: who they are, their passwords, what they may do. Files in the forms that brokers read."""

import base64
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

OURS = "gateway"  # may do everything
VIEWER = "viewer"  # may read everything: for trials and for whoever only looks
FILE = "users.json"
PASSWORD_BYTES = 18
SALT_BYTES = 12
ITERATIONS = 101  # Mosquitto's own number; the passwords are random, nobody can guess them
KEY_BYTES = 64


def passwords(folder: Path) -> dict[str, str]:
    """User -> password, made at the first start and kept in `users.json`, for the owner only."""
    there = known(folder)
    missing = {OURS, VIEWER} - there.keys()
    if missing:
        there |= {name: secrets.token_urlsafe(PASSWORD_BYTES) for name in sorted(missing)}
        write(folder / FILE, json.dumps(there))
    return there


def known(folder: Path) -> dict[str, str]:
    """Those that were made so far."""
    file = folder / FILE
    found: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    return found


def password_file(users: Mapping[str, str]) -> str:
    """As `mosquitto_passwd` writes it: PBKDF2 with SHA-512."""
    return "".join(f"{name}:{_hashed(password)}\n" for name, password in sorted(users.items()))


def acl_file() -> str:
    return f"user {OURS}\ntopic readwrite #\ntopic read $SYS/#\n\nuser {VIEWER}\ntopic read #\n"


def write(file: Path, text: str) -> None:
    """Whole or not at all, readable by the owner only."""
    part = file.with_name(file.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as written:
        written.write(text)
    part.replace(file)


def _hashed(password: str) -> str:
    salt = secrets.token_bytes(SALT_BYTES)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS, KEY_BYTES)
    return f"$7${ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"
