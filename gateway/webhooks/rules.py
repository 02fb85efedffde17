"""Where a webhook may point. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from yarl import URL

from gateway.kernel.egress import Network, literal, permitted
from gateway.kernel.errors import Invalid

_HOST = re.compile(r"[\w.-]+|[0-9a-f:.]+(%[\w.-]+)?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Targets:
    """What is allowed beyond https to public addresses: `[webhooks]` in the settings."""

    allowed: Sequence[Network] = ()
    allow_http: bool = False


def check_url(url: str, targets: Targets) -> None:
    """Raises Invalid. A name is not looked up here: what it leads to is looked at whenever something is sent."""
    try:
        parsed = URL(url)  # as the one who sends will read it
        host = parsed.raw_host  # what is connected to, however it is spelled
    except ValueError:
        raise _refused(url, "it cannot be read as an address", "PATTERN_MISMATCH") from None
    if not host or not _HOST.fullmatch(host):
        raise _refused(url, "it names no host that can be looked up", "PATTERN_MISMATCH")
    if parsed.user is not None or parsed.password is not None:
        message = "it must not hold a user name or a password: whoever reads the webhooks would see them"
        raise _refused("", message, "URL_NOT_ALLOWED")
    if parsed.scheme != "https" and not targets.allow_http:
        raise _refused(url, "https is needed; [webhooks] allow_http = true allows http as well", "URL_NOT_ALLOWED")
    address = literal(host)
    if address is not None and not permitted(address, targets.allowed):
        raise _refused(
            url,
            f"{host} is no public address: name its network in [webhooks] allowed_networks to allow it",
            "URL_NOT_ALLOWED",
        )


def _refused(url: str, why: str, constraint: str) -> Invalid:
    about = {"entityType": "webhook", "entityIndex": 0} | ({"value": url} if url else {})
    detail = {"field": "url", "message": f"url: {why}", "constraint": constraint, **about}
    return Invalid(f"1 validation error(s) in webhook: url: {why}", [detail])
