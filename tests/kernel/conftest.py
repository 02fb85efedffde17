import pytest
from disk_faults import faults
from notebook import prepare

from gateway.kernel.db import Database


@pytest.fixture
async def db(tmp_path):
    async with Database.open(tmp_path, prepare=prepare) as db:
        await db.write(_begin)
        yield db


@pytest.fixture
def disk(tmp_path):
    """The disk under `db`; ask for it first."""
    with faults(tmp_path) as disk:
        yield disk


def _begin(tx) -> None:
    """The first commit makes the WAL and syncs more than once: not what is to be counted."""
    tx.execute("PRAGMA user_version=1")
