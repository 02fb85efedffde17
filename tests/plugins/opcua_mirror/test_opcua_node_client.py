"""The mirror with a client of other people's: node-opcua."""

import pytest
from hall import LASER
from scada import CONTROL, RESULTS, scada
from waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_orders_methods_and_events(floor, tmp_path):
    cut, saw = await floor.plan("J-1", priority=4, due_date="2026-12-24")
    other, _ = await floor.plan("J-2")
    async with scada(floor, tmp_path) as line:
        assert {"Laser", "Saw"} == set((await line.does("browse", path="cells"))["names"])
        defined = await line.does("definition", number=3015)
        assert (defined["status"], defined["fields"]) == ("Good", ["JobOrder", "State"])

        listed = await line.does("structures", path=f"{CONTROL}/JobOrderList")
        assert set(listed["names"]) == {"ISA95JobOrderAndStateDataType"}
        orders = {one["jobOrder"]["jobOrderID"]: one for one in listed["values"]}
        assert orders.keys() == {cut, other}
        order = orders[cut]["jobOrder"]
        assert order["priority"] == 4
        assert order["description"][0]["text"] == "J-1 / J-1-P / Op 1"
        assert [one["stateText"]["text"] for one in orders[cut]["state"]] == ["AllowedToStart", "Ready"]
        values = {one["ID"]: one["value"]["value"] for one in order["jobOrderParameters"]}
        assert (values["JobNumber"], values["Quantity"], values["EstimatedMinutes"]) == ("J-1", 5, 30)
        assert values["Program"] == "NEST_0042"

        asked = ((RESULTS, 1006), (None, 1006), (None, 0))
        for path, kind in asked:
            assert "error" not in await line.does("events", path=path, kind=kind)
        assert "error" not in await line.does("subscribe", path=f"cell/{LASER}/active/Status")

        done = await line.start(cut)
        assert (done["status"], done["outputs"]) == ("Good", [1])
        await until(lambda: line.changed == ["", "in_progress"], "the change")
        by_type = await line.start(cut, "Pause", type=7007)
        assert (by_type["status"], by_type["outputs"]) == ("Good", [1])
        unknown = await line.start("nobody")
        assert (unknown["status"], unknown["outputs"]) == ("Good", [2])
        missing = await line.does("call", object=CONTROL, method="Start", inputs=[["String", cut]])
        assert missing["status"] == "BadArgumentsMissing"
        wrong = await line.does("call", object=CONTROL, method="Start", inputs=[["Int32", 7], ["LocalizedText", []]])
        assert (wrong["status"], wrong["arguments"]) == ("BadInvalidArgument", ["BadTypeMismatch", "Good"])
        refused = await line.does("write", path=f"cell/{LASER}/Name")
        assert "BadUserAccessDenied" in refused.get("error", refused.get("status"))

        await until(lambda: line.changed[-1] == "", "the other change")
        await floor.press("resume", cut)
        await floor.press("complete", cut)  # at once: values are shown as they are in the end, events tell of both
        for place, kind in asked:
            await until(lambda at=place, of=kind: len(line.events(at, of, cut)) == 4, f"events at {place} of {kind}")
        at_cell = line.events(RESULTS, 1006, cut)
        states = [["Running"], ["Interrupted", "Suspended"], ["Running"], ["Ended", "Completed"]]
        assert [one["states"] for one in at_cell] == states
        for place, kind in asked:  # the Server object tells of the same ones, also to who asks for their supertype
            assert [one["id"] for one in line.events(place, kind, cut)] == [one["id"] for one in at_cell]
        await until(lambda: line.events(None, 1006, saw), "that the saw may start")
        assert line.events(None, 1006, saw)[0]["states"] == ["AllowedToStart", "Ready"]
        first = at_cell[0]
        assert (first["source"], first["severity"], first["message"]) == ("Laser", 100, "J-1 J-1-P Op 1: Running")
        assert (first["order"], first["response"]) == (cut, cut)


async def test_nobody_comes_in_the_clear_or_without_a_name_and_a_viewer_only_looks(floor, tmp_path):
    async with scada(floor, tmp_path, None) as stranger:
        in_the_clear = (await stranger.does("insecure"))["error"]
        assert "End point must exist" in in_the_clear
        assert "securityMode = None" in in_the_clear
        assert "Cannot find ANONYMOUS" in (await stranger.does("open", user=None))["error"]
        await stranger.does("close")
        assert "BadUserAccessDenied" in (await stranger.does("open", user="vera", password="wrong"))["error"]
        await stranger.does("close")
        assert "error" not in await stranger.does("open", user="vera", password=floor.passwords["vera"])
        assert (await stranger.does("read", path=f"cell/{LASER}/Name"))["value"] == "Laser"
        called = await stranger.start("nobody")
        assert "BadUserAccessDenied" in called.get("error", called.get("status"))
