"""The life of the mirror: certificate, server, a first picture, and then whatever the journal says was touched.

A second truth it never becomes: it reads by the REST API, writes by it, and when it fails the next run begins anew.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog
from asyncua import Server

from gateway.plugin_api import Caller, Context, Event, Journal, Request, Scope, StartupError, Unavailable, first
from plugins.opcua_mirror import jobcontrol, server
from plugins.opcua_mirror.desk import Desk
from plugins.opcua_mirror.hall import Hall, Moved
from plugins.opcua_mirror.jobcontrol import JobControl
from plugins.opcua_mirror.methods import Methods
from plugins.opcua_mirror.model import Cell, Machine, cell_of, job_of, machine_of, moved, plan_quality
from plugins.opcua_mirror.pki import WARN_DAYS, Pki
from plugins.opcua_mirror.space import NAMESPACE, Space
from plugins.opcua_mirror.users import Users

if TYPE_CHECKING:
    from plugins.opcua_mirror import Settings

COALESCE_S = 0.25  # changes within that time are shown together
TICK_S = 10.0
LOOK_S = 1.0  # how often it is asked whether we are behind
BEHIND_S = 5.0
CELLS_AT_ONCE = 10  # in one reading: a large hall is read piece by piece
JOBS_MAX = 200
ENDED_S = 600  # for so long a completed operation stays in the list
MACHINES = "machine_states"  # a table of the journal

log = structlog.get_logger(__name__)


class Mirror:
    def __init__(self, context: "Context[Settings]") -> None:
        self._context = context
        self._config = context.config
        self._clock = context.clock
        self._pki = Pki(context.folder)
        self._users = Users(context.folder)
        self._caller = replace(context.caller, scope=Scope.READ)
        self._cells: set[str] = set()  # touched, and not shown yet
        self._jobs: set[str] = set()
        self._moved: list[Moved] = []
        self._cloud_confirms = False
        self._machines = False  # one of them has told something
        self._devices: dict[str, frozenset[str]] = {}  # cell -> the machines in it
        self._news = asyncio.Event()
        self._touched_s: float | None = None  # since when something waits
        self._problems: list[str] = []

    async def run(self) -> None:
        """Raises Unavailable when the port is taken or the data cannot be read: it is tried again."""
        journal = self._context.journal
        if journal is None:
            raise Unavailable("the hall is shown by a gateway that runs (`eryxon-gateway run`), not by this command")
        since = await journal.head()
        self._take()
        self._news.clear()
        self._touched_s = None
        async with self._serving() as hall:
            await first(self._listen(journal, since), self._follow(hall), self._tick(hall), self._watch(hall))

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[Hall]:
        """Listens only once everything is there to be seen."""
        logging.getLogger("asyncua").setLevel(logging.WARNING)  # it tells of every request
        try:
            own = await asyncio.to_thread(self._pki.own, self._clock.now())
        except StartupError as exc:
            raise Unavailable(exc.message) from exc
        config = self._config
        door = server.Door(self._pki, self._users, self._clock, insecure_readonly=config.insecure_readonly)
        made = await server.made(
            door,
            self._pki,
            own.uri,
            host=config.host,
            port=config.port,
            sign=config.sign,
            insecure_readonly=config.insecure_readonly,
            user_certificates=config.user_certificates,
            version=self._context.gateway_version,
        )
        hall, problem = await self._furnished(made)
        try:
            await made.start()
        except OSError as exc:
            raise Unavailable(f"{config.host}:{config.port} cannot be listened on: {exc}") from exc
        try:
            self._tell(hall, made, problem, own.ends - self._clock.now())
            yield hall
        finally:
            await made.stop()

    async def _furnished(self, made: Server) -> tuple[Hall, str | None]:
        """With everything as it is now; and why there is no Job Control."""
        problem = control = None
        try:
            file = jobcontrol.nodeset(self._config.nodeset_dir)
            index = await jobcontrol.imported(made, file)
            control = JobControl(made, index, self._config.locale)
        except (FileNotFoundError, ValueError) as exc:
            problem = f"Job Control: nodeset not found ({exc})"
        desk = Desk(self._context.api, self._clock, self._look)
        methods = Methods(desk, stop_means=self._config.stop_means, start_head=self._config.start_head)
        space = Space(made, await made.register_namespace(NAMESPACE))
        limits = {"list_max": self._config.job_list_max, "cells_max": self._config.max_cells_mirrored}
        hall = Hall(made, space, methods, control, **limits)
        await hall.prepare()
        found = (await self._read("/reports/cell_ids"))["cells"]
        for start in range(0, len(found), CELLS_AT_ONCE):
            ids = found[start : start + CELLS_AT_ONCE]
            await hall.show(await self._boards(ids, ()), ids, (), self._clock.now(), silent=True)
        await self._place_machines(hall, found)
        await self._show_jobs(hall, silent=True)
        await self._show_status(hall)
        return hall, problem

    def _tell(self, hall: Hall, made: Server, problem: str | None, left: timedelta) -> None:
        port = made.bserver.port if made.bserver else self._config.port
        self._context.link.facts |= {"url": f"opc.tcp://{self._config.host}:{port}", "updates": 0}
        self._problems = [problem] if problem else []
        if self._config.insecure_readonly:
            self._problems.append("insecure_readonly: anybody who reaches the port can read")
        if left < timedelta(days=WARN_DAYS):
            self._problems.append(f"the certificate ends in {left.days} days: eryxon-gateway opcua certs --renew")
        self._report(hall, 0)
        log.info("opcua.listening", port=port, cells=len(hall.cells), job_control=problem is None)

    def _report(self, hall: Hall, written: int) -> None:
        """In /healthz."""
        link = self._context.link
        updates = link.facts["updates"] + written
        link.facts |= {"cells": len(hall.cells), "skipped_cells": hall.skipped, "updates": updates}
        problems = [*self._problems]
        if hall.skipped:
            limit = self._config.max_cells_mirrored
            problems.append(f"{hall.skipped} cells are not mirrored: max_cells_mirrored is {limit}")
        if problems:
            link.degraded("; ".join(problems))
        else:
            link.up()

    # ------------------------------------------------------------------ what changes

    async def _listen(self, journal: Journal, since: int) -> None:
        async for events in journal.tail(since):
            self._touch(events)

    def _touch(self, events: Iterable[Event]) -> None:
        for event in events:
            kind, _, row_id = event.lane.partition(":")
            if kind == "job":
                self._jobs.add(row_id)
            for change in event.changes:
                if change["table"] == "cells":
                    self._cells.add(change["id"])
                self._machines |= change["table"] == MACHINES
            if (told := moved(event.type, event.data)) is not None:
                self._moved.append((*told, event.occurred_at))
        if self._cells or self._jobs or self._machines:
            self._touched_s = self._touched_s or self._clock.monotonic()
            self._news.set()

    async def _follow(self, hall: Hall) -> None:
        while True:
            await self._news.wait()
            await self._clock.sleep(COALESCE_S)
            self._news.clear()
            cells, jobs, told = self._take()
            began_s = self._clock.monotonic()
            await self._refresh(hall, cells, jobs, told)
            if cells:
                await self._place_machines(hall, cells)
            elif self._machines:
                await self._show_machines(hall)
            self._machines = False
            self._touched_s = began_s if self._news.is_set() else None

    def _take(self) -> tuple[set[str], set[str], list[Moved]]:
        taken = self._cells, self._jobs, self._moved
        self._cells, self._jobs, self._moved = set(), set(), []
        return taken

    async def _refresh(self, hall: Hall, cells: set[str], jobs: set[str], told: Sequence[Moved]) -> None:
        cells = cells.union(*(hall.cells_of_job(job_id) for job_id in jobs))
        written = 0
        ids, of_jobs = sorted(cells), sorted(jobs)
        for start in range(0, max(len(ids), len(of_jobs)), CELLS_AT_ONCE):
            part = ids[start : start + CELLS_AT_ONCE]
            found = await self._boards(part, of_jobs[start : start + CELLS_AT_ONCE])
            written += await hall.show(found, part, told, self._clock.now())
        if jobs:
            written += await self._show_jobs(hall)
        self._report(hall, written)

    async def _tick(self, hall: Hall) -> None:
        while True:
            await self._clock.sleep(TICK_S)
            await hall.tick(self._clock.now())
            await self._show_status(hall)
            looked_at = hall.outlived(self._clock.now() - timedelta(seconds=ENDED_S))
            if self._cloud_confirms:
                looked_at |= hall.unconfirmed()
            if looked_at:
                self._cells |= looked_at
                self._news.set()

    async def _watch(self, hall: Hall) -> None:
        while True:
            await self._clock.sleep(LOOK_S)
            await self._show_machines(hall)  # counters are not in the journal
            await hall.behind(self._clock.now(), behind=self._behind)
            self._context.link.facts |= hall.counts

    @property
    def _behind(self) -> bool:
        return self._touched_s is not None and self._clock.monotonic() - self._touched_s > BEHIND_S

    # ------------------------------------------------------------------ machines

    async def _place_machines(self, hall: Hall, cell_ids: Iterable[str]) -> None:
        """Which machines these cells have: what a caller sees who is held to the cell. Without machines nothing is asked."""
        if not await self._seen_machines(self._caller):
            return
        for cell_id in cell_ids:
            found = await self._seen_machines(replace(self._caller, cells=frozenset({cell_id})))
            self._devices[cell_id] = frozenset(one.device for one in found)
            await hall.show_machines(cell_id, found, self._clock.now())

    async def _show_machines(self, hall: Hall) -> None:
        if not any(self._devices.values()):
            return
        found = await self._seen_machines(self._caller)
        for cell_id, devices in self._devices.items():
            here = [one for one in found if one.device in devices]
            await hall.show_machines(cell_id, here, self._clock.now())

    async def _seen_machines(self, caller: Caller) -> list[Machine]:
        found = await self._read("/api-machines", caller=caller)
        return [machine_of(row) for row in found["machines"]]

    # ------------------------------------------------------------------ reading

    async def _look(self, cell_id: str) -> Cell | None:
        return next((cell for cell in await self._boards([cell_id], ()) if cell.id == cell_id), None)

    async def _boards(self, cell_ids: Sequence[str], jobs: Sequence[str]) -> list[Cell]:
        query = {"cell_ids": ",".join(cell_ids), "jobs": ",".join(jobs), "ended_s": str(ENDED_S)}
        found = await self._read("/reports/boards", {name: value for name, value in query.items() if value})
        await asyncio.sleep(0)  # ten cells are read at once: bookings go first
        return [cell_of(row) for row in found["cells"]]

    async def _show_jobs(self, hall: Hall, *, silent: bool = False) -> int:
        found = await self._read("/reports/open_jobs", {"limit": str(JOBS_MAX)})
        return await hall.show_jobs([job_of(row) for row in found["jobs"]], self._clock.now(), silent=silent)

    async def _show_status(self, hall: Hall) -> None:
        standing = await self._read("/reports/sync_status")
        version = self._context.gateway_version
        await hall.show_status(standing, version, self._clock.now(), behind=self._behind)
        await hall.plan_is(plan_quality(standing["links"], self._clock.now()), self._clock.now())
        self._cloud_confirms = standing["links"].get("cloud", {}).get("state") == "up"

    async def _read(
        self, path: str, query: Mapping[str, str] | None = None, caller: Caller | None = None
    ) -> dict[str, Any]:
        """Raises Unavailable."""
        outcome = await self._context.api.call(Request("GET", path, query or {}), caller or self._caller)
        answer = json.loads(outcome.body)
        if not outcome.good:
            raise Unavailable(f"{path}: {answer['error']['message']}")
        found: dict[str, Any] = answer["data"]
        return found
