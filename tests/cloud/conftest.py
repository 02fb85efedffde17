"""A gateway's inside and a stand-in cloud on loopback, with a floor to work on."""

import asyncio
from pathlib import Path

import pytest
from cloud_shop import PLANNED_AT, shop_of, stand_in

from gateway.demo.cloud import StandInCloud
from gateway.kernel.clock import SystemClock


@pytest.fixture
async def cloud():
    return stand_in(SystemClock().now())


@pytest.fixture
async def shop(tmp_path: Path, cloud: StandInCloud):
    async with shop_of(tmp_path, cloud) as shop:
        yield shop


@pytest.fixture(scope="session")
def pulled(tmp_path_factory):
    """The database of a gateway that has just pulled the plan of `stand_in(PLANNED_AT)`, made once."""
    folder = tmp_path_factory.mktemp("pulled")

    async def make() -> None:
        async with shop_of(folder, stand_in(PLANNED_AT)) as shop, shop.linked():
            await shop.pulled()
            await shop.drained()

    asyncio.run(make())
    return folder / "gateway.sqlite"
