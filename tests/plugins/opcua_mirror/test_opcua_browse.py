"""What a SCADA engineer sees, with asyncua's client over a secured channel."""

import asyncio
from datetime import datetime

import pytest
from asyncua import ua
from hall import LASER, SAW
from opcua_hall import until_async
from waiting import until

from gateway import __version__
from gateway.machines.model import Reading
from plugins.opcua_mirror import jobcontrol

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def names(node) -> set[str]:
    return {(await child.read_browse_name()).Name for child in await node.get_children()}


async def test_the_tree_is_that_of_the_contract(floor):
    async with floor.session("vera") as session:
        objects = session.client.nodes.objects
        assert "Gateway" in await names(objects)
        assert {"Status", "Cells", "Jobs"} == await names(session.node("gw"))
        assert {"Laser", "Saw"} == await names(session.node("cells"))
        laser = await names(session.node(f"cell/{LASER}"))
        assert laser == {
            *("Id", "Name", "Slug", "QueueLength", "WipCurrent", "WipLimit", "Active", "Next", "Actions"),
            *("JobOrderControl", "JobOrderResults", "Machine"),
        }
        receiver = await names(session.node(f"cell/{LASER}/JobOrderControl"))
        assert {"Start", "Stop", "Pause", "Resume", "JobOrderList", "EquipmentID", "CurrentState"} <= receiver
        assert not {"Store", "StoreAndStart", "Update", "Abort", "Cancel", "Clear", "RevokeStart"} & receiver
        assert await session.value("gw/status/Online") is True
        assert (await session.node(f"cell/{LASER}").read_display_name()).Text == "Laser"


async def test_a_cell_shows_what_is_worked_on(floor):
    operation, _ = await floor.plan("J-100", due_date="2026-12-24")
    async with floor.session("vera") as session:
        await session.becomes(f"cell/{LASER}/next/0/OperationId", operation)
        assert await session.value(f"cell/{LASER}/active/JobNumber") == ""
        assert await session.value(f"cell/{LASER}/active/StartedAt") is None
        await floor.press("start", operation)
        active = f"cell/{LASER}/active"
        await session.becomes(f"{active}/JobNumber", "J-100")
        assert await session.value(f"{active}/Status") == "in_progress"
        assert isinstance(await session.value(f"{active}/StartedAt"), datetime)
        assert await session.value(f"{active}/QuantityPlanned") == 5
        assert await session.value(f"cell/{LASER}/WipCurrent") == 1
        body = {"operation_id": operation, "quantity_good": 3, "quantity_scrap": 1}
        await floor.ask("POST", "/api-operation-quantities", body)
        await session.becomes(f"{active}/QuantityGood", 3)
        seen = await session.node(f"{active}/QuantityGood").read_data_value()
        assert seen.Value.VariantType is ua.VariantType.Int32
        assert seen.SourceTimestamp <= seen.ServerTimestamp
        await floor.press("complete", operation)
        await session.becomes(f"{active}/StartedAt", None)  # a null where a date stood
        assert await session.value(f"{active}/JobNumber") == ""


async def test_a_change_is_sent_to_who_has_subscribed(floor):
    operation, _ = await floor.plan("J-200")
    got: list = []

    class Ear:
        def datachange_notification(self, _node, value, _data):
            got.append(value)

    async with floor.session("vera") as session:
        subscription = await session.client.create_subscription(50, Ear())
        await subscription.subscribe_data_change(session.node(f"cell/{LASER}/active/Status"))
        await until(lambda: got == [""], "the first value")
        await floor.press("start", operation)
        await until(lambda: got == ["", "in_progress"], "the start")
        await floor.press("pause", operation)
        await until(lambda: got == ["", "in_progress", ""], "the pause")


async def test_jobs_come_and_go(floor):
    await floor.plan("J-300")
    jobs = (await floor.ask("GET", "/api-jobs"))["jobs"]
    job_id = next(job["id"] for job in jobs if job["job_number"] == "J-300")
    async with floor.session("vera") as session:
        await session.becomes_there(f"jobs/{job_id}/JobNumber", "J-300")
        assert await session.value(f"jobs/{job_id}/PartsTotal") == 1
        await floor.ask("DELETE", f"/api-jobs?id={job_id}")
        await session.is_gone(f"jobs/{job_id}/JobNumber")


