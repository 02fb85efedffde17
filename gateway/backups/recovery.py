"""At the start with a damaged database: the newest good backup takes its place, and what it still gives comes along."""

from functools import partial

import structlog

from gateway.backups.archive import Archive
from gateway.backups.restore import NAME, Restored, restore
from gateway.backups.salvage import salvage
from gateway.backups.store import Backups
from gateway.kernel.clock import Clock
from gateway.kernel.disk import DataLock
from gateway.kernel.errors import Conflict, Damaged, Invalid, StartupError
from gateway.kernel.ids import uuid7
from gateway.outbox.event import Stamp
from gateway.settings import Settings

ASIDE = "damaged-"

log = structlog.get_logger(__name__)


async def recover(settings: Settings, clock: Clock, damaged: Damaged) -> Restored:
    """Raises StartupError when there is no good backup: then the file is left as it is, and people decide."""
    backups, data = Backups(settings, clock), settings.data_dir
    stamp = Stamp(clock.now(), settings.gateway.id, uuid7(clock))
    bring = partial(salvage, damaged=data / NAME)
    log.error("database.damaged", error=damaged.message)
    with DataLock(data):
        for file in backups.files():
            try:
                with Archive(file) as archive:
                    return await restore(archive, data, settings.gateway.id, clock, stamp, more=bring, aside=ASIDE)
            except (Invalid, Conflict) as exc:
                log.warning("backup.passed_over", file=str(file), error=exc.message)
    raise StartupError(f"{damaged.message} There is no good backup of it in {backups.folder}.") from damaged
