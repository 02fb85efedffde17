"""What proves that a delivery is ours: the cloud's signature, and that of Standard Webhooks beside it. Pure."""

import base64
import binascii
import hashlib
import hmac
from datetime import datetime

AGENT = "Eryxon-Webhooks/1.0"
REPLAY = "X-Eryxon-Replay"
_ENCODED = "whsec_"  # how a secret begins that Standard Webhooks take apart


def headers(secret: str, event: str, event_id: str, body: bytes, at: datetime, replay_id: str | None) -> dict[str, str]:
    """`event_id` is the same at every try, `at` is the moment of this one. A replay says of which one it is."""
    timestamp = str(int(at.timestamp()))
    signed = b".".join((event_id.encode(), timestamp.encode(), body))
    standard = base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode()
    marked = {} if replay_id is None else {REPLAY: replay_id}
    return {
        "Content-Type": "application/json",
        "User-Agent": AGENT,
        "X-Eryxon-Event": event,
        "X-Eryxon-Signature": f"sha256={hmac.digest(secret.encode(), body, hashlib.sha256).hex()}",
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{standard}",
        **marked,
    }


def _key(secret: str) -> bytes:
    """The bytes that a secret is: `whsec_` and base64 as Standard Webhooks write it, any other text as it stands."""
    if secret.startswith(_ENCODED):
        try:
            return base64.b64decode(secret.removeprefix(_ENCODED), validate=True)
        except binascii.Error:
            pass
    return secret.encode()
