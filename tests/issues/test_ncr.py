"""NCRs: their words, their numbers, their verification."""

import pytest
from hall import Floor

from gateway.web.routes import Scope

PATH = "/api-issues"


async def raised(floor: Floor, number: str = "J-1", **given):
    operation_id = (await floor.job(number))["parts"][0]["operations"][0]["id"]
    body = {"operation_id": operation_id, "description": "A burr on the left edge", **given}
    return (await floor.make(PATH, body))["issue"]


async def changed(floor: Floor, issue, **given):
    return (await floor.send("PATCH", f"{PATH}?id={issue['id']}", given)).data["issue"]


@pytest.mark.parametrize(
    ("word", "value", "kept"),
    [
        ("material", "material_defect", "material"),
        ("process", "process_error", "process"),
        ("equipment", "other", "equipment"),
        ("design", "other", "design"),
        ("supplier", "other", "supplier"),
        ("documentation", "other", "documentation"),
        *((one, one, None) for one in ("material_defect", "dimensional", "surface_finish", "process_error", "other")),
    ],
)
async def test_both_vocabularies_of_categories_are_taken(floor, word, value, kept):
    words = {"ncr_category": kept} if kept else {}
    row = await raised(floor, issue_type="ncr", ncr_category=word)
    assert (row["ncr_category"], row["metadata"]) == (value, words)
    other = await raised(floor, number="J-2", issue_type="ncr")
    other = await changed(floor, other, ncr_category=word)
    assert (other["ncr_category"], other["metadata"]) == (value, words)


async def test_a_disposition_may_be_called_by_both_names_and_repair_is_rework(floor):
    row = await raised(floor, issue_type="ncr", ncr_disposition="repair", ncr_category="supplier")
    assert row["disposition"] == "rework"
    assert row["metadata"] == {"ncr_disposition": "repair", "ncr_category": "supplier"}
    row = await changed(floor, row, disposition="rework")
    assert row["metadata"] == {"ncr_category": "supplier"}
    row = await changed(floor, row, ncr_disposition="return_to_supplier", ncr_category=None)
    assert (row["disposition"], row["ncr_category"], row["metadata"]) == ("return_to_supplier", None, {})


async def test_an_ncr_has_a_number_of_its_own(floor):
    given = await raised(floor, issue_type="ncr", ncr_number="NCR-7")
    assert given["ncr_number"] == "NCR-7"
    made = {(await raised(floor, number=f"J-{n}", issue_type="ncr"))["ncr_number"] for n in range(2, 6)}
    assert len(made) == 4
    day = floor.clock.now().strftime("%Y%m%d")
    assert all(number.startswith(f"NCR-{day}-") for number in made)
    plain = await raised(floor, number="J-9")
    assert plain["ncr_number"] is None
    for method, path in (("POST", PATH), ("PATCH", f"{PATH}?id={plain['id']}")):
        body = {"ncr_number": "NCR-7"} | (
            {"operation_id": given["operation_id"], "description": "x"} if method == "POST" else {}
        )
        reply = await floor.send(method, path, body)
        assert (reply.status, reply.error["details"]["field"]) == (409, "ncr_number")


async def test_an_issue_that_becomes_an_ncr_gets_its_number_and_is_told_as_one(floor):
    row = await raised(floor)
    row = await changed(floor, row, issue_type="ncr")
    number = row["ncr_number"]
    assert number
    assert len(await floor.events("ncr.created")) == 1
    await changed(floor, row, severity="low")
    assert (await changed(floor, row, issue_type="general"))["ncr_number"] == number
    assert len(await floor.events("ncr.created")) == 1


async def test_an_ncr_is_verified_by_saying_so(floor):
    row = await raised(floor, issue_type="ncr", verification_required=True, created_by=floor.ANNA)
    row = await changed(floor, row, verified=True, verified_by_id=floor.BEN)
    assert (row["verified"], row["verified_by_id"], row["verified_at"]) == (True, floor.BEN, row["updated_at"])
    await changed(floor, row, verified=True)
    await changed(floor, row, status="closed")
    [told] = await floor.events("ncr.verified")
    known = {"issue_id": row["id"], "ncr_number": row["ncr_number"], "operator_name": "Anna", "affected_quantity": None}
    assert told["data"].items() >= {**known, "verified_by": floor.BEN, "verified_at": row["verified_at"]}.items()
    row = await changed(floor, row, verified=False)
    assert (row["verified"], row["verified_by_id"], row["verified_at"]) == (False, None, None)


async def test_closing_verifies_what_had_to_be_verified(floor):
    key = await floor.new_key(Scope.OPERATE, operator_id=floor.CEM)
    row = await raised(floor, issue_type="ncr", verification_required=True)
    path = f"{PATH}?id={row['id']}"
    row = (await floor.send("PATCH", path, {"status": "closed"}, key=key)).data["issue"]
    assert (row["verified"], row["verified_by_id"]) == (True, floor.CEM)
    row = await changed(floor, row, status="pending")
    assert (row["verified"], row["verified_by_id"]) == (False, None)
    await changed(floor, row, status="closed")
    assert len(await floor.events("ncr.verified")) == 2


async def test_closing_what_needs_no_verification_verifies_nothing(floor):
    row = await changed(floor, await raised(floor, issue_type="ncr"), status="closed")
    plain = await raised(floor, number="J-2", verification_required=True)
    plain = await changed(floor, plain, status="closed")
    assert (row["verified"], plain["verified"]) == (False, True)
    assert await floor.events("ncr.verified") == []
