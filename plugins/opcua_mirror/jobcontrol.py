"""ISA-95 Job Control V2 (OPC 10031-4): where its nodeset lies, and its structures made of our operations."""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from asyncua import Server, ua

from plugins.opcua_mirror.model import Operation, State
from plugins.opcua_mirror.space import instant

URI = "http://opcfoundation.org/UA/ISA95-JOBCONTROL_V2/"
FILE = "opc.ua.isa95-jobcontrol.nodeset2.xml"
SHA256 = "52327e736beb604c7253a5a5393d1ad525b9ecf35b71fbacb4f429cacb334064"
SHIPPED = Path(__file__).parent / "nodesets"
RECEIVER, PROVIDER, STATUS_EVENT = 1002, 1003, 1006  # numbers in the nodeset
LISTED = (
    "JobOrderList",
    "WorkMaster",
    "MaterialClassID",
    "MaterialDefinitionID",
    "EquipmentID",
    "PhysicalAssetID",
    "PersonnelID",
    "MaxDownloadableJobOrders",
)
METHODS = ("Start", "Pause", "Resume", "Stop")  # the others are not offered: orders come from the MES
ASKED = ("RequestJobResponseByJobOrderID", "RequestJobResponseByJobOrderState")
RESPONSES = "JobOrderResponseList"
CURRENT_STATE = ua.NodeId(ua.ObjectIds.FiniteStateMachineType_CurrentState)  # which a receiver has from its supertype
PRIORITY_MAX = 32_767
_HAS_COMPONENT = ua.NodeId(ua.ObjectIds.HasComponent)


def nodeset(folder: Path | None) -> Path:
    """Raises FileNotFoundError; ValueError when it is another one than the one that this was written for."""
    for place in (folder, SHIPPED):
        file = None if place is None else place / FILE
        if file is not None and file.is_file():
            found = hashlib.sha256(file.read_bytes()).hexdigest()
            if found != SHA256:
                raise ValueError(f"{file} has the SHA-256 {found[:16]}..., {SHA256[:16]}... is wanted")
            return file
    raise FileNotFoundError(f"no {FILE}: `make setup` fetches it, or name its folder with nodeset_dir")


async def imported(server: Server, file: Path) -> int:
    """The index of its namespace. Nobody uses the server yet; on a small box this takes longer than bookings should wait."""
    await asyncio.to_thread(asyncio.run, server.import_xml(str(file)))
    return int(await server.get_namespace_index(URI))


