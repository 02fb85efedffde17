"""`tls`: the gateway's own CA and certificates. They are files: no gateway is asked."""

import click

from gateway.cli.leaf import Place, leaf
from gateway.kernel.clock import SystemClock, zulu
from gateway.kernel.errors import Conflict
from gateway.tls import HTTP, MQTT, Tls, fingerprint


@click.group()
def tls() -> None:
    """Certificates for HTTPS and for MQTT on the LAN."""


@tls.command()
@click.option("--name", "names", multiple=True, help="Another name or address of this machine. May be repeated.")
@leaf
def init(place: Place, names: tuple[str, ...]) -> None:
    """Make a CA and a certificate for this machine; the next start serves HTTPS with it."""
    own = Tls(place.settings().data_dir)
    if own.there(HTTP):
        raise Conflict(f"{own.pair(HTTP).certificate} is there already: `tls renew` makes a new one")
    own.issue(HTTP, SystemClock().now(), names)
    if own.there(MQTT):
        own.issue(MQTT, SystemClock().now(), names)
    _tell(place, own)


@tls.command()
@click.option("--name", "names", multiple=True, help="Another name or address of this machine. May be repeated.")
@leaf
def renew(place: Place, names: tuple[str, ...]) -> None:
    """New certificates from the same CA, for the names of the old ones and those of today; used from the next start."""
    own = Tls(place.settings().data_dir)
    there = [name for name in (HTTP, MQTT) if own.there(name)]
    if not there:
        raise Conflict("there is no certificate yet: `tls init` makes one")
    for name in there:
        own.issue(name, SystemClock().now(), {*own.names(name), *names})
    _tell(place, own)


@tls.command()
@leaf
def show(place: Place) -> None:
    """The fingerprint of the CA, to compare with what a client shows; for whom the certificates are and how long."""
    own = Tls(place.settings().data_dir)
    if not own.ca.certificate.exists():
        raise Conflict("there is no certificate yet: `tls init` makes one")
    _tell(place, own)


def _tell(place: Place, own: Tls) -> None:
    """`{"ca", "fingerprint", "certificates": [{"certificate", "key", "names", "ends"}]}`, or lines."""
    there = [name for name in (HTTP, MQTT) if own.there(name)]
    made = [
        {
            "certificate": str(own.pair(name).certificate),
            "key": str(own.pair(name).key),
            "names": own.names(name),
            "ends": zulu(own.ends(name)),
        }
        for name in there
    ]
    printed = fingerprint(own.ca.certificate)
    lines = [f"{one['certificate']} until {one['ends'][:10]} for {', '.join(one['names'])}" for one in made]
    lines += [
        f"clients trust {own.ca.certificate}, which /ca.crt serves; what is new is used from the next start of the gateway",
        f"its SHA-256 fingerprint, which people compare with what /trust shows: {printed}",
    ]
    place.show({"ca": str(own.ca.certificate), "fingerprint": printed, "certificates": made}, "\n".join(lines))
