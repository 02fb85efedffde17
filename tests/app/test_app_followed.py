"""Whatever the way in, what was booked carries the id of the request."""

import pytest

from gateway.admin.box import CALLER
from gateway.kernel.following import HEADER
from gateway.plugin_api import Request


async def requests_of(box, table_row):
    """Of the entries that touched this row."""
    found = await box.gateway.db.read(
        lambda connection: connection.execute(
            "SELECT request_id FROM events WHERE instr(changes, ?) ORDER BY seq", (table_row,)
        ).fetchall()
    )
    return [row[0] for row in found]


@pytest.mark.parametrize(("sent", "taken"), [("erp-run-17", True), ("not one: it has blanks", False)])
async def test_what_is_answered_stands_in_the_journal(box, sent, taken):
    said = await box.send("POST", "/api-cells", {"name": "Laser"}, **{HEADER: sent})
    answered = said.headers[HEADER]
    assert (answered == sent) is taken
    assert await requests_of(box, said.data["cell"]["id"]) == [answered]


async def test_a_call_from_inside_is_called_as_its_key_is(box):
    """An OPC UA client's RequestId, the name of a line in an ERP's file."""
    call = box.gateway._api.call
    for key in ("scada-99", "has blanks, is no id", None):
        outcome = await call(Request("POST", "/api-cells", body={"name": f"Cell {key}"}, key=key), CALLER)
        assert outcome.good, outcome
        ((row,),) = await box.gateway.db.read(
            lambda connection: connection.execute("SELECT id FROM cells ORDER BY rowid DESC LIMIT 1").fetchall()
        )
        (found,) = await requests_of(box, row)
        assert found == key if key == "scada-99" else found not in (None, key)


async def test_pages_say_it_too(box):
    for path in ("/livez", "/terminal/", "/ops/", "/nowhere"):
        said = await box.bare(path)
        assert said.headers[HEADER], path
    first, second = [(await box.bare("/livez")).headers[HEADER] for _ in range(2)]
    assert first != second
