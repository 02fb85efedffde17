"""Tells subscribers that the state of a job order has changed, at the cell's JobOrderResults and at the Server object.

asyncua (2.1.0) does not pass an event upwards, so it is fired at both, with one EventId. Structures among its fields are sent as
null unless their type is said. It is fired as the abstract type itself: that is what filters of clients ask for.
"""

import uuid
from datetime import datetime
from typing import Any

from asyncua import Server, ua
from asyncua.common.events import get_event_obj_from_type_node

from plugins.opcua_mirror.jobcontrol import STATUS_EVENT, JobControl
from plugins.opcua_mirror.model import ABORTED, HELD, Operation, State

NORMAL, HIGH, URGENT = 100, 500, 700  # severities
_SEVERITY = {HELD: HIGH, ABORTED: URGENT}
_SERVER = ua.NodeId(ua.ObjectIds.Server)


class Events:
    def __init__(self, server: Server, control: JobControl | None) -> None:
        self._server = server
        self._control = control
        self._event: Any = None
        self._changed: Any = None

    async def prepare(self) -> None:
        changed = self._server.get_node(ua.NodeId(ua.ObjectIds.GeneralModelChangeEventType))
        self._changed = await get_event_obj_from_type_node(changed)
        if self._control is not None:
            kind = self._server.get_node(self._control.id(STATUS_EVENT))
            self._event = await get_event_obj_from_type_node(kind)
            for name in ("JobOrder", "JobState", "JobResponse"):
                self._event.data_types[name] = ua.VariantType.ExtensionObject

    async def moved(
        self, cell_name: str, provider: ua.NodeId, operation: Operation, state: State, at: datetime, now: datetime
    ) -> None:
        """`provider`: the cell's JobOrderResults."""
        if self._control is None:
            return
        event = self._event
        event.JobOrder = self._control.order(operation)
        event.JobState = self._control.state(state)
        event.JobResponse = self._control.response(operation, state)
        event.SourceNode, event.SourceName = provider, cell_name
        event.Severity = _SEVERITY.get(state, NORMAL)
        title = f"{operation.job_number} {operation.part_number} {operation.operation_name}"
        event.Message = self._control.text(f"{title}: {state.name}")
        await self._fire(event, at, now, provider, _SERVER)

    async def nodes_changed(self, added: list[ua.NodeId], gone: list[ua.NodeId], now: datetime) -> None:
        """Cells or jobs came or went: one for the whole batch."""
        verbs = (
            (ua.ModelChangeStructureVerbMask.NodeAdded, added),
            (ua.ModelChangeStructureVerbMask.NodeDeleted, gone),
        )
        self._changed.Changes = [
            ua.ModelChangeStructureDataType(Affected=node, AffectedType=ua.NodeId(), Verb=verb.value)
            for verb, nodes in verbs
            for node in nodes
        ]
        self._changed.data_types["Changes"] = ua.VariantType.ExtensionObject
        self._changed.SourceNode, self._changed.SourceName = _SERVER, "Server"
        self._changed.Severity = NORMAL
        self._changed.Message = ua.LocalizedText("cells or jobs have come or gone")
        await self._fire(self._changed, now, now, _SERVER)

    async def _fire(self, event: Any, at: datetime, now: datetime, *emitters: ua.NodeId) -> None:
        event.EventId = uuid.uuid4().bytes
        event.Time, event.ReceiveTime = at, now
        for emitter in emitters:
            event.emitting_node = emitter
            await self._server.iserver.subscription_service.trigger_event(event)
