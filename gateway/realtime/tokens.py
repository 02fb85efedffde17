"""Tokens of users who are signed in elsewhere. Pure.

What a socket may read is decided by the key that it was opened with, or by a key that is sent as the token. A JWT adds nothing to
that: nobody here can check its signature. Its end is kept to all the same, as clients rely on it to send a fresh one.
"""

import base64
import binascii
import json
from datetime import datetime

from gateway.kernel.errors import Unauthorized

PARTS = 3
CHARACTERS_MAX = 16_384


def require_valid(token: str, now: datetime) -> None:
    """Raises Unauthorized for what is no JWT, and for one that is over."""
    parts = token.split(".")
    if len(parts) != PARTS or len(token) > CHARACTERS_MAX:
        raise Unauthorized("the access token is neither a key of this gateway nor a JWT")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        raise Unauthorized("the access token cannot be read: its middle part is not JSON") from None
    ends = claims.get("exp") if isinstance(claims, dict) else None
    if not isinstance(ends, int | float) or ends <= now.timestamp():
        raise Unauthorized("the access token has expired")
