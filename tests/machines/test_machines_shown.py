"""Who sees which machines, and who may say that he has looked."""

import json

import pytest
from hall import LASER, SAW
from machine_hall import COUNTER, Hall
from program import Program

from gateway.kernel.errors import CellNotAllowed, NotFound
from gateway.kernel.ids import uuid7
from gateway.machines import standing
from gateway.machines.quarantines import QuarantineCommands
from gateway.web.routes import Caller, Scope

SAWYER = Caller("saw", "saw", Scope.OPERATE, frozenset((SAW,)))
LASERIST = Caller("laser", "laser", Scope.OPERATE, frozenset((LASER,)))


async def test_a_key_that_is_held_to_cells_sees_their_machines(floor):
    hall = Hall(
        floor, {**COUNTER, "max_step": 5}, more=({"id": "scada", "cells": ["*"]}, {"id": "lost", "cells": ["Lost"]})
    )
    for cells, seen in ((None, {"laser-1", "scada", "lost"}), ({LASER}, {"laser-1", "scada"}), ({SAW}, {"scada"})):
        rows = await floor.db.read(standing.seen_by, hall.known, cells and frozenset(cells))
        assert {one.device for one in rows} == seen
    assert await floor.db.read(standing.missing_cells, hall.known) == [
        "[[uns.device]] lost: no cell is called Lost (yet)"
    ]
    await hall.count(0)
    await hall.tell("counter/good", 50)
    commands = QuarantineCommands(floor.db, floor.clock, uuid7(floor.clock), "gw-test", hall.known)
    assert await commands.listed(SAWYER, acknowledged_too=True) == []
    (found,) = await commands.listed(LASERIST, acknowledged_too=False)
    with pytest.raises(CellNotAllowed):
        await commands.acknowledge(found["id"], SAWYER, None)
    with pytest.raises(NotFound, match="machines list"):
        await commands.acknowledge("nothing", LASERIST, None)
    answer = await commands.acknowledge(found["id"], LASERIST, None)
    again = await commands.acknowledge(found["id"], Caller("x", "x", Scope.ADMIN), None)
    assert json.loads(answer.data) == json.loads(again.data)
    assert await commands.listed(LASERIST, acknowledged_too=False) == []


def test_the_command_line_shows_them_and_says_what_it_does_not_find(tmp_path):
    program = Program.at(tmp_path)
    program.configure('[broker]\nmode = "off"\n[[uns.device]]\nid = "laser-1"\ncells = ["Laser"]\n')
    (machine,) = program.ok("machines", "list", "--json").json["machines"]
    assert (machine["device"], machine["state"], machine["quality"]) == ("laser-1", "unknown", "bad")
    said = program.call("machines", "acknowledge", "nothing")
    assert (said.code, "no quarantine" in said.err) == (1, True)
