"""`machines`: how they stand, and pieces that were counted and not believed."""

from typing import Any

import click

from gateway.cli.leaf import Place, leaf


@click.group()
def machines() -> None:
    """How the machines stand, and pieces that were not booked."""


@machines.command("list")
@click.option("--all", "everything", is_flag=True, help="Also what is acknowledged.")
@leaf
def list_(place: Place, *, everything: bool) -> None:
    """Every device of the settings, then the pieces that wait for somebody to look."""
    found = place.ask("machines.list", all=everything)
    lines = [*map(_machine, found["machines"]), *map(_quarantine, found["quarantines"])]
    place.show(found, "\n".join(lines) or "no [[uns.device]] in the settings")


@machines.command()
@click.argument("quarantine")
@leaf
def acknowledge(place: Place, quarantine: str) -> None:
    """Somebody has looked at pieces that were not booked, and booked what was made by hand."""
    row = place.ask("machines.acknowledge", id=quarantine)
    place.show(row, f"acknowledged: {row['pieces']} pieces of {row['device']} {row['input']}")


def _machine(one: dict[str, Any]) -> str:
    counters = " ".join(f"{name}={value}" for name, value in one["counters"].items())
    return f"{one['device']}  {one['state']} ({one['quality']})  {counters}"


def _quarantine(row: dict[str, Any]) -> str:
    seen = f"  acknowledged by {row['acknowledged_by']}" if row["acknowledged_at"] else ""
    step = "" if row["reason"] != "jump" else f", from {row['last_value']} to {row['value']}"
    return f"{row['id']}  {row['found_at']}  {row['device']} {row['input']}: {row['pieces']} pieces ({row['reason']}{step}){seen}"
