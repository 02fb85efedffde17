"""`/asyncapi.json`: it says what is really published and heard, in the form that AsyncAPI 3.0 has."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from floor import Floor
from javascript import MODULES
from jsonschema import Draft7Validator, Draft202012Validator
from uns_hall import ROOT, operation, until

from gateway import __version__
from gateway.kernel.clock import SystemClock
from gateway.kernel.ids import uuid7
from gateway.machines.model import Verb as Wish
from gateway.operations.model import Verb
from gateway.outbox import journal
from gateway.outbox.event import EventType
from gateway.settings import Settings
from gateway.uns import happened, payloads
from gateway.uns.asyncapi import document
from gateway.uns.inbound import wire
from gateway.uns.payloads import Source

SETTINGS = Settings.model_validate(
    {"gateway": {"id": "gw-test"}, "site": {"enterprise": "acme", "site": "plant1", "area": "Fabrication"}}
)
DOCUMENT = document(SETTINGS, version=__version__)
DOCS = Path(__file__).parents[2] / "docs"
STANDARD = MODULES / "@asyncapi/specs/schemas/3.0.0.json"
PANEL = operation(1, "Beam")
# The rows of the contract's topic tree: address below the root -> (does the gateway send?, retained?, expiry in s).
TREE = {
    "{enterprise}/{site}/{area}/{cell}/{event}": (True, False, None),
    "{enterprise}/{site}/{area}/{cell}/_state": (True, True, 86_400),
    "{enterprise}/{site}/{area}/{cell}/_state/operation/{operation_id}": (True, True, 86_400),
    "{enterprise}/{site}/{area}/{cell}/_state/machine/{device}": (True, True, 86_400),
    "{enterprise}/{site}/_job/{job_id}": (True, True, 86_400),
    "{enterprise}/{site}/_gateway/{gateway}/status": (True, True, None),
    "{enterprise}/{site}/_gateway/{gateway}/health": (True, True, 300),
    "{enterprise}/{site}/_gateway/{gateway}/error/{device}": (True, False, 3_600),
    "{enterprise}/{site}/_dev/{device}/job": (True, True, 86_400),
    "{enterprise}/{site}/_dev/{device}/rsp": (True, False, 300),
    "{enterprise}/{site}/_dev/{device}/status": (False, True, None),
    "{enterprise}/{site}/_dev/{device}/in/state": (False, True, None),
    "{enterprise}/{site}/_dev/{device}/in/counter/{name}": (False, True, None),
    "{enterprise}/{site}/_dev/{device}/in/cycle": (False, False, None),
    "{enterprise}/{site}/_dev/{device}/in/badge": (False, False, 30),
    "{enterprise}/{site}/_dev/{device}/in/tag/{name}": (False, None, None),
    "{enterprise}/{site}/_dev/{device}/cmd/{verb}": (False, False, 60),
}
EXAMPLES = [
    (channel["address"], example["payload"])
    for channel in DOCUMENT["channels"].values()
    for reference in channel["messages"].values()
    for example in DOCUMENT["components"]["messages"][reference["$ref"].rsplit("/", 1)[1]].get("examples", ())
]


def payload_schema(message: str) -> Draft202012Validator:
    """What a message of this name has to look like, the references in it included."""
    schema = DOCUMENT["components"]["messages"][message]["payload"]
    return Draft202012Validator(schema | {"components": DOCUMENT["components"]})


def channel_of(topic: str) -> str:
    """The key of the channel under which a topic is described; the more exact one where several fit."""
    found = []
    for key, channel in DOCUMENT["channels"].items():
        if channel["address"]:
            levels = re.sub(r"\{(\w+)\}", lambda one: ".+" if one[1] == "event" else "[^/]+", channel["address"])
            if re.fullmatch(levels, topic):
                found.append((channel["address"].count("{event}"), key))
    assert found, f"{topic} is not described"
    return min(found)[1]


@pytest.mark.parametrize(
    "sections", [{}, {"sparkplug": {"enabled": True, "group": "acme"}}, {"compat": {"topic": "upstream"}}]
)
def test_it_is_asyncapi_as_the_standard_has_it(sections):
    standard = json.loads(STANDARD.read_text(encoding="utf-8"))
    made = document(Settings.model_validate(sections), version="1")
    errors = sorted(Draft7Validator(standard).iter_errors(made), key=lambda error: list(error.path))
    assert [(list(error.path), error.message[:200]) for error in errors] == []


def test_the_document_among_the_docs_is_the_one_that_is_made():
    written = (DOCS / "asyncapi.json").read_text(encoding="utf-8")
    made = json.dumps(document(Settings(), version=__version__), ensure_ascii=False, indent=2)
    assert written == made + "\n", "eryxon-gateway asyncapi --config /dev/null > docs/asyncapi.json"


def test_sparkplug_stands_there_once_it_is_switched_on():
    settings = Settings.model_validate({"gateway": {"id": "gw-test"}, "sparkplug": {"enabled": True, "group": "acme"}})
    channels = document(settings, version="1")["channels"]
    assert channels["sparkplugNode"]["address"] == "spBv1.0/acme/{kind}/{gateway}"
    assert channels["sparkplugDevice"]["address"] == "spBv1.0/acme/{kind}/{gateway}/{cell}"
    assert not [name for name in DOCUMENT["channels"] if name.startswith("sparkplug")]


def test_every_row_of_the_tree_is_a_channel_with_its_direction_retention_and_expiry():
    told = {}
    for one in DOCUMENT["operations"].values():
        channel = DOCUMENT["channels"][one["channel"]["$ref"].rsplit("/", 1)[1]]
        binding = one["bindings"]["mqtt"]
        assert binding["qos"] == 1
        told[channel["address"]] = one["action"] == "send", binding.get("retain"), binding.get("messageExpiryInterval")
    assert told == TREE


def test_every_reference_leads_somewhere_and_every_level_in_braces_is_explained():
    def references(node):
        if isinstance(node, dict):
            yield from ([node["$ref"]] if "$ref" in node else [])
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    for reference in references(DOCUMENT):
        node = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            assert step in node, reference
            node = node[step]
    for channel in DOCUMENT["channels"].values():
        assert set(re.findall(r"\{(\w+)\}", channel["address"] or "")) == set(channel.get("parameters", {}))


def test_the_names_are_those_that_are_configured_and_the_pattern_is_the_address():
    pattern = "{enterprise}/mes/{line}/{job_number}/{tenant_id}/{event}"
    made = document(
        SETTINGS.model_copy(update={"uns": SETTINGS.uns.model_copy(update={"topic_pattern": pattern})}), version="1"
    )
    events = made["channels"]["events"]
    assert events["address"] == pattern
    assert events["parameters"].keys() == {"enterprise", "line", "job_number", "tenant_id", "event"}
    assert events["parameters"]["enterprise"]["default"] == "acme"
    assert "sync/jobs/completed" in events["parameters"]["event"]["enum"]
    assert DOCUMENT["channels"]["command"]["parameters"]["verb"]["enum"] == [*Wish]


def test_a_command_is_answered_where_it_wishes():
    (command,) = (one for one in DOCUMENT["operations"].values() if "reply" in one)
    assert command["reply"]["address"]["location"] == "$message.header#/responseTopic"
    answers = DOCUMENT["channels"][command["reply"]["channel"]["$ref"].rsplit("/", 1)[1]]
    assert answers["address"] is None
    assert answers["messages"].keys() == {"done", "refused"}


@pytest.mark.parametrize(
    ("address", "payload"), EXAMPLES, ids=[address.rsplit("_dev/", 1)[-1] for address, _ in EXAMPLES]
)
def test_an_example_of_what_devices_say_is_described_and_understood(address, payload):
    channel = DOCUMENT["channels"][channel_of(re.sub(r"[{}]", "", address))]
    for message in channel["messages"]:
        payload_schema(message).validate(payload)
    rest = address.split("/_dev/{device}/")[1].replace("{name}", "x").replace("{verb}", "start")
    sent = json.dumps(payload).encode()
    if rest.startswith(wire.COMMANDS):
        assert wire.request("laser-1", "start", sent, None, queued=False).request_id == payload["request_id"]
    else:
        assert wire.said("laser-1", rest, sent).device == "laser-1"


async def test_whatever_is_published_is_as_described(hall):
    async with hall.on(), hall.ear() as ear:
        await hall.change(Verb.START, PANEL)
        await hall.count(PANEL, 3)
        await hall.change(Verb.COMPLETE, PANEL)
        await until(lambda: any(event["event"] == "operation.completed" for event in ear.events))
        await until(lambda: ear.state("_gateway/gw-test/health"))
        heard = [one for one in ear.heard if one.text and "/probe" not in one.topic]
    met = set()
    for one in heard:
        channel = channel_of(one.topic)
        schema = json.loads(one.text)["schema"]
        for message in DOCUMENT["channels"][channel]["messages"]:
            validator = payload_schema(message)
            if validator.is_valid(one.payload):
                met.add(message)
                break
        else:
            validator.validate(one.payload)
        assert one.topic.startswith(ROOT), schema
    assert met >= {"operationEvent", "jobEvent", "productionEvent", "cell", "operation", "job", "birth", "health"}


async def test_whatever_happens_on_a_floor_says_what_is_described(db):
    """Everything that anybody may do, in a random order: no event has a field that the document does not know."""
    clock = SystemClock()
    shop = SimpleNamespace(db=db, clock=clock, new_id=uuid7(clock))
    floor = Floor(shop, seed=7)
    for _ in range(400):
        await floor.act()
    entries = [one for one in await db.read(journal.after, 0, 100_000) if one.type is not None]
    source = Source.of(SETTINGS, 7)
    for entry in entries:
        told = payloads.event(entry, payloads.data_of(entry), source, None)
        validator = payload_schema(f"{happened.kind_of(entry.type)}Event")
        validator.validate(told)
        assert told["data"].keys() - happened.BY_KIND[happened.kind_of(entry.type)].__annotations__.keys() == set(), (
            entry.type
        )
    assert {happened.kind_of(one.type) for one in entries} >= {
        "job",
        "part",
        "operation",
        "production",
        "issue",
        "step",
    }


def test_every_event_has_its_shape():
    assert {happened.kind_of(one) for one in EventType} == happened.BY_KIND.keys()
