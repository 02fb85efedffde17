"""A plugin that fails with its secrets in its mouth."""

SOURCE = """
from aiohttp import web
from pydantic import SecretStr
from gateway.plugin_api import Config, Context, Mount, Parts, Plugin


class Settings(Config):
    login: str
    password: SecretStr


def build(context):
    secret = context.config.password.get_secret_value()

    async def fail(_request):
        raise RuntimeError(f"cannot sign in as {context.config.login} with {secret}")

    async def run():
        raise RuntimeError(f"no answer to {secret} within 3 s")

    return Parts(mounts=(Mount("GET", "/fail", fail),), run=run)


plugin = Plugin(Settings, build)
"""
