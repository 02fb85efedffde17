"""What the mirror shows of the cloud: when it was heard last, plans that may be old, work that it knows to be done."""

from datetime import timedelta

from asyncua import ua
from hall import LASER
from opcua_hall import opened, until_async
from waiting import until

from gateway.kernel.clock import zulu
from gateway.outbox import journal
from plugins.opcua_mirror import jobcontrol, mirror

UNCERTAIN = ua.StatusCodes.UncertainLastUsableValue


async def test_plans_grow_old_and_work_is_closed(tmp_path, monkeypatch):
    monkeypatch.setattr(mirror, "TICK_S", 0.2)
    async with opened(tmp_path) as floor:
        await floor.listening()
        floor.trust()
        floor.user("olga")
        gateway, heard = floor.gateway, []
        pull, cloud, now = gateway.health.link("cloud-pull"), gateway.health.link("cloud"), gateway._clock.now()
        operation, _ = await floor.plan()

        class Ear:
            def event_notification(self, event):
                heard.append([state.StateText.Text for state in event.JobState])

        async with floor.session() as session:
            await session.client.load_data_type_definitions()
            number, queue = f"cell/{LASER}/next/0/JobNumber", f"cell/{LASER}/QueueLength"
            await session.becomes_there(number, "J-1")

            async def codes() -> list[int]:
                return [
                    (await session.node(one).read_data_value(raise_on_bad_status=False)).StatusCode.value
                    for one in (number, queue)
                ]

            pull.facts["last_pull"] = zulu(now)
            pull.down("nobody answers")
            pull.since = zulu(now - timedelta(minutes=6))
            await until_async(lambda: _is(codes, [UNCERTAIN, 0]), "that the plan may be old")
            assert await session.value("gw/status/LastSync") is not None
            old = await session.node(number).read_data_value(raise_on_bad_status=False)
            assert old.Value.Value == "J-1"  # it stands there as it was
            pull.up()
            await until_async(lambda: _is(codes, [0, 0]), "that the plan is true")

            index = await session.client.get_namespace_index(jobcontrol.URI)
            subscription = await session.client.create_subscription(50, Ear())
            await subscription.subscribe_events(evtypes=[ua.NodeId(jobcontrol.STATUS_EVENT, index)])
            await gateway.db.write(journal.register, "cloud", zulu(now), 0)
            await floor.press("start", operation)
            await floor.press("complete", operation)
            await until(lambda: ["Ended", "Completed"] in heard, "the end")
            cloud.up()
            await gateway.db.write(lambda tx: journal.advance(tx, "cloud", journal.head(tx)))
            await until(lambda: ["Ended", "Closed"] in heard, "that the cloud has it")
            (listed,) = await session.value(f"cell/{LASER}/JobOrderControl/JobOrderList")
            assert [(one.StateNumber, one.StateText.Text) for one in listed.State] == [(5, "Ended"), (2, "Closed")]


async def _is(ask, wanted) -> bool:
    return await ask() == wanted
