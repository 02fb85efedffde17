"""What the settings come to with the cells that are there: who may do what, what his values mean, what does not fit. Pure."""

import difflib
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from gateway.kernel.errors import StartupError
from gateway.machines.registry import machines
from gateway.settings import DeviceMapping, Settings
from gateway.uns import rights
from gateway.uns.rights import EVERY_CELL, acl_file, has_cell
from gateway.uns.topics import Place, Topics

Problem = dict[str, str]  # `level` (error, warning), `text`


def resolved(
    settings: Settings, topics: Topics, places: Iterable[Place], with_password: Iterable[str], nobody: Collection[str]
) -> dict[str, Any]:
    """`acl`: what a broker that is not ours has to allow, in Mosquitto's words. `nobody`: devices whose operator is not one."""
    known, admitted = tuple(places), frozenset(with_password)
    allowed = rights.of_devices(settings.uns, topics, known)
    user = settings.broker.username or "gateway"
    return {
        "broker": settings.broker.mode,
        "devices": [
            {
                "device": one.id,
                "role": one.role,
                "password": one.id in admitted,
                "commands": list(one.commands),
                "cells": [
                    {"name": place.name, "id": place.cell_id, "topic": topics.cell(place).removesuffix("/_state")}
                    for place in known
                    if has_cell(one, place)
                ],
                "reads": list(allowed[one.id].read),
                "writes": list(allowed[one.id].write),
            }
            for one in settings.uns.device
        ],
        "mappings": [
            {"device": one.device, "topic": _source(one, topics), "rule": one.rule, "report": one.report}
            for one in settings.uns.mapping
        ],
        "problems": [*_wrong(settings), *missing(settings, known, admitted), *_operators(settings, nobody)],
        "acl": acl_file({user: rights.of_gateway(settings.uns, topics), **allowed}),
    }


def missing(settings: Settings, places: Sequence[Place], with_password: Iterable[str]) -> list[Problem]:
    """What may still come: cells with the first pull, passwords."""
    return [*_cells(settings, places), *_passwords(settings, frozenset(with_password))]


def _cells(settings: Settings, places: Sequence[Place]) -> Iterator[Problem]:
    names = {place.name for place in places} | {place.cell_id for place in places}
    for device in settings.uns.device:
        for cell in device.cells:
            if cell != EVERY_CELL and cell not in names:
                close = _nearest(cell, (place.name for place in places))
                yield _warning(f'device "{device.id}": there is no cell "{cell}" yet{close}')


def _passwords(settings: Settings, admitted: frozenset[str]) -> Iterator[Problem]:
    if settings.broker.mode in ("external", "off"):
        return  # whoever runs that broker knows its users
    defined = [device.id for device in settings.uns.device]
    for device in defined:
        if device not in admitted:
            yield _warning(f'device "{device}" has no password and gets in nowhere: `uns devices add {device}`')
    for name in sorted(admitted - frozenset(defined)):
        yield _warning(f'"{name}" has a password, and there is no [[uns.device]] with that id{_nearest(name, defined)}')


def _operators(settings: Settings, nobody: Collection[str]) -> Iterator[Problem]:
    for device in settings.uns.device:
        if device.id in nobody:
            yield _warning(
                f'device "{device.id}": its operator "{device.operator}" is not one profile at work (id, user name or employee '
                "number): without a badge, what it does is booked on nobody"
            )


def _wrong(settings: Settings) -> Iterator[Problem]:
    try:
        machines(settings.uns)
    except StartupError as exc:
        yield {"level": "error", "text": exc.message}
    for device in settings.uns.device:
        if device.role == "reader" and device.commands:
            yield _warning(f'device "{device.id}" is a reader: it gives no commands')


def _source(mapping: DeviceMapping, topics: Topics) -> str | None:
    return mapping.topic or (f"{topics.device(mapping.device)}/in/{mapping.input}" if mapping.input else None)


def _nearest(name: str, names: Iterable[str]) -> str:
    """The one that was probably meant, or all that there are."""
    known = list(names)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f' (did you mean "{close[0]}"?)'
    return f"; known: {', '.join(known)}" if known else ""


def _warning(text: str) -> Problem:
    return {"level": "warning", "text": text}
