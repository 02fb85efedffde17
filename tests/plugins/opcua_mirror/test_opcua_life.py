"""The mirror beside the gateway: it fails alone, says what it lacks, and is there again."""

import asyncio
import socket

import pytest
from asyncua import ua
from hall import LASER, SAW
from opcua_hall import opened
from waiting import until

from gateway.machines.model import Reading
from plugins.opcua_mirror import jobcontrol
from plugins.opcua_mirror.jobcontrol import FILE


async def test_without_the_nodeset_the_rest_works(tmp_path, monkeypatch):
    monkeypatch.setattr(jobcontrol, "SHIPPED", tmp_path / "nowhere")
    async with opened(tmp_path) as floor:
        await floor.listening()
        assert floor.link.state == "degraded"
        assert "Job Control: nodeset not found" in floor.link.error
        floor.trust()
        floor.user("olga")
        operation, _ = await floor.plan()
        async with floor.session() as session:
            await session.becomes_there(f"cell/{LASER}/next/0/OperationId", operation)
            text = [ua.Variant(one, ua.VariantType.String) for one in (operation, "")]
            done = await session.call(f"cell/{LASER}/actions", "Start", *text)
            assert [one.Value for one in done.OutputArguments] == [True, "", ""]
            await session.becomes(f"cell/{LASER}/active/OperationId", operation)
            await session.is_gone(f"cell/{LASER}/JobOrderControl/JobOrderList")


def test_another_nodeset_is_not_taken(tmp_path):
    (tmp_path / FILE).write_text("<UANodeSet/>")
    with pytest.raises(ValueError, match="SHA-256"):
        jobcontrol.nodeset(tmp_path)


async def test_a_taken_port_is_tried_again_and_bookings_go_on(tmp_path):
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    port = taken.getsockname()[1]
    async with opened(tmp_path, port=port) as floor:
        await until(lambda: "cannot be listened on" in (floor.link.error or ""), "the complaint")
        assert floor.link.state == "down"
        operation, _ = await floor.plan()
        await floor.press("start", operation)
        taken.close()
        await floor.listening()
        floor.trust()
        floor.user("olga")
        async with floor.session() as session:
            assert await session.value(f"cell/{LASER}/active/OperationId") == operation  # what happened meanwhile
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", port))  # nothing is left of it


async def test_more_cells_than_may_be_mirrored(tmp_path):
    async with opened(tmp_path, max_cells_mirrored=1) as floor:
        await floor.listening()
        await until(lambda: floor.link.facts["cells"] == 1, "one cell")
        await floor.ask("POST", "/api-cells", {"name": "Bending", "sequence": 3})
        await until(lambda: floor.link.facts.get("skipped_cells") == 2, "two that there is no room for")
        assert floor.link.state == "degraded"


async def test_a_machine_is_shown_in_its_cell(tmp_path):
    count = {"device": "laser-1", "input": "counter/good", "rule": "counter_delta", "report": "quantity_good"}
    states = {"device": "laser-1", "input": "state", "rule": "state_map", "map": {"4": "running"}}
    uns = {"device": [{"id": "laser-1", "cells": ["Laser"]}], "mapping": [count, states]}
    async with opened(tmp_path, uns=uns) as floor:
        await floor.listening()
        floor.trust()
        floor.user("vera", "viewer")
        machine = f"cell/{LASER}/machine/laser-1"
        machines = floor.gateway.machines
        async with floor.session("vera") as session:
            await machines.take(Reading("laser-1", "state", "4"))
            await machines.take(Reading("laser-1", "counter/good", 17))
            await session.becomes_there(f"{machine}/State", "running")
            await session.becomes_there(f"{machine}/Countergood", 17.0)
            await session.is_gone(f"cell/{SAW}/machine/laser-1/State")
            await machines.online("laser-1", online=False)
            await session.becomes(f"{machine}/Quality", "bad")
            away = await session.node(f"{machine}/State").read_data_value(raise_on_bad_status=False)
            assert away.StatusCode.value == ua.StatusCodes.BadNoCommunication
            await machines.online("laser-1", online=True)
            await machines.take(Reading("laser-1", "state", "4"))
            await session.becomes_there(f"{machine}/State", "running")


async def test_both_clients_agree_and_hear_the_same(tmp_path):
    """asyncua's own client: typed lists after `load_data_type_definitions`, and events."""
    async with opened(tmp_path) as floor:
        await floor.listening()
        floor.trust()
        floor.user("olga")
        cut, saw = await floor.plan("J-9")
        heard: list = []

        class Ear:
            def event_notification(self, event):
                heard.append(event)

        async with floor.session() as session:
            await session.client.load_data_type_definitions()
            index = await session.client.get_namespace_index(jobcontrol.URI)
            path = f"cell/{LASER}/JobOrderControl/JobOrderList"
            await session.becomes_there(f"cell/{LASER}/next/0/OperationId", cut)
            listed = await session.value(path)
            assert [one.JobOrder.JobOrderID for one in listed] == [cut]
            assert [one.StateText.Text for one in listed[0].State] == ["AllowedToStart", "Ready"]
            subscription = await session.client.create_subscription(50, Ear())
            await subscription.subscribe_events(evtypes=[ua.NodeId(jobcontrol.STATUS_EVENT, index)])
            await floor.press("start", cut)
            issue = {"operation_id": cut, "title": "jam", "description": "jam", "causes_standstill": True}
            await floor.ask("POST", "/api-issues", {**issue, "severity": "high"})
            await until(lambda: len(heard) >= 2, "two events")
            assert [(one.JobState[-1].StateText.Text, one.Severity) for one in heard[:2]] == [
                ("Running", 100),
                ("Held", 500),
            ]
            assert heard[0].JobOrder.JobOrderID == heard[0].JobResponse.JobOrderID == cut
            await floor.ask("DELETE", f"/api-operations?id={saw}")
            await until(lambda: len(heard) >= 3, "that it is gone")
            assert (heard[2].JobState[0].StateText.Text, heard[2].Severity) == ("Aborted", 700)
            await asyncio.gather(subscription.delete())
