"""What the settings come to: rights, topics, what is not there yet, what somebody else's broker has to allow."""

import pytest
from pydantic import ValidationError

from gateway.settings import Settings
from gateway.uns import plan, rights
from gateway.uns.topics import Place, Topics, matches

LASER = Place("019c0000-0000-7000-8000-000000000001", "Laser 1", "laser_1")
PAINT = Place("019c0000-0000-7000-8000-000000000002", "Paint 1", "paint_1")
ROOT = "acme/plant1"


def settings_of(devices=(), mappings=(), **more) -> Settings:
    uns = {"device": list(devices), "mapping": list(mappings), "areas": {"Paint 1": "Finishing"}, **more.pop("uns", {})}
    site = {"enterprise": "acme", "site": "plant1", "area": "fabrication"}
    return Settings.model_validate({"gateway": {"id": "gw-test"}, "site": site, "uns": uns, **more})


def resolved(settings: Settings, *places: Place, passwords=(), nobody=()):
    return plan.resolved(settings, Topics.of(settings, "gw-test"), places, passwords, nobody)


def rights_of(role: str, cells: list[str], *places: Place, **more) -> rights.Rights:
    settings = settings_of([{"id": "x-1", "cells": cells, "role": role, **more}])
    return rights.of_devices(settings.uns, Topics.of(settings, "gw-test"), places)["x-1"]


OWN = f"{ROOT}/_dev/x-1/#"
WRITES = (f"{ROOT}/_dev/x-1/in/#", f"{ROOT}/_dev/x-1/cmd/#", f"{ROOT}/_dev/x-1/status")


@pytest.mark.parametrize(
    ("role", "cells", "reads", "writes"),
    [
        ("machine", ["Laser 1"], (OWN, f"{ROOT}/fabrication/laser_1/_state/#"), WRITES),
        ("machine", [PAINT.cell_id], (OWN, f"{ROOT}/finishing/paint_1/_state/#"), WRITES),
        ("machine", ["*"], (OWN, f"{ROOT}/+/+/_state/#"), WRITES),
        ("machine", ["Nowhere"], (OWN,), WRITES),
        ("scada", ["*"], (OWN, f"{ROOT}/#"), WRITES),
        ("scada", ["Paint 1"], (OWN, f"{ROOT}/finishing/paint_1/#"), WRITES),
        ("reader", ["*"], (OWN, f"{ROOT}/#"), ()),
    ],
)
def test_what_a_device_may_do_follows_from_its_role_and_its_cells(role, cells, reads, writes):
    assert rights_of(role, cells, LASER, PAINT) == rights.Rights(reads, writes)


def test_a_device_may_read_what_the_settings_add_and_write_the_topics_of_its_mappings():
    settings = settings_of(
        [{"id": "x-1", "cells": [], "read": ["a/+/b", "a/+/b"]}, {"id": "x-2", "cells": []}],
        [{"device": "x-1", "topic": "shellies/x/power", "rule": "gauge"}],
    )
    made = rights.of_devices(settings.uns, Topics.of(settings, "gw-test"), ())
    assert made["x-1"] == rights.Rights((OWN, "a/+/b"), (*WRITES, "shellies/x/power"))
    assert "shellies/x/power" not in made["x-2"].write


@pytest.mark.parametrize("read", ["", "a/#/b", "a+", "a/b#", "x\ny", " a", "a\x00", "a" * 513])
def test_a_filter_that_would_be_something_else_in_a_brokers_file_is_refused(read):
    with pytest.raises(ValidationError, match="no topic filter"):
        settings_of([{"id": "x-1", "cells": [], "read": [read]}])


@pytest.mark.parametrize("topic", ["a/+", "#", "$SYS/x", "a\nuser root"])
def test_a_mapped_topic_is_one_topic(topic):
    with pytest.raises(ValidationError):
        settings_of([{"id": "x-1", "cells": []}], [{"device": "x-1", "topic": topic, "rule": "gauge"}])


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        (["gateway"], "is a user of the broker already"),
        (["viewer"], "is a user of the broker already"),
        (["x-1", "x-1"], 'two \\[\\[uns.device\\]\\] have the id "x-1"'),
        (["a+b"], "pattern"),
        (["a/b"], "pattern"),
    ],
)
def test_a_device_is_one_user_and_none_of_ours(ids, told):
    with pytest.raises(ValidationError, match=told):
        settings_of([{"id": one, "cells": []} for one in ids])


