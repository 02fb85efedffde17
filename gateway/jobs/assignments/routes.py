"""`/api-assignments`."""

from gateway.catalog.routes import reading, writing
from gateway.jobs.assignments.commands import AssignmentCommands
from gateway.jobs.assignments.resources import ASSIGNMENTS
from gateway.kernel.db import Database
from gateway.web.routes import Route, Scope


def routes(db: Database, commands: AssignmentCommands) -> list[Route]:
    return [*reading(ASSIGNMENTS, db), *writing(ASSIGNMENTS, commands, scope=Scope.OPERATE)]
