"""The broker for machines without Mosquitto: amqtt, in our own process. MQTT 3.1.1, no message expiry."""

import contextlib
import logging
import warnings
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from gateway.kernel.errors import Unavailable
from gateway.uns import users

CONNECTIONS_MAX = 100
_AUTHENTICATION = "amqtt.plugins.authentication.FileAuthPlugin"
_PERMISSION = "amqtt.plugins.topic_checking.TopicAccessControlListPlugin"


@contextlib.asynccontextmanager
async def embedded(folder: Path, host: str, port: int, passwords: Mapping[str, str]) -> AsyncIterator[None]:
    """Serves while this lasts. Raises Unavailable when the package is missing or the port is taken."""
    try:
        from amqtt.broker import Broker  # noqa: PLC0415 -- an extra, and only for this mode
        from amqtt.errors import BrokerError  # noqa: PLC0415 -- as above
        from pwdlib.hashers.argon2 import Argon2Hasher  # noqa: PLC0415 -- as above; what its password file is read with
    except ImportError:
        raise Unavailable(
            'there is no embedded broker in this installation: pip install "eryxon-gateway[all]"'
        ) from None
    logging.getLogger("amqtt").setLevel(logging.CRITICAL)  # it tells of every client that goes
    logging.getLogger("transitions").setLevel(logging.WARNING)
    hashed = folder / "amqtt-passwd"
    users.write(hashed, "".join(f"{name}:{Argon2Hasher().hash(password)}\n" for name, password in passwords.items()))
    config = {
        "listeners": {"default": {"type": "tcp", "bind": f"{host}:{port}", "max_connections": CONNECTIONS_MAX}},
        "plugins": {
            _AUTHENTICATION: {"password_file": str(hashed)},
            _PERMISSION: {
                "acl": {users.OURS: ["#"], users.VIEWER: ["#"]},
                "publish_acl": {users.OURS: ["#"]},
            },
        },
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its own words about its own options
        broker = Broker(config)
        try:
            await broker.start()
        except (BrokerError, OSError) as exc:
            raise Unavailable(f"the embedded broker does not start on port {port}: {exc}") from exc
    try:
        yield
    finally:
        await broker.shutdown()
