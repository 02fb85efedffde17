"""Who may log in: names and hashed passwords in `users.json` in the plugin's folder. Changes count from the next login on."""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from gateway.plugin_api import StartupError, write_whole
from plugins.opcua_mirror.pki import fingerprint

FILE = "users.json"
VIEWER, OPERATOR = "viewer", "operator"
ROLES = (VIEWER, OPERATOR)
USERS_MAX = 200
ALL = "*"
PASSWORD_BYTES = 18
PASSWORD_MAX = 256  # what is longer is nobody's
_SCRYPT = {"n": 2**14, "r": 8, "p": 1}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class User:
    """`cells`: names or ids in which an operator may call methods. `operator_id`: whose time it is that he books.
    `certificate`: the SHA-256 fingerprint of the one by which he logs in; then there is no password.
    """

    name: str
    role: str
    cells: tuple[str, ...]
    operator_id: str | None
    salt: str
    hash: str
    certificate: str = ""

    def knows(self, password: str) -> bool:
        return hmac.compare_digest(_hashed(password, self.salt), self.hash)


class Users:
    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._read: tuple[int, dict[str, User]] = (0, {})
        self._secret = secrets.token_bytes(32)
        self._seen: dict[str, bytes] = {}  # hash of a user -> what let him in: the second login costs nothing

    def all(self) -> dict[str, User]:
        """Raises StartupError when the file is damaged."""
        try:
            changed = self._file.stat().st_mtime_ns
        except FileNotFoundError:
            return {}
        if changed != self._read[0]:
            try:
                rows = json.loads(self._file.read_text(encoding="utf-8"))
                users = [User(**{**row, "cells": tuple(row["cells"])}) for row in rows]
            except (OSError, ValueError, TypeError, KeyError) as exc:
                raise StartupError(f"{self._file} is damaged ({exc}): remove it and add the users again") from None
            self._read = changed, {one.name: one for one in users}
            self._seen.clear()
        return self._read[1]

    def check(self, name: str, password: str) -> User | None:
        """None: unknown, or the wrong password. Takes as long for both."""
        if len(password) > PASSWORD_MAX:
            return None
        user = self.all().get(name)
        if user is None:
            _hashed(password, "")
            return None
        token = hmac.digest(self._secret, password.encode(), "sha256")
        if (known := self._seen.get(user.hash)) is not None and hmac.compare_digest(known, token):
            return user
        if not user.knows(password):
            return None
        self._seen[user.hash] = token
        return user

    def bearer(self, certificate: bytes, now: datetime) -> User | None:
        """Whose it is (DER); nobody's outside the time for which it was made."""
        shown, dated = fingerprint(certificate), x509.load_der_x509_certificate(certificate)
        valid = dated.not_valid_before_utc <= now <= dated.not_valid_after_utc
        return next((one for one in self.all().values() if valid and one.certificate == shown), None)

    def add(
        self, name: str, role: str, cells: Sequence[str], operator_id: str | None, certificate: str = ""
    ) -> str | None:
        """Gives the password, a new one for somebody who is there; with the fingerprint of a `certificate` there is none."""
        if not _NAME.fullmatch(name):
            raise StartupError(f'"{name}" is no user name: letters, digits, . _ - and at most 64 of them')
        if role not in ROLES:
            raise StartupError(f'"{role}" is no role: {", ".join(ROLES)}')
        known = dict(self.all())
        if len(known) >= USERS_MAX and name not in known:
            raise StartupError(f"there are {USERS_MAX} users already: remove one first")
        whose = next((one.name for one in known.values() if one.name != name and one.certificate == certificate), None)
        if certificate and whose:
            raise StartupError(f'this certificate is that of "{whose}" already')
        password, salt = (None, "") if certificate else (secrets.token_urlsafe(PASSWORD_BYTES), secrets.token_hex(16))
        hash_ = "" if password is None else _hashed(password, salt)
        known[name] = User(name, role, tuple(cells) or (ALL,), operator_id, salt, hash_, certificate)
        self._keep(known)
        return password

    def remove(self, name: str) -> None:
        known = dict(self.all())
        if known.pop(name, None) is None:
            raise StartupError(f'there is no user "{name}"')
        self._keep(known)

    def shown(self) -> list[dict[str, Any]]:
        return [asdict(replace(one, salt="", hash="")) for one in self.all().values()]

    def _keep(self, users: dict[str, User]) -> None:
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(self._file, json.dumps([asdict(one) for one in users.values()], indent=1).encode())


def _hashed(password: str, salt: str) -> str:
    return hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), **_SCRYPT).hex()
