"""`audit`: is the journal what was written?"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import click

from gateway.admin import client
from gateway.admin.socket import NotRunning
from gateway.admin.verbs import verb as named
from gateway.cli.leaf import Place, boxed, leaf
from gateway.settings import Settings

_Ask = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


@click.group()
def audit() -> None:
    """The journal as an audit trail."""


@audit.command()
@click.option("--since", type=click.IntRange(min=0), default=0, help="Believe everything up to this entry.")
@leaf
def verify(place: Place, since: int) -> int:
    """Name the first entry that was changed, removed or inserted; exit code 1 when there is one."""
    told = asyncio.run(_verified(place.settings(), since))
    place.show(told, _plain(told))
    return 0 if told["ok"] else 1


async def _verified(settings: Settings, since: int) -> dict[str, Any]:
    """Raises NotRunning, GatewayError."""
    try:
        return await _all(partial(client.ask, settings.data_dir, "audit.page"), since)
    except NotRunning:
        async with boxed(settings) as box:
            return await _all(partial(named("audit.page"), box), since)


async def _all(ask: _Ask, since: int) -> dict[str, Any]:
    page = await ask({"since": since})
    first, checked, unchained = page["from"], page["checked"], page["unchained"]
    while not page["through"]:
        page = await ask(page["at"])
        checked, unchained = checked + page["checked"], unchained + page["unchained"]
    ok = page["broken"] is None
    told = {"ok": ok, "since": first, "checked": checked, "unchained": unchained, "head": page["head"]}
    return {**told, "broken": page["broken"]}


def _plain(told: dict[str, Any]) -> str:
    since, head, broken = told["since"], told["head"], told["broken"]
    lines = [f"since  {since['seq']}  {since['hash']}"] if since["hash"] else []
    lines.append(f"head   {head['seq']}  {head['hash']}")
    old = f", {told['unchained']} from before the chain were not" if told["unchained"] else ""
    lines.append(f"{told['checked']} entries verified{old}")
    if broken:
        lines.append(f"BROKEN at {broken['seq']}: {broken['what']}: {broken['told']}")
    return "\n".join(lines)
