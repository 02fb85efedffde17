"""`/api-time-entries`."""

from gateway.catalog.routes import reading, writing
from gateway.kernel.db import Database
from gateway.operations.time_entries.commands import TimeEntryCommands
from gateway.operations.time_entries.resources import TIME_ENTRIES
from gateway.web.routes import Route, Scope


def routes(db: Database, commands: TimeEntryCommands) -> list[Route]:
    return [*reading(TIME_ENTRIES, db), *writing(TIME_ENTRIES, commands, scope=Scope.OPERATE)]
