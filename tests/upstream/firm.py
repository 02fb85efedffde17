"""A site below the stand-in cloud, two cells below the site, and lines between them that can be cut."""

import contextlib
import random
from dataclasses import dataclass
from typing import Any

from levels import Level, Line, level, line_to, until

from gateway.demo import factory
from gateway.demo.cloud import StandInCloud
from gateway.kernel.clock import SystemClock
from gateway.outbox import journal
from gateway.upstream import feed

LASER, BENDING = "Laser", "Bending"


@dataclass
class Firm:
    cloud: StandInCloud
    site: Level
    cells: dict[str, Level]
    lines: list[Line]

    async def drained(self) -> bool:
        boxes = [*self.cells.values(), self.site]
        return all([await box.drained() for box in boxes]) and not await unsettled(self.site)

    async def stand(self) -> list[Any]:
        """For the message of a test that failed."""
        return [(await box.send("GET", "/healthz")).body["links"] for box in (*self.cells.values(), self.site)]

    async def told(self) -> bool:
        """Every cell has read all of the site's journal."""
        head = await self.site.db.read(journal.head)
        places = [await cell.db.read(feed.load) for cell in self.cells.values()]
        waits = [await cell.ask("SELECT 1 FROM cloud_rows WHERE missed > 0") for cell in self.cells.values()]
        for cell in self.cells.values():
            waits.append((await cell.send("GET", "/healthz")).body["links"]["cloud-pull"]["doubtful"])
        return await self.drained() and not any(waits) and all(place and place.seq == head for place in places)


async def unsettled(box) -> int:
    return (await box.ask("SELECT count(*) FROM cloud_rows WHERE unsettled_until IS NOT NULL"))[0][0]


@contextlib.asynccontextmanager
async def firm(tmp_path):
    cloud = StandInCloud(SystemClock(), random.Random(2))
    cloud.add_tenant(factory.TENANT_ID)
    cloud.add_key(factory.TENANT_ID, factory.CLOUD_KEY)
    cloud.load(factory.plan(SystemClock().now(), 2))
    async with contextlib.AsyncExitStack() as stack:
        above = await stack.enter_async_context(line_to(await stack.enter_async_context(cloud.serving("127.0.0.1", 0))))
        plain = {"kind": "plain", "url": f"http://127.0.0.1:{above.port}/functions/v1", "api_key": factory.CLOUD_KEY}
        plain |= {"pull_every": "2s", "timeout": "2s", "settle_after": "1s"}
        site = await stack.enter_async_context(
            level(tmp_path / "site", "site", cloud=plain, site={"tenant_id": factory.TENANT_ID})
        )
        await site.people(factory.people(SystemClock().now()))
        total = len(cloud.rows("operations"))
        await until(lambda: site.holds("operations", total), "the plan is at the site")
        lines, cells = [above], {}
        for name in (LASER, BENDING):
            line = await stack.enter_async_context(line_to(site.url))
            hub = {"kind": "hub", "url": f"http://127.0.0.1:{line.port}", "api_key": await site.key_for(name.lower())}
            cloud_ = {**hub, "cells": [name], "timeout": "5s"}
            cells[name] = await stack.enter_async_context(level(tmp_path / name, name.lower(), cloud=cloud_))
            lines.append(line)
            await until(lambda name=name: cells[name].has_own_plan(name), "the plan is in the cell")
        yield Firm(cloud, site, cells, lines)
