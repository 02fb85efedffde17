"""Machines that speak Modbus TCP: their registers and coils are read again and again. Nothing is ever written to them."""

from gateway.plugin_api import Context, Parts, Plugin
from plugins.modbus.settings import Settings


def _build(context: Context[Settings]) -> Parts:
    from plugins.modbus.reader import parts  # noqa: PLC0415 -- the library is imported only when it is switched on

    return parts(context)


plugin = Plugin(Settings, _build)
