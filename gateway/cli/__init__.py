"""The command line: one file for each group of verbs, arguments in, admin.sock or the stopped gateway's data out."""

from importlib import import_module

import click

# Verb -> (the file here, its name there). Imported when asked for: on a small box `keys list` must not wait for all of the API.
_VERBS = {
    "run": ("serve", "run"),
    "demo": ("serve", "demo"),
    "init": ("box", "init"),
    "status": ("data", "status"),
    "keys": ("keys", "keys"),
    "queue": ("data", "queue"),
    "replay": ("data", "replay"),
    "conflicts": ("conflicts", "conflicts"),
    "machines": ("machines", "machines"),
    "terminals": ("terminals", "terminals"),
    "uns": ("uns", "uns"),
    "tls": ("tls", "tls"),
    "opcua": ("opcua", "opcua"),
    "export": ("transfer", "export"),
    "import": ("transfer", "import_"),
    "backup": ("backup", "backup"),
    "restore": ("restore", "restore"),
    "update": ("update", "update"),
    "mcp": ("mcp", "mcp"),
    "plugins": ("plugins", "plugins"),
    "config": ("config", "config"),
    "logs": ("ops", "logs"),
    "ops": ("ops", "ops"),
    "data": ("ops", "data"),
    "doctor": ("doctor", "doctor"),
    "openapi": ("config", "openapi"),
    "asyncapi": ("config", "asyncapi"),
    "audit": ("audit", "audit"),
    "support-bundle": ("support", "support_bundle"),
    "version": ("box", "version"),
}


class _Verbs(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        return [*_VERBS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 -- click's signature
        if cmd_name not in _VERBS:
            return None
        file, name = _VERBS[cmd_name]
        found: click.Command = getattr(import_module(f"gateway.cli.{file}"), name)
        return found


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """The edge gateway for the factory floor."""
