"""A route is refused by its class when the disk fills up, whatever the way on which it is called."""

from dataclasses import replace

from gateway.kernel.db import Database
from gateway.kernel.room import Use
from gateway.outbox.receipts import Answer
from gateway.web.routes import Call, Raw, Route


def kept_room(route: Route, db: Database) -> Route:
    """The same route, which looks at the disk first. Raises RoomKept when it is called."""
    use, handler = route.room, route.handler
    if use is None or use is Use.BOOKING:
        return route

    async def handle(call: Call) -> Answer | Raw:
        db.room.require(use)
        return await handler(call)

    return replace(route, handler=handle)
