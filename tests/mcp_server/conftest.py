"""The shop for the tests of the MCP server."""

from collections.abc import AsyncIterator

import pytest
from mcp_shop import Shop, open_shop

from gateway.kernel.clock import ManualClock


@pytest.fixture
async def still(tmp_path) -> AsyncIterator[Shop]:
    """One in which the clock stands: no limit fills up again."""
    async with open_shop(tmp_path, clock=ManualClock()) as shop:
        yield shop


@pytest.fixture
async def shop(tmp_path) -> AsyncIterator[Shop]:
    async with open_shop(tmp_path) as shop:
        yield shop
