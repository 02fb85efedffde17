"""What the office has planned before the drill begins: rows of the cloud, all of them known by name."""

import uuid

STAMP = "2026-11-02T06:00:00+00:00"
_STAMPS = {"created_at": STAMP, "updated_at": STAMP}
REASONS = ("burr", "pore", "bent")
CONTESTED = 4  # operations of each station at which the office works as well
PLANNED_MORE = CONTESTED + 1  # and one that the office will delete


def fixed(*names: object) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "/".join(map(str, names))))


def plan(stations: int, operations_each: int, share: int) -> dict[str, list[dict]]:
    """One cell and one operator a station, one part an operation; `share` stations work on the same job."""
    rows: dict[str, list[dict]] = {
        name: [] for name in ("cells", "profiles", "jobs", "parts", "operations", "scrap_reasons")
    }
    rows["scrap_reasons"] = [
        {"id": fixed("reason", one), "code": one.upper(), "description": one, "category": "process", "active": True}
        | _STAMPS
        for one in REASONS
    ]
    for station in range(stations):
        cell, person = fixed("cell", station), fixed("person", station)
        rows["cells"].append(
            {"id": cell, "name": f"Cell {station}", "sequence": station + 1, "active": True, **_STAMPS}
        )
        rows["profiles"].append(
            {"id": person, "username": f"op{station}", "full_name": f"Operator {station}"}
            | {"email": f"op{station}@example.com", "role": "operator", "active": True, **_STAMPS}
        )
        if station % share == 0:
            rows["jobs"].append(_job(fixed("job", station // share), f"D-{station // share:03}"))
        for number in range(operations_each):
            _planned(rows, station, f"{number:02}", fixed("job", station // share), fixed("operation", station, number))
        rows["jobs"].append(_job(contested_job(station), f"K-{station:03}"))
        for number, operation in enumerate(contested(station)):
            _planned(rows, station, f"K{number}", contested_job(station), operation)
        _planned(rows, station, "X", contested_job(station), doomed(station))
    return rows


def contested_job(station: int) -> str:
    return fixed("contested job", station)


def contested(station: int) -> list[str]:
    """Operations on which the station and the office work without knowing of each other."""
    return [fixed("contested", station, number) for number in range(CONTESTED)]


def doomed(station: int) -> str:
    """The operation that the office deletes, with its part; no station works on it."""
    return fixed("doomed", station)


def part_of(operation: str) -> str:
    return fixed("part of", operation)


def exact(stations: int, operations_each: int) -> list[str]:
    """Operations on which nobody but the station works: everything about them is known to the second."""
    return [fixed("operation", station, number) for station in range(stations) for number in range(operations_each)]


def _job(job: str, number: str) -> dict:
    return {"id": job, "job_number": number, "customer": "Drill", "status": "not_started", **_STAMPS}


def _planned(rows: dict[str, list[dict]], station: int, number: str, job: str, operation: str) -> None:
    part = part_of(operation)
    rows["parts"].append(
        {"id": part, "job_id": job, "part_number": f"D-{station:03}-{number}", "material": "Steel", "quantity": 50}
        | {"status": "not_started", **_STAMPS}
    )
    rows["operations"].append(
        {"id": operation, "part_id": part, "cell_id": fixed("cell", station), "operation_name": "Cut", "sequence": 1}
        | {"estimated_time": 10, "actual_time": 0, "status": "not_started", **_STAMPS}
    )
