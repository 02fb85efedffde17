"""The REST API and the reports in the process of a command: on a database, or without one, to know what there is."""

from collections.abc import Awaitable, Callable
from typing import Any

from gateway.admin.box import CALLER, Arguments
from gateway.api import api_routes
from gateway.hub.stream import Feed
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database
from gateway.kernel.ids import NewId
from gateway.plugin_host.ports import LocalApi, carried_out
from gateway.reports.routes import reports
from gateway.settings import Settings
from gateway.web.auth import Keys


async def called(
    settings: Settings,
    db: Database,
    keys: Keys,
    clock: Clock,
    new_id: NewId,
    status: Callable[[], Awaitable[dict[str, Any]]],
    given: Arguments,
) -> dict[str, Any]:
    """One call, on the data of a stopped gateway."""
    routes = [*api_routes(settings, db, keys, clock, new_id, Feed(db)), *reports(db, clock, status)]
    return await carried_out(
        LocalApi(lambda: routes, new_id, request_max_s=settings.limits.request_timeout), CALLER, given
    )


def described_api(settings: Settings) -> LocalApi:
    """What can be called and with what; calling needs a database."""
    nobody: Any = None
    routes = [*api_routes(settings, nobody, nobody, nobody, nobody, nobody), *reports(nobody, nobody, nobody)]
    return LocalApi(lambda: routes, nobody, request_max_s=settings.limits.request_timeout)
