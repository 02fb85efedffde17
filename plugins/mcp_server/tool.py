"""What a tool is: a name, arguments, and which calls of the REST API carry it out."""

import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.plugin_api import Api
from plugins.mcp_server.calls import Calls, Reply

Schema = Mapping[str, Any]

OCCURRED_AT = "occurred_at"
IDEMPOTENCY_KEY = "idempotency_key"
LIMIT_MAX, LIMIT = 1000, 50
NOT_KEPT = "occurred_at is not kept for this kind of change: it counts from now on."


@dataclass(frozen=True, slots=True)
class Arg:
    """One argument. `field` is what the route calls it; its schema is the route's, unless it is given here.

    `words`: values that are called otherwise there.
    """

    name: str
    field: str = ""
    required: bool = False
    schema: Schema | None = None
    default: Any = None
    words: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def to(self) -> str:
        return self.field or self.name

    def value(self, given: Any) -> Any:
        return self.words.get(given, given) if isinstance(given, str) else given


@dataclass(frozen=True, slots=True)
class Target:
    """The route that a tool stands for. `row`: the key of the answer's row, where that is all to be told. `fixed` is given along.

    `when`: what the route calls the time at which it happened; empty: it keeps none.
    """

    method: str
    path: str
    row: str = ""
    fixed: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    when: str = ""


Run = Callable[[Calls, Mapping[str, Any]], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Tool:
    """`run` instead of calling the target alone: for what takes several calls. `destroys`: what it does cannot be taken back."""

    name: str
    about: str
    args: tuple[Arg, ...]
    target: Target
    run: Run | None = None
    destroys: bool = False

    @property
    def reads(self) -> bool:
        return self.target.method == "GET"

    async def call(self, calls: Calls, given: Mapping[str, Any]) -> Reply:
        """Raises Refused."""
        wanted = {arg.name: arg.value(given.get(arg.name, arg.default)) for arg in self.args}
        wanted = {name: value for name, value in wanted.items() if name in given or value is not None}
        if self.run is not None:
            return await self.run(calls, wanted)
        named = {arg.to: wanted[arg.name] for arg in self.args if arg.name in wanted}
        if calls.occurred_at and self.target.when not in ("", OCCURRED_AT):  # under that name it is given along anyway
            named[self.target.when] = calls.occurred_at
        reply = await calls.target(
            self.target.method, self.target.path, {**self.target.fixed, **named}, self.target.row
        )
        if calls.occurred_at and not self.target.when:
            return replace(reply, message=f"{reply.message} {NOT_KEPT}".strip())
        return reply

    def schema(self, api: Api) -> dict[str, Any]:
        """Of its arguments, whole: what is advertised is what is checked."""
        known = api.fields(self.target.method, self.target.path)
        properties: dict[str, Any] = {}
        definitions: dict[str, Any] = {}
        for arg in self.args:
            shown = dict(arg.schema) if arg.schema is not None else dict(known[arg.to].schema)
            if arg.schema is None and "#/$defs/" in repr(shown):
                definitions |= known[arg.to].definitions
            if arg.words:
                shown = {**shown, "enum": [*shown.get("enum", ()), *arg.words]}
            properties[arg.name] = shown if arg.default is None else {**shown, "default": arg.default}
        if not self.reads:
            properties |= _OF_CHANGES
        required = [arg.name for arg in self.args if arg.required]
        told: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
        return told | ({"required": required} if required else {}) | ({"$defs": definitions} if definitions else {})


_OF_CHANGES: dict[str, Any] = {
    IDEMPOTENCY_KEY: {
        "type": "string",
        "minLength": 1,
        "maxLength": 150,
        "pattern": r"^[\x21-\x7e][\x20-\x7e]*$",
        "description": "Give the same key when you repeat a call: it is carried out once.",
    },
    OCCURRED_AT: {
        "type": "string",
        "format": "date-time",
        "description": "When it happened, with a zone, if not now.",
    },
}
PAGE = (
    Arg("limit", schema={"type": "integer", "minimum": 1, "maximum": LIMIT_MAX}, default=LIMIT),
    Arg("offset", schema={"type": "integer", "minimum": 0}, default=0),
)


def args(names: str, *more: Arg) -> tuple[Arg, ...]:
    """`args("id* status")`: called as in the route; with a `*` it must be given."""
    return (*(Arg(name.removesuffix("*"), required=name.endswith("*")) for name in names.split()), *more)


def shows(name: str, about: str, path: str, arguments: Sequence[Arg] = (), **fixed: str) -> Tool:
    return Tool(name, about, tuple(arguments), Target("GET", path, fixed=fixed))
