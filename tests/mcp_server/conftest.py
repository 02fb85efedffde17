"""The shop for the tests of the MCP server."""

from collections.abc import AsyncIterator

import pytest
from mcp_shop import Shop, open_shop


@pytest.fixture
async def shop(tmp_path) -> AsyncIterator[Shop]:
    async with open_shop(tmp_path) as shop:
        yield shop
