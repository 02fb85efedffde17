"""A stand-in cloud with one tenant, a plan of one operation, and a client that is that tenant."""

import asyncio
import contextlib
import random
from dataclasses import dataclass
from typing import Any, ClassVar

import aiohttp
import pytest

from gateway.demo.cloud import StandInCloud
from gateway.demo.cloud_gate import Tenant
from gateway.kernel.clock import ManualClock

WAIT_MAX_S = 30  # a machine that stands still for seconds is not a defect of ours


@dataclass
class Shop:
    """The cloud and one of its clients."""

    TENANT: ClassVar = "00000000-0000-4000-8000-000000001001"
    KEY: ClassVar = "ery_live_0123456789abcdef"
    OPERATOR: ClassVar = "00000000-0000-4000-8000-00000000a002"
    CELL: ClassVar = "00000000-0000-4000-8000-00000000ce01"
    JOB: ClassVar = "00000000-0000-4000-8000-0000000000b1"
    PART: ClassVar = "00000000-0000-4000-8000-0000000000b2"
    OPERATION: ClassVar = "00000000-0000-4000-8000-0000000000b3"
    NEW: ClassVar = "00000000-0000-4000-8000-0000000000f1"

    cloud: StandInCloud
    tenant: Tenant
    clock: ManualClock
    url: str
    session: aiohttp.ClientSession

    async def send(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.KEY}"}
        async with self.session.request(method, self.url + path, json=body, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def refusal(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        status, answer = await self.send(method, path, body)
        return status, answer["error"]["message"]

    async def lifecycle(self, verb: str) -> tuple[int, Any]:
        return await self.send("POST", f"/api-operation-lifecycle/{verb}?id={self.OPERATION}")

    @property
    def operation(self) -> dict[str, Any]:
        return self.cloud.row("operations", self.OPERATION)

    @staticmethod
    async def until(fact) -> None:
        async with asyncio.timeout(WAIT_MAX_S):
            while not fact():
                await asyncio.sleep(0.001)


def plan():
    return {
        "profiles": [{"id": Shop.OPERATOR, "username": "op", "full_name": "Otto", "email": "o@x", "role": "operator"}],
        "cells": [{"id": Shop.CELL, "name": "Laser", "sequence": 1}],
        "jobs": [{"id": Shop.JOB, "job_number": "J-1", "customer": "Acme"}],
        "parts": [{"id": Shop.PART, "job_id": Shop.JOB, "part_number": "P-1", "material": "Steel"}],
        "operations": [
            {
                "id": Shop.OPERATION,
                "part_id": Shop.PART,
                "cell_id": Shop.CELL,
                "operation_name": "Cut",
                "sequence": 1,
                "estimated_time": 5,
            }
        ],
    }


@pytest.fixture
async def shop():
    clock = ManualClock()
    cloud = StandInCloud(clock, random.Random(7))
    tenant = cloud.add_tenant(Shop.TENANT)
    cloud.add_key(Shop.TENANT, Shop.KEY)
    cloud.load(plan())
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(cloud.serving())
        session = await stack.enter_async_context(
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WAIT_MAX_S))
        )
        yield Shop(cloud, tenant, clock, url, session)
