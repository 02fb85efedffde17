import pytest
from hall import floored
from hooks import PLANT, Hooks, receiving

from gateway.replays import worker
from gateway.webhooks import attempts, sender


@pytest.fixture
async def plant(tmp_path, furnished):
    """A hall whose webhooks may lead to this machine, over http."""
    async with floored(tmp_path, furnished, **PLANT) as made:
        yield made


@pytest.fixture
async def receiver():
    async with receiving() as made:
        yield made


@pytest.fixture
def hooks(plant, monkeypatch):
    """Nobody waits long between quick tries, or for somebody to look."""
    monkeypatch.setattr(attempts, "QUICK_BASE_S", 0.01)
    monkeypatch.setattr(sender, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(worker, "LOOK_EVERY_S", 0.05)
    return Hooks(plant)
