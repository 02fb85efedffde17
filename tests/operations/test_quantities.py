"""`/api-operation-quantities`: a ledger of what was made, with the reasons of the scrap."""

import pytest
from hall import Floor

from gateway.web.routes import Scope

PATH = "/api-operation-quantities"
COUNTS = ("quantity_produced", "quantity_good", "quantity_scrap", "quantity_rework")
PUBLISHED = {"quantity_produced": 100, "quantity_good": 95, "quantity_scrap": 3, "quantity_rework": 2}


async def operation(floor: Floor) -> str:
    return (await floor.job(customer="Acme"))["parts"][0]["operations"][0]["id"]


async def test_the_published_example_is_booked_with_its_reasons(floor):
    body = {"operation_id": await operation(floor), **PUBLISHED}
    body["scrap_reasons"] = [{"reason_id": floor.BURR, "quantity": 3}]
    data = await floor.make(PATH, body)
    row = data["operation_quantity"]
    assert data["operation_quantitie"] == row
    assert {name: row[name] for name in COUNTS} == PUBLISHED
    assert (row["yield_percentage"], row["scrap_reason_id"]) == (95, floor.BURR)
    [reason] = row["scrap_reasons"]
    told = {
        "reason_id": floor.BURR,
        "scrap_reason_id": floor.BURR,
        "code": "BURR",
        "category": "process",
        "quantity": 3,
    }
    assert reason.items() >= told.items()
    assert row["operation"]["part"]["job"]["job_number"] == "J-1"
    assert (await floor.get(f"{PATH}?id={row['id']}"))["operation_quantity"] == row


async def test_everybody_is_told_with_every_field(floor):
    operation_id = await operation(floor)
    reasons = [
        {"scrap_reason_id": floor.BURR, "quantity": 2, "notes": "left edge"},
        {"reason_id": floor.SCRATCH, "quantity": 1},
    ]
    body = {"operation_id": operation_id, **PUBLISHED, "scrap_reasons": reasons, "recorded_by": floor.ANNA}
    row = (await floor.make(PATH, body))["operation_quantity"]
    assert row["scrap_reason_id"] is None
    reported, scrapped = await floor.events("production.quantity_reported", "production.scrap_recorded")
    about = {
        "quantity_id": row["id"],
        "operation_id": operation_id,
        "operation_name": "Op 1",
        "part_id": row["operation"]["part"]["id"],
        "part_number": "J-1-P1",
        "job_id": row["operation"]["part"]["job"]["id"],
        "job_number": "J-1",
        "cell_id": floor.LASER,
        "cell_name": "Laser",
        "recorded_by": floor.ANNA,
        "recorded_by_name": "Anna",
        "recorded_at": row["recorded_at"],
        "cause": "rest",
    }
    assert reported["data"] == {**about, **PUBLISHED, "yield_percentage": 95.0}
    named = [
        (floor.BURR, "BURR", "Burr on the edge", "process", 2),
        (floor.SCRATCH, "SCR", "Scratched", "material", 1),
    ]
    keys = ("reason_id", "reason_code", "reason_description", "category", "quantity")
    told = [dict(zip(keys, one, strict=True)) for one in named]
    assert scrapped["data"] == {**about, "quantity_scrap": 3, "scrap_reasons": told}
    assert [change["table"] for change in reported["changes"]] == ["operation_quantities"]


async def test_without_scrap_nobody_is_told_of_scrap(floor):
    await floor.make(PATH, {"operation_id": await operation(floor), "quantity_good": 5})
    assert len(await floor.events("production.quantity_reported")) == 1
    assert await floor.events("production.scrap_recorded") == []


