"""The cloud as a signed-in user reads it: signs in, keeps the token fresh, fetches rows. Not counted against the plan."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from yarl import URL

from gateway.cloud.client import CloudClient
from gateway.cloud.outcome import Kind, Outcome, unanswered
from gateway.cloud.pull import Row
from gateway.kernel.clock import Clock
from gateway.kernel.errors import Unavailable

RENEW_BEFORE_S = 60.0  # its end: a request on its way must not find its token too old
LIFE_DEFAULT_S = 3600.0
UNAUTHORIZED = 401


@dataclass(frozen=True, slots=True)
class ServiceUser:
    """`project`: the address below which users sign in and tables are."""

    project: str
    email: str
    password: str
    anon_key: str


class Session:
    """Nothing of it is kept over a restart. `user_id`: of its profile, once it has signed in; `project`, `anon_key`: where, and
    with what, everything of a user's is asked for.
    """

    def __init__(self, client: CloudClient, clock: Clock, user: ServiceUser) -> None:
        self._client = client
        self._clock = clock
        self._user = user
        self.project = URL(user.project)
        self.anon_key = user.anon_key
        self._signing_in = asyncio.Lock()  # [U] a token that renews is good once
        self._token = self._refresh = ""  # nosec B105 # none yet
        self._renew_s = 0.0
        self.user_id = ""

    async def rows(self, table: str, query: Mapping[str, str]) -> list[Row]:
        """Raises Unavailable. A token that is refused is replaced once."""
        outcome = await self._ask(table, query)
        if outcome.kind is Kind.KEY:
            self.forget()
            outcome = await self._ask(table, query)
        if outcome.kind is not Kind.OK or outcome.data is None:
            raise Unavailable(f"the cloud's table {table} cannot be read: {outcome.text}")
        rows: list[Row] = outcome.data["rows"]
        return rows

    async def own_profile(self) -> Row:
        """Who cannot see himself sees nobody, and that means nothing. Raises Unavailable."""
        found: list[Row] = []
        for _ in range(2):  # the first one may sign in, and only then knows who it is
            found = await self.rows("profiles", {"id": f"eq.{self.user_id or _NOBODY}", "select": "id,tenant_id"})
            if found:
                return found[0]
        raise Unavailable(f"the cloud shows {self._user.email} nothing, not even its own profile")

    async def _ask(self, table: str, query: Mapping[str, str]) -> Outcome:
        token = await self.token()
        headers = {"apikey": self.anon_key, "Authorization": f"Bearer {token}"}
        return await self._client.beside("GET", self.project / "rest/v1" / table, query, None, headers, _rows)

    def forget(self) -> None:
        """The token was refused: the next one comes by signing in anew."""
        self._token = self._refresh = ""  # nosec B105 # none yet

    async def token(self) -> str:
        """One that is good for a while. Raises Unavailable."""
        async with self._signing_in:
            return await self._good_token()

    async def _good_token(self) -> str:
        if self._token and self._clock.monotonic() < self._renew_s:
            return self._token
        outcome = Outcome(Kind.UNKNOWN)
        if self._refresh:
            outcome = await self._sign_in("refresh_token", {"refresh_token": self._refresh})
        if outcome.kind is not Kind.OK:
            body = {"email": self._user.email, "password": self._user.password}
            outcome = await self._sign_in("password", body)
        if outcome.kind is not Kind.OK:
            raise Unavailable(f"{self._user.email} cannot sign in at the cloud: {outcome.text}")
        return self._token

    async def _sign_in(self, grant: str, body: Mapping[str, str]) -> Outcome:
        asked = {"grant_type": grant}
        headers = {"apikey": self.anon_key}
        url = self.project / "auth/v1/token"
        outcome = await self._client.beside("POST", url, asked, body, headers, _token)
        if outcome.kind is Kind.OK and outcome.data is not None:
            self._token, self._refresh = outcome.data["access_token"], str(outcome.data.get("refresh_token") or "")
            self.user_id = str((outcome.data.get("user") or {}).get("id") or "")
            life_s = float(outcome.data.get("expires_in") or LIFE_DEFAULT_S)
            self._renew_s = self._clock.monotonic() + max(life_s / 2, life_s - RENEW_BEFORE_S)
        return outcome


_NOBODY = "00000000-0000-0000-0000-000000000000"


def _rows(status: int, raw: bytes) -> Outcome:
    answer = _json(raw)
    if status == 200 and isinstance(answer, list):  # noqa: PLR2004 -- by name
        return Outcome(Kind.OK, data={"rows": [row for row in answer if isinstance(row, dict)]})
    return _refused(status, answer)


def _token(status: int, raw: bytes) -> Outcome:
    answer = _json(raw)
    if status == 200 and isinstance(answer, dict) and isinstance(answer.get("access_token"), str):  # noqa: PLR2004 -- by name
        return Outcome(Kind.OK, data=answer)
    return _refused(status, answer)


def _refused(status: int, answer: Any) -> Outcome:
    if not isinstance(answer, dict):
        return unanswered(f"{status} without an answer that can be read")
    told = next((answer[name] for name in ("message", "msg", "error_description", "error") if answer.get(name)), "")
    return Outcome(Kind.KEY if status == UNAUTHORIZED else Kind.UNKNOWN, f"{status} {told}", said=True)


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return None
