"""The route table: what can be called, by whom, with what. Validation, scopes, OpenAPI and the tests read it.

A route without a scope or a cell rule cannot be written: both are arguments without a default.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any

from pydantic import BaseModel

from gateway.kernel.errors import BadRequest, CellNotAllowed, Forbidden
from gateway.kernel.room import Use
from gateway.outbox.receipts import Answer, Receipt
from gateway.web.incoming import Incoming

JSON_MAX_BYTES = 10 * 1024 * 1024
HOST_MAX = 261  # characters of a name and a port
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")


class Scope(IntEnum):
    """Each contains those before it. NONE: nobody is asked for a key; what is signed in the address is the permission."""

    NONE = 0
    READ = 1
    OPERATE = 2
    PLAN = 3
    ADMIN = 4


KEY_SCOPES = tuple(scope for scope in Scope if scope is not Scope.NONE)  # what a key can have


class Cells(Enum):
    """How a key that is limited to some cells is held to them."""

    NONE = "nothing here belongs to a cell"
    FILTERED = "rows of other cells are not shown"
    CHECKED = "a write to a row of another cell is refused"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking. `cells` is None when every cell is allowed."""

    key_id: str
    name: str
    scope: Scope
    cells: frozenset[str] | None = None
    operator_id: str | None = None
    gateway_id: str | None = None  # the only gateway that it may speak for

    def require(self, scope: Scope, told: str = "") -> None:
        if self.scope < scope:
            raise Forbidden(
                told or f'this key has the scope "{self.scope.name.lower()}", "{scope.name.lower()}" is needed here'
            )

    def may_see(self, cell_id: str | None) -> bool:
        return self.cells is None or cell_id in self.cells

    def may_write(self, cell_id: str | None) -> None:
        if not self.may_see(cell_id):
            raise CellNotAllowed("this key may not write in that cell", {"cell_id": cell_id})


NOBODY = Caller("nobody", "nobody", Scope.NONE)  # who calls a route that asks for no key


@dataclass(frozen=True, slots=True)
class Call:
    """One checked request. `query` holds the first of each repeated parameter, `path` the values of `{names}`, `secure`
    whether it came over TLS.

    `base_version`: of the row that it changes, where that is not said in the body.

    `incoming` instead of `body` when it came in a format that the route takes as it is; the receipt's hash then does not
    know the body yet.
    """

    caller: Caller
    request_id: str
    query: Mapping[str, str]
    path: Mapping[str, str]
    headers: Mapping[str, str]
    secure: bool
    body: Any = None
    receipt: Receipt | None = None
    incoming: Incoming | None = None
    base_version: int | None = None

    @property
    def base(self) -> str:
        """Where the caller reached us, as `http://hall-1:8080`: what addresses in an answer begin with. Raises BadRequest."""
        host = self.headers.get("Host", "")
        if _HOST.fullmatch(host) is None:
            raise BadRequest(
                f'the header Host is "{host[:HOST_MAX]}": a name or an address is wanted, perhaps with a port'
            )
        return f"{'https' if self.secure else 'http'}://{host}"


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer that is no JSON envelope: a file, an export. Chunks are sent as they come."""

    content_type: str
    body: bytes | AsyncIterator[bytes]  # one with an `aclose` is closed, read to its end or not
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Call], Awaitable[Answer | Raw]]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter as OpenAPI shows it."""

    name: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    about: str = ""
    required: str = ""  # what to say to who leaves it out; asked before the body is looked at


@dataclass(frozen=True, slots=True)
class Route:
    """`answers` is the key under `data` -> its JSON schema, or the title of one that another route has; a key with a `?` behind
    it may be missing. Several of them: the answer has one of these shapes.

    `refuses` are statuses beyond those that follow from the rest.
    """

    method: str
    path: str
    handler: Handler
    scope: Scope
    cells: Cells
    summary: str
    body: type[BaseModel] | None = None
    parameters: tuple[Parameter, ...] = ()
    answers: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    status: int = 200
    also: tuple[int, ...] = ()  # other statuses of success
    refuses: frozenset[int] = frozenset()
    denied: str = ""  # [U] what a caller is told with 401 whose key is none, or too small: never which of the two
    # [U] the cloud's CRUD functions call an unknown method a bad request, its lifecycles a method that is not allowed
    strict_method: bool = False
    body_max_bytes: int = JSON_MAX_BYTES
    takes: tuple[str, ...] = ()  # content types of a body that the handler reads itself, `*/*` for any
    # content type of an answer that is no JSON envelope, several with `, ` between; `answers` then describe all of it
    gives: str = ""
    patient: bool = False  # an upload, an import: takes as long as it takes
    conditional: bool = False  # `If-Match` holds it to a version of its row
    forbidden: str = ""  # what a key with a smaller scope is told, where the contract says it in its own words
    use: Use | None = None  # of the disk, where it does not follow from the scope

    @property
    def mutates(self) -> bool:
        return self.method != "GET"

    @property
    def room(self) -> Use | None:
        """When it is refused because the disk fills up. Who plans can wait for room, who deletes makes some."""
        if not self.mutates:
            return None
        if self.use is not None:
            return self.use
        return Use.PLAN if self.scope >= Scope.PLAN and self.method != "DELETE" else Use.BOOKING

    @property
    def shapes(self) -> Sequence[Mapping[str, Any]]:
        """What its answer may look like."""
        return [self.answers or {}] if self.answers is None or isinstance(self.answers, Mapping) else self.answers

    @property
    def statuses(self) -> frozenset[int]:
        """Everything but its success that it may answer."""
        found = {*self.refuses, 429, 500, 503}
        if self.scope is not Scope.NONE:
            found |= {401, 403}
        if self.parameters or self.mutates or "{" in self.path:
            found |= {400, 404, 422}
        if self.mutates:
            found |= {409, 413, 507}
        if self.conditional:
            found.add(412)
        if self.takes and self.body is None:
            found.add(415)
        return frozenset(found)
