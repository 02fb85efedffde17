"""`uns ...`: devices and what they may say."""

from functools import partial
from typing import Any

from gateway.admin.box import Arguments, Box
from gateway.machines.targets import without_operator
from gateway.uns import store


async def check(box: Box, _given: Arguments) -> dict[str, Any]:
    places = await box.db.write(store.places)
    nobody = await box.db.read(partial(without_operator, devices=box.settings.uns.device))
    return box.door.resolved(places.values(), nobody)


async def add(box: Box, given: Arguments) -> dict[str, Any]:
    """device. So do the next two."""
    return _admitted(box, given["device"], box.door.add(given["device"]))


async def rotate(box: Box, given: Arguments) -> dict[str, Any]:
    return _admitted(box, given["device"], box.door.rotate(given["device"]))


async def remove(box: Box, given: Arguments) -> dict[str, Any]:
    box.door.remove(given["device"])
    return {"removed": given["device"]}


async def devices(box: Box, _given: Arguments) -> list[dict[str, Any]]:
    return box.door.listed()


def _admitted(box: Box, device: str, password: str) -> dict[str, Any]:
    return {"device": device, "password": password, "notes": box.door.notes(device)}
