"""The password of the operations page, and the code of its first run. Only hashes of them are kept."""

import base64
import hashlib
import hmac
import secrets

PASSWORD_MIN, PASSWORD_MAX = 10, 200  # characters
CODE_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # nothing that is read as something else
CODE_CHARACTERS = 10
_COST, _BLOCK, _LANES = 2**14, 8, 1  # 16 MiB and some ten milliseconds for each try
_SALT_BYTES = 16
_FORM = "scrypt"


def new_code() -> str:
    """As people write it down: two groups."""
    code = "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_CHARACTERS))
    return f"{code[: CODE_CHARACTERS // 2]}-{code[CODE_CHARACTERS // 2 :]}"


def plain(code: str) -> str:
    """However somebody has typed it."""
    return "".join(one for one in code.upper() if one in CODE_LETTERS)


def hashed(secret: str) -> str:
    """Takes a moment on purpose: call it beside the event loop."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return "$".join((_FORM, _text(salt), _text(_derived(secret, salt))))


def matches(secret: str, kept: str) -> bool:
    """The same."""
    form, salt, wanted = kept.split("$")
    return form == _FORM and hmac.compare_digest(_derived(secret, base64.b64decode(salt)), base64.b64decode(wanted))


def _derived(secret: str, salt: bytes) -> bytes:
    return hashlib.scrypt(secret.encode(errors="surrogateescape"), salt=salt, n=_COST, r=_BLOCK, p=_LANES)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
