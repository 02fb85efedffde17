"""What a station does besides pressing and counting: each kind of mutation, dealt like cards, so that all of them come up."""

import hashlib
import random
from datetime import UTC, datetime, timedelta

BOUNDARY = "drill-boundary"
PNG = b"\x89PNG\r\n\x1a\n"
PHOTO_BYTES = 3_000


class Chores:
    """`station` makes the requests. Only rows that it has made itself are changed: what is noted last stands."""

    def __init__(self, station, given: dict, rng: random.Random) -> None:
        self._station = station
        self._given = given
        self._rng = rng
        self._deck: list = []
        self._counted: list[str] = []  # quantities
        self._photos = 0
        self._made: dict[str, list[str]] = {"operations": [], "parts": [], "jobs": []}
        self._operation = ""  # the planned one at which the station stands

    async def some(self, operation: str, times: int) -> None:
        self._operation = operation
        if not self._made["jobs"]:
            await self._plan_job()
        for _ in range(times):
            if not self._deck:
                kinds = (self._scrap, self._recount, self._uncount, self._book, self._complain, self._stand_still)
                kinds += (self._steps, self._assign, self._plan_job, self._plan_more, self._replan, self._cancel)
                kinds += (self._cells, self._resources, self._reasons, self._job_moves, self._erp)
                kinds += (self._photo, self._templates, self._batch)
                self._deck = self._rng.sample(kinds, len(kinds))
            await self._deck.pop()()

    async def _row(self, kind: str, method: str, table: str, body: dict | None, row: str | None = None, **about) -> str:
        told = await self._station.row(kind, method, table, body, row, **about)
        return told.get("id", "")

    # ------------------------------------------------------------------ at the operation

    async def _scrap(self) -> None:
        split = [
            {"scrap_reason_id": reason, "quantity": self._rng.randint(1, 4)}
            for reason in self._rng.sample(self._given["reasons"], 2)
        ]
        scrap = sum(one["quantity"] for one in split)
        body = {"operation_id": self._operation, "recorded_by": self._station.operator, "quantity_good": 2}
        body |= {"quantity_scrap": scrap, "quantity_rework": 1, "quantity_produced": scrap + 3, "scrap_reasons": split}
        self._counted.append(await self._row("scrap", "POST", "operation_quantities", body, operation=self._operation))

    async def _recount(self) -> None:
        """Counted again: other numbers for other reasons."""
        if not self._counted:
            await self._scrap()
        split = [{"scrap_reason_id": self._rng.choice(self._given["reasons"]), "quantity": 5}]
        body = {"quantity_good": self._rng.randint(0, 20), "quantity_scrap": 5, "scrap_reasons": split}
        await self._row("recount", "PATCH", "operation_quantities", body, self._rng.choice(self._counted))

    async def _uncount(self) -> None:
        if not self._counted:
            await self._scrap()
        row = self._counted.pop(self._rng.randrange(len(self._counted)))
        await self._row("uncount", "DELETE", "operation_quantities", None, row)

    async def _book(self) -> None:
        """Time by hand, a note to it, and half of them taken back."""
        began = datetime.now(UTC) - timedelta(minutes=self._rng.randint(60, 600))
        body = {"operation_id": self._operation, "operator_id": self._station.operator, "time_type": "setup"}
        body |= {"start_time": began.isoformat(), "end_time": (began + timedelta(minutes=25)).isoformat()}
        row = await self._row("book", "POST", "time_entries", body)
        await self._row("rebook", "PATCH", "time_entries", {"notes": self._word(), "time_type": "rework"}, row)
        if self._rng.random() < 0.5:
            await self._row("unbook", "DELETE", "time_entries", None, row)

    async def _complain(self) -> None:
        body = {"operation_id": self._operation, "created_by": self._station.operator, "title": self._word()}
        body |= {"description": "a burr on the left", "severity": self._rng.choice(("low", "critical"))}
        if self._rng.random() < 0.5:
            body |= {"issue_type": "ncr", "ncr_category": "dimensional", "affected_quantity": 4}
        row = await self._row("complain", "POST", "issues", body)
        if self._rng.random() < 0.3:
            await self._row("withdraw", "DELETE", "issues", None, row)
        else:
            given = {"status": "closed", "root_cause": self._word(), "resolution_notes": "ground off"}
            await self._row("settle", "PATCH", "issues", given, row)

    async def _stand_still(self) -> None:
        """A machine works alone, an issue stops it, the issue is closed, the work is ended."""
        body = {"part_id": self._made["parts"][0], "cell_id": self._given["cell"], "operation_name": self._word()}
        operation = await self._row("plan", "POST", "operations", body)
        await self._station.change(operation, "start", timedelta(0), operator=False)
        body = {"operation_id": operation, "created_by": self._station.operator, "title": self._word()}
        body |= {"description": "no steel", "severity": "high", "causes_standstill": True}
        issue = await self._row("stand still", "POST", "issues", body)
        if self._rng.random() < 0.7:
            await self._row("settle", "PATCH", "issues", {"status": "closed", "resolution_notes": "steel came"}, issue)
            await self._station.change(operation, "complete", timedelta(0), operator=False)

    async def _steps(self) -> None:
        body = {"operation_id": self._operation, "name": self._word()}
        row = await self._row("step", "POST", "substeps", body)
        if self._rng.random() < 0.3:
            await self._row("no step", "DELETE", "substeps", None, row)
        else:
            await self._row(
                "tick", "PATCH", "substeps", {"status": "completed", "completed_by": self._station.operator}, row
            )

    async def _photo(self) -> None:
        """Of a part of its own: the bytes must arrive once, and whole."""
        picture = (PNG + self._word().encode() * PHOTO_BYTES)[:PHOTO_BYTES]
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="photo.png"\r\n'
        form = f"{head}Content-Type: image/png\r\n\r\n".encode() + picture + f"\r\n--{BOUNDARY}--\r\n".encode()
        path = f"/api-parts-images/{self._made['parts'][0]}/upload"
        about = {"part": self._made["parts"][0], "sha256": hashlib.sha256(picture).hexdigest()}
        form_type = f"multipart/form-data; boundary={BOUNDARY}"
        told = await self._station.call("photo", "POST", path, form, content_type=form_type, **about)
        self._photos += 1
        if self._photos % 2 == 0:
            path, gone = path.removesuffix("/upload"), {"path": told["data"]["path"]}
            await self._station.call("no photo", "DELETE", path, gone, **about)

    async def _batch(self) -> None:
        """Two operations on one sheet, which the machine cuts alone."""
        told = await self._station.row("plan", "POST", "jobs", self._tree())
        operations = [one["id"] for one in told["parts"][0]["operations"]]
        body = {"batch_number": self._word(), "batch_type": "laser_nesting", "production_mode": "automated"}
        body |= {"cell_id": self._given["cell"], "operation_ids": operations}
        row = await self._row("batch", "POST", "operation_batches", body)
        await self._row("batch", "PATCH", "operation_batches", {"notes": self._word(), "status": "ready"}, row)
        for action in ("start", "stop"):
            path = f"/api-batch-lifecycle/{action}?id={row}"
            await self._station.call(f"batch {action}", "POST", path, {}, operations=operations)

    # ------------------------------------------------------------------ the plan

    async def _plan_job(self) -> None:
        told = await self._station.row("plan", "POST", "jobs", self._tree())
        self._made["jobs"].append(told["id"])
        self._made["parts"].append(told["parts"][0]["id"])
        self._made["operations"] += [one["id"] for one in told["parts"][0]["operations"]]

    def _tree(self) -> dict:
        """A job with a part and two operations, as it is entered."""
        steps = [
            {"operation_name": self._word(), "sequence": place, "cell_id": self._given["cell"], "estimated_time": 5}
            for place in (1, 2)
        ]
        parts = [{"part_number": self._word(), "material": "Oak", "quantity": 3, "operations": steps}]
        return {"job_number": self._word(), "customer": "Ümlaut & Söhne", "priority": 2, "parts": parts}

    async def _plan_more(self) -> None:
        body = {"part_number": self._word(), "job_id": self._made["jobs"][-1], "material": "Steel", "quantity": 4}
        part = await self._row("plan", "POST", "parts", body)
        self._made["parts"].append(part)
        body = {"part_id": part, "cell_id": self._given["cell"], "operation_name": self._word(), "sequence": 1}
        self._made["operations"].append(await self._row("plan", "POST", "operations", body))

    async def _replan(self) -> None:
        given = {
            "jobs": {"notes": self._word(), "priority": self._rng.randint(0, 9)},
            "parts": {"material": self._word(), "metadata": {"a": [1, self._rng.randint(0, 9)]}},
            "operations": {"estimated_time": self._rng.randint(1, 99), "notes": self._word()},
        }
        for table, body in given.items():
            if self._made[table]:
                await self._row("replan", "PATCH", table, body, self._rng.choice(self._made[table]))

    async def _cancel(self) -> None:
        """The first job stays: the station stands on it."""
        if self._made["operations"]:
            row = self._made["operations"].pop()
            await self._row("cancel", "DELETE", "operations", None, row)
        told = await self._station.row("plan", "POST", "jobs", self._tree())
        if self._rng.random() < 0.5:
            await self._row("cancel", "DELETE", "parts", None, told["parts"][0]["id"])
        await self._row("cancel", "DELETE", "jobs", None, told["id"])

    async def _assign(self) -> None:
        body = {"part_id": self._made["parts"][0], "operator_id": self._station.operator}
        row = await self._row("assign", "POST", "assignments", body | {"assigned_by": self._station.operator})
        if self._rng.random() < 0.3:
            await self._row("unassign", "DELETE", "assignments", None, row)
        else:
            for status in ("accepted", "completed"):
                await self._row("take", "PATCH", "assignments", {"status": status}, row)

    async def _job_moves(self) -> None:
        job = await self._row("plan", "POST", "jobs", {"job_number": self._word(), "customer": "Drill"})
        for verb in ("start", "stop", "resume", "complete"):
            body = {"job_id": job, "action": verb}
            await self._station.call(f"job {verb}", "POST", "/api-job-lifecycle", body, table="jobs", row=job)

    async def _erp(self) -> None:
        """An order, and the same once more with another date: the same rows."""
        names = [self._word() for _ in range(3)]
        step = {"external_id": names[2], "operation_name": "Weld", "sequence": 1, "cell_name": self._given["cell_name"]}
        part = {"external_id": names[1], "part_number": names[1], "material": "Steel", "quantity": 7}
        part |= {"operations": [step]}
        body = {"external_id": names[0], "external_source": "drill", "job_number": names[0], "parts": [part]}
        for notes in ("first", "moved"):
            sent = {**body, "customer": "ERP", "notes": notes}
            about = {"table": "jobs", "external": dict(zip(("jobs", "parts", "operations"), names, strict=True))}
            await self._station.call("erp", "PUT", "/api-jobs/sync", sent, **about)

    # ------------------------------------------------------------------ the hall

    async def _cells(self) -> None:
        await self._house("cells", {"name": self._word()}, {"color": "#2266cc", "wip_limit": 3})

    async def _resources(self) -> None:
        body = {"name": self._word(), "type": "tooling"}
        await self._house("resources", body, {"location": "A3", "status": "in_use"})

    async def _reasons(self) -> None:
        body = {"code": self._word(), "description": "odd", "category": "other"}
        await self._house("scrap_reasons", body, {"description": "odd twice"})

    async def _templates(self) -> None:
        await self._house("substep_templates", {"name": self._word()}, {"description": self._word()})

    async def _house(self, table: str, body: dict, change: dict) -> None:
        row = await self._row("house", "POST", table, body)
        await self._row("house", "PATCH", table, change, row)
        if self._rng.random() < 0.4:
            await self._row("house", "DELETE", table, None, row)

    def _word(self) -> str:
        return f"w{self._rng.getrandbits(48):012x}"
