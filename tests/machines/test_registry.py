"""What is wrong with devices and mappings is said at the start, by name."""

import pytest
from machine_hall import COUNTER
from pydantic import ValidationError

from gateway.kernel.errors import StartupError
from gateway.machines.registry import machines
from gateway.sections import Mapping_, Uns

LASER = {"id": "laser-1", "cells": ["Laser"]}
TWIN = {"id": "laser-2", "cells": ["Laser"]}
SCADA = {"id": "scada", "cells": ["*"]}


@pytest.mark.parametrize(
    ("devices", "mappings", "told"),
    [
        ((LASER,), ({**COUNTER, "device": "laser-2"},), 'did you mean "laser-1"'),
        ((LASER,), ({**COUNTER, "input": "counters/good"},), "counter/<name>"),
        ((LASER,), ({**COUNTER, "input": "counter/"},), "counter/<name>"),
        ((LASER,), ({**COUNTER, "input": "state"},), "does not go with"),
        ((LASER,), ({**COUNTER, "input": None},), "set an input"),
        ((LASER,), ({**COUNTER, "path": "a..b"},), r"a\.b\[0\]\.c"),
        ((LASER,), (COUNTER, COUNTER), "twice"),
        ((LASER, TWIN), (COUNTER, {**COUNTER, "device": "laser-2"}), "both book quantity_good"),
        ((LASER, SCADA), (COUNTER, {**COUNTER, "device": "scada"}), "both book quantity_good"),
    ],
)
def test_what_does_not_fit(devices, mappings, told):
    with pytest.raises(StartupError, match=told):
        machines(Uns(device=devices, mapping=mappings))


def test_a_device_stands_there_once():
    with pytest.raises(ValidationError, match=r'two .* have the id "laser-1"'):
        Uns(device=(LASER, LASER))


@pytest.mark.parametrize(
    "wrong",
    [
        {"report": None},
        {"rule": "edge", "command": "start"},
        {"rule": "edge", "report": None},
        {"rule": "state_map"},
        {"factor": "program.pieces"},
        {"factor": 0},
        {"on_enter": {"broken": "pause"}},
        {"map": {"1": "broken"}},
    ],
)
def test_a_mapping_that_means_nothing(wrong):
    with pytest.raises(ValidationError):
        Mapping_(**{**COUNTER, **wrong})


def test_good_and_scrap_of_one_machine_and_its_topics():
    scrap = {**COUNTER, "input": "counter/scrap", "report": "quantity_scrap"}
    topic = {"device": "laser-1", "topic": "shellies/x/power", "input": "tag/power", "rule": "gauge"}
    known = machines(Uns(device=(LASER, SCADA), mapping=(COUNTER, scrap, topic)))
    assert known.topics == {"shellies/x/power": ("laser-1",)}
    assert known.get("laser-1").counted == {"quantity_good", "quantity_scrap"}
