"""What a host makes tags of: the node's and each cell's metrics. Pure."""

from collections.abc import Mapping

from gateway.sparkplug.payload import Datatype, Metric, Value
from gateway.uns.payloads import CellRow

BDSEQ = "bdSeq"
REBIRTH = "Node Control/Rebirth"
_TEXTS = ("Job/Number", "Job/Part", "Operation/Name", "Operation/Status")
_NUMBERS = ("Quantity/Planned", "Quantity/Good", "Quantity/Scrap")


def session(number: int) -> Metric:
    """By it a host tells which birth a death belongs to."""
    return Metric(BDSEQ, Datatype.INT64, number)


def of_node(number: int, version: str) -> tuple[Metric, ...]:
    return (
        session(number),
        Metric(REBIRTH, Datatype.BOOLEAN, value=False),
        Metric("Properties/Version", Datatype.STRING, version),
    )


def of_cell(row: CellRow) -> Mapping[str, Metric]:
    """By name. Of several operations in work it is the one that was started last; without one its metrics are null."""
    texts: dict[str, Value] = dict.fromkeys(_TEXTS)
    numbers: dict[str, Value] = {**dict.fromkeys(_NUMBERS), "Queue/Length": row.queue_length}
    if row.active:
        work = row.active[-1]
        texts |= dict(zip(_TEXTS, (work.job_number, work.part_number, work.operation_name, work.status), strict=True))
        numbers |= dict(zip(_NUMBERS, (work.planned, work.counted.good, work.counted.scrap), strict=True))
    texts["Machine/State"] = None
    made = [Metric(name, Datatype.STRING, value) for name, value in texts.items()]
    made += [Metric(name, Datatype.INT64, value) for name, value in numbers.items()]
    return {metric.name: metric for metric in made}
