"""The stand-in cloud as a program of its own, with its control endpoints."""

import asyncio
import contextlib
import json
import sys

import aiohttp
import pytest

TENANT = "00000000-0000-4000-8000-000000001001"
START_MAX_S = 15


@pytest.fixture
async def addresses(tmp_path):
    rows = tmp_path / "rows.json"
    rows.write_text(json.dumps({"cells": [{"name": "Laser", "sequence": 1}]}))
    arguments = ["--port", "0", "--load", str(rows), "--key", "ery_live_k", "--tenant", TENANT, "--seed", "1"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.demo.cloud", *arguments, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(START_MAX_S):
        lines = [(await process.stdout.readline()).decode().strip() for _ in range(2)]
    yield lines
    process.terminate()
    await process.wait()


async def test_it_says_where_it_is_and_obeys_its_control_endpoints(addresses):
    url, control = addresses
    headers = {"Authorization": "Bearer ery_live_k"}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.get(f"{url}/api-cells") as answer:
            assert [cell["name"] for cell in (await answer.json())["data"]["cells"]] == ["Laser"]
        async with session.post(f"{control}faults", json={"error_500": 1.0}) as answer:
            assert (await answer.json())["error_500"] == 1.0
        async with session.get(f"{url}/api-cells") as answer:
            assert answer.status == 500
        async with session.post(f"{control}faults", json={"eror_500": 1.0}) as answer:
            assert answer.status == 400
        async with session.get(f"{control}log") as answer:
            assert [entry["fault"] for entry in await answer.json()] == ["", "error_500"]
        async with session.get(f"{control}state") as answer:
            assert len((await answer.json())["cells"]) == 1


async def test_control_is_reachable_while_the_cloud_is_away(addresses):
    url, control = addresses
    async with aiohttp.ClientSession() as session:
        await session.post(f"{control}away", json={"seconds": 100_000})
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(f"{url}/api-cells")
        async with session.get(f"{control}faults") as answer:
            assert answer.status == 200
        await session.post(f"{control}away", json={"seconds": 0.1})
        async with asyncio.timeout(START_MAX_S):
            while True:
                with contextlib.suppress(aiohttp.ClientConnectionError):
                    async with session.get(f"{url}/api-cells") as answer:
                        assert answer.status == 401
                        return
                await asyncio.sleep(0.02)
