"""The Unified Namespace as AsyncAPI 3.0: `/asyncapi.json`. Topics come from `topics.py`, payloads are those that are published."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic import TypeAdapter

from gateway.machines.model import Verb
from gateway.outbox.event import EventType
from gateway.settings import Settings
from gateway.uns import happened, heard, shapes
from gateway.uns.client import KEEPALIVE_S
from gateway.uns.inbound import receiver, rejected, wire
from gateway.uns.packets import QOS
from gateway.uns.payloads import PAYLOAD_BYTES_MAX
from gateway.uns.publisher import HEALTH_EXPIRES_S, SESSION_EXPIRY_S, WILL_DELAY_S
from gateway.uns.retained import EXPIRES_S
from gateway.uns.topics import Place, SparkplugTopics, Topics

VERSION = "3.0.0"
MQTT_BINDING = "0.2.0"
BADGE_EXPIRES_S, COMMAND_EXPIRES_S = 30, 60  # what senders should set
ANSWER_ASKED = "answerWhereAsked"
_JSON = "application/json"
_DEVICE = "{device}"
_PLACE = Place("{cell_id}", "{cell}", "{cell}")
_COMPONENTS = "#/components/schemas/{model}"
_HEADERS = {
    "type": "object",
    "description": "MQTT 5 user properties. Nothing stands only there.",
    "properties": {"event": {"type": "string"}, "schema": {"type": "string"}, "source": {"type": "string"}},
}
_ASKED = {
    "type": "object",
    "description": "Properties of MQTT 5. Without them the answer goes to the device's own rsp, with the request_id.",
    "properties": {"responseTopic": {"type": "string"}, "correlationData": {"type": "string"}},
}


@dataclass(frozen=True, slots=True)
class Channel:
    """One kind of topic, from the gateway's view. `shapes`: name of a message -> its payload; no `retain`: as senders like."""

    key: str
    address: str | None
    about: str
    shapes: Mapping[str, Any]
    action: Literal["send", "receive"] = "send"
    retain: bool | None = False
    expires_s: int | None = None
    qos: int = QOS
    content_type: str = _JSON
    examples: Mapping[str, Any] = field(default_factory=dict)


def document(settings: Settings, *, version: str) -> dict[str, Any]:
    """Of a gateway with these settings."""
    own = Topics.of(settings, settings.gateway.id)
    channels = [*_channels(own), *(_sparkplug(SparkplugTopics.of(settings)) if settings.sparkplug.enabled else ())]
    payloads, schemas = _schemas(channels)
    parameters = _parameters(own)
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "eryxon-gateway",
            "version": version,
            "description": "The Unified Namespace of a hall. `docs/mqtt.md` says what it means.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": _JSON,
        "servers": {"hall": _server(settings, own)},
        "channels": {
            one.key: {
                "address": one.address,
                "description": one.about,
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in one.shapes},
                **_used(parameters, one.address or ""),
            }
            for one in channels
        },
        "operations": dict(_operations(channels)),
        "components": {
            "messages": {name: _message(one, name, payloads[name]) for one in channels for name in one.shapes},
            "schemas": schemas,
            "securitySchemes": {"user": {"type": "userPassword", "description": "One user for each device."}},
        },
    }


# ------------------------------------------------------------------ what there is


def _channels(own: Topics) -> Iterator[Channel]:
    named = replace(own, enterprise="{enterprise}", site="{site}", area="{area}", areas={}, gateway_id="{gateway}")
    state: dict[str, Any] = {"retain": True, "expires_s": EXPIRES_S}
    device = f"{named.root}/_dev/{_DEVICE}"
    events = {f"{kind}Event": shapes.EventMessage for kind in happened.BY_KIND}
    yield Channel("events", own.pattern, "The event stream: one message for each event.", events)
    yield Channel("cell", named.cell(_PLACE), "How a cell stands.", {"cell": shapes.CellState}, **state)
    yield Channel(
        "operation",
        named.operation(_PLACE, "{operation_id}"),
        "Each operation that is queued, running, held or just finished.",
        {"operation": shapes.OperationState},
        **state,
    )
    yield Channel(
        "machine", named.machine(_PLACE, _DEVICE), "How a machine stands.", {"machine": shapes.MachineState}, **state
    )
    yield Channel("job", named.job("{job_id}"), "How a job stands.", {"job": shapes.JobState}, **state)
    gateway = {"birth": shapes.Birth, "death": shapes.Death}
    yield Channel("status", named.status, "The gateway is there, or not.", gateway, retain=True)
    yield Channel(
        "health", named.health, "How it is doing.", {"health": shapes.Health}, retain=True, expires_s=HEALTH_EXPIRES_S
    )
    yield Channel(
        "error",
        named.error(_DEVICE),
        "What of a device was not taken, at most once a second for each code.",
        {"rejection": shapes.Rejection},
        expires_s=rejected.EXPIRES_S,
    )
    yield Channel(
        "deviceJob",
        named.device_job(_DEVICE),
        "What a device makes now.",
        {"deviceJob": shapes.DeviceJobState},
        **state,
    )
    answers = {"done": shapes.Done, "refused": shapes.Refused}
    answered: dict[str, Any] = {"expires_s": receiver.ANSWER_EXPIRES_S}
    yield Channel("answer", named.answer(_DEVICE, None), "Answers to commands.", answers, **answered)
    yield Channel(
        ANSWER_ASKED,
        None,
        "The same where the command wants it: at or below the device's own rsp.",
        answers,
        **answered,
    )
    yield from _heard(device)


