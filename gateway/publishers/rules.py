"""Where a publisher may lead, and under which topics it speaks. Pure."""

import ipaddress
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gateway.kernel.egress import literal, permitted
from gateway.kernel.errors import Invalid
from gateway.outbox.event import EventType
from gateway.uns.topics import (
    LEVEL_BYTES_MAX,
    PLACEHOLDERS,
    Place,
    Topics,
    level,
    unknown_placeholders,
    unpublishable,
)

PATTERN = "{enterprise}/{site}/{area}/{cell}/{event}"
ENTERPRISE, SITE, AREA = "eryxon", "main", "production"  # [S] of a publisher that names none
TEST_EVENT = "mqtt.test"  # what a trial says; nothing that happens is called so

# A plant's broker stands in the plant: its own networks are what an address is for here. What stays closed are link-local
# addresses (a cloud machine's metadata), multicast and what is set aside.
PLANT = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "fc00::/7", "::1/128"),
    )
)
_URL = re.compile(
    r"(?:(?P<scheme>[a-z]+)://)?(?P<host>[\w.-]+|\[[0-9a-f:.]+\])(?::(?P<port>\d{1,5}))?/?", re.IGNORECASE | re.ASCII
)
_PLAIN, _SECURE = ("mqtt", "tcp"), ("mqtts", "ssl", "tls")
_PORT_MAX = 65_535


@dataclass(frozen=True, slots=True)
class Where:
    host: str
    port: int
    tls: bool


def where(broker_url: str, port: int, *, use_tls: bool) -> Where:
    """Raises Invalid."""
    if "@" in broker_url:
        raise _wrong(
            "broker_url", None, "user and password stand in fields of their own: whoever reads it would see them"
        )
    found = _URL.fullmatch(broker_url)
    if found is None:
        raise _wrong("broker_url", broker_url, "a host is wanted, or mqtt://host:1883, mqtts://host:8883")
    scheme = (found["scheme"] or "").lower()
    if scheme and scheme not in _PLAIN + _SECURE:
        raise _wrong(
            "broker_url", broker_url, f"{scheme}:// is not spoken here, only MQTT itself: mqtt://host, mqtts://host"
        )
    host, at = found["host"].strip("[]"), int(found["port"] or port)
    if not 0 < at <= _PORT_MAX:
        raise _wrong("broker_url", broker_url, f"a port is 1 to {_PORT_MAX}")
    address = literal(host)
    if address is not None and not permitted(address, PLANT):
        raise _wrong("broker_url", broker_url, f"{host} is no address that a publisher may lead to", "URL_NOT_ALLOWED")
    return Where(host, at, use_tls or scheme in _SECURE)


def may_lead_to(address: str) -> bool:
    """Of an address that a name has led to."""
    return permitted(ipaddress.ip_address(address.partition("%")[0]), PLANT)


def check(given: Mapping[str, Any]) -> None:
    """The fields that are given. Raises Invalid."""
    if "broker_url" in given:
        where(given["broker_url"], 1, use_tls=False)
    if pattern := given.get("topic_pattern"):
        check_pattern(pattern)
    if pem := given.get("ca_certificate"):
        try:
            ssl.create_default_context(cadata=pem)
        except (ssl.SSLError, TypeError, ValueError) as exc:
            raise _wrong("ca_certificate", None, f"no certificate in PEM can be read from it ({exc})") from None


def check_pattern(pattern: str) -> None:
    """Raises Invalid: nobody could publish there."""
    widest = "x" * LEVEL_BYTES_MAX
    topics = Topics(widest, widest, widest, {}, tenant_id=widest, pattern=pattern, gateway_id="x")
    if problem := unpublishable(topics.longest):
        raise _wrong("topic_pattern", pattern, problem)


def topics_of(own: Topics, pattern: str, enterprise: str | None, site: str | None, area: str | None) -> Topics:
    """The names of a publisher: what it does not name is as documented, and a cell's area as it is configured here."""
    return replace(
        own,
        pattern=pattern,
        enterprise=level(enterprise or ENTERPRISE),
        site=level(site or SITE),
        area=level(area or AREA),
    )


def preview(topics: Topics, given: Mapping[str, str]) -> dict[str, Any]:
    """The topic of an event, and what its pattern has that nothing fills."""
    cell = given["cell"]
    topic = topics.event(
        given["event"], Place("", cell, level(cell)) if cell else None, {**given, "operation_name": given["operation"]}
    )
    return {
        "topic": topic,
        "placeholders": [*PLACEHOLDERS],
        "unknown_placeholders": unknown_placeholders(topics.pattern),
        "known_event": given["event"] in set(EventType),
    }


def _wrong(field: str, value: str | None, why: str, constraint: str = "PATTERN_MISMATCH") -> Invalid:
    about = {"entityType": "mqtt_publisher", "entityIndex": 0} | ({"value": value} if value else {})
    detail = {"field": field, "message": f"{field}: {why}", "constraint": constraint, **about}
    return Invalid(f"1 validation error(s) in mqtt_publisher: {field}: {why}", [detail])
