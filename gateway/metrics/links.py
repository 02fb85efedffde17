"""What `/healthz` tells of links and ways out, as metrics. A new fact is one line here and one in docs/metrics.md."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.kernel.clock import parse
from gateway.metrics.family import Labels, family

PLUGINS = "plugin:"  # how the links of plugins begin
STATES = ("up", "degraded", "down", "off")
Links = Mapping[str, Mapping[str, Any]]


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _instant(value: Any) -> float | None:
    return parse(value).timestamp() if isinstance(value, str) else None


def _is_there(value: Any) -> float | None:
    return float(value is not None)


@dataclass(frozen=True, slots=True)
class Fact:
    """`key`: what it is called in `/healthz`. `of`: the link that tells it, without a label then; with a colon at the end: all
    whose names begin so, labelled with what follows; empty: every link that tells it, plugins apart unless it is about a reader.
    """

    name: str
    about: str
    key: str
    of: str = ""
    label: str = "link"
    read: Callable[[Any], float | None] = _number

    def labels(self, link: str) -> tuple[str, ...] | None:
        """Values of its labels for this link; None: it does not tell this."""
        if self.of.endswith(":"):
            return (link.removeprefix(self.of),) if link.startswith(self.of) else None
        if self.of:
            return () if link == self.of else None
        return None if link.startswith(PLUGINS) and self.label != _READER else (link,)

    @property
    def names(self) -> tuple[str, ...]:
        return () if self.of and not self.of.endswith(":") else (self.label,)


_READER = "reader"
_OF_READERS = (
    Fact("gateway_reader_accepted_total", "Journal entries for this way out.", "accepted", label=_READER),
    Fact("gateway_reader_sent_total", "Journal entries that were delivered.", "sent", label=_READER),
    Fact("gateway_reader_pending", "Journal entries still to be sent.", "pending", label=_READER),
    Fact("gateway_reader_parked", "Journal entries that the other side refused.", "parked", label=_READER),
    Fact("gateway_reader_skipped_total", "Journal entries that were given up.", "skipped", label=_READER),
    Fact("gateway_reader_oldest_seconds", "Age of the oldest entry that waits.", "oldest_s", label=_READER),
    Fact(
        "gateway_reader_conflicts",
        "What the other side has otherwise, and a person has to decide.",
        "conflicts",
        label=_READER,
    ),
)
FACTS = (
    *_OF_READERS,
    Fact(
        "gateway_cloud_drain_seconds",
        "When what waits will be through; none while nobody can tell.",
        "drain_s",
        "cloud",
    ),
    Fact(
        "gateway_cloud_paused", "1 while a person has stopped the way to the cloud.", "paused", "cloud", read=_is_there
    ),
    Fact("gateway_cloud_requests_total", "Requests to the cloud.", "requests", "cloud"),
    Fact("gateway_cloud_requests_today", "The day's requests to the cloud that are used.", "requests_today", "cloud"),
    Fact(
        "gateway_cloud_requests_per_day",
        "The day's requests to the cloud; none: no limit is known.",
        "requests_per_day",
        "cloud",
    ),
    Fact("gateway_cloud_files_waiting", "Files whose bytes are not at the hub yet.", "files_waiting", "cloud"),
    Fact("gateway_clock_offset_seconds", "The cloud's clock minus ours.", "clock_offset_s", "cloud"),
    Fact(
        "gateway_cloud_pull_timestamp_seconds",
        "When the last pull was through.",
        "last_pull",
        "cloud-pull",
        read=_instant,
    ),
    Fact(
        "gateway_cloud_doubtful_rows",
        "Changed here and at the hub at once, not asked about yet.",
        "doubtful",
        "cloud-pull",
    ),
    Fact("gateway_mqtt_received_total", "Messages of devices that were dealt with.", "inbound", "uns"),
    Fact("gateway_mqtt_rejected_total", "Messages of devices that were not taken.", "inbound_rejected", "uns"),
    Fact("gateway_mqtt_refused_total", "Messages that a broker did not take from us.", "refused"),
    Fact("gateway_sparkplug_births_total", "Sparkplug births told.", "births", "sparkplug"),
    Fact("gateway_sparkplug_devices", "Sparkplug devices that are born.", "devices", "sparkplug"),
    Fact("gateway_sparkplug_ignored_total", "Commands of Sparkplug hosts that were not taken.", "ignored", "sparkplug"),
    Fact(
        "gateway_webhook_retrying", "Deliveries that are tried again by themselves.", "retrying", "webhook:", "webhook"
    ),
    Fact(
        "gateway_webhook_dead_letters",
        "Deliveries that somebody has to decide on.",
        "dead_letters",
        "webhook:",
        "webhook",
    ),
    Fact("gateway_realtime_sockets", "Realtime sockets that are open.", "sockets", "realtime"),
    Fact("gateway_realtime_channels", "Realtime channels that are joined.", "channels", "realtime"),
    Fact(
        "gateway_realtime_sockets_dropped_total",
        "Realtime sockets that were closed, too slow.",
        "sockets_dropped",
        "realtime",
    ),
    Fact("gateway_terminal_streams", "Station terminals that are there.", "streams", "terminals"),
    Fact(
        "gateway_terminal_streams_dropped_total",
        "Streams of terminals that were closed, too slow.",
        "streams_dropped",
        "terminals",
    ),
    Fact("gateway_machines", "Machines that the settings name.", "devices", "machines"),
    Fact("gateway_machines_offline", "Machines whose values count for nothing.", "offline", "machines"),
    Fact("gateway_machines_held_pieces", "Counted pieces that wait for an operation.", "held", "machines"),
    Fact("gateway_machines_dropped_pieces", "Counted pieces given up, as the settings say.", "dropped", "machines"),
    Fact(
        "gateway_machines_quarantined",
        "Times that counted pieces were not believed, and nobody looked.",
        "quarantined",
        "machines",
    ),
    Fact(
        "gateway_machines_cells_missing",
        "Cells that the settings name and that are not there.",
        "cells_missing",
        "machines",
    ),
)
_KNOWN = frozenset(fact.key for fact in _OF_READERS) | {"behind"}


def families(links: Links) -> Iterator[Any]:
    up = [((name,), float(link["state"] == "up")) for name, link in links.items()]
    yield family("gateway_link_up", "1 while the link is up.", ("link",), up)
    states = [((name, state), float(link["state"] == state)) for name, link in links.items() for state in STATES]
    yield family("gateway_link_state", "1 for the state that the link is in.", ("link", "state"), states)
    for fact in FACTS:
        yield family(fact.name, fact.about, fact.names, _samples(fact, links))
    yield family(
        "gateway_plugin_fact", "A number that a plugin tells of itself.", ("plugin", "fact"), _of_plugins(links)
    )


def below(gateways: Mapping[str, Mapping[str, Any]]) -> Iterator[Any]:
    """Those that forward to this one."""
    facts = (
        ("gateway_below_seen_timestamp_seconds", "When a gateway below was last here.", "seen_at", _instant),
        ("gateway_below_cells", "Cells that are a gateway's below.", "cells", _number),
        (
            "gateway_below_files_waiting",
            "Files of a gateway below whose bytes are not here yet.",
            "files_to_come",
            _number,
        ),
    )
    for name, about, key, read in facts:
        yield family(name, about, ("gateway",), [((one,), read(told[key]) or 0.0) for one, told in gateways.items()])


def _samples(fact: Fact, links: Links) -> Iterator[tuple[Labels, float]]:
    for name, link in links.items():
        labels = fact.labels(name)
        if labels is not None and fact.key in link and (value := fact.read(link[fact.key])) is not None:
            yield labels, value


def _of_plugins(links: Links) -> Iterator[tuple[Labels, float]]:
    for name, link in links.items():
        if name.startswith(PLUGINS):
            for key in link.keys() - _KNOWN:
                if (value := _number(link[key])) is not None:
                    yield (name.removeprefix(PLUGINS), key), value
