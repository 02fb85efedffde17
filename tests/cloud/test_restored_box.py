"""A backup brought back before a plain cloud, which tells no box from another: nothing is doubled, nothing is taken back."""

import asyncio
import contextlib
from pathlib import Path

from cloud_shop import PLANNED_AT, Shop, shop_of, stand_in
from floor import differences
from shift import OTTO, PETRA

from gateway.backups.archive import Archive
from gateway.backups.restore import restore
from gateway.backups.store import Backups
from gateway.kernel.clock import SystemClock
from gateway.kernel.db import Database
from gateway.kernel.disk import DataLock
from gateway.kernel.ids import uuid7
from gateway.kernel.migrate import migrate
from gateway.operations.model import Verb
from gateway.outbox.event import Stamp
from gateway.settings import Settings

GATEWAY = "gw-test"
STATUS = "SELECT status FROM operations WHERE id = ?"
ASKED = "SELECT 1 FROM cloud_conflicts WHERE row_id = ? AND field = 'status' AND resolution IS NULL"


async def saved(shop: Shop) -> Path:
    given = {"gateway": {"id": GATEWAY, "data_dir": shop.db.path.parent}, "limits": {"upload_reserve_bytes": 1}}
    backups = Backups(Settings.model_validate(given), SystemClock())
    return (await asyncio.to_thread(backups.create, shop.db.path)).file


@contextlib.asynccontextmanager
async def again(file: Path, folder: Path, shop: Shop):
    """The box that the backup becomes, before the same cloud."""
    clock = SystemClock()
    folder.mkdir()
    with Archive(file) as archive, DataLock(folder) as lock:
        await restore(archive, folder, GATEWAY, clock, Stamp(clock.now(), GATEWAY, uuid7(clock)))
        lock.orderly = True
    async with Database.open(folder, prepare=lambda path: migrate(path, clock)) as db:
        yield Shop(db, shop.cloud, shop.url, folder)


def standing(cloud) -> dict:
    """What people see there: nothing of when a row was touched."""
    hidden = {"updated_at"}
    return {
        table: {
            row["id"]: {name: value for name, value in row.items() if name not in hidden} for row in cloud.rows(table)
        }
        for table in ("operations", "time_entries", "operation_quantities")
    }


async def test_what_the_old_box_has_sent_and_gone_on_with_is_neither_doubled_nor_taken_back(tmp_path, pulled):
    cloud = stand_in(PLANNED_AT)
    async with shop_of(tmp_path / "old", cloud, pulled) as shop:
        ids = [row["id"] for row in cloud.rows("operations") if row["status"] == "not_started"][:4]
        _, two, three, four = ids
        for operation, operator in zip(ids, (OTTO, PETRA, None, None), strict=True):
            await shop.change(Verb.START, operation, operator_id=operator)
            await shop.count(operation, 2)
        made = await saved(shop)  # all of that waits
        await shop.change(Verb.PAUSE, two)
        await shop.change(Verb.COMPLETE, three)
        await shop.change(Verb.PAUSE, four)
        await shop.change(Verb.RESUME, four)
        async with shop.linked():
            await shop.drained()
        before = standing(cloud)
        assert [before["operations"][one]["status"] for one in ids] == [
            "in_progress",
            "on_hold",
            "completed",
            "in_progress",
        ]
        async with again(made, tmp_path / "new", shop) as new, new.linked():
            await new.drained()
            for table, rows in standing(cloud).items():
                for row_id in rows.keys() | before[table].keys():
                    assert rows.get(row_id) == before[table].get(row_id), (table, row_id)
            await new.until(lambda c: c.execute(STATUS, (three,)).fetchone()[0] == "completed", "it comes down")
            # Somebody works on the other here, as far as this box knows: only a person can say that he does not.
            await new.until(lambda c: c.execute(ASKED, (two,)).fetchone() is not None, "people are asked")
            assert standing(cloud) == before


async def test_what_the_old_box_never_sent_goes_up_once(tmp_path, pulled):
    cloud = stand_in(PLANNED_AT)
    async with shop_of(tmp_path / "old", cloud, pulled) as shop:
        one, two = [row["id"] for row in cloud.rows("operations") if row["status"] == "not_started"][:2]
        await shop.change(Verb.START, one, operator_id=OTTO)
        await shop.count(one, 2)
        await shop.change(Verb.COMPLETE, one)
        await shop.change(Verb.START, two)
        made = await saved(shop)
        async with again(made, tmp_path / "new", shop) as new:
            async with new.linked():
                await new.drained()
            assert [request.path for request in new.asked("POST") if "lifecycle" in request.path] == []
            assert [cloud.row("operations", row)["status"] for row in (one, two)] == ["completed", "in_progress"]
            assert len([row for row in cloud.rows("operation_quantities") if row["operation_id"] == one]) == 1
            assert await new.db.read(differences, cloud) == []
