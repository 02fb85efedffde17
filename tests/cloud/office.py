"""The planners in the cloud, by its REST, as far as a gateway can see what they do."""

import aiohttp

from gateway.demo import factory

_HEADERS = {"Authorization": f"Bearer {factory.CLOUD_KEY}"}


class Office:
    """`refused` counts what the cloud did not take: it was deleted meanwhile, or is in another state."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session
        self.refused = 0

    async def changes(self, table: str, row_id: str, **values) -> None:
        await self._ask("PATCH", f"api-{table}", {"id": row_id}, values)

    async def deletes(self, table: str, row_id: str) -> None:
        await self._ask("DELETE", f"api-{table}", {"id": row_id})

    async def adds(self, table: str, **values) -> None:
        await self._ask("POST", f"api-{table}", {}, values)

    async def presses(self, verb: str, operation_id: str) -> None:
        await self._ask("POST", f"api-operation-lifecycle/{verb}", {"id": operation_id})

    async def _ask(self, method: str, path: str, query: dict, body: dict | None = None) -> None:
        async with self._session.request(
            method, f"{self._url}/{path}", params=query, json=body, headers=_HEADERS
        ) as answer:
            self.refused += answer.status >= 400
            await answer.read()
