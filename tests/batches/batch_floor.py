"""A batch on the furnished hall, in few words."""

import itertools

from hall import Floor

PATH = "/api-batches"
LIFECYCLE = "/api-batch-lifecycle"
_numbers = itertools.count(1)


async def operations(floor: Floor, *minutes: int, cell: str = Floor.LASER) -> list[str]:
    """Ids of new operations, each of a part of its own, with these estimated times."""
    number = f"J-{next(_numbers)}"
    parts = [
        {
            "part_number": f"{number}-P{place}",
            "operations": [{"operation_name": f"Cut {place}", "cell_id": cell, "estimated_time": one}],
        }
        for place, one in enumerate(minutes, 1)
    ]
    job = (await floor.make("/api-jobs", {"job_number": number, "customer": "Acme", "parts": parts}))["job"]
    return [part["operations"][0]["id"] for part in job["parts"]]


async def batch(floor: Floor, ids: list[str], **more):
    given = {"batch_number": f"B-{next(_numbers)}", "cell_id": floor.LASER, "operation_ids": ids, **more}
    return (await floor.make(PATH, given))["batch"]


async def act(floor: Floor, action: str, batch_id: str, key: str | None = None, **body):
    return await floor.send("POST", f"{LIFECYCLE}/{action}?id={batch_id}", body, key=key)


async def acted(floor: Floor, action: str, batch_id: str, **body):
    reply = await act(floor, action, batch_id, **body)
    assert reply.status == 200, reply.body
    return reply.data


async def row(floor: Floor, batch_id: str):
    return (await floor.get(f"{PATH}?id={batch_id}"))["batch"]


AUTOMATED = {"batch_type": "laser_nesting", "production_mode": "automated"}


async def open_entries(floor) -> int:
    return (await floor.query("SELECT count(*) FROM time_entries WHERE end_time IS NULL"))[0][0]


async def hold(floor, operation_id: str) -> None:
    """An open standstill issue holds it."""
    given = {"operation_id": operation_id, "description": "wrong steel", "causes_standstill": True}
    await floor.make("/api-issues", given)
    assert (await floor.operation(operation_id))["status"] == "on_hold"


async def ran(floor, ids: list[str], seconds: float, **more) -> str:
    """A batch that Anna has run for so long."""
    made = await batch(floor, ids, **more)
    await acted(floor, "start", made["id"], operator_id=floor.ANNA)
    await floor.clock.advance(seconds)
    return made["id"]


async def booked(floor, ids: list[str]) -> list[int]:
    """The minutes of each operation's last entry."""
    return [(await floor.entries(one))[-1]["duration"] for one in ids]