@pytest.mark.parametrize(
    ("given", "numbers", "percentage"),
    [
        ({"quantity_good": 5}, (5, 5, 0, 0), 100),
        ({"quantity_good": 2, "quantity_scrap": 1}, (3, 2, 1, 0), 66.67),
        ({"quantity_scrap": 4}, (4, 0, 4, 0), 0),
        ({"quantity_rework": 1}, (1, 0, 0, 1), 0),
        ({}, (0, 0, 0, 0), None),
    ],
)
async def test_what_is_left_out_is_added_up(floor, given, numbers, percentage):
    row = (await floor.make(PATH, {"operation_id": await operation(floor), **given}))["operation_quantity"]
    assert tuple(row[name] for name in COUNTS) == numbers
    assert row["yield_percentage"] == percentage
    [told] = await floor.events("production.quantity_reported")
    assert told["data"]["yield_percentage"] == percentage


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({**PUBLISHED, "quantity_rework": 1}, "quantity_produced"),
        ({"quantity_produced": 5}, "quantity_produced"),
        ({"quantity_good": -1}, "quantity_good"),
        ({"quantity_good": 1.5}, "quantity_good"),
        ({"quantity_good": "5"}, "quantity_good"),
        ({"quantity_good": True}, "quantity_good"),
        ({"quantity_good": None}, "quantity_good"),
        ({"quantity_scrap": 1, "scrap_reasons": [{"reason_id": Floor.BURR, "quantity": 2}]}, "scrap_reasons"),
        ({"scrap_reasons": [{"reason_id": Floor.BURR, "quantity": 1}]}, "scrap_reasons"),
        (
            {"quantity_scrap": 2, "scrap_reasons": [{"reason_id": Floor.BURR, "quantity": 1}] * 2},
            "scrap_reasons[1].scrap_reason_id",
        ),
        (
            {"quantity_scrap": 1, "scrap_reasons": [{"reason_id": Floor.NOWHERE, "quantity": 1}]},
            "scrap_reasons[0].scrap_reason_id",
        ),
        (
            {"quantity_scrap": 1, "scrap_reasons": [{"reason_id": Floor.BURR, "quantity": 0}]},
            "scrap_reasons[0].quantity",
        ),
        ({"quantity_scrap": 1, "scrap_reasons": [{"quantity": 1}]}, "scrap_reasons[0].scrap_reason_id"),
        ({"quantity_scrap": 1, "scrap_reason_id": Floor.NOWHERE}, "scrap_reason_id"),
        ({"quantity_good": 1, "recorded_by": Floor.NOWHERE}, "recorded_by"),
        ({"quantity_good": 1, "operation_id": Floor.NOWHERE}, "operation_id"),
        ({"quantity_good": 1, "operation_id": "x"}, "operation_id"),
        ({"quantity_good": 1, "colour": "red"}, "colour"),
        ({"quantity_good": 10_000_001}, "quantity_good"),
    ],
)
async def test_numbers_that_do_not_agree_are_named_and_nothing_is_booked(floor, given, field):
    reply = await floor.send("POST", PATH, {"operation_id": await operation(floor), **given})
    assert (reply.status, reply.error["code"]) == (422, "VALIDATION_ERROR")
    assert reply.error["details"][0]["field"] == field
    assert await floor.events("production.quantity_reported") == []
    assert (await floor.get(PATH))["pagination"]["total"] == 0


async def test_one_reason_alone_explains_all_of_the_scrap(floor):
    body = {"operation_id": await operation(floor), "quantity_scrap": 4, "scrap_reason_id": floor.BURR}
    row = (await floor.make(PATH, body))["operation_quantity"]
    assert row["scrap_reason"]["code"] == "BURR"
    [told] = await floor.events("production.scrap_recorded")
    assert [reason["quantity"] for reason in told["data"]["scrap_reasons"]] == [4]


async def test_the_same_report_twice_is_two_reports_and_once_under_one_key(floor):
    body = {"operation_id": await operation(floor), "quantity_good": 1}
    for _ in range(2):
        await floor.make(PATH, body)
    once = {"Idempotency-Key": "count-7"}
    for _ in range(2):
        await floor.make(PATH, body, headers=once)
    assert (await floor.get(PATH))["pagination"]["total"] == 3


async def test_a_report_is_put_right_and_the_sum_with_it(floor):
    body = {"operation_id": await operation(floor), "quantity_good": 5, "quantity_scrap": 3}
    body["scrap_reasons"] = [{"reason_id": floor.BURR, "quantity": 2}, {"reason_id": floor.SCRATCH, "quantity": 1}]
    row = (await floor.make(PATH, body))["operation_quantity"]
    path = f"{PATH}?id={row['id']}"
    row = (await floor.send("PATCH", path, {"quantity_good": 6})).data["operation_quantity"]
    assert (row["quantity_produced"], len(row["scrap_reasons"])) == (9, 2)
    assert (await floor.send("PATCH", path, {"quantity_scrap": 2})).error["details"][0]["field"] == "scrap_reasons"
    assert (await floor.send("PATCH", path, {"quantity_produced": 99})).status == 422
    given = {"quantity_scrap": 2, "scrap_reasons": [{"reason_id": floor.SCRATCH, "quantity": 2}]}
    row = (await floor.send("PUT", path, given)).data["operation_quantity"]
    assert (row["quantity_produced"], row["scrap_reason_id"]) == (8, floor.SCRATCH)
    assert [(one["code"], one["quantity"]) for one in row["scrap_reasons"]] == [("SCR", 2)]
    row = (await floor.send("PATCH", path, {"scrap_reasons": []})).data["operation_quantity"]
    assert (row["scrap_reasons"], row["scrap_reason_id"]) == ([], None)
    assert (await floor.send("PATCH", path, {"scrap_reason_id": floor.NOWHERE})).status == 422
    assert (await floor.send("PATCH", path, {"operation_id": floor.NOWHERE})).status == 422
    assert (await floor.send("PATCH", path, {})).status == 400


