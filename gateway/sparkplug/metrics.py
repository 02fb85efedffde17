"""What a host makes tags of: the node's and each cell's metrics. Pure."""

from collections.abc import Iterable, Mapping

from gateway.machines.model import Quality, Standing, State
from gateway.sparkplug.payload import Datatype, Metric, Value
from gateway.uns.payloads import CellRow

BDSEQ = "bdSeq"
REBIRTH = "Node Control/Rebirth"
_TEXTS = ("Job/Number", "Job/Part", "Operation/Name", "Operation/Status")
_NUMBERS = ("Quantity/Planned", "Quantity/Good", "Quantity/Scrap")
_URGENT = (State.FAULT, State.STOPPED, State.SETUP, State.RUNNING, State.IDLE, State.OFF, State.UNKNOWN)


def session(number: int) -> Metric:
    """By it a host tells which birth a death belongs to."""
    return Metric(BDSEQ, Datatype.INT64, number)


def of_node(number: int, version: str) -> tuple[Metric, ...]:
    return (
        session(number),
        Metric(REBIRTH, Datatype.BOOLEAN, value=False),
        Metric("Properties/Version", Datatype.STRING, version),
    )


def state_of(machines: Iterable[Standing]) -> State | None:
    """Of a cell's machines the one that needs somebody most; what nobody has heard of for too long is unknown."""
    states = [State.UNKNOWN if one.quality == Quality.BAD else one.state for one in machines]
    return min(states, key=_URGENT.index, default=None)


def of_cell(row: CellRow, machine: State | None) -> Mapping[str, Metric]:
    """By name. Of several operations in work it is the one that was started last; without one its metrics are null."""
    texts: dict[str, Value] = dict.fromkeys(_TEXTS)
    numbers: dict[str, Value] = {**dict.fromkeys(_NUMBERS), "Queue/Length": row.queue_length}
    if row.active:
        work = row.active[-1]
        texts |= dict(zip(_TEXTS, (work.job_number, work.part_number, work.operation_name, work.status), strict=True))
        numbers |= dict(zip(_NUMBERS, (work.planned, work.counted.good, work.counted.scrap), strict=True))
    texts["Machine/State"] = machine and machine.value
    made = [Metric(name, Datatype.STRING, value) for name, value in texts.items()]
    made += [Metric(name, Datatype.INT64, value) for name, value in numbers.items()]
    return {metric.name: metric for metric in made}
