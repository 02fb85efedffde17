"""Everything that is mirrored, and how it is brought up to date: compared with what was shown last, and what differs is written."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from asyncua import Server, ua

from plugins.opcua_mirror import jobcontrol, nodes
from plugins.opcua_mirror.arguments import Argument
from plugins.opcua_mirror.events import Events
from plugins.opcua_mirror.jobcontrol import (
    ASKED,
    CURRENT_STATE,
    LISTED,
    METHODS,
    PROVIDER,
    RECEIVER,
    RESPONSES,
    JobControl,
)
from plugins.opcua_mirror.methods import ACTION, ACTIONS, OUTCOME, REPORT, Methods
from plugins.opcua_mirror.model import ABORTED, CLOSED, ENDED, Cell, Job, Machine, Operation, State, steps
from plugins.opcua_mirror.nodes import Kind, Node, Value
from plugins.opcua_mirror.space import Space, instant

_OVER = (ENDED, CLOSED, ABORTED)

Moved = tuple[str, State, str]  # operation, its state since, when (ISO text)


class Hall:
    """`control` None: without the nodeset, so without Job Control. `list_max` orders stand in a cell's list, the first ones."""

    def __init__(
        self,
        server: Server,
        space: Space,
        methods: Methods,
        control: JobControl | None,
        *,
        list_max: int,
        cells_max: int,
    ) -> None:
        self._server = server
        self._space = space
        self._methods = methods
        self._control = control
        self._list_max = list_max
        self._cells_max = cells_max
        self.cells: dict[str, Cell] = {}
        self._jobs: dict[str, Job] = {}
        self._states: dict[str, State] = {}  # operation -> the state that was told last
        self._lists: dict[str, tuple[Any, ...]] = {}  # node -> what its list was made of
        self._events = Events(server, control)
        self._without_room: set[str] = set()
        self._plan = "good"  # the quality of what the cloud has planned

    @property
    def skipped(self) -> int:
        """Cells that there was no room for."""
        return len(self._without_room)

    @property
    def counts(self) -> Mapping[str, int]:
        """Sessions and subscriptions of clients, nodes of the server."""
        found: Mapping[str, int] = self._server.iserver.counts
        return found

    async def prepare(self) -> None:
        self._space.add_types()
        self._space.add(nodes.frame())
        await self._events.prepare()
        if self._control is not None:
            members = {**self._control.members(RECEIVER), **self._control.members(PROVIDER)}
            for name in (*METHODS, *ASKED):
                self._server.iserver.aspace[members[name]].call = self._call(name)

    def cells_of_job(self, job_id: str) -> Iterable[str]:
        """Those in which it had operations when they were shown last."""
        return [cell.id for cell in self.cells.values() if any(one.job_id == job_id for one in cell.operations)]

    # ------------------------------------------------------------------ bringing up to date

    async def show(
        self,
        found: Iterable[Cell],
        asked: Iterable[str],
        moved: Sequence[Moved],
        now: datetime,
        *,
        silent: bool = False,
    ) -> int:
        """`found`: of the cells `asked` about those that are there, and perhaps others. Tells how much was written."""
        written, added, gone = 0, [], []
        here = {cell.id: cell for cell in found}
        self._without_room -= {*asked}
        for cell_id in [one for one in asked if one not in here and one in self.cells]:
            gone.append(self._space.node_id(nodes.cell(cell_id)))
            await self._remove(cell_id)
        before = dict(self._states)
        known = {
            one.id: (self.cells[cell_id], one)
            for cell_id in here
            if cell_id in self.cells
            for one in self.cells[cell_id].operations
        }
        for cell in here.values():
            await asyncio.sleep(0)  # a large hall is shown cell by cell: bookings go first
            if cell.id not in self.cells:
                if len(self.cells) >= self._cells_max:
                    self._without_room.add(cell.id)
                    continue
                self._add(cell)
                added.append(self._space.node_id(nodes.cell(cell.id)))
            elif self.cells[cell.id].name != cell.name:
                await self._space.rename(nodes.cell(cell.id), cell.name)
            self.cells[cell.id] = cell
            written += await self._space.show(nodes.values_of_cell(cell, now, self._plan), now)
            if self._control is not None:
                written += await self._show_orders(self._control, cell, now)
        await self._tell(before, known, [*here.values()], moved, now, silent=silent)
        if (added or gone) and not silent:
            await self._events.nodes_changed(added, gone, now)
        return written

    async def show_jobs(self, found: Iterable[Job], now: datetime, *, silent: bool = False) -> int:
        """`found`: all that are shown."""
        here = {job.id: job for job in found}
        gone = [job_id for job_id in self._jobs if job_id not in here]
        ids = [self._space.node_id(nodes.job(job_id)) for job_id in gone]
        for job_id in gone:
            await self._space.remove(nodes.job(job_id))
        added = [job for job_id, job in here.items() if job_id not in self._jobs]
        for job in added:
            self._space.add(nodes.of_job(job))
        written = 0
        for job in here.values():
            if self._jobs.get(job.id) != job:
                written += await self._space.show(nodes.values_of_job(job, self._plan), now)
        self._jobs = here
        if (added or gone) and not silent:
            await self._events.nodes_changed([self._space.node_id(nodes.job(job.id)) for job in added], ids, now)
        return written

    async def plan_is(self, quality: str, now: datetime) -> int:
        """What it was is written again with its new quality."""
        if quality == self._plan:
            return 0
        self._plan, written = quality, 0
        for cell_id in [*self.cells]:
            if cell_id in self.cells:  # others run meanwhile
                written += await self._space.show(nodes.values_of_cell(self.cells[cell_id], now, quality), now)
            await asyncio.sleep(0)
        for job_id in [*self._jobs]:
            if job_id in self._jobs:
                written += await self._space.show(nodes.values_of_job(self._jobs[job_id], quality), now)
        return written

    async def show_machines(self, cell_id: str, found: Iterable[Machine], now: datetime) -> int:
        """`found`: all of the cell."""
        if cell_id not in self.cells:
            return 0
        here = {f"{nodes.machines(cell_id)}/{one.device}": one for one in found}
        for node in self._space.below(nodes.machines(cell_id)):
            if node not in here:
                await self._space.remove(node)
        written = 0
        for one in here.values():
            self._space.add(node for node in nodes.of_machine(cell_id, one) if node.id not in self._space)
            written += await self._space.show(nodes.values_of_machine(cell_id, one), now)
        return written

    async def tick(self, now: datetime) -> int:
        """How long the active operations have been running."""
        running = (cell for cell in self.cells.values() if cell.active is not None)
        return await self._space.show({nodes.elapsed(cell.id): nodes.elapsed_of(cell, now) for cell in running}, now)

    def outlived(self, ended_before: datetime) -> set[str]:
        """Cells that still show an operation which was completed before then."""
        return {
            cell.id
            for cell in self.cells.values()
            for one in cell.operations
            if one.completed_at is not None and not one.open and instant(one.completed_at) < ended_before
        }

    def unconfirmed(self) -> set[str]:
        """Cells that show an operation which has ended, and of which the cloud may hear any time."""
        return {cell.id for cell in self.cells.values() if any(one.state is ENDED for one in cell.operations)}

    async def show_status(self, standing: Mapping[str, Any], version: str, now: datetime, *, behind: bool) -> int:
        return await self._space.show(nodes.values_of_status(standing, version, behind=behind), now)

    async def behind(self, now: datetime, *, behind: bool) -> None:
        await self._space.show({f"{nodes.STATUS}/JournalBehind": Value(Kind.BOOLEAN, behind)}, now)

    # ------------------------------------------------------------------ cells

    def _add(self, cell: Cell) -> None:
        self._space.add(nodes.of_cell(cell))
        root = nodes.cell(cell.id)
        actions = f"{root}/{nodes.ACTIONS}"
        self._methods.cells[self._space.node_id(actions)] = cell.id
        for name in ACTIONS:
            self._method(actions, name, ACTION, self._methods.action(name))
        self._method(actions, "ReportQuantity", REPORT, self._methods.report())
        if self._control is not None:
            receiver = self._instance(root, nodes.CONTROL, self._control.id(RECEIVER))
            for name, source in self._control.members(RECEIVER).items():
                if name in LISTED or name in METHODS:
                    self._space.copy(source, f"{receiver}/{name}", receiver, call=self._call(name))
            self._space.copy(CURRENT_STATE, f"{receiver}/CurrentState", receiver)
            provider = self._instance(root, nodes.RESULTS, self._control.id(PROVIDER), notifies=True)
            for name, source in self._control.members(PROVIDER).items():
                if name == RESPONSES or name in ASKED:
                    self._space.copy(source, f"{provider}/{name}", provider, call=self._call(name))
            for node in (receiver, provider):
                self._methods.cells[self._space.node_id(node)] = cell.id

    async def _remove(self, cell_id: str) -> None:
        root = nodes.cell(cell_id)
        for node in (nodes.ACTIONS, nodes.CONTROL, nodes.RESULTS):
            if f"{root}/{node}" in self._space:
                self._methods.cells.pop(self._space.node_id(f"{root}/{node}"), None)
        await self._space.remove(root)
        for name in [one for one in self._lists if one.startswith(f"{root}/")]:
            del self._lists[name]
        for operation in self.cells.pop(cell_id).operations:
            self._states.pop(operation.id, None)

    def _instance(self, root: str, name: str, type_: ua.NodeId, *, notifies: bool = False) -> str:
        self._space.add([Node(f"{root}/{name}", root, name, notifies=notifies)], type_)
        return f"{root}/{name}"

    def _method(self, parent: str, name: str, inputs: Sequence[Argument], call: Any) -> None:
        described = [one.described for one in inputs], [one.described for one in OUTCOME]
        self._space.method(f"{parent}/{name}", parent, name, *described, call)

    def _call(self, name: str) -> Any:
        """What answers a method of Job Control; None for a variable."""
        control = self._control
        if name in METHODS:
            return self._methods.job_order(name)
        if control is None or name not in ASKED:
            return None
        if name == ASKED[0]:
            return self._methods.response_of(control.response, control.no_response)
        return self._methods.responses_in(control.responses)

    # ------------------------------------------------------------------ job orders

    async def _show_orders(self, control: JobControl, cell: Cell, now: datetime) -> int:
        receiver, provider = (f"{nodes.cell(cell.id)}/{name}" for name in (nodes.CONTROL, nodes.RESULTS))
        written = 0
        shown = cell.operations[: self._list_max]
        node = f"{receiver}/JobOrderList"
        if self._differs(node, tuple(jobcontrol.order_key(one) for one in shown)):
            await self._space.write(node, control.listed(shown), now, now)
            written += 1
        node = f"{provider}/{RESPONSES}"
        if self._differs(node, tuple(jobcontrol.response_key(one) for one in shown if one.begun)):
            await self._space.write(node, control.responses(shown), now, now)
            written += 1
        state = None if cell.active is None else cell.active.state
        if self._differs(f"{receiver}/CurrentState", (state,)):
            for name, variant in control.current(state).items():
                await self._space.write(f"{receiver}/{name}", variant, now, now)
        if self._differs(receiver, (cell.slug,)):
            for name, variant in control.fixed(cell.slug).items():
                await self._space.write(f"{receiver}/{name}", variant, now, now)
        return written

    def _differs(self, node: str, made_of: tuple[Any, ...]) -> bool:
        differs = self._lists.get(node) != made_of
        self._lists[node] = made_of
        return differs

    async def _tell(
        self,
        before: Mapping[str, State],
        known: Mapping[str, tuple[Cell, Operation]],
        here: Sequence[Cell],
        moved: Sequence[Moved],
        now: datetime,
        *,
        silent: bool,
    ) -> None:
        """One event for each change of state: those that the journal tells, in their order, then what follows from them."""
        current = {one.id: (cell, one) for cell in here if cell.id in self.cells for one in cell.operations}
        states = {operation_id: one.state for operation_id, (_, one) in current.items()}
        lost = {one: ABORTED for one in known if one not in current and before.get(one) not in (None, *_OVER)}
        at = {(operation_id, state): when for operation_id, state, when in moved}
        told = [(one, state) for one, state, _ in moved if one in current or one in known]
        for operation_id, state in steps(before, told, {**states, **lost}):
            self._states[operation_id] = state
            if silent or (before.get(operation_id) is None and state in _OVER):
                continue
            cell, operation = current.get(operation_id) or known[operation_id]
            provider = self._space.get(f"{nodes.cell(cell.id)}/{nodes.RESULTS}")
            if provider is not None:
                when = at.get((operation_id, state))
                await self._events.moved(cell.name, provider, operation, state, instant(when) if when else now, now)
        for operation_id in known.keys() - current.keys():
            self._states.pop(operation_id, None)
