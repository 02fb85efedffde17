"""A box that has worked, for every test a copy of it."""

import asyncio
import sys
from pathlib import Path

import pytest
from older import copied, furnish

sys.path.insert(0, str(Path(__file__).parents[1] / "kernel"))  # the disk that fails


@pytest.fixture(scope="session")
def shift(tmp_path_factory) -> Path:
    """Five jobs with the older version."""
    data = tmp_path_factory.mktemp("shift") / "data"
    asyncio.run(furnish(data))
    return data


@pytest.fixture
def data(shift, tmp_path) -> Path:
    return copied(shift, tmp_path / "data")