def test_what_is_not_there_yet_is_a_warning_with_the_name_that_was_meant():
    settings = settings_of([{"id": "laser-1", "cells": ["Lazer 1", "*", LASER.cell_id]}])
    told = [one["text"] for one in resolved(settings, LASER, PAINT, passwords=["lasre-1"])["problems"]]
    assert told == [
        'device "laser-1": there is no cell "Lazer 1" yet (did you mean "Laser 1"?)',
        'device "laser-1" has no password and gets in nowhere: `uns devices add laser-1`',
        '"lasre-1" has a password, and there is no [[uns.device]] with that id (did you mean "laser-1"?)',
    ]


def test_an_operator_who_is_nobody_is_a_warning_with_what_comes_of_it():
    settings = settings_of([{"id": one, "cells": ["*"], "operator": "laser1"} for one in ("x-1", "x-2")])
    (told,) = resolved(settings, LASER, passwords=["x-1", "x-2"], nobody=["x-2"])["problems"]
    assert told["level"] == "warning"
    assert told["text"].startswith('device "x-2": its operator "laser1" is not one profile at work')
    assert told["text"].endswith("booked on nobody")


def test_the_plan_shows_topics_and_cells_by_name():
    settings = settings_of(
        [{"id": "laser-1", "cells": ["Laser 1"], "commands": ["start"]}],
        [{"device": "laser-1", "input": "counter/good", "rule": "counter_delta", "report": "quantity_good"}],
    )
    made = resolved(settings, LASER, PAINT, passwords=["laser-1"])
    (device,) = made["devices"]
    assert device["cells"] == [{"name": "Laser 1", "id": LASER.cell_id, "topic": f"{ROOT}/fabrication/laser_1"}]
    assert (device["password"], device["commands"]) == (True, ["start"])
    assert made["mappings"][0]["topic"] == f"{ROOT}/_dev/laser-1/in/counter/good"
    assert made["problems"] == []


def test_another_broker_is_told_the_least_that_it_has_to_allow():
    settings = settings_of(
        [{"id": "x-1", "cells": ["Laser 1"]}, {"id": "board", "cells": ["*"], "role": "reader"}],
        [{"device": "x-1", "topic": "shellies/x/power", "rule": "gauge"}],
        uns={"topic_pattern": "plant/{enterprise}/{cell}/{event}"},
        broker={"mode": "external", "username": "mes"},
    )
    assert resolved(settings, LASER)["acl"] == (
        "user mes\n"
        "topic readwrite acme/plant1/#\n"
        "topic readwrite spBv1.0/#\n"
        "topic readwrite plant/acme/+/#\n"
        "topic read $SYS/#\n"
        "topic read shellies/x/power\n"
        "\n"
        "user x-1\n"
        "topic read acme/plant1/_dev/x-1/#\n"
        "topic read acme/plant1/fabrication/laser_1/_state/#\n"
        "topic write acme/plant1/_dev/x-1/in/#\n"
        "topic write acme/plant1/_dev/x-1/cmd/#\n"
        "topic write acme/plant1/_dev/x-1/status\n"
        "topic write shellies/x/power\n"
        "\n"
        "user board\n"
        "topic read acme/plant1/_dev/board/#\n"
        "topic read acme/plant1/#\n"
    )


@pytest.mark.parametrize(
    ("asked", "allowed", "lies_in"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/#", True),
        ("a", "a/#", True),
        ("a/b", "a/+", True),
        ("a/b/c", "a/+", False),
        ("a/+", "a/+", True),
        ("a/+", "a/b", False),
        ("a/#", "a/+", False),
        ("a/#", "a/#", True),
        ("#", "a/#", False),
        ("#", "#", True),
        ("+/+", "#", True),
        ("$SYS/x", "#", False),
        ("$SYS/x", "+/x", False),
        ("$SYS/x", "$SYS/#", True),
        ("a/+/_state/#", "a/+/_state/#", True),
        ("a/#", "a/+/_state/#", False),
        ("a/b/", "a/b", False),
    ],
)
def test_whether_a_filter_lies_in_another(asked, allowed, lies_in):
    assert matches(asked, allowed) is lies_in
