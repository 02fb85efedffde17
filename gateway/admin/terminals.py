"""`terminals ...`: which of them may connect, and the PINs of those who work at them."""

from typing import Any

from gateway.admin.box import Arguments, Box
from gateway.kernel.clock import zulu
from gateway.kernel.secrets import Secrets
from gateway.keys.store import operator_id
from gateway.terminals import store
from gateway.terminals.model import NewTerminal, Pin
from gateway.terminals.pins import Pins


async def pair(box: Box, given: Arguments) -> dict[str, Any]:
    """name, cell (name or id, or None), language, theme."""
    cell_id = None if given["cell"] is None else await box.db.read(store.cell_id, given["cell"])
    wanted = NewTerminal(given["name"], cell_id, given["language"], given["theme"])
    code, expires_at = await box.terminals.code(wanted)
    return {"code": code, "name": wanted.name, "cell_id": cell_id, "expires_at": zulu(expires_at)}


async def listed(box: Box, _given: Arguments) -> list[dict[str, Any]]:
    return await box.db.read(store.listed)


async def revoke(box: Box, given: Arguments) -> dict[str, Any]:
    """terminal: name or id."""
    terminal_id = await box.db.read(store.terminal_id, given["terminal"])
    await box.terminals.revoke(terminal_id)
    return {"revoked": terminal_id}


async def pin(box: Box, given: Arguments) -> dict[str, Any]:
    """operator (id, user name or employee number), pin. Raises NotFound, Invalid."""
    person = await box.db.read(store.person, await box.db.read(operator_id, given["operator"]))
    await Pins(box.db, box.clock, Secrets(box.settings.data_dir, box.settings.credentials)).set(
        person, Pin(given["pin"])
    )
    return {"operator_id": person.id, "name": person.name}
