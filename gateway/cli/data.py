"""`status`, `queue`, `import`: what is there, what waits, what comes in."""

import sys
from pathlib import Path
from typing import Any

import click

from gateway.cli.leaf import Place, leaf
from gateway.kernel.errors import StartupError
from gateway.transfer.commands import read_file

CLOUD = "cloud"


@click.command()
@leaf
def status(place: Place) -> int:
    """What is up, what waits, since when; exit code 1 when something of our own is wrong."""
    told = place.ask("status")
    place.show(told, _plain(told))
    return 0 if told["status"] == "ok" else 1


@click.group()
def queue() -> None:
    """What a way out could not deliver."""


@queue.command("list")
@click.option("--reader", help="Of this way out only, as `cloud`.")
@leaf
def list_(place: Place, reader: str | None) -> None:
    """What was refused, and why."""
    found = place.ask("queue.list", reader=reader)
    lines = [
        f"{one['seq']:>8}  {one['reader']:8} {one['type'] or 'change':28} {one['aggregate']}\n          {one['reason']}"
        for one in found
    ]
    place.show(found, "\n".join(lines) or "nothing is parked")


@queue.command()
@click.argument("seq", type=int, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that is parked.")
@click.option("--reader", default=CLOUD, show_default=True)
@leaf
def retry(place: Place, seq: tuple[int, ...], reader: str, *, everything: bool) -> None:
    """Send again what was refused."""
    answer = place.ask("queue.retry", reader=reader, seqs=_chosen(seq, everything=everything))
    place.show(answer, f"{answer['retried']} will be sent again")


@queue.command()
@click.argument("seq", type=int, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that is parked.")
@click.option("--reader", default=CLOUD, show_default=True)
@leaf
def discard(place: Place, seq: tuple[int, ...], reader: str, *, everything: bool) -> None:
    """Give up what was refused: it is never sent."""
    answer = place.ask("queue.discard", reader=reader, seqs=_chosen(seq, everything=everything))
    place.show(answer, f"{answer['discarded']} given up")


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@leaf
def import_(place: Place, file: Path) -> None:
    """Bring rows in, by table, with their ids; may be repeated."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise StartupError(f"{file} cannot be read: {exc}") from exc
    answer = place.ask("import", tables=read_file(text))
    lines = [
        f"{table}: {one['written']} written, {one['unchanged']} unchanged" for table, one in answer["tables"].items()
    ]
    lines += [f"{table}: not kept by this version" for table in answer["not_kept"]]
    place.show(answer, "\n".join(lines) or "nothing in it")


def _chosen(seqs: tuple[int, ...], *, everything: bool) -> list[int] | None:
    if bool(seqs) == everything:
        raise click.UsageError("give the numbers of `queue list`, or --all")
    return list(seqs) or None


def _plain(told: dict[str, Any]) -> str:
    lines = [
        f"{told['gateway']}  {told['status']}  version {told['version']}  epoch {told['epoch']}  journal {told['journal_head']}"
    ]
    for name, link in told["links"].items():
        waits = f"  {link['pending']} wait, {link['parked']} parked" if "pending" in link else ""
        why = f"  ({link['error']})" if link.get("error") else ""
        lines.append(f"  {name:14} {link['state']:9} since {link['since'] or '-'}{waits}{why}")
    return "\n".join([*lines, *(f"  ! {problem}" for problem in told.get("problems", ()))])