class JobControl:
    """`index` is that of its namespace in this server. A member that may be missing and is has to be None, not left out."""

    def __init__(self, server: Server, index: int, locale: str) -> None:
        self.index = index
        self._aspace = server.iserver.aspace
        self._locale = locale

    def id(self, number: int) -> ua.NodeId:
        return ua.NodeId(number, self.index)

    def members(self, number: int) -> Mapping[str, ua.NodeId]:
        """What a type has, by name."""
        references = self._aspace[self.id(number)].references
        return {one.BrowseName.Name: one.NodeId for one in references if one.IsForward}

    def text(self, text: str) -> Any:
        return ua.LocalizedText(text, self._locale)

    def state(self, state: State) -> list[Any]:
        """The top level first; it alone has no path."""
        named = [(state.number, state.name, ua.RelativePath([]))]
        if state.sub is not None:
            number, name = state.sub
            named.append((number, name, self._path(name)))
        return [
            ua.ISA95StateDataType(BrowsePath=path, StateText=self.text(name), StateNumber=number)
            for number, name, path in named
        ]

    def listed(self, operations: Iterable[Operation]) -> ua.Variant:
        return _array(
            ua.ISA95JobOrderAndStateDataType(JobOrder=self.order(one), State=self.state(one.state))
            for one in operations
        )

    def order(self, one: Operation) -> Any:
        return ua.ISA95JobOrderDataType(
            JobOrderID=one.id,
            Description=[self.text(one.title)],
            WorkMasterID=None,
            StartTime=instant(one.planned_start) if one.planned_start else None,
            EndTime=instant(one.due_date) if one.due_date else None,
            Priority=None if one.priority is None else max(-PRIORITY_MAX, min(one.priority, PRIORITY_MAX)),
            JobOrderParameters=_parameters(
                {
                    "JobNumber": one.job_number,
                    "JobId": one.job_id,
                    "PartNumber": one.part_number,
                    "PartId": one.part_id,
                    "OperationName": one.operation_name,
                    "Sequence": one.sequence,
                    "Quantity": one.quantity,
                    "Material": one.material or "",
                    "EstimatedMinutes": one.estimated_time,
                    "Program": one.program or "",
                }
            ),
            PersonnelRequirements=None,
            EquipmentRequirements=None,
            PhysicalAssetRequirements=None,
            MaterialRequirements=self._material(one),
        )

    def responses(self, operations: Iterable[Operation]) -> ua.Variant:
        """Of those that somebody has begun."""
        return _array(self.response(one) for one in operations if one.begun)

    def response(self, one: Operation, state: State | None = None) -> Any:
        return ua.ISA95JobResponseDataType(
            JobResponseID=one.id,
            Description=self.text(one.title),
            JobOrderID=one.id,
            StartTime=instant(one.started_at) if one.started_at else None,
            EndTime=instant(one.completed_at) if one.completed_at else None,
            JobState=self.state(state or one.state),
            JobResponseData=_parameters(
                {
                    "Good": one.good,
                    "Scrap": one.scrap,
                    "Rework": one.rework,
                    "ActualSeconds": one.actual_time_s,
                    "PercentComplete": one.completion_percentage or 0,
                }
            ),
            PersonnelActuals=None,
            EquipmentActuals=None,
            PhysicalAssetActuals=None,
            MaterialActuals=None,
        )

    def no_response(self) -> Any:
        """For an order that there is nothing to say about."""
        return ua.ISA95JobResponseDataType(JobResponseID="", Description=None, JobOrderID="", JobState=[])

    def current(self, state: State | None) -> Mapping[str, ua.Variant]:
        """Of a receiver: the state of the active order; there is none without one."""
        if state is None:
            return {"CurrentState": ua.Variant(), "CurrentState/Id": ua.Variant()}
        node = self.members(RECEIVER)[state.name]
        text = ua.Variant(self.text(state.name), ua.VariantType.LocalizedText)
        return {"CurrentState": text, "CurrentState/Id": ua.Variant(node, ua.VariantType.NodeId)}

    def fixed(self, slug: str) -> Mapping[str, ua.Variant]:
        """What never changes in a receiver: it takes no orders."""
        nothing = ua.Variant([], ua.VariantType.String, is_array=True)
        empty = ("MaterialClassID", "MaterialDefinitionID", "PhysicalAssetID", "PersonnelID")
        return {
            **dict.fromkeys(empty, nothing),
            "EquipmentID": ua.Variant([slug], ua.VariantType.String),
            "WorkMaster": _array(()),
            "MaxDownloadableJobOrders": ua.Variant(0, ua.VariantType.UInt16),
        }

    def _path(self, name: str) -> Any:
        element = ua.RelativePathElement(_HAS_COMPONENT, False, False, ua.QualifiedName(name, self.index))
        return ua.RelativePath([element])

    def _material(self, one: Operation) -> list[Any] | None:
        if not one.material:
            return None
        members = dict.fromkeys(("MaterialClassID", "MaterialLotID", "MaterialSublotID", "MaterialUse"))
        return [
            ua.ISA95MaterialDataType(
                **members,
                MaterialDefinitionID=one.material,
                Description=None,
                Quantity=str(one.quantity),
                EngineeringUnits=None,
                Properties=None,
            )
        ]


def order_key(one: Operation) -> tuple[Any, ...]:
    """The list of orders is made anew when one of these changes, not for every piece."""
    planned = (one.planned_start, one.due_date, one.priority, one.sequence, one.quantity, one.estimated_time)
    return (one.id, one.state, one.title, one.material, one.program, *planned)


def response_key(one: Operation) -> tuple[Any, ...]:
    counted = (one.good, one.scrap, one.rework, one.actual_time_s, one.completion_percentage)
    return (one.id, one.state, one.title, one.started_at, one.completed_at, *counted)


def _array(items: Iterable[Any]) -> ua.Variant:
    return ua.Variant([*items], ua.VariantType.ExtensionObject, is_array=True)


def _parameters(values: Mapping[str, str | int]) -> list[Any]:
    return [
        ua.ISA95ParameterDataType(
            ID=name,
            Value=ua.Variant(value, ua.VariantType.Int32 if isinstance(value, int) else ua.VariantType.String),
            Description=None,
            EngineeringUnits=None,
            Subparameters=None,
        )
        for name, value in values.items()
    ]
