"""What a host makes tags of: the node's and each cell's metrics. Pure."""

from collections.abc import Mapping

from gateway.sparkplug.payload import Datatype, Metric, Value
from gateway.uns.payloads import CellRow

BDSEQ = "bdSeq"
REBIRTH = "Node Control/Rebirth"


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
    work = row.active[-1] if row.active else None
    texts: dict[str, Value] = {
        "Job/Number": work and work.job_number,
        "Job/Part": work and work.part_number,
        "Operation/Name": work and work.operation_name,
        "Operation/Status": work and work.status,
        "Machine/State": None,
    }
    numbers: dict[str, Value] = {
        "Quantity/Planned": work and work.planned,
        "Quantity/Good": work and work.counted.good,
        "Quantity/Scrap": work and work.counted.scrap,
        "Queue/Length": row.queue_length,
    }
    made = [Metric(name, Datatype.STRING, value) for name, value in texts.items()]
    made += [Metric(name, Datatype.INT64, value) for name, value in numbers.items()]
    return {metric.name: metric for metric in made}
