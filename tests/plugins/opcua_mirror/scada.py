"""A client of other people's, node-opcua: `scada.cjs` does what it is told."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hall import LASER
from javascript import Script, running
from waiting import until

SCADA = Path(__file__).with_name("scada.cjs")
CONTROL, RESULTS = f"cell/{LASER}/JobOrderControl", f"cell/{LASER}/JobOrderResults"


@dataclass
class Scada:
    script: Script

    async def does(self, verb: str, **given: Any) -> dict[str, Any]:
        before = len(self.did)
        await self.script.tell({"does": verb, **given})
        await until(lambda: len(self.did) > before, verb)
        return self.did[-1]

    async def start(self, operation_id: str, verb: str = "Start", **more: Any) -> dict[str, Any]:
        inputs = [["String", operation_id], ["LocalizedText", []]]
        return await self.does("call", object=CONTROL, method=verb, inputs=inputs, **more)

    @property
    def did(self) -> list[dict[str, Any]]:
        return [one for one in self.script.said if "did" in one]

    @property
    def changed(self) -> list[Any]:
        return [one["changed"] for one in self.script.said if "changed" in one]

    def events(self, place: str | None, kind: int, order: str) -> list[dict[str, Any]]:
        at = place or "server"
        return [
            one for one in self.script.said if one.get("event") == at and (one["kind"], one["order"]) == (kind, order)
        ]


@contextlib.asynccontextmanager
async def scada(
    floor, folder: Path, user: str | None = "olga", *, url: str = "", patient: bool = False
) -> AsyncIterator[Scada]:
    """`patient`: it comes back by itself when the line is lost. `url`: of another gateway than the floor's."""
    own = floor.client.own(datetime.now(UTC))
    pki = floor.client
    async with running(
        SCADA, url or floor.url, str(pki.certificate), str(pki.key), own.uri, str(folder / "store")
    ) as script:
        here = Scada(script)
        if user:
            opened = await here.does("open", user=user, password=floor.passwords[user], patient=patient)
            assert "error" not in opened, opened
        yield here
