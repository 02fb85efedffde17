"""What a SCADA engineer sees, with asyncua's client over a secured channel."""

import pytest
from hall import LASER

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_cell_shows_what_is_worked_on(floor):
    operation, _ = await floor.plan("J-100")
    async with floor.session() as session:
        await session.becomes(f"cell/{LASER}/next/0/OperationId", operation)
        await floor.press("start", operation)
        await session.becomes(f"cell/{LASER}/active/JobNumber", "J-100")
        assert await session.value(f"cell/{LASER}/active/Status") == "in_progress"
