"""Photos of an issue: they come after it, one by one, and may come again."""

import json
from dataclasses import dataclass

from gateway.catalog import store as rows_
from gateway.files import store as files_
from gateway.files.commands import FileCommands
from gateway.issues import commands as issues
from gateway.issues.resources import ISSUES
from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import NotFound
from gateway.outbox.event import Stamp, encode
from gateway.outbox.receipts import Answer, Receipt, request_hash
from gateway.terminals import rules
from gateway.terminals.model import Policy, Terminal
from gateway.web.incoming import Incoming
from gateway.web.routes import Caller, Scope


@dataclass(frozen=True, slots=True)
class Photos:
    db: Database
    files: FileCommands
    policy: Policy

    async def take(self, terminal: Terminal, issue_id: str, number: int, incoming: Incoming) -> Answer:
        """Raises NotFound, CellNotAllowed, Unsupported, TooLarge, KeyReused (another photo has this number) ..."""
        if not 0 <= number < rules.PHOTOS_MAX:
            raise NotFound(f"an issue has the photos 0 to {rules.PHOTOS_MAX - 1}")
        tenant_id = await self.db.read(files_.tenant_id)
        caller = Caller(terminal.space, terminal.name, Scope.OPERATE, self.policy.cells(terminal))
        path = f"{tenant_id}/issues/{issue_id}/{number}.jpg"
        receipt = Receipt(terminal.space, f"photo:{issue_id}:{number}", request_hash("photo", issue_id, str(number)))

        def listed(tx: Tx, stamp: Stamp, path: str) -> Answer:
            paths = json.loads(rows_.fetch(tx, ISSUES, issue_id)["image_paths"] or "[]")
            issues.update(tx, stamp, issue_id, {"image_paths": [*paths, path]}, caller)
            return Answer(201, encode({"path": path}))

        await self.db.read(rows_.fetch, ISSUES, issue_id)  # before anybody has sent a whole photo
        return await self.files.take_image(path, incoming, caller, receipt, listed)
