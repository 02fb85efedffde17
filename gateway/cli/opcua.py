"""`opcua`: certificates, trust and users of the OPC UA mirror. Files in its folder: with the gateway running or stopped."""

from typing import Any

import click

from gateway.cli.leaf import Place, leaf
from gateway.plugin_host import host

PLUGIN = "opcua_mirror"


@click.group()
def opcua() -> None:
    """The OPC UA server: its certificate, whom it trusts, who may log in."""


@opcua.command()
@click.option("--renew", is_flag=True, help="A new one; clients have to trust it again. In force after a restart.")
@click.option("--name", "names", multiple=True, help="Another name or address of this machine.")
@leaf
def certs(place: Place, names: tuple[str, ...], *, renew: bool) -> None:
    """The server's certificate; made when there is none."""
    found = _do(place, "certs", renew=renew, names=names)
    lines = [found["file"], _line(found), f"names: {', '.join(found['names'])}"]
    place.show(found, "\n".join(lines))


@opcua.command()
@click.argument("which", required=False)
@click.option("--minutes", type=int, help="Trust whoever comes within that time, from then on; 0 ends it.")
@click.option("--remove", is_flag=True, help="Do not trust it any more.")
@leaf
def trust(place: Place, which: str | None, minutes: int | None, *, remove: bool) -> None:
    """Which clients' applications are trusted. WHICH: the id of one that was turned away, or a file with a certificate."""
    if remove and which is None:
        raise click.UsageError("--remove wants the id of a trusted certificate")
    found = _do(place, "trust", which=which, minutes=minutes, remove=remove)
    lines = [f"{kind:8}  {_line(one)}" for kind in ("trusted", "rejected") for one in found[kind]]
    if found["open_until"]:
        lines.append(f"whoever comes is trusted until {found['open_until']}")
    place.show(found, "\n".join(lines) or "nobody is trusted, nobody was turned away")


@opcua.group()
def users() -> None:
    """Who may log in."""


@users.command()
@click.argument("name")
@click.option("--role", type=click.Choice(["viewer", "operator"]), default="viewer", show_default=True)
@click.option("--cell", "cells", multiple=True, help="An operator's cell, by name or id; every one when not given.")
@click.option("--operator", "operator_id", help="The profile on which his work is booked.")
@click.option("--certificate", help="A file: he logs in by the certificate in it, and has no password.")
@leaf
def add(
    place: Place, name: str, role: str, cells: tuple[str, ...], operator_id: str | None, certificate: str | None
) -> None:
    """Let somebody in, or give him a new password. It is printed alone on the last line of stdout, only now."""
    given = {"name": name, "role": role, "cells": cells, "operator_id": operator_id, "certificate": certificate}
    made = _do(place, "users.add", **given)
    if certificate:
        place.show(made, f'"{name}" ({role}) logs in by the certificate {made["certificate"][:16]}')
        return
    click.echo(f'the password of "{name}" ({role}), shown only now:', err=True)
    place.show(made, made["password"])


@users.command("list")
@leaf
def list_(place: Place) -> None:
    """All users."""
    found = _do(place, "users.list")
    lines = [f"{one['name']:24}  {one['role']:8}  {', '.join(one['cells'])}" for one in found]
    place.show(found, "\n".join(lines) or "no users")


@users.command()
@click.argument("name")
@leaf
def remove(place: Place, name: str) -> None:
    """From the next login on he is out; who is logged in stays until he leaves."""
    place.show(_do(place, "users.remove", name=name), f"removed: {name}")


def _do(place: Place, verb: str, **given: Any) -> Any:
    return host.carry_out(PLUGIN, verb, place.settings().data_dir, **given)


def _line(one: dict[str, Any]) -> str:
    return f"{one['id']}  until {one['ends'][:10]}  {one['uri'] or 'no address'}  {one['subject']}"
