"""PLCs and machines with an OPC UA server of their own: their tags are subscribed to. Nothing is ever written to them."""

from gateway.plugin_api import Context, Parts, Plugin
from plugins.opcua_client.settings import Settings


def _build(context: Context[Settings]) -> Parts:
    from plugins.opcua_client.reader import parts  # noqa: PLC0415 -- the library costs 50 MB: only when it is switched on

    return parts(context)


plugin = Plugin(Settings, _build)
