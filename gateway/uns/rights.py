"""Who may read and write what on a broker: one answer, from which every broker's own files are made. Pure.

A device's name is a level of every topic that it may write: so the topic says who sent a message.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.settings import Device, Uns
from gateway.uns.topics import Place, Topics
from gateway.uns.users import OURS, VIEWER

EVERY_CELL = "*"
SYSTEM = "$SYS/#"
SPARKPLUG = "spBv1.0/#"


@dataclass(frozen=True, slots=True)
class Rights:
    """Topic filters."""

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()


OWN = {OURS: Rights(("#", SYSTEM), ("#",)), VIEWER: Rights(("#",))}  # on a broker of our own


def of_devices(uns: Uns, topics: Topics, places: Iterable[Place]) -> dict[str, Rights]:
    """Of the devices that the settings define. `places`: the cells that are there already."""
    known = tuple(places)
    return {device.id: _of(device, uns, topics, known) for device in uns.device}


def of_gateway(uns: Uns, topics: Topics) -> Rights:
    """The least that somebody else's broker has to allow us."""
    everywhere = (f"{topics.root}/#", SPARKPLUG, *topics.events_elsewhere)
    mapped = tuple(dict.fromkeys(one.topic for one in uns.mapping if one.topic))
    return Rights((*everywhere, SYSTEM, *mapped), everywhere)


def has_cell(device: Device, place: Place) -> bool:
    return EVERY_CELL in device.cells or place.name in device.cells or place.cell_id in device.cells


def acl_file(rights: Mapping[str, Rights]) -> str:
    """In Mosquitto's words."""
    return "\n".join(
        "".join((f"user {user}\n", *(f"topic {access} {topic}\n" for access, topic in _lines(one))))
        for user, one in rights.items()
    )


def _of(device: Device, uns: Uns, topics: Topics, places: tuple[Place, ...]) -> Rights:
    own = topics.device(device.id)
    read = (f"{own}/#", *_shown(device, topics, places), *device.read)
    if device.role == "reader":
        return Rights(_once(read))
    fixed = (one.topic for one in uns.mapping if one.device == device.id and one.topic)
    return Rights(_once(read), _once((*topics.inbound(device.id), *fixed)))


def _shown(device: Device, topics: Topics, places: tuple[Place, ...]) -> Iterable[str]:
    """What a device sees of its cells: a machine their state, who shows things to people all of it."""
    whole = device.role != "machine"
    if EVERY_CELL in device.cells:
        return (f"{topics.root}/#" if whole else topics.every_state,)
    states = (topics.cell(place) for place in places if has_cell(device, place))
    return (f"{state.removesuffix('/_state') if whole else state}/#" for state in states)


def _lines(rights: Rights) -> Iterable[tuple[str, str]]:
    for topic in rights.read:
        yield ("readwrite" if topic in rights.write else "read"), topic
    for topic in rights.write:
        if topic not in rights.read:
            yield "write", topic


def _once(topics: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(topics))
