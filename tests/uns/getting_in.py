"""Devices of a hall, and how they get in."""

import contextlib

from uns_hall import LASER, listening, until

DEVICES = [
    {"id": "laser-1", "cells": ["Laser"], "commands": ["start"]},
    {"id": "saw-1", "cells": ["Bending"]},
    {"id": "scada", "cells": ["*"], "role": "scada"},
    {"id": "board", "cells": ["Laser"], "role": "reader"},
    {"id": "robot-1", "cells": [LASER]},
]


@contextlib.asynccontextmanager
async def client(hall, user: str, password: str, *topics: str):
    """Connected as that user; hears the topics."""
    asked, *more = topics or ("nothing/at/all",)
    version = getattr(hall, "version", 5)
    async with listening(hall.port, asked, user, password, version=version) as ear:
        for topic in more:
            await ear.client.subscribe(topic, qos=1)
        yield ear


async def let_in(hall, device: str) -> str:
    """It has a password and, when it is the first, the broker listens in new places by now."""
    first = not hall.door.has_devices and hall.broker.mode == "managed"
    before = hall.pid() if first else None
    password = hall.door.add(device)
    if first:
        await until(lambda: pid(hall) not in (None, before) and hall.broker.ready.is_set())
        await until(lambda: hall.link("uns").state == "up")
    return password


def pid(hall) -> int | None:
    try:
        return hall.pid()
    except (FileNotFoundError, ValueError):
        return None  # it is being started again
