"""What an ERP sends while the cloud is away is there when it is back."""

import json

from cloud_shop import CALLER
from floor import differences

from gateway.erp.commands import ErpCommands
from gateway.erp.model import Given, Order

SAP = {"external_source": "sap"}


def order() -> Order:
    return Order("api", CALLER, "test", None)


def tree(number: int, cell: str, **more):
    part = {
        "external_id": f"P-{number}",
        "part_number": f"ERP-P-{number}",
        "quantity": 5,
        "operations": [
            {
                "external_id": f"O-{number}-{place}",
                "operation_name": f"Step {place}",
                "cell_name": cell,
                "sequence": place,
            }
            for place in (1, 2)
        ],
    }
    return {**SAP, "external_id": f"J-{number}", "job_number": f"ERP-{number}", "priority": 3, "parts": [part], **more}


async def synced(erp: ErpCommands, table: str, *records):
    data = json.loads((await erp.upsert_many(table, [Given(one) for one in records], order())).data)
    assert data["errors"] == 0, data
    return data


async def test_a_tree_of_an_erp_reaches_the_cloud(shop):
    async with shop.linked():
        await shop.pulled()
    [cell] = await shop.ask("SELECT name FROM cells ORDER BY sequence LIMIT 1")
    erp = ErpCommands(shop.db, shop.clock, shop.new_id, "gw-test")
    await synced(erp, "cells", {**SAP, "external_id": "C-1", "name": "Bending of the ERP"})
    await synced(erp, "resources", {**SAP, "external_id": "T-1", "name": "Mold 9", "type": "mold", "notes": "ours"})
    await synced(erp, "jobs", tree(1, cell[0]), tree(2, "Bending of the ERP"))
    moved = {**tree(1, cell[0])["parts"][0], **SAP, "job_external_id": "J-2", "quantity": 6}
    await synced(erp, "jobs", tree(2, "Bending of the ERP", customer="Beta"))
    await synced(erp, "parts", moved)
    async with shop.linked():
        await shop.drained()
        assert await shop.db.read(differences, shop.cloud) == []
    jobs = {row["external_id"]: row for row in shop.cloud.rows("jobs") if row["external_id"]}
    assert jobs["J-2"]["customer"] == "Beta"
    assert (jobs["J-1"]["external_source"], jobs["J-1"]["metadata"]) == ("sap", {"priority": 3})
    parts = {row["external_id"]: row for row in shop.cloud.rows("parts") if row["external_id"]}
    assert (parts["P-1"]["job_id"], parts["P-1"]["quantity"]) == (jobs["J-2"]["id"], 6)
    operations = [row for row in shop.cloud.rows("operations") if row["external_id"]]
    assert sorted(row["external_id"] for row in operations) == ["O-1-1", "O-1-2", "O-2-1", "O-2-2"]
    assert await shop.ask("SELECT count(*) FROM event_parked") == [(0,)]


async def test_what_the_cloud_shows_does_not_forget_what_the_erp_sent(shop):
    """Its rows have the same columns, empty: nobody there has ever synced them."""
    erp = ErpCommands(shop.db, shop.clock, shop.new_id, "gw-test")
    async with shop.linked():
        await shop.pulled()
        tool = {**SAP, "external_id": "T-1", "name": "Mold 9", "type": "mold"}
        await synced(erp, "resources", tool)
        await shop.drained()
        [mold] = [row for row in shop.cloud.rows("resources") if row["external_id"] == "T-1"]
        await shop.in_the_office("resources", mold["id"], location="Rack 2")
    async with shop.linked():
        await shop.until(located, "the location is pulled")
    assert (await synced(erp, "resources", tool))["skipped"] == 1
    [(synced_at,)] = await shop.ask("SELECT synced_at FROM resources WHERE external_id = 'T-1'")
    assert synced_at


def located(connection) -> bool:
    sql = "SELECT 1 FROM resources WHERE external_id = 'T-1' AND location = 'Rack 2'"
    return connection.execute(sql).fetchone() is not None
