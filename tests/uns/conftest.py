"""Fixtures; what they are made of stands in uns_hall.py."""

from pathlib import Path

import pytest
from uns_hall import Foreign, Hall, database

from gateway.kernel.clock import SystemClock
from gateway.kernel.db import Database


@pytest.fixture
async def db(tmp_path: Path):
    async with database(tmp_path) as db:
        yield db


@pytest.fixture
def hall(db: Database, tmp_path: Path):
    return Hall(db, tmp_path, SystemClock())


@pytest.fixture
def make_hall(db: Database, tmp_path: Path):
    """With settings of one's own."""
    return lambda clock=None, **given: Hall(db, tmp_path, clock or SystemClock(), **given)


@pytest.fixture
def foreign(tmp_path: Path):
    broker = Foreign(tmp_path / "foreign")
    yield broker
    broker.stop()
