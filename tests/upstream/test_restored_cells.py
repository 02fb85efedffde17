"""A box whose backup is brought back: nothing goes up twice, nothing of its new life is taken for the old one's."""

import asyncio

from hall import LASER
from levels import level, until
from test_cuts import NAMED, shift

from gateway.backups.archive import Archive
from gateway.backups.restore import restore
from gateway.backups.store import Backups
from gateway.kernel.clock import SystemClock
from gateway.kernel.disk import DataLock
from gateway.kernel.ids import uuid7
from gateway.outbox.event import Stamp


async def back(file, data, gateway: str):
    clock = SystemClock()
    data.mkdir(exist_ok=True)
    with Archive(file) as archive, DataLock(data) as lock:
        done = await restore(archive, data, gateway, clock, Stamp(clock.now(), gateway, uuid7(clock)))
        lock.orderly = True
    return done


async def saved(box):
    backups = Backups(box.gateway.settings, SystemClock())
    return (await asyncio.to_thread(backups.create, box.db.path)).file


async def test_a_cell_from_its_backup_sends_nothing_twice_and_the_old_one_is_refused(tmp_path):
    async with level(tmp_path / "site", "site") as site:
        await site.furnished()
        async with level(tmp_path / "cell", "cell", above=site, cells=("Laser",)) as cell:
            await until(lambda: cell.knows("cells", LASER), "the plan")
            await shift(cell, 2)
            made = await saved(cell)  # some of it on its way, some not sent
            await shift(cell, 2, first=2)
            await until(cell.drained, "sent")
            old_epoch = cell.gateway.identity.epoch
        done = await back(made, tmp_path / "new", "cell")
        assert done.epoch > old_epoch
        async with level(tmp_path / "new", "cell", above=site, cells=("Laser",)) as new:
            await shift(new, 2, first=10)  # its seqs are the old one's again
            await until(new.drained, "sent")
            theirs = await site.ask(NAMED)
            assert theirs == sorted({*theirs})
            assert {one for (one,) in await new.ask(NAMED)} <= {one for (one,) in theirs}
            numbers = {one for (one,) in await site.ask("SELECT job_number FROM jobs")}
            assert numbers == {"J-0", "J-1", "J-2", "J-3", "J-10", "J-11"}

            async def caught_up() -> bool:
                return {one for (one,) in await new.ask("SELECT job_number FROM jobs")} == numbers

            await until(caught_up, "what the old one had done comes down")
        async with level(
            tmp_path / "cell", "cell", above=site, cells=("Laser",)
        ) as old:  # somebody finds it in a cupboard
            await shift(old, 1, first=20)

            async def refused() -> bool:
                return "replaced" in str((await old.link())["error"])

            await until(refused, "the old one is told")
            assert not await site.ask("SELECT 1 FROM jobs WHERE job_number = 'J-20'")


async def test_a_site_from_its_backup_gets_again_what_it_has_lost(tmp_path):
    async with level(tmp_path / "site", "site") as site:
        await site.furnished()
        async with level(tmp_path / "cell", "cell", above=site, cells=("Laser",)) as cell:
            await until(lambda: cell.knows("cells", LASER), "the plan")
            await shift(cell, 1)
            await until(cell.drained, "sent")
            made = await saved(site)
            await shift(cell, 1, first=1)
            await until(cell.drained, "sent")
            key = cell.gateway.settings.cloud.api_key.get_secret_value()
    await back(made, tmp_path / "again", "site")
    async with level(tmp_path / "again", "site") as site:
        cloud = {"kind": "hub", "url": site.url, "api_key": key, "cells": ["Laser"], "timeout": "5s"}
        async with level(tmp_path / "cell", "cell", cloud=cloud) as cell:  # with the key that it always had
            await until(lambda: site.ask("SELECT 1 FROM jobs WHERE job_number = 'J-1'"), "what it had lost")
            await until(cell.drained, "sent")
            assert await cell.rows() == await site.rows()