def _heard(device: str) -> Iterator[Channel]:
    """What devices say."""
    receives: dict[str, Any] = {"action": "receive"}
    at = "2026-02-03T09:15:04Z"
    yield Channel(
        "deviceStatus",
        f"{device}/{wire.STATUS}",
        "The device's own birth and last will.",
        {"presence": heard.Online},
        retain=True,
        examples={"presence": {"online": True}},
        **receives,
    )
    yield Channel(
        "deviceState",
        f"{device}/{wire.STATE}",
        "The machine's state, as it says it itself; a mapping turns it into one of ours.",
        {"state": heard.State},
        retain=True,
        examples={"state": {"v": 4, "ts": at}},
        **receives,
    )
    yield Channel(
        "deviceCounter",
        f"{device}/{wire.COUNTERS}{{name}}",
        "A counter, absolute.",
        {"counter": heard.Counter},
        retain=True,
        examples={"counter": {"v": 8841, "ts": at}},
        **receives,
    )
    yield Channel(
        "deviceCycle",
        f"{device}/{wire.CYCLE}",
        "One cycle finished.",
        {"cycle": heard.Cycle},
        examples={
            "cycle": {"id": "c-88213", "good": 2, "scrap": 0, "program": "NEST_0042", "duration_s": 312.5, "ts": at}
        },
        **receives,
    )
    yield Channel(
        "deviceBadge",
        f"{device}/{wire.BADGE}",
        "An operator comes or leaves.",
        {"badge": heard.Badge},
        expires_s=BADGE_EXPIRES_S,
        examples={"badge": {"badge": "04A2B3C4", "on": True}},
        **receives,
    )
    yield Channel(
        "deviceTag",
        f"{device}/{wire.TAGS}{{name}}",
        "A raw value for a mapping.",
        {"tag": heard.Tag},
        retain=None,
        examples={"tag": {"v": 21.5, "ts": at}},
        **receives,
    )
    yield Channel(
        "command",
        f"{device}/{wire.COMMANDS}{{verb}}",
        "A command, which is answered. Never retained.",
        {"command": heard.Command},
        expires_s=COMMAND_EXPIRES_S,
        examples={"command": {"request_id": "7c1e", "operator": {"badge": "04A2B3C4"}}},
        **receives,
    )


def _sparkplug(topics: SparkplugTopics) -> Iterator[Channel]:
    binary: dict[str, Any] = {"qos": 0, "content_type": "application/octet-stream"}
    named = replace(topics, node="{gateway}")
    node = "The node: NBIRTH, NDATA, and NDEATH (QoS 1), with Sparkplug B's own payload."
    yield Channel("sparkplugNode", named.of_node("{kind}"), node, {"node": shapes.SparkplugB}, **binary)
    device = "A cell as a device: DBIRTH, DDATA, DDEATH."
    yield Channel("sparkplugDevice", named.of_device("{kind}", _PLACE), device, {"device": shapes.SparkplugB}, **binary)
    asked = "Commands of a host: rebirth. What it asks of cells is ignored."
    received: dict[str, Any] = {**binary, "action": "receive"}
    yield Channel("sparkplugCommand", named.of_node("NCMD"), asked, {"nodeCommand": shapes.SparkplugB}, **received)


