"""/api-forward/rows: the work of a gateway, for itself and nobody else, whole or seen not to be."""

import json

import pytest
from test_entries import PART, QUANTITY, STEP, booked, entry, taken, tree

from gateway.web.auth import NewKey
from gateway.web.routes import Scope


async def rows(floor, *, key: str | None = None, **asked):
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    async with floor.session.get(
        f"{floor.url}/api-forward/rows?{query}", headers={"Authorization": f"Bearer {key or floor.key}"}
    ) as answer:
        return answer.status, [json.loads(line) for line in (await answer.text()).splitlines()]


async def test_a_row_to_a_line_with_what_hangs_on_it_and_an_end(floor):
    await taken(floor, tree(floor.LASER), booked(2, 7))
    status, lines = await rows(floor, gateway_id="gw-cell", epoch=5, cells=floor.LASER)
    assert status == 200
    assert (set(lines[0]), lines[-1]) == ({"seq", "epoch"}, {"complete": True})
    told = {line["id"]: line for line in lines[1:-1]}
    assert {PART, STEP, QUANTITY} <= told.keys()
    assert told[QUANTITY]["values"]["quantity_good"] == 7
    assert told[QUANTITY]["below"] == []


async def test_what_was_deleted_is_said(floor):
    gone = entry(3, {"table": "operation_quantities", "id": QUANTITY, "op": "delete", "values": None})
    await taken(floor, tree(floor.LASER), booked(2, 7), gone, cells=[floor.LASER])
    _, lines = await rows(floor, gateway_id="gw-cell", epoch=5)
    assert [line for line in lines if line.get("id") == QUANTITY] == [
        {"table": "operation_quantities", "id": QUANTITY, "op": "delete"}
    ]


async def test_work_in_cells_of_others_is_not_in_it(floor):
    await taken(floor, tree(floor.LASER))
    _, lines = await rows(floor, gateway_id="gw-cell", epoch=5, cells=floor.SAW)
    assert not [line for line in lines if line.get("table") in ("jobs", "parts", "operations")]


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"gateway_id": "gw-cell", "epoch": 4}, 409),  # the box that was replaced
        ({"gateway_id": "gw-cell"}, 400),
        ({"epoch": 5}, 400),
        ({"gateway_id": "gw-cell", "epoch": "x"}, 400),
        ({"gateway_id": "gw-cell", "epoch": 5, "cells": "all"}, 422),
        ({"gateway_id": "gw-cell", "epoch": 5, "since": 3}, 422),
    ],
)
async def test_who_asks_wrongly_is_told_so(floor, asked, status):
    await taken(floor, tree(floor.LASER))
    assert (await rows(floor, **asked))[0] == status


async def test_a_key_of_another_gateway_or_with_too_little_gets_nothing(floor):
    for new in (NewKey("other", Scope.ADMIN, gateway_id="gw-other"), NewKey("station", Scope.OPERATE)):
        _, key = await floor.keys.create(new)
        assert (await rows(floor, key=key, gateway_id="gw-cell", epoch=5))[0] == 403
