"""Machines that an MTConnect agent speaks for: what it has seen is read over HTTP, from where we were, without a gap."""

from gateway.plugin_api import Context, Parts, Plugin
from plugins.mtconnect.settings import Settings


def _build(context: Context[Settings]) -> Parts:
    from plugins.mtconnect.reader import parts  # noqa: PLC0415 -- only when it is switched on

    return parts(context)


plugin = Plugin(Settings, _build)
