"""The database alone, for whoever works on it without the rest of the gateway."""

import contextlib
from collections.abc import AsyncIterator
from functools import partial

from gateway.kernel.clock import Clock
from gateway.kernel.db import Database
from gateway.kernel.errors import Damaged, StartupError, StorageFailed
from gateway.kernel.migrate import migrate
from gateway.kernel.secrets import Secrets
from gateway.settings import Settings


@contextlib.asynccontextmanager
async def opened(settings: Settings, clock: Clock, *, recovering: bool = False) -> AsyncIterator[Database]:
    """The database alone, migrated. Raises StartupError, also when somebody has it.

    `recovering`: a damaged one is replaced by the newest good backup, if there is one.
    """
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise StartupError(
            f"the data folder {settings.data_dir} cannot be made ({exc.strerror}): name another with --data"
        ) from None
    with contextlib.suppress(StorageFailed):  # `secrets_problem` tells: all that needs no secret goes on
        Secrets(settings.data_dir, settings.credentials).settle()
    async with contextlib.AsyncExitStack() as stack:
        try:
            try:
                db = await stack.enter_async_context(_open(settings, clock))
            except Damaged as damaged:
                if not recovering:
                    raise
                from gateway.backups.recovery import recover  # noqa: PLC0415 -- every command opens a database, few a damaged one

                await recover(settings, clock, damaged)
                db = await stack.enter_async_context(_open(settings, clock))
        except OSError as exc:
            raise StartupError(f"the data folder {settings.data_dir} cannot be used: {exc}") from exc
        yield db


def secrets_problem(settings: Settings) -> str | None:
    """Why secrets can be neither sealed nor opened, or which of the configuration do not open."""
    told = Secrets(settings.data_dir, settings.credentials).problem()
    return told or "; ".join(f"{key} does not open: {why}" for key, why in settings.locked.items()) or None


def _open(settings: Settings, clock: Clock) -> contextlib.AbstractAsyncContextManager[Database]:
    prepare = partial(migrate, clock=clock)
    reserve = settings.limits.upload_reserve_bytes
    return Database.open(settings.data_dir, prepare=prepare, monotonic=clock.monotonic, reserve_bytes=reserve)
