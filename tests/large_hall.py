"""A hall of 100 cells and 5,000 operations."""

from gateway.kernel.db import Tx
from gateway.outbox.event import Stamp
from gateway.transfer.commands import bring_in, planned

CELLS, OPERATIONS = 100, 5_000


def furnish(tx: Tx, stamp: Stamp) -> None:
    ids = [f"00000000-0000-4000-8000-{number:012x}" for number in range(CELLS)]
    cells = [{"id": one, "name": f"Cell {place}", "sequence": place} for place, one in enumerate(ids)]
    jobs, parts, operations = [], [], []
    for number in range(OPERATIONS // CELLS):
        job, part = (f"{kind:08x}-0000-4000-8000-{number:012x}" for kind in (1, 2))
        jobs.append({"id": job, "job_number": f"J-{number}"})
        parts.append({"id": part, "job_id": job, "part_number": f"P-{number}", "quantity": 10, "material": "Steel"})
        operations += [
            {
                "id": f"00000003-0000-4000-8000-{number * CELLS + place:012x}",
                "part_id": part,
                "cell_id": one,
                "operation_name": f"Op {place}",
                "sequence": place + 1,
            }
            for place, one in enumerate(ids)
        ]
    bring_in(tx, stamp, planned({"cells": cells, "jobs": jobs, "parts": parts, "operations": operations}))
