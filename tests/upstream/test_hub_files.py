"""When a file that does not go is given up: only after the hub itself has called it wrong several times."""

import pytest

from gateway.files.model import File
from gateway.kernel.errors import BadRequest, Refused, Unavailable
from gateway.upstream.files import TRIES_MAX, HubFiles

FILE = File("f-1", "parts", "gw/parts/x.png", "image/png", 3, "0" * 64, "2026-11-02T07:00:00+00:00")


class Hub:
    """It raises what it is told to."""

    def __init__(self) -> None:
        self.says: Exception | None = None

    async def has_file(self, file_id, about):
        if self.says is not None:
            raise self.says
        return True


class Database:
    async def read(self, asked, *args):
        return FILE


@pytest.fixture
def hub():
    return Hub()


@pytest.fixture
def files(hub):
    return HubFiles(hub, Database(), None, "cell")


async def tried(files, hub, says, times):
    hub.says = says
    for _ in range(times):
        with pytest.raises(Unavailable):
            await files.bring(FILE.id, 1)


async def test_a_line_that_was_away_for_long_is_no_refusal(files, hub):
    await tried(files, hub, Unavailable("cannot connect"), 10 * TRIES_MAX)
    await tried(files, hub, BadRequest("damaged on the way"), TRIES_MAX)
    with pytest.raises(Refused):
        await files.bring(FILE.id, 1)


async def test_once_it_is_there_it_is_counted_anew(files, hub):
    await tried(files, hub, BadRequest("damaged on the way"), TRIES_MAX)
    hub.says = None
    await files.bring(FILE.id, 1)
    await tried(files, hub, BadRequest("damaged on the way"), TRIES_MAX)
