"""A stand-in cloud with one tenant, a plan of one operation, and a client that is that tenant."""

import contextlib
import random
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from gateway.demo.cloud import StandInCloud
from gateway.kernel.clock import ManualClock

TENANT = "00000000-0000-4000-8000-000000001001"
OTHER = "00000000-0000-4000-8000-000000001002"
KEY = "ery_live_0123456789abcdef"
OPERATOR = "00000000-0000-4000-8000-00000000a002"
CELL = "00000000-0000-4000-8000-00000000ce01"
JOB = "00000000-0000-4000-8000-0000000000b1"
PART = "00000000-0000-4000-8000-0000000000b2"
OPERATION = "00000000-0000-4000-8000-0000000000b3"
PLAN = {
    "profiles": [
        {"id": OPERATOR, "username": "op", "full_name": "Otto", "email": "op@shop.test", "role": "operator"},
    ],
    "cells": [{"id": CELL, "name": "Laser", "sequence": 1}],
    "jobs": [{"id": JOB, "job_number": "J-1", "customer": "Acme"}],
    "parts": [{"id": PART, "job_id": JOB, "part_number": "P-1", "material": "Steel"}],
    "operations": [
        {"id": OPERATION, "part_id": PART, "cell_id": CELL, "operation_name": "Cut", "sequence": 1, "estimated_time": 5}
    ],
}


@dataclass
class Shop:
    """The cloud and one of its clients; an answer is (status, body)."""

    cloud: StandInCloud
    clock: ManualClock
    url: str
    session: aiohttp.ClientSession

    async def send(self, method: str, path: str, body: Any = None, *, key: str = KEY) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {key}"}
        async with self.session.request(method, self.url + path, json=body, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def message(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        status, answer = await self.send(method, path, body)
        return status, answer["error"]["message"]


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
async def shop(clock):
    cloud = StandInCloud(clock, random.Random(7))
    cloud.add_tenant(TENANT)
    cloud.add_key(TENANT, KEY)
    cloud.load(PLAN)
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(cloud.serving())
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)))
        yield Shop(cloud, clock, url, session)
