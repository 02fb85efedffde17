"""The devices and mappings of the settings, as the rules read them. Checked once, at the start."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from gateway.kernel.errors import StartupError, UnknownDevice
from gateway.machines.counters import Meter
from gateway.machines.model import COUNTER, CYCLE, STATE, TAG, State
from gateway.machines.values import word
from gateway.sections import Device, Mapping_, Uns

MQTT = "mqtt"  # the way in that a device's causes, receipts and callers name
ANY_CELL = "*"
CYCLE_FIELDS = ("quantity_good", "quantity_scrap")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_PATH = re.compile(r"[^.\[\]]+(?:\[\d{1,4}\])*(?:\.[^.\[\]]+(?:\[\d{1,4}\])*)*")
# rule -> the inputs it makes sense for; a topic or a tag may carry anything
_INPUTS = {"counter_delta": (COUNTER, TAG), "gauge": (COUNTER, TAG), "state_map": (STATE, TAG), "edge": (TAG,)}


@dataclass(frozen=True, slots=True)
class Source:
    """One mapping. `key` tells it from the others of its device, also after a restart."""

    key: str
    mapping: Mapping_
    meter: Meter
    names: Mapping[str, State]

    @property
    def piece_key(self) -> str:
        """Under which its pieces are gathered."""
        return f"{self.mapping.device}/{self.key}"


@dataclass(frozen=True, slots=True)
class Machine:
    """A device with everything that is set for it. `counted`: the fields that its mappings book; `way`: how it speaks to us."""

    device: Device
    sources: Mapping[str, tuple[Source, ...]]  # by input or topic
    counted: frozenset[str]
    way: str = MQTT

    @property
    def id(self) -> str:
        return self.device.id

    @property
    def cause(self) -> str:
        return f"{self.way}:{self.device.id}"

    def counts_each(self, name: str) -> bool:
        """Whether a message of this input or topic counts each time it comes, as nothing tells it from the one before."""
        return any(one.mapping.rule == CYCLE and one.mapping.allow_unidentified for one in self.sources.get(name, ()))

    def changes_work(self, name: str) -> bool:
        """Whether a value of this input may be booked, or move an operation, each time it is taken for a new one."""
        return any(one.mapping.rule in ("counter_delta", "edge", CYCLE) for one in self.sources.get(name, ()))

    def only_shows(self, name: str) -> bool:
        """Whether nothing is ever booked or moved by a value of this input."""
        moves = any(one.mapping.on_enter for one in self.sources.get(name, ()))
        return not moves and not self.changes_work(name)

    def state_mapping(self, state: State) -> Mapping_ | None:
        """Which of its mappings knows this state."""
        known = (one for some in self.sources.values() for one in some if state in one.names.values())
        return next((one.mapping for one in known), None)

    @property
    def everywhere(self) -> bool:
        return ANY_CELL in self.device.cells


@dataclass(frozen=True, slots=True)
class Machines:
    """`topics`: a topic of a mapping -> the devices that it speaks for."""

    by_id: Mapping[str, Machine]
    topics: Mapping[str, tuple[str, ...]]

    def get(self, device: str) -> Machine:
        """Raises UnknownDevice."""
        found = self.by_id.get(device)
        if found is None:
            raise UnknownDevice(f'no [[uns.device]] has the id "{device[:63]}"')
        return found

    def over(self, way: str) -> "Machines":
        """The same, as they speak over another way in."""
        return Machines({name: replace(one, way=way) for name, one in self.by_id.items()}, self.topics)

    def __iter__(self) -> Iterator[Machine]:
        return iter(self.by_id.values())

    def __len__(self) -> int:
        return len(self.by_id)


def machines(uns: Uns) -> Machines:
    """Raises StartupError: what is wrong, in which mapping."""
    devices = {device.id: device for device in uns.device}  # no id twice: the settings have seen to that
    sources: dict[str, list[Source]] = {name: [] for name in devices}
    for place, mapping in enumerate(uns.mapping, 1):
        sources[_device(place, mapping, devices)].append(_source(place, mapping))
    _no_double(sources, devices)
    topics: dict[str, tuple[str, ...]] = {}
    for name, some in sources.items():
        for one in some:
            if one.mapping.topic is not None and name not in topics.get(one.mapping.topic, ()):
                topics[one.mapping.topic] = (*topics.get(one.mapping.topic, ()), name)
    return Machines({name: _machine(device, sources[name]) for name, device in devices.items()}, topics)


def _machine(device: Device, sources: Sequence[Source]) -> Machine:
    by_input: dict[str, tuple[Source, ...]] = {}
    for one in sources:
        name = one.mapping.topic or one.mapping.input or ""
        by_input[name] = (*by_input.get(name, ()), one)
    counted = frozenset(one.mapping.report for one in sources if one.mapping.report and one.mapping.rule != CYCLE)
    return Machine(device, by_input, counted)


def _device(place: int, mapping: Mapping_, devices: Mapping[str, Device]) -> str:
    if mapping.device not in devices:
        near = difflib.get_close_matches(mapping.device, devices, 1)
        hint = f', did you mean "{near[0]}"?' if near else ""
        raise _wrong(place, f'no [[uns.device]] has the id "{mapping.device}"{hint}')
    return mapping.device


def _source(place: int, mapping: Mapping_) -> Source:
    name = mapping.input
    if name is None and mapping.topic is None:
        raise _wrong(place, "which value is it? set an input (as counter/good) or a topic")
    if name is not None:
        kind = next((one for one in (COUNTER, TAG) if name.startswith(one)), name)
        if kind not in (STATE, CYCLE, COUNTER, TAG) or (
            kind in (COUNTER, TAG) and not _NAME.fullmatch(name[len(kind) :])
        ):
            raise _wrong(place, f'input = "{name}": state, counter/<name>, tag/<name> or cycle is wanted')
        if kind not in _INPUTS.get(mapping.rule, (CYCLE, TAG)):
            raise _wrong(place, f'rule = "{mapping.rule}" does not go with input = "{name}"')
    if mapping.path is not None and not _PATH.fullmatch(mapping.path):
        raise _wrong(place, f'path = "{mapping.path}": as a.b[0].c')
    key = (name or mapping.topic or "") + (f"#{mapping.path}" if mapping.path else "")
    if mapping.rule == "edge":
        key += f"!{mapping.edge}"
    meter = Meter(mapping.bits, mapping.reset == "from_zero", mapping.max_step)
    return Source(key, mapping, meter, {word(value): State(state) for value, state in mapping.map.items()})


def _no_double(sources: Mapping[str, Sequence[Source]], devices: Mapping[str, Device]) -> None:
    """A piece is counted once: two mappings may not book the same field of the same cell."""
    every = [one for some in sources.values() for one in some]
    keys = [one.piece_key for one in every]
    for key in keys:
        if keys.count(key) > 1:
            raise StartupError(f"[[uns.mapping]] {key} stands there twice: a value has one rule")
    for one, two in combinations([one for one in every if one.mapping.report], 2):
        mine, theirs = (set(devices[source.mapping.device].cells) for source in (one, two))
        shared = mine & theirs or (mine | theirs if ANY_CELL in mine | theirs else set())
        if one.mapping.report == two.mapping.report and shared:
            raise StartupError(
                f"[[uns.mapping]] {one.piece_key} and {two.piece_key} both book {one.mapping.report} "
                f'in "{min(shared)}": every piece would count twice'
            )


def _wrong(place: int, what: str) -> StartupError:
    return StartupError(f"[[uns.mapping]] number {place}: {what}")
