"""A hall that works, and the backups of its box."""

import pytest
from keeping import Store


@pytest.fixture
def store(floor, tmp_path) -> Store:
    return Store(floor, tmp_path, {})
