"""`conflicts`: what the cloud and this gateway saw differently."""

import json
from typing import Any

import click

from gateway.cli.leaf import Place, leaf


@click.group()
def conflicts() -> None:
    """What the cloud and this gateway saw differently."""


@conflicts.command("list")
@click.option("--all", "everything", is_flag=True, help="Also what is resolved.")
@leaf
def list_(place: Place, *, everything: bool) -> None:
    """What waits for somebody to decide, newest first."""
    found = place.ask("conflicts.list", resolved_too=everything)
    place.show(
        found, "\n".join(map(_plain, found)) or ("no conflicts" if everything else "nothing waits for a decision")
    )


@conflicts.command()
@click.argument("conflict")
@click.option(
    "--keep",
    type=click.Choice(["local", "cloud"]),
    required=True,
    help="`local`: ours stays and goes up again; `cloud`: theirs is taken over here.",
)
@leaf
def resolve(place: Place, conflict: str, keep: str) -> None:
    """Decide one, by its id."""
    row = place.ask("conflicts.resolve", id=conflict, resolution=keep)
    place.show(row, f"resolved: {row['entity']} {row['row_id']} {row['field']}, {row['resolution']}")


def _plain(row: dict[str, Any]) -> str:
    local, cloud = (json.dumps(row[side], ensure_ascii=False) for side in ("local", "cloud"))
    how = f"{row['resolution']}, by {row['resolved_by']}" if row["resolution"] else "open"
    return (
        f"{row['id']}  {row['found_at']}  {how}\n"
        f"  {row['entity']} {row['row_id']} {row['field']}: {local} here, {cloud} in the cloud\n  {row['reason']}"
    )
