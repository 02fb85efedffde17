"""`uns`: the Unified Namespace and who takes part in it."""

from pathlib import Path
from typing import Any

import click

from gateway.cli.leaf import Place, leaf
from gateway.cli.watch import watch
from gateway.kernel.clock import SystemClock
from gateway.tls import Tls

CERTIFICATE = click.Path(path_type=Path, file_okay=False)


@click.group()
def uns() -> None:
    """The Unified Namespace on MQTT."""


uns.add_command(watch)


@uns.command()
@leaf
def check(place: Place) -> int:
    """What the configured devices and mappings come to; exit code 1 when something is wrong."""
    plan = place.ask("uns.check")
    place.show(plan, "\n".join(_told(plan)))
    return 1 if any(one["level"] == "error" for one in plan["problems"]) else 0


@uns.group()
def devices() -> None:
    """Who may connect. What a device may do stands in the configuration, its password is made here."""


@devices.command()
@click.argument("device")
@click.option("--certificate", type=CERTIFICATE, help="Also make a client certificate in this folder.")
@leaf
def add(place: Place, device: str, certificate: Path | None) -> None:
    """Let a device in. Its password is printed alone on the last line of stdout, only now."""
    _made(place, "add", device, certificate)


@devices.command("list")
@leaf
def list_(place: Place) -> None:
    """All devices that are configured or have a password."""
    found = place.ask("uns.devices.list")
    lines = [
        f"{one['device']:24}  {one['role'] or 'not configured':14}  "
        f"{'password since ' + one['since'] if one['since'] else 'no password':39}  {', '.join(one['cells'])}"
        for one in found
    ]
    place.show(found, "\n".join(lines) or "no devices")


@devices.command()
@click.argument("device")
@click.option("--certificate", type=CERTIFICATE, help="Also make a client certificate in this folder.")
@leaf
def rotate(place: Place, device: str, certificate: Path | None) -> None:
    """A new password; the old one ends, and with it every connection."""
    _made(place, "rotate", device, certificate)


@devices.command()
@click.argument("device")
@leaf
def remove(place: Place, device: str) -> None:
    """Shut a device out, at once."""
    place.show(place.ask("uns.devices.remove", device=device), f"removed: {device}")


def _made(place: Place, verb: str, device: str, certificate: Path | None) -> None:
    made = place.ask(f"uns.devices.{verb}", device=device)
    for note in made["notes"]:
        click.echo(f"note: {note}", err=True)
    click.echo(f'the password of "{device}", shown only now:', err=True)
    place.show(made, made["password"])
    if certificate is not None:  # behind it: what goes wrong here must not keep the password from whoever asked
        pair = Tls(place.settings().data_dir).client(device, certificate, SystemClock().now())
        click.echo(f"certificate: {pair.certificate}, {pair.key}, {certificate / 'ca.crt'}", err=True)


def _told(plan: dict[str, Any]) -> list[str]:
    """For people."""
    lines = [f"broker: {plan['broker']}"]
    for one in plan["devices"]:
        lines += [
            f"device {one['device']} ({one['role']}, {'with a' if one['password'] else 'no'} password)",
            *(f"  cell     {cell['name']} -> {cell['topic']}" for cell in one["cells"]),
            f"  commands {', '.join(one['commands']) or 'none'}",
            *(f"  reads    {topic}" for topic in one["reads"]),
            *(f"  writes   {topic}" for topic in one["writes"]),
        ]
    lines += [
        f"mapping {one['topic']} -> {one['rule']}{' -> ' + one['report'] if one['report'] else ''} ({one['device']})"
        for one in plan["mappings"]
    ]
    if plan["broker"] == "external":
        lines += ["your broker has to allow this (Mosquitto's words; a user for each, none without a password):"]
        lines += [f"  {line}".rstrip() for line in plan["acl"].splitlines()]
    lines += [f"{one['level']}: {one['text']}" for one in plan["problems"]]
    return lines if plan["problems"] else [*lines, "everything fits"]
