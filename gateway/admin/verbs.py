"""The verbs: the name -> the file here and the function in it. A function gets the box and its arguments by name."""

from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

from gateway.admin.box import Arguments, Box
from gateway.kernel.errors import NotFound
from gateway.kernel.trail import Act, Trail
from gateway.mcp_keys.redaction import redacted

_VERBS = {
    "keys.create": ("keys", "create"),
    "keys.list": ("keys", "listed"),
    "keys.revoke": ("keys", "revoke"),
    "keys.rotate": ("keys", "rotate"),
    "mcp_keys.create": ("mcp", "create_key"),
    "mcp.used": ("mcp", "used"),
    "api.call": ("mcp", "call"),
    "plugins.list": ("plugins", "listed"),
    "plugins.restart": ("plugins", "restart"),
    "status": ("queue", "status"),
    "queue.list": ("queue", "listed"),
    "queue.retry": ("queue", "retry"),
    "queue.discard": ("queue", "discard"),
    "queue.waiting": ("queue", "waiting"),
    "queue.tables": ("queue", "tables"),
    "queue.look": ("queue", "look"),
    "queue.compare": ("compare", "compare"),
    "queue.now": ("queue", "now"),
    "queue.pause": ("queue", "pause"),
    "queue.resume": ("queue", "resume"),
    "replay": ("replays", "ask"),
    "backups.create": ("backups", "create"),
    "backups.list": ("backups", "listed"),
    "backups.verify": ("backups", "verify"),
    "backups.drop": ("backups", "drop"),
    "conflicts.list": ("conflicts", "listed"),
    "conflicts.resolve": ("conflicts", "resolve"),
    "uns.check": ("uns", "check"),
    "uns.devices.add": ("uns", "add"),
    "uns.devices.rotate": ("uns", "rotate"),
    "uns.devices.remove": ("uns", "remove"),
    "uns.devices.list": ("uns", "devices"),
    "machines.list": ("machines", "listed"),
    "machines.acknowledge": ("machines", "acknowledge"),
    "config.show": ("config", "show"),
    "config.check": ("config", "check"),
    "config.diff": ("config", "diff"),
    "config.set": ("config", "write"),
    "config.seal": ("config", "seal"),
    "cloud.test": ("trials", "cloud"),
    "broker.test": ("trials", "broker"),
    "data.counts": ("data", "counts"),
    "data.row": ("data", "row"),
    "logs.show": ("logs", "show"),
    "logs.level": ("logs", "level"),
    "ops.code": ("ops", "code"),
    "ops.overview": ("ops", "overview"),
    "ops.history": ("ops", "history_"),
    "ops.actions": ("ops", "actions"),
    "ops.about": ("about", "about"),
    "terminals.pair": ("terminals", "pair"),
    "terminals.list": ("terminals", "listed"),
    "terminals.revoke": ("terminals", "revoke"),
    "terminals.pin": ("terminals", "pin"),
    "repairs.list": ("repairs", "listed"),
    "repairs.ignore": ("repairs", "ignore"),
    "repairs.close_folder": ("repairs", "close_folder"),
    "audit.page": ("audit", "page"),
    "support.list": ("support", "listed"),
    "support.files": ("support", "files"),
}
# They only look, or leave a record of their own: nothing of them is kept on the trail.
LOOKS = frozenset(
    """
    keys.list mcp.used api.call plugins.list status queue.list queue.waiting queue.tables queue.look queue.compare
    backups.list conflicts.list uns.check uns.devices.list machines.list config.show config.check config.diff
    cloud.test broker.test data.counts data.row logs.show ops.overview ops.history ops.actions ops.about terminals.list
    repairs.list audit.page support.list
    """.split()
)


async def carried_out(box: Box, source: str, name: str, given: Arguments) -> Any:
    """The verb's answer; what it did is put on the trail. `source`: where it was asked for. Raises as the verb, NotFound."""
    answer = await verb(name)(box, given)
    if name not in LOOKS:
        which = {"which": given["key"]} if "key" in given else {}  # of a key its name or id, which is no secret
        act = Act(box.by.name, source, name, redacted({**given, **which}))
        await Trail(box.db, box.clock, box.new_id).add(act)
    return answer


def verb(name: str) -> Callable[[Box, Any], Awaitable[Any]]:
    """Raises NotFound. Imported when asked for: on a small box a command must not wait for what others need."""
    if name not in _VERBS:
        raise NotFound("this gateway does not know that verb: it is another version than the command")
    file, function = _VERBS[name]
    found: Callable[[Box, Any], Awaitable[Any]] = getattr(import_module(f"gateway.admin.{file}"), function)
    return found