def _parameters(own: Topics) -> dict[str, dict[str, Any]]:
    return {
        "enterprise": {"default": own.enterprise, "description": "[site] enterprise"},
        "site": {"default": own.site, "description": "[site] site"},
        "area": {"default": own.area, "description": "[site] area, or what [uns.areas] says of the cell"},
        "cell": {"description": "The cell's level; `default` for events of no cell."},
        "gateway": {"default": own.gateway_id, "description": "[gateway] id"},
        "device": {"description": "The device's id, which is its MQTT user."},
        "name": {"description": "As a mapping calls it."},
        "kind": {"description": "What it is: a birth, data or a death."},
        "verb": {"enum": [*map(str, Verb)], "description": "What is asked for."},
        "event": {
            "enum": [kind.replace(".", "/", 1 if own.upstream else -1) for kind in EventType],
            "description": "What happened.",
        },
        "operation_id": {"description": "The operation's id."},
        "job_id": {"description": "The job's id."},
        "line": {"description": "Left out where there is none."},
        "operation": {"description": "The operation's name, as a level."},
        "job_number": {"description": "As a level."},
        "part_number": {"description": "As a level."},
        "tenant_id": {"default": own.tenant_id, "description": "[site] tenant_id"},
    }


# ------------------------------------------------------------------ how it is written


def _server(settings: Settings, own: Topics) -> dict[str, Any]:
    return {
        "host": f"{settings.broker.host}:{settings.broker.port}",
        "protocol": "mqtt",
        "protocolVersion": "5.0",
        "description": "The hall's broker. MQTT 3.1.1 works too: without properties, expiry and reasons.",
        "security": [{"$ref": "#/components/securitySchemes/user"}],
        "bindings": {
            "mqtt": {
                "clientId": f"gw-{own.gateway_id}",
                "cleanSession": False,
                "keepAlive": KEEPALIVE_S,
                "sessionExpiryInterval": SESSION_EXPIRY_S,
                "maximumPacketSize": PAYLOAD_BYTES_MAX,
                "lastWill": {
                    "topic": own.status,
                    "qos": QOS,
                    "retain": True,
                    "message": f"a death, {WILL_DELAY_S} s after the connection is gone",
                },
                "bindingVersion": MQTT_BINDING,
            }
        },
    }


def _used(parameters: Mapping[str, Any], address: str) -> dict[str, Any]:
    found = {name: parameter for name, parameter in parameters.items() if f"{{{name}}}" in address}
    return {"parameters": found} if found else {}


def _operations(channels: Iterable[Channel]) -> Iterator[tuple[str, dict[str, Any]]]:
    for one in channels:
        if one.key == ANSWER_ASKED:
            continue  # is the reply to a command
        binding: dict[str, Any] = {"qos": one.qos, "bindingVersion": MQTT_BINDING}
        if one.retain is not None:
            binding["retain"] = one.retain
        if one.expires_s is not None:
            binding["messageExpiryInterval"] = one.expires_s
        told: dict[str, Any] = {
            "action": one.action,
            "channel": {"$ref": f"#/channels/{one.key}"},
            "summary": one.about,
            "messages": [{"$ref": f"#/channels/{one.key}/messages/{name}"} for name in one.shapes],
            "bindings": {"mqtt": binding},
        }
        if one.key == "command":
            told["reply"] = {
                "address": {"location": "$message.header#/responseTopic", "description": one.about},
                "channel": {"$ref": f"#/channels/{ANSWER_ASKED}"},
                "messages": [{"$ref": f"#/channels/{ANSWER_ASKED}/messages/{name}"} for name in ("done", "refused")],
            }
        yield f"{one.action}{one.key[0].upper()}{one.key[1:]}", told


def _message(channel: Channel, name: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": name,
        "contentType": channel.content_type,
        "headers": _ASKED if channel.key == "command" else _HEADERS,
        "payload": payload,
    }
    if channel.key == "command":
        told["correlationId"] = {"location": "$message.payload#/request_id"}
    if name in channel.examples:
        told["examples"] = [{"payload": channel.examples[name]}]
    return told


def _schemas(channels: Iterable[Channel]) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Message -> the schema of its payload, and what these point to."""
    wanted = {name: TypeAdapter(shape) for one in channels for name, shape in one.shapes.items()}
    asked: list[tuple[str, Literal["validation"], TypeAdapter[Any]]] = [
        (name, "validation", adapter) for name, adapter in wanted.items()
    ]
    asked += [(f"{kind}Data", "validation", TypeAdapter(shape)) for kind, shape in happened.BY_KIND.items()]
    found, definitions = TypeAdapter.json_schemas(asked, ref_template=_COMPONENTS)
    schemas = {name: schema for (name, _), schema in found.items()}
    for kind in happened.BY_KIND:
        said = {
            "event": {"enum": [one for one in EventType if happened.kind_of(one) == kind]},
            "data": schemas.pop(f"{kind}Data"),
        }
        schemas[f"{kind}Event"] = {"allOf": [schemas[f"{kind}Event"], {"type": "object", "properties": said}]}
    return schemas, dict(definitions.get("$defs", {}))
