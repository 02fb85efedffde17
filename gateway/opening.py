"""The database alone, for whoever works on it without the rest of the gateway."""

import contextlib
from collections.abc import AsyncIterator
from functools import partial

from gateway.kernel.clock import Clock
from gateway.kernel.db import Database
from gateway.kernel.errors import StartupError
from gateway.kernel.migrate import migrate
from gateway.settings import Settings


@contextlib.asynccontextmanager
async def opened(settings: Settings, clock: Clock) -> AsyncIterator[Database]:
    """The database alone, migrated. Raises StartupError, also when somebody has it."""
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise StartupError(
            f"the data folder {settings.data_dir} cannot be made ({exc.strerror}): name another with --data"
        ) from None
    prepare = partial(migrate, clock=clock)
    async with contextlib.AsyncExitStack() as stack:
        opening = Database.open(settings.data_dir, prepare=prepare, monotonic=clock.monotonic)
        try:
            db = await stack.enter_async_context(opening)
        except OSError as exc:
            raise StartupError(f"the data folder {settings.data_dir} cannot be used: {exc}") from exc
        yield db
