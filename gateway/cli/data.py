"""`status`, `queue`, `replay`: what is there, what waits, what is sent again."""

from typing import Any

import click

from gateway.cli.leaf import Place, leaf

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
@click.option("--waiting", is_flag=True, help="What is still to be sent, instead.")
@leaf
def list_(place: Place, reader: str | None, *, waiting: bool) -> None:
    """What was refused, and why."""
    if waiting:
        _show_waiting(place, place.ask("queue.waiting", reader=reader or CLOUD))
        return
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
@click.option("--reason", default="", help="For the log.")
@leaf
def discard(place: Place, seq: tuple[int, ...], reader: str, reason: str, *, everything: bool) -> None:
    """Give up what was refused: it is never sent."""
    answer = place.ask("queue.discard", reader=reader, seqs=_chosen(seq, everything=everything), reason=reason)
    place.show(answer, f"{answer['discarded']} given up")


@queue.command()
@click.option("--reason", default="", help="For whoever wonders.")
@leaf
def pause(place: Place, reason: str) -> None:
    """Stop the cloud link, both ways, until `queue resume`; a restart does not end it."""
    told = place.ask("queue.pause", reason=reason)
    place.show(told, f"paused since {told['since']} by {told['by']}")


@queue.command()
@click.argument("seq", type=int)
@leaf
def compare(place: Place, seq: int) -> None:
    """The rows of a journal entry here and in a plain cloud: which fields differ."""
    place.show(place.ask("queue.compare", seq=seq))


@queue.command()
@leaf
def now(place: Place) -> None:
    """Try the cloud now, however long the link would have waited after a failure."""
    place.show(place.ask("queue.now"), "the cloud link tries again now")


@queue.command()
@leaf
def resume(place: Place) -> None:
    """Let the cloud link go on."""
    place.show(place.ask("queue.resume"), "the cloud link goes on")


@click.command()
@click.option("--from", "from_seq", type=int, required=True, help="The first entry of the journal.")
@click.option("--to", "to_seq", type=int, required=True, help="The last one.")
@click.option("--out", required=True, help="`webhook:<id>`, `mqtt:<id>` of a publisher, or `uns`.")
@leaf
def replay(place: Place, from_seq: int, to_seq: int, out: str) -> None:
    """Send a stretch of the journal to a way out again."""
    row = place.ask("replay", from_seq=from_seq, to_seq=to_seq, out=out)
    place.show(row, f"{row['id']}: entries {from_seq} to {to_seq} go to {out} again")


def _show_waiting(place: Place, found: list[dict[str, Any]]) -> None:
    lines = [
        f"{one['seq']:>8}  {one['type'] or 'change':28} {one['aggregate']}"
        + (f"\n          tried {one['attempts']} times: {one['last_error']}" if one["last_error"] else "")
        for one in found
    ]
    place.show(found, "\n".join(lines) or "nothing waits")


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
        waits += f", {link['conflicts']} conflicts" if link.get("conflicts") else ""
        why = f"  ({link['error']})" if link.get("error") else ""
        lines.append(f"  {name:14} {link['state']:9} since {link['since'] or '-'}{waits}{why}")
    return "\n".join([*lines, *(f"  ! {problem}" for problem in told.get("problems", ()))])
