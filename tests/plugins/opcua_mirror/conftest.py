"""One gateway with the mirror for each file: its server takes seconds to start."""

import pytest_asyncio
from opcua_hall import opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def floor(tmp_path_factory):
    async with opened(tmp_path_factory.mktemp("opcua")) as floor:
        await floor.listening()
        floor.trust()
        floor.user("olga")
        floor.user("vera", "viewer")
        floor.user("sam", cells=("Saw",))
        yield floor
