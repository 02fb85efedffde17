"""The cloud's own door for signed-in people: sign-in, and the tables themselves as PostgREST serves them, to read.

Not counted against any plan; every row of the tenant is shown, deleted ones too. Who is not signed in sees empty tables.
"""

import json
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.demo.cloud_activity import LOG, Activity
from gateway.demo.cloud_answer import Answer
from gateway.demo.cloud_database import Database, Row
from gateway.demo.cloud_schema import ENUMS, TABLES, Column, Table
from gateway.demo.cloud_values import DatabaseError, stored
from gateway.kernel.clock import Clock

AUTH, REST = "/auth/v1/", "/rest/v1/"
ROWS_MAX = 1000  # in one answer
HOUR_S = 3600.0
ANON_KEY = "anon-key-of-the-stand-in"
ACTIVITY = "activity_log"

_SHAPE = ("select", "order", "limit")
_COMPARE = {"eq": operator.eq, "gt": operator.gt, "gte": operator.ge}
_IN = re.compile(r"\((.*)\)", re.DOTALL)

Query = Sequence[tuple[str, str]]


@dataclass(slots=True)
class User:
    """Somebody who can sign in; `id` is that of the profile."""

    id: str
    tenant_id: str
    email: str
    password: str


@dataclass(slots=True)
class _Token:
    user: User
    ends_s: float  # monotonic


