"""Job Control's methods for MES and the simple ones for SCADA, with asyncua's client."""

import pytest
from asyncua import ua
from hall import ANNA, BURR, LASER, SAW
from opcua_hall import JOB_CONTROL

from plugins.opcua_mirror.methods import DONE, MALFORMED, NOT_ALLOWED, NOT_KNOWN, WRONG_STATE

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONTROL, RESULTS, ACTIONS = (f"cell/{LASER}/{name}" for name in ("JobOrderControl", "JobOrderResults", "actions"))
CODES = ua.StatusCodes


def text(value: str) -> ua.Variant:
    return ua.Variant(value, ua.VariantType.String)


def number(value: int) -> ua.Variant:
    return ua.Variant(value, ua.VariantType.Int32)


def comments(*words: str) -> ua.Variant:
    return ua.Variant([ua.LocalizedText(word, "en") for word in words], ua.VariantType.LocalizedText, is_array=True)


async def returned(session, method, operation_id: str, *words: str, on: str = CONTROL) -> int:
    """The ReturnStatus of a call that has to go through."""
    result = await session.call(on, method, text(operation_id), comments(*words))
    assert result.StatusCode.is_good(), result
    assert result.OutputArguments[0].VariantType is ua.VariantType.UInt64
    return result.OutputArguments[0].Value


async def told(session, method: str, *arguments: ua.Variant) -> tuple[bool, str]:
    result = await session.call(ACTIONS, method, *arguments)
    assert result.StatusCode.is_good(), result
    ok, code, _ = [one.Value for one in result.OutputArguments]
    return ok, code


async def status(floor, operation_id: str) -> str:
    return (await floor.ask("GET", f"/api-operations?id={operation_id}"))["operation"]["status"]


async def test_an_order_is_started_paused_resumed_and_stopped(floor):
    cut, saw = await floor.plan("J-1")
    async with floor.session() as session:
        assert await returned(session, "Start", cut, "from the line") == DONE
        assert await status(floor, cut) == "in_progress"
        assert (
            await returned(session, "Start", saw, on=f"cell/{SAW}/JobOrderControl") == WRONG_STATE
        )  # the cut is not done
        assert await returned(session, "Pause", cut.upper()) == DONE
        assert await returned(session, "Pause", cut) == DONE  # repeated by a client that has lost the answer
        assert await returned(session, "Stop", cut) == DONE  # out of the pause
        assert await status(floor, cut) == "completed"
        assert await returned(session, "Resume", cut) == WRONG_STATE
        assert await returned(session, "Start", saw) == NOT_KNOWN  # of another cell
        assert await returned(session, "Start", "no id") == NOT_KNOWN
        assert await returned(session, "Start", "") == MALFORMED
        assert await returned(session, "Start", cut, "x" * 501) == MALFORMED
        assert await returned(session, "Start", saw, on=f"cell/{SAW}/JobOrderControl") == DONE


async def test_a_repeat_counts_only_for_the_same_user_and_state(floor):
    cut, _ = await floor.plan("J-2")
    async with floor.session() as session:
        assert await returned(session, "Start", cut) == DONE
        assert await returned(session, "Start", cut) == DONE
        await floor.press("pause", cut)
        assert await returned(session, "Start", cut) == WRONG_STATE
    floor.user("otto")
    async with floor.session("otto") as session:
        assert await returned(session, "Pause", cut) == WRONG_STATE


async def test_the_methods_id_of_the_type_is_the_same(floor):
    cut, _ = await floor.plan("J-3")
    async with floor.session() as session:
        index = await session.client.get_namespace_index(JOB_CONTROL)
        assert await returned(session, ua.NodeId(7005, index), cut) == DONE
        assert await returned(session, ua.NodeId(7007, index), cut) == DONE
        wrong = await session.call("cells", ua.NodeId(7005, index), text(cut), comments())
        assert wrong.StatusCode.value == CODES.BadMethodInvalid


async def test_wrong_arguments_never_reach_the_work(floor):
    cut, _ = await floor.plan("J-4")
    async with floor.session() as session:
        for given, code, which in (
            ([], CODES.BadArgumentsMissing, []),
            ([text(cut)], CODES.BadArgumentsMissing, []),
            ([text(cut), comments(), comments()], CODES.BadTooManyArguments, []),
            ([number(7), comments()], CODES.BadInvalidArgument, [CODES.BadTypeMismatch, 0]),
            ([text(cut), text("why")], CODES.BadInvalidArgument, [0, CODES.BadTypeMismatch]),
            (
                [ua.Variant([cut], ua.VariantType.String), comments()],
                CODES.BadInvalidArgument,
                [CODES.BadTypeMismatch, 0],
            ),
            ([text("x" * 256), comments()], CODES.BadInvalidArgument, [CODES.BadOutOfRange, 0]),
            ([ua.Variant(), comments()], CODES.BadInvalidArgument, [CODES.BadTypeMismatch, 0]),
        ):
            result = await session.call(CONTROL, "Start", *given)
            assert result.StatusCode.value == code, result
            assert [one.value for one in result.InputArgumentResults][: len(which)] == which
        assert await status(floor, cut) == "not_started"
        nothing_said = await session.call(CONTROL, "Start", text(cut), ua.Variant())  # a comment may be null
        assert nothing_said.OutputArguments[0].Value == DONE