async def test_a_report_is_taken_back_even_after_its_operation_was_deleted(floor):
    operation_id = await operation(floor)
    row = (await floor.make(PATH, {"operation_id": operation_id, "quantity_good": 5}))["operation_quantity"]
    assert (await floor.send("DELETE", f"/api-operations?id={operation_id}")).status == 200
    reply = await floor.send("PATCH", f"{PATH}?id={row['id']}", {"quantity_good": 4})
    assert reply.data["operation_quantity"]["quantity_produced"] == 4
    assert (await floor.send("DELETE", f"{PATH}?id={row['id']}")).status == 200
    assert (await floor.send("GET", f"{PATH}?id={row['id']}")).status == 404
    assert (await floor.send("POST", PATH, {"operation_id": operation_id, "quantity_good": 5})).status == 422


async def test_a_reason_in_use_cannot_be_deleted(floor):
    operation_id = await operation(floor)
    await floor.make(PATH, {"operation_id": operation_id, "quantity_scrap": 1, "scrap_reason_id": floor.BURR})
    reasons = [{"reason_id": floor.BURR, "quantity": 1}, {"reason_id": floor.SCRATCH, "quantity": 1}]
    await floor.make(PATH, {"operation_id": operation_id, "quantity_scrap": 2, "scrap_reasons": reasons})
    for reason_id in (floor.BURR, floor.SCRATCH):
        reply = await floor.send("DELETE", f"/api-scrap-reasons?id={reason_id}")
        assert (reply.status, reply.error["code"]) == (409, "CONFLICT")


async def test_lists_are_filtered_sorted_and_cut(floor):
    one, other = (
        part["operations"][0]["id"] for part in (await floor.job("J-1", (floor.LASER,), (floor.SAW,)))["parts"]
    )
    for good, scrap, rework, lot in ((1, 0, 0, "L_1"), (2, 1, 0, "LX1"), (3, 0, 1, "l-9")):
        body = {"operation_id": one, "quantity_good": good, "quantity_scrap": scrap, "quantity_rework": rework}
        await floor.make(PATH, {**body, "material_lot": lot, "recorded_at": f"2026-11-0{good}T10:00:00Z"})
    await floor.make(PATH, {"operation_id": other, "quantity_good": 9, "recorded_at": "2026-10-01"})

    async def goods(query: str) -> list[int]:
        return [row["quantity_good"] for row in (await floor.get(f"{PATH}?{query}"))["operation_quantities"]]

    assert await goods("") == [3, 2, 1, 9]
    assert await goods("has_scrap=true") == [2]
    assert await goods("has_rework=true") == [3]
    assert await goods("from_date=2026-11-02&to_date=2026-11-02T10:00:00%2B00:00") == [2]
    assert await goods(f"operation_id={other}") == [9]
    assert await goods("material_lot=LX1") == [2]
    assert await goods("search=L_1") == [1]
    assert await goods("sort=quantity_good&order=asc&limit=2&offset=1") == [2, 3]
    page = await floor.get(f"{PATH}?limit=1&operation_id={one}")
    assert page["pagination"].items() >= {"total": 3, "offset": 0, "limit": 1}.items()
    assert (await floor.send("GET", f"{PATH}?from_date=soon")).status == 422


async def test_who_may_book_and_see(floor):
    job = await floor.job()
    laser, saw = (one["id"] for one in job["parts"][0]["operations"])
    row = (await floor.make(PATH, {"operation_id": saw, "quantity_good": 1}))["operation_quantity"]
    reader = await floor.new_key(Scope.READ)
    assert (await floor.send("POST", PATH, {"operation_id": laser}, key=reader)).status == 403
    key = await floor.new_key(Scope.OPERATE, floor.LASER)
    await floor.make(PATH, {"operation_id": laser, "quantity_good": 1}, key=key)
    refused = await floor.send("POST", PATH, {"operation_id": saw, "quantity_good": 1}, key=key)
    assert (refused.status, refused.error["code"]) == (403, "CELL_NOT_ALLOWED")
    assert (await floor.get(PATH, key=key))["pagination"]["total"] == 1
    assert (await floor.send("GET", f"{PATH}?id={row['id']}", key=key)).status == 404
    for method, body in (("PATCH", {"notes": "x"}), ("DELETE", None)):
        refused = await floor.send(method, f"{PATH}?id={row['id']}", body, key=key)
        assert (refused.status, refused.error["code"]) == (403, "CELL_NOT_ALLOWED")
