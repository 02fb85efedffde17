"""`doctor`: everything that may be wrong with this box, with the gateway running or stopped."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from gateway.admin import client
from gateway.admin.socket import NotRunning
from gateway.cli.leaf import Place, leaf
from gateway.kernel.clock import SystemClock
from gateway.kernel.disk import owner
from gateway.kernel.errors import StartupError
from gateway.repairs.asking import of_stopped
from gateway.repairs.examined import examined, unusable
from gateway.repairs.model import ERROR, INFO, WARNING
from gateway.settings import CONFIGS, Settings, whereabouts
from gateway.starts import trouble

_MARKS = {ERROR: "BAD ", WARNING: "LOOK", INFO: "note"}
_KNOWN, _OK = "known", "ok"
DAYS = 30


@click.command()
@click.option("--ignore", "problem", help="Say nothing of the problem with this id (see --json) for some days.")
@click.option(
    "--days", type=click.IntRange(0, 365), default=DAYS, show_default=True, help="With --ignore; 0: heed it again."
)
@leaf
def doctor(place: Place, problem: str | None, days: int) -> int:
    """Look at everything that may be wrong, and say what it does and how it is mended; exit code 1 when something keeps the
    gateway from working or puts work at risk.
    """
    if problem is not None:
        told = place.ask("repairs.ignore", id=problem, days=days)
        place.show(
            told, f"{told['id']}: ignored until {told['ignored_until']}" if days else f"{told['id']}: heeded again"
        )
        return 0
    findings = _found(place)
    place.show(findings, "\n".join(_lines(findings)))
    return 1 if any(one.get("severity") == ERROR and not one["ignored_until"] for one in findings) else 0


def _found(place: Place) -> list[dict[str, Any]]:
    try:
        settings = place.settings()
    except StartupError as exc:
        data_dir = whereabouts(place.config, place.data).data_dir
        with contextlib.suppress(NotRunning):  # it runs with the last good configuration, and tells so
            told: list[dict[str, Any]] = asyncio.run(client.ask(data_dir, "repairs.list", {"all": True}))
            return told
        return [one.shown() for one in unusable(exc.message)]
    return asyncio.run(looked(settings, config_of(place)))


def config_of(place: Place) -> Path | None:
    """The file that the settings come from."""
    return place.config or next((file.absolute() for file in CONFIGS if file.is_file()), None)


async def looked(settings: Settings, config: Path | None) -> list[dict[str, Any]]:
    """Of the gateway that runs, else of what it has left."""
    try:
        told: list[dict[str, Any]] = await client.ask(settings.data_dir, "repairs.list", {"all": True})
    except NotRunning as exc:
        process = owner(settings.data_dir)
        silent = f"process {process} has the data folder and does not answer ({exc})" if process else None
        facts, ignored = await of_stopped(settings, SystemClock().now(), config, silent or trouble(settings.data_dir))
        return [one.shown() for one in examined(facts, ignored)]
    return told


def _lines(findings: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for one in findings:
        mark = _OK if one["ok"] else _KNOWN if one["ignored_until"] else _MARKS[one["severity"]]
        lines.append(f"{mark:5} {one['what']}: {one['found']}")
        if not one["ok"] and not one["ignored_until"]:
            lines += [f"        {text}" for text in (one["cause"], one["effect"])]
            lines += [f"      > {step}" for step in one["steps"]]
    return lines