async def test_a_cell_comes_is_renamed_and_goes(floor):
    before = floor.link.facts["cells"]
    cell = (await floor.ask("POST", "/api-cells", {"name": "Bending", "sequence": 3}))["cell"]["id"]
    bad: list = []

    class Ear:
        def datachange_notification(self, _node, _value, data):
            bad.append(data.monitored_item.Value.StatusCode)

        def status_change_notification(self, status):
            bad.append(status)

    async with floor.session("vera") as session:
        await session.becomes_there(f"cell/{cell}/Name", "Bending")
        assert floor.link.facts["cells"] == before + 1
        await floor.ask("PATCH", f"/api-cells?id={cell}", {"name": "Bending 2"})
        await session.becomes(f"cell/{cell}/Name", "Bending 2")
        assert (await session.node(f"cell/{cell}").read_browse_name()).Name == "Bending 2"
        assert "Bending 2" in await names(session.node("cells"))
        subscription = await session.client.create_subscription(50, Ear())
        await subscription.subscribe_data_change(session.node(f"cell/{cell}/Name"))
        await until(lambda: len(bad) == 1, "the first value")
        await floor.ask("DELETE", f"/api-cells?id={cell}")
        await session.is_gone(f"cell/{cell}/Name")
        await session.is_gone(f"cell/{cell}/actions/Start")
        await until(lambda: len(bad) == 2 and bad[1].is_bad(), "who had subscribed is told")
        assert await names(session.node("cells")) == {"Laser", "Saw"}
        await session.becomes(f"cell/{SAW}/Name", "Saw")


async def test_the_status_tells_of_the_links(floor):
    async with floor.session("vera") as session:
        told = await asyncio.gather(*(session.value(f"gw/status/{name}") for name in ("Version", "BrokerConnected")))
        assert told == [__version__, False]
        assert await session.value("gw/status/JournalBehind") is False


async def test_a_machine_is_shown_in_its_cell(floor):
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


async def test_the_other_client_reads_and_hears_the_same(floor):
    """asyncua's: typed lists after `load_data_type_definitions`, and events."""
    cut, saw = await floor.plan("J-9")
    heard: list = []

    class Ear:
        def event_notification(self, event):
            heard.append(event)

    async with floor.session() as session:
        await session.client.load_data_type_definitions()
        index = await session.client.get_namespace_index(jobcontrol.URI)
        path = f"cell/{LASER}/JobOrderControl/JobOrderList"

        async def listed() -> list:
            return [one for one in await session.value(path) if one.JobOrder.JobOrderID == cut]

        await until_async(listed, "the order")
        (order,) = await listed()
        assert [one.StateText.Text for one in order.State] == ["AllowedToStart", "Ready"]
        assert [one.StateNumber for one in order.State] == [2, 2]
        paths = [[element.TargetName.Name for element in one.BrowsePath.Elements or ()] for one in order.State]
        assert paths == [[], ["Ready"]]
        subscription = await session.client.create_subscription(50, Ear())
        await subscription.subscribe_events(evtypes=[ua.NodeId(jobcontrol.STATUS_EVENT, index)])
        await floor.press("start", cut)
        current = f"cell/{LASER}/JobOrderControl/CurrentState"
        await session.becomes(current, ua.LocalizedText("Running", "en"))
        issue = {"operation_id": cut, "title": "jam", "description": "jam", "causes_standstill": True}
        await floor.ask("POST", "/api-issues", {**issue, "severity": "high"})
        await until(lambda: len(heard) >= 2, "two events")
        assert [(one.JobState[-1].StateText.Text, one.Severity) for one in heard[:2]] == [
            ("Running", 100),
            ("Held", 500),
        ]
        assert await session.value(current) is None  # nothing is active
        assert heard[0].JobOrder.JobOrderID == heard[0].JobResponse.JobOrderID == cut
        await floor.ask("DELETE", f"/api-operations?id={saw}")
        await until(lambda: len(heard) >= 3, "that it is gone")
        assert (heard[2].JobState[0].StateText.Text, heard[2].Severity) == ("Aborted", 700)
        await subscription.delete()
