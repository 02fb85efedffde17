"""People at eight stations who book over REST as fast as they can: jobs in bulk, then work, each press with its own time."""

import http.client
import json
import threading
from datetime import UTC, datetime

CELL, PERSON = "00000000-0000-4000-8000-0000000ce1{:02}", "00000000-0000-4000-8000-0000000be1{:02}"
STATIONS = 8
MADE_AT = "2026-11-01T00:00:00+00:00"  # the same here and in the cloud
BULK_SHARE, BULK = 0.6, 500  # of the entries; records in one request
STEPS, COUNTS = 3, 6  # operations of a job, reports on each
ANSWER_MAX_S = 60


def people() -> dict[str, list[dict]]:
    made = {"created_at": MADE_AT, "updated_at": MADE_AT}
    cells = [{"id": CELL.format(n), "name": f"Cell {n}", "sequence": n + 1, **made} for n in range(STATIONS)]
    profiles = [{"id": PERSON.format(n), "username": f"op{n}", "full_name": f"Operator {n}"} for n in range(STATIONS)]
    return {"cells": cells, "profiles": profiles}


class Station(threading.Thread):
    """`until`: where the journal shall stand; whoever sees it there stops."""

    def __init__(self, box, number: int, shift: str, until: int) -> None:
        super().__init__(daemon=True)
        self._box, self._number, self._shift, self._until = box, number, shift, until
        self._line = http.client.HTTPConnection("127.0.0.1", box.port, timeout=ANSWER_MAX_S)
        self.done = 0
        self.failed: str | None = None

    def run(self) -> None:
        try:
            place = 0
            while self._box.health()["journal_head"] < self._until:
                self._job(place)
                place += 1
        except Exception as exc:  # noqa: BLE001 -- told by who waits for the thread
            self.failed = repr(exc)
        finally:
            self._line.close()

    def _job(self, place: int) -> None:
        number = f"{self._shift}-{self._number}-{place:05}"
        steps = [
            {"operation_name": f"op {k}", "cell_id": CELL.format(self._number), "sequence": k + 1, "estimated_time": 5}
            for k in range(STEPS)
        ]
        part = {"part_number": f"P-{number}", "material": "S235", "quantity": 50, "operations": steps}
        made = self.ask("/api-jobs", {"job_number": f"J-{number}", "customer": "ACME", "parts": [part]})
        for one in made["job"]["parts"][0]["operations"]:
            self._press(one["id"], "start")
            for count in range(COUNTS):
                good = {"operation_id": one["id"], "quantity_produced": count + 1, "quantity_good": count + 1}
                self.ask("/api-operation-quantities", {**good, "recorded_by": PERSON.format(self._number)})
                if count == COUNTS // 2:
                    self._press(one["id"], "pause")
                    self._press(one["id"], "resume")
            self._press(one["id"], "complete")

    def _press(self, operation: str, action: str) -> None:
        at = datetime.now(UTC).isoformat()
        body = {"operator_id": PERSON.format(self._number), "occurred_at": at}
        self.ask(f"/api-operation-lifecycle/{action}?id={operation}", body)

    def ask(self, path: str, body: dict) -> dict:
        headers = {"Authorization": f"Bearer {self._box.key}", "Content-Type": "application/json"}
        self._line.request("POST", path, json.dumps(body).encode(), headers)
        answer = self._line.getresponse()
        told = json.loads(answer.read())
        if answer.status not in (200, 201):
            raise RuntimeError(f"{path} said {answer.status}: {str(told)[:300]}")
        self.done += 1
        return told["data"]


def book(box, shift: str, entries: int) -> int:
    """So many more entries in the journal, at least. How many requests it took."""
    began = box.health()["journal_head"]
    office = Station(box, 0, shift, 0)
    for first in range(0, int(entries * BULK_SHARE), BULK):
        count = min(BULK, int(entries * BULK_SHARE) - first)
        office.ask(
            "/api-jobs/bulk-sync",
            {
                "items": [
                    {
                        "job_number": f"B-{shift}-{first + n}",
                        "external_id": f"{shift}-{first + n}",
                        "external_source": "erp",
                        "customer": "ACME",
                    }
                    for n in range(count)
                ]
            },
        )
    stations = [Station(box, number, shift, began + entries) for number in range(STATIONS)]
    for station in stations:
        station.start()
    for station in stations:
        station.join()
    if failed := [station.failed for station in stations if station.failed]:
        raise SystemExit(f"booking failed: {failed[0]}")
    return office.done + sum(station.done for station in stations)
