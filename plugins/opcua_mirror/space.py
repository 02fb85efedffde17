"""Nodes of the pure address space, in asyncua's: added, written where something has changed, taken away again.

asyncua (2.1.0) drops the status of a refused write, refuses a null where a date stood, and to delete a node looks through every
reference of the server and does not await those who have subscribed to it. So this works on its address space itself.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from asyncua import Server, ua
from asyncua.server.address_space import NodeData

from plugins.opcua_mirror.nodes import Kind, Node, Value, Values

NAMESPACE = "http://eryxon.dev/UA/gateway/"
TYPES = ("CellType", "OperationType", "JobType", "MachineType")
_STATUS = {
    "good": ua.StatusCodes.Good,
    "uncertain": ua.StatusCodes.UncertainLastUsableValue,
    "bad": ua.StatusCodes.BadNoCommunication,
}
_VARIANTS = {kind: ua.VariantType[kind.value[0]] for kind in Kind}
_READ = {ua.AccessLevel.CurrentRead}
_SAME = set(ua.AttributeIds) - {
    *(ua.AttributeIds.NodeId, ua.AttributeIds.Value, ua.AttributeIds.BrowseName, ua.AttributeIds.DisplayName),
    ua.AttributeIds.EventNotifier,
}
_FOLDER, _OBJECTS = ua.NodeId(ua.ObjectIds.FolderType), ua.NodeId(ua.ObjectIds.ObjectsFolder)
_HAS, _PROPERTY = ua.NodeId(ua.ObjectIds.HasComponent), ua.NodeId(ua.ObjectIds.HasProperty)
_ORGANIZES, _HAS_TYPE = ua.NodeId(ua.ObjectIds.Organizes), ua.NodeId(ua.ObjectIds.HasTypeDefinition)


class Space:
    """`index` is that of our namespace. All it does is done before it lets anybody else run, but telling subscribers."""

    def __init__(self, server: Server, index: int) -> None:
        self._server = server
        self._aspace = server.iserver.aspace
        self.index = index
        self._ids: dict[str, ua.NodeId] = {}  # of every node of ours
        self._below: dict[str, list[str]] = {}
        self._shown: dict[str, Any] = {}  # what stands there: written is what differs
        self._types: dict[str, ua.NodeId] = {}
        self._same: dict[tuple[Any, str], Any] = {}  # attributes that nobody changes: thousands of nodes share them

    def node_id(self, node: str) -> ua.NodeId:
        return self._ids[node]

    def below(self, node: str) -> list[str]:
        return [*self._below.get(node, ())]

    def get(self, node: str) -> ua.NodeId | None:
        return self._ids.get(node)

    def __contains__(self, node: str) -> bool:
        return node in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def add_types(self) -> None:
        """Those of objects; plain, so that a browser shows what something is."""
        for name in TYPES:
            attributes = ua.ObjectTypeAttributes(DisplayName=ua.LocalizedText(name), IsAbstract=False)
            item = self._item(f"type/{name}", ua.NodeId(ua.ObjectIds.BaseObjectType), name, attributes)
            item.NodeClass, item.ReferenceTypeId = ua.NodeClass.ObjectType, ua.NodeId(ua.ObjectIds.HasSubtype)
            self._types[name] = self._added(item)

    def add(self, nodes: Iterable[Node], type_: ua.NodeId | None = None) -> None:
        """`type_`: of the objects among them that name none of ours."""
        for node in nodes:
            parent = _OBJECTS if node.parent is None else self._ids[node.parent]
            if node.kind is None:
                its = self._types.get(node.type or "", type_)
                made = self._object(node.id, parent, node.name, its, notifies=node.notifies)
            else:
                made = self._variable(node.id, parent, node.name, node.kind)
            self._keep(node.id, node.parent, made)

    def _object(
        self, node: str, parent: ua.NodeId, name: str, type_: ua.NodeId | None, *, notifies: bool = False
    ) -> ua.NodeId:
        attributes = ua.ObjectAttributes(DisplayName=ua.LocalizedText(name), EventNotifier=int(notifies))
        item = self._item(node, parent, name, attributes)
        item.NodeClass = ua.NodeClass.Object
        item.TypeDefinition = type_ or _FOLDER
        item.ReferenceTypeId = _ORGANIZES if type_ is None else _HAS
        return self._added(item)

    def copy(self, source: ua.NodeId, node: str, parent: str, *, call: Any = None) -> ua.NodeId:
        """A variable or a method of a type, for an object of that type, with its properties. `call` answers the method."""
        data: NodeData = self._aspace[source]
        is_method = data.attributes[ua.AttributeIds.NodeClass].value.Value.Value == ua.NodeClass.Method
        attributes = _attributes(data, ua.MethodAttributes() if is_method else ua.VariableAttributes())
        name = data.attributes[ua.AttributeIds.BrowseName].value.Value.Value
        item = self._item(node, self._ids[parent], name, attributes)
        item.NodeClass = ua.NodeClass.Method if is_method else ua.NodeClass.Variable
        item.ReferenceTypeId = _parent_reference(data)
        if not is_method:
            item.TypeDefinition = next(one.NodeId for one in data.references if one.ReferenceTypeId == _HAS_TYPE)
        made = self._added(item)
        self._keep(node, parent, made)
        for reference in data.references:
            if reference.IsForward and reference.ReferenceTypeId == _PROPERTY:
                self.copy(reference.NodeId, f"{node}/{reference.BrowseName.Name}", node)
        if call is not None:
            self._aspace[made].call = call
        return made

    def method(
        self, node: str, parent: str, name: str, inputs: list[ua.Argument], outputs: list[ua.Argument], call: Any
    ) -> None:
        attributes = ua.MethodAttributes(DisplayName=ua.LocalizedText(name), Executable=True, UserExecutable=True)
        item = self._item(node, self._ids[parent], name, attributes)
        item.NodeClass, item.ReferenceTypeId = ua.NodeClass.Method, _HAS
        made = self._added(item)
        self._keep(node, parent, made)
        self._aspace[made].call = call
        for what, arguments in (("InputArguments", inputs), ("OutputArguments", outputs)):
            value = ua.Variant(arguments, ua.VariantType.ExtensionObject, is_array=True)
            attributes = _variable(what, value, ua.NodeId(ua.ObjectIds.Argument), ua.ValueRank.OneDimension)
            item = self._item(f"{node}/{what}", made, ua.QualifiedName(what, 0), attributes)
            item.NodeClass, item.ReferenceTypeId = ua.NodeClass.Variable, _PROPERTY
            item.TypeDefinition = ua.NodeId(ua.ObjectIds.PropertyType)
            self._keep(f"{node}/{what}", node, self._added(item))

    async def remove(self, node: str) -> None:
        """With everything below it. Who has subscribed to something there is told that it is gone."""
        parents = [one for one, below in self._below.items() if node in below]
        for parent in parents:
            self._below[parent].remove(node)
            references = self._aspace[self._ids[parent]].references
            references[:] = [one for one in references if one.NodeId != self._ids[node]]
        await self._remove(node)

    async def _remove(self, node: str) -> None:
        for below in self._below.pop(node, []):
            await self._remove(below)
        self._shown.pop(node, None)
        made = self._ids.pop(node)
        data: NodeData = self._aspace[made]
        value = data.attributes.get(ua.AttributeIds.Value)
        gone = ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadNodeIdUnknown))
        for handle, told in [*value.datachange_callbacks.items()] if value else []:
            await told(handle, gone)
            self._aspace.delete_datachange_callback(handle)
        del self._aspace[made]

    # ------------------------------------------------------------------ values

    async def show(self, values: Values, now: datetime) -> int:
        """Writes what has changed, and tells how much that was."""
        written = 0
        for node, value in values.items():
            stands = (value.value, value.quality)
            if self._shown.get(node, _NOTHING) != stands:
                self._shown[node] = stands
                await self.write(node, _variant(value), _at(value, now), now, _STATUS[value.quality])
                written += 1
        return written

    async def write(
        self, node: str, variant: ua.Variant, at: datetime, now: datetime, code: int = ua.StatusCodes.Good
    ) -> None:
        """Whatever stood there, also a null."""
        made = self._ids[node]
        self._aspace[made].attributes[
            ua.AttributeIds.Value
        ].value = None  # else it compares the types, also with a null
        value = ua.DataValue(variant, ua.StatusCode(code), SourceTimestamp=at, ServerTimestamp=now)
        status = await self._aspace.write_attribute_value(made, ua.AttributeIds.Value, value)
        status.check()

    async def rename(self, node: str, name: str) -> None:
        made = self._ids[node]
        values = {
            ua.AttributeIds.BrowseName: ua.QualifiedName(name, self.index),
            ua.AttributeIds.DisplayName: ua.LocalizedText(name),
        }
        for attribute, value in values.items():
            (await self._aspace.write_attribute_value(made, attribute, ua.DataValue(ua.Variant(value)))).check()

    # ------------------------------------------------------------------ making

    def _variable(self, node: str, parent: ua.NodeId, name: str, kind: Kind) -> ua.NodeId:
        variant = _variant(Value(kind, kind.empty))
        attributes = _variable(name, variant, ua.NodeId(_VARIANTS[kind].value), ua.ValueRank.Scalar)
        item = self._item(node, parent, name, attributes)
        item.NodeClass, item.ReferenceTypeId = ua.NodeClass.Variable, _HAS
        item.TypeDefinition = ua.NodeId(ua.ObjectIds.BaseDataVariableType)
        return self._added(item)

    def _item(self, node: str, parent: ua.NodeId, name: str | ua.QualifiedName, attributes: Any) -> ua.AddNodesItem:
        item = ua.AddNodesItem()
        item.RequestedNewNodeId = ua.NodeId(node, self.index)
        item.BrowseName = ua.QualifiedName(name, self.index) if isinstance(name, str) else name
        item.ParentNodeId = parent
        item.NodeAttributes = attributes
        return item

    def _added(self, item: ua.AddNodesItem) -> ua.NodeId:
        made = self._server.iserver.node_mgt_service.add_nodes([item])[0]
        made.StatusCode.check()
        attributes = self._aspace[made.AddedNodeId].attributes
        for attribute in attributes.keys() & _SAME:
            value = attributes[attribute]
            attributes[attribute] = self._same.setdefault((attribute, str(value.value.Value)), value)
        return made.AddedNodeId

    def _keep(self, node: str, parent: str | None, made: ua.NodeId) -> None:
        self._ids[node] = made
        if parent is not None:
            self._below.setdefault(parent, []).append(node)


_NOTHING = object()


def _variable(name: str, variant: ua.Variant, data_type: ua.NodeId, rank: ua.ValueRank) -> ua.VariableAttributes:
    access = sum(1 << one.value for one in _READ)
    return ua.VariableAttributes(
        DisplayName=ua.LocalizedText(name),
        Value=variant,
        DataType=data_type,
        ValueRank=rank,
        ArrayDimensions=[] if rank is ua.ValueRank.Scalar else [0],
        AccessLevel=access,
        UserAccessLevel=access,
    )


def _attributes(data: NodeData, attributes: Any) -> Any:
    """Those of another node; a client may read it, whatever the type says."""
    names: Mapping[str, Any] = {
        attribute.name: value.value.Value.Value
        for attribute, value in data.attributes.items()
        if value.value is not None and value.value.Value is not None and attribute is not ua.AttributeIds.Value
    }
    for name in (
        "DisplayName",
        "Description",
        "DataType",
        "ValueRank",
        "ArrayDimensions",
        "Executable",
        "UserExecutable",
    ):
        if name in names and hasattr(attributes, name):
            setattr(attributes, name, names[name])
    if isinstance(attributes, ua.VariableAttributes):
        attributes.AccessLevel = attributes.UserAccessLevel = sum(1 << one.value for one in _READ)
        attributes.Value = data.attributes[ua.AttributeIds.Value].value.Value
    return attributes


def _parent_reference(data: NodeData) -> ua.NodeId:
    """How the type holds it."""
    return next(
        one.ReferenceTypeId for one in data.references if not one.IsForward and one.ReferenceTypeId in (_HAS, _PROPERTY)
    )


def _variant(value: Value) -> ua.Variant:
    if value.value is None:
        return ua.Variant(None, ua.VariantType.Null)
    given = instant(value.value) if value.kind is Kind.DATETIME else value.value
    return ua.Variant(given, _VARIANTS[value.kind])


def _at(value: Value, now: datetime) -> datetime:
    return now if value.at is None else instant(value.at)


def instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
