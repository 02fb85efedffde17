"""The shop for agents: tools, resources and prompts over the Model Context Protocol, at `/mcp` and by `eryxon-gateway mcp`."""

from gateway.plugin_api import Config, Context, Parts, Plugin
from plugins.mcp_server.catalogue import TOOLS


class Settings(Config):
    """`allowed_hosts`: names under which the gateway is reached, besides this machine's own and its addresses.

    `allowed_origins`: pages of browsers that may call it, as `https://agent.example`.
    """

    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()


def _build(context: Context[Settings]) -> Parts:
    from plugins.mcp_server.parts import parts  # noqa: PLC0415 -- the library costs 30 MB: only when it is switched on

    return parts(context, context.config.allowed_hosts, context.config.allowed_origins)


plugin = Plugin(Settings, _build, tools={tool.name: tool.reads for tool in TOOLS})
