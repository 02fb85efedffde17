"""Webhooks of the cloud: delivered once each, before the answer, and written down in webhook_logs."""

import hashlib
import hmac
import json
from typing import Any

import aiohttp

from gateway.demo.cloud_database import Database, Row
from gateway.kernel.clock import Clock, zulu

DELIVERY_MAX_S = 10.0


class Webhooks:
    """Delivers nothing outside `connected`: there is no session to do it with."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._db = database
        self._clock = clock
        self.session: aiohttp.ClientSession | None = None

    def wanting(self, tenant_id: str, event: str) -> list[Row]:
        return [h for h in self._db.where("webhooks", tenant_id=tenant_id, active=True) if event in (h["events"] or ())]

    async def notify(self, tenant_id: str, event: str, data: Row) -> None:
        for hook in self.wanting(tenant_id, event):
            stamp = zulu(self._clock.now())
            payload: dict[str, Any] = {"event": event, "timestamp": stamp, "data": data | {"timestamp": stamp}}
            status, error = await self._deliver(hook, event, payload)
            log = {"webhook_id": hook["id"], "event_type": event, "payload": payload}
            self._db.insert("webhook_logs", log | {"status_code": status, "error_message": error})

    async def _deliver(self, hook: Row, event: str, payload: dict[str, Any]) -> tuple[int | None, str | None]:
        if self.session is None:
            return None, "not connected"
        body = json.dumps(payload, separators=(",", ":")).encode()
        signed = hmac.new(hook["secret_key"].encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Eryxon-Webhooks/1.0",
            "X-Eryxon-Event": event,
            "X-Eryxon-Signature": f"sha256={signed}",
        }
        timeout = aiohttp.ClientTimeout(total=DELIVERY_MAX_S)
        try:
            async with self.session.post(hook["url"], data=body, headers=headers, timeout=timeout) as answer:
                return answer.status, None
        except (aiohttp.ClientError, TimeoutError) as exc:
            return None, str(exc)