class _No(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.answer = Answer(status, {"code": code, "details": None, "hint": None, "message": message}, enveloped=False)


class Tables:
    """`token_s`: how long a token is good. `away`: neither sign-in nor tables answer with anything but 503. `hidden`: tables that
    nobody may read, and so look empty; or columns that are not there, as `cells.name`.
    """

    def __init__(self, database: Database, activity: Activity, clock: Clock) -> None:
        self._db = database
        self._activity = activity
        self._clock = clock
        self._users: list[User] = []
        self._tokens: dict[str, _Token] = {}
        self._refresh: dict[str, User] = {}
        self.token_s = HOUR_S
        self.away = False
        self.hidden: set[str] = set()

    def add_user(self, user: User) -> None:
        self._users.append(user)

    def remove_user(self, email: str) -> None:
        """Signed out everywhere."""
        self._users = [user for user in self._users if user.email != email]
        self._tokens = {token: one for token, one in self._tokens.items() if one.user.email != email}
        self._refresh = {token: user for token, user in self._refresh.items() if user.email != email}

    def token_refusal(self, token: str) -> str:
        """Why a user's token is not good, in the words of the realtime server; empty when it is."""
        found = self._tokens.get(token)
        if found is None:
            return "InvalidJWTToken: The token provided is not a valid JWT"
        return "InvalidJWTToken: Token has expired" if self._clock.monotonic() >= found.ends_s else ""

    def tenant_of(self, token: str) -> str | None:
        """Of the user whose it is; None: nobody's in particular."""
        found = self._tokens.get(token)
        return found.user.tenant_id if found else None

    def forget_tokens(self) -> None:
        """Its keys were changed: no token is good any more, a refresh token is."""
        self._tokens.clear()

    def serve(self, method: str, path: str, query: Query, headers: Mapping[str, str], body: bytes) -> Answer:
        if self.away:
            return Answer(503, "<html><body>upstream connect error</body></html>", {"Content-Type": "text/html"}, False)
        if headers.get("apikey") != ANON_KEY:
            return Answer(401, {"message": "Invalid API key", "hint": "Double check your API key."}, enveloped=False)
        try:
            if (method, path) == ("POST", f"{AUTH}token"):
                return self._token(dict(query).get("grant_type", ""), json.loads(body or b"{}"))
            if method == "GET" and path.startswith(REST):
                user = self._user(headers.get("Authorization", "").removeprefix("Bearer "))
                return Answer(200, self._rows(path.removeprefix(REST), query, user), enveloped=False)
        except _No as no:
            return no.answer
        return Answer(404, {"message": "no Route matched with those values"}, enveloped=False)

    # ------------------------------------------------------------------ who is it

    def _token(self, grant: str, body: Mapping[str, Any]) -> Answer:
        """A refresh token is good once."""
        if grant == "password":
            given = (body.get("email"), body.get("password"))
            user = next((one for one in self._users if (one.email, one.password) == given), None)
            refused = ("invalid_credentials", "Invalid login credentials")
        else:
            user = self._refresh.pop(str(body.get("refresh_token")), None)
            refused = ("refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")
        if user is None:
            return Answer(400, {"code": 400, "error_code": refused[0], "msg": refused[1]}, enveloped=False)
        token, refresh = self._db.new_id(), self._db.new_id()
        self._tokens[token] = _Token(user, self._clock.monotonic() + self.token_s)
        self._refresh[refresh] = user
        answer = {
            "access_token": token,
            "token_type": "bearer",  # nosec B105 # the scheme's name
            "expires_in": int(self.token_s),
            "refresh_token": refresh,
            "user": {"id": user.id, "email": user.email},
        }
        return Answer(200, answer, enveloped=False)

    def _user(self, token: str) -> User | None:
        """None: nobody in particular. Raises _No."""
        if token in ("", ANON_KEY):
            return None
        found = self._tokens.get(token)
        if found is None:
            raise _No(401, "PGRST301", "No suitable key or wrong key type")
        if self._clock.monotonic() >= found.ends_s:
            raise _No(401, "PGRST303", "JWT expired")
        return found.user

    # ------------------------------------------------------------------ rows

    def _rows(self, name: str, query: Query, user: User | None) -> list[Row]:
        declared = LOG if name == ACTIVITY else TABLES.get(name)
        if declared is None or "tenant_id" not in declared.columns:
            raise _No(404, "PGRST205", f"Could not find the table 'public.{name}' in the schema cache")
        listed: Iterable[Row] = self._activity.entries if name == ACTIVITY else self._db.tables[name].values()
        tenant_id = None if user is None or name in self.hidden else user.tenant_id
        rows = [row for row in listed if row["tenant_id"] == tenant_id]
        for column, asked in query:
            if column not in _SHAPE:
                keep = _filter(name, declared, column, asked)
                rows = [row for row in rows if keep(row)]
        shape = dict(query)
        for step in reversed(shape["order"].split(",") if "order" in shape else ()):
            column, _, way = step.partition(".")
            rows = _ordered(rows, _column(name, declared, column), ascending=way != "desc")
        rows = rows[: min(int(shape.get("limit", ROWS_MAX)), ROWS_MAX)]
        names = [one for one in shape.get("select", "*").split(",") if one != "*"]
        for one in names:
            _column(name, declared, one)
        shown = [one for one in names or declared.columns if f"{name}.{one}" not in self.hidden]
        return [{one: row[one] for one in shown} for row in rows]


def _column(table_name: str, declared: Table, name: str) -> Column:
    if name not in declared.columns:
        raise _No(400, "42703", f"column {table_name}.{name} does not exist")
    return declared.columns[name]


def _filter(table_name: str, declared: Table, name: str, asked: str) -> Callable[[Row], bool]:
    column = _column(table_name, declared, name)
    named, _, value = asked.partition(".")
    if named == "is" and value in ("null", "true", "false"):
        wanted = {"null": None, "true": True, "false": False}[value]
        return lambda row: row[name] is wanted
    if named == "in" and (listed := _IN.fullmatch(value)):
        among = {_read(column, one.strip('"')) for one in listed[1].split(",") if one}
        return lambda row: row[name] is not None and _comparable(column, row[name]) in among
    if named not in _COMPARE:
        raise _No(400, "PGRST100", f'"failed to parse filter ({asked})" (line 1, column 1)')
    bound = _read(column, value)
    return lambda row: row[name] is not None and _COMPARE[named](_comparable(column, row[name]), bound)


def _read(column: Column, text: str) -> Any:
    try:
        return _comparable(column, stored(column, text))
    except DatabaseError as exc:
        raise _No(400, "22P02", str(exc)) from None


def _comparable(column: Column, value: Any) -> Any:
    if column.type == "timestamptz":
        return datetime.fromisoformat(value)
    return ENUMS[column.type].index(value) if column.type in ENUMS else value


def _ordered(rows: Sequence[Row], column: Column, *, ascending: bool) -> list[Row]:
    """A null is larger than anything."""
    filled = [row for row in rows if row[column.name] is not None]
    empty = [row for row in rows if row[column.name] is None]
    filled.sort(key=lambda row: _comparable(column, row[column.name]), reverse=not ascending)
    return filled + empty if ascending else empty + filled