async def test_only_in_his_cells(floor):
    cut, _ = await floor.plan("J-5")
    async with floor.session("sam") as session:
        assert await returned(session, "Start", cut) == NOT_ALLOWED
        assert await told(session, "Start", text(cut), text("")) == (False, "CELL_NOT_ALLOWED")
    assert await status(floor, cut) == "not_started"


async def test_what_holds_an_order(floor):
    cut, _ = await floor.plan("J-6")
    async with floor.session() as session:
        assert await returned(session, "Start", cut) == DONE
        issue = {
            "operation_id": cut,
            "title": "stuck",
            "description": "jam",
            "severity": "high",
            "causes_standstill": True,
        }
        await floor.ask("POST", "/api-issues", issue)
        assert await status(floor, cut) == "on_hold"
        assert await returned(session, "Resume", cut) == WRONG_STATE
        assert await returned(session, "Stop", cut) == WRONG_STATE
        assert (await told(session, "Resume", text(cut), text(""))) == (False, "INVALID_STATE_TRANSITION")


async def test_simple_methods(floor):
    cut, saw = await floor.plan("J-7")
    async with floor.session() as session:
        assert await told(session, "Start", text(""), text("")) == (False, "NOT_FOUND")  # start_head is off
        assert await told(session, "Start", text(cut), text(ANNA)) == (True, "")
        entries = (await floor.ask("GET", f"/api-time-entries?operation_id={cut}"))["time_entries"]
        assert [entry["operator_id"] for entry in entries] == [ANNA]
        report = [text(cut), number(4), number(1), number(0), text("BURR"), text("r-1")]
        assert await told(session, "ReportQuantity", *report) == (True, "")
        assert await told(session, "ReportQuantity", *report) == (True, "")  # booked once
        rows = (await floor.ask("GET", f"/api-operation-quantities?operation_id={cut}"))["operation_quantities"]
        assert [(row["quantity_good"], row["quantity_scrap"], row["scrap_reason_id"]) for row in rows] == [(4, 1, BURR)]
        other = [text(cut), number(9), number(0), number(0), text(""), text("r-1")]
        assert (await told(session, "ReportQuantity", *other))[0] is False
        nothing = [text(cut), number(0), number(0), number(0), text(""), text("")]
        assert await told(session, "ReportQuantity", *nothing) == (False, "VALIDATION_ERROR")
        unknown = [text(cut), number(0), number(1), number(0), text("NONE"), text("")]
        assert await told(session, "ReportQuantity", *unknown) == (False, "NOT_FOUND")
        assert await told(session, "Pause", text(cut), text("")) == (True, "")
        assert await told(session, "Start", text(cut), text("nobody")) != (True, "")
        assert await told(session, "Start", text(saw), text("")) == (False, "NOT_FOUND")
        assert await told(session, "Resume", text(cut), text("")) == (True, "")
        assert await told(session, "Complete", text(cut), text("")) == (True, "")
        assert await told(session, "Complete", text(cut), text("")) == (True, "")  # repeated
        refused = await session.call(ACTIONS, "ReportQuantity", text(cut), number(1))
        assert refused.StatusCode.value == CODES.BadArgumentsMissing


async def test_responses_are_given_when_asked_for(floor):
    cut, _ = await floor.plan("J-8")
    async with floor.session() as session:
        await session.client.load_data_type_definitions()
        assert await returned(session, "Start", cut) == DONE
        found = await session.call(RESULTS, "RequestJobResponseByJobOrderID", text(cut))
        response, bits = [one.Value for one in found.OutputArguments]
        assert (response.JobOrderID, bits) == (cut, DONE)
        assert [(one.StateNumber, one.StateText.Text) for one in response.JobState] == [(3, "Running")]
        missing = await session.call(RESULTS, "RequestJobResponseByJobOrderID", text("nobody"))
        assert missing.OutputArguments[1].Value == NOT_KNOWN
        wanted = ua.ISA95StateDataType(StateText=ua.LocalizedText("Running"), StateNumber=3)
        state = ua.Variant([wanted], ua.VariantType.ExtensionObject, is_array=True)
        running = await session.call(RESULTS, "RequestJobResponseByJobOrderState", state)
        assert cut in {one.JobOrderID for one in running.OutputArguments[0].Value}
        assert running.OutputArguments[1].Value == DONE
