import pytest
from ledger import opened


@pytest.fixture
async def db(tmp_path):
    async with opened(tmp_path) as db:
        yield db
