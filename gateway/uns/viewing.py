"""As whom to look at the namespace without touching it."""

from gateway.kernel.errors import StartupError, Unavailable
from gateway.kernel.secrets import usable
from gateway.settings import Settings
from gateway.uns import users
from gateway.uns.broker import trusted
from gateway.uns.packets import Address


def viewing(settings: Settings) -> Address:
    """The viewer of our own broker, or the user of an external one. Raises StartupError, Unavailable."""
    broker = settings.broker
    if broker.mode == "off":
        raise StartupError('[broker] mode is "off": there is nothing to watch')
    if broker.mode == "external":
        given = broker.username, usable(broker.password.get_secret_value(), "broker.password")
        return Address(broker.host, broker.port, *given, tls=trusted(broker))
    folder = settings.data_dir / "broker"
    try:
        password = users.known(folder).get(users.VIEWER)
    except PermissionError as exc:
        raise StartupError(f"{exc.filename} cannot be read: run this as the gateway's user") from None
    if password is None:
        raise Unavailable(f"no broker has run with {folder} yet")
    return Address(broker.host, broker.port, users.VIEWER, password, mqtt5=broker.mode != "embedded")
