"""Checks of what the database tells: whether it is whole, what waits for a person, whose keys lie about."""

from collections.abc import Sequence

from gateway.backups.store import overdue
from gateway.kernel.migrate import steps
from gateway.repairs.facts import Facts
from gateway.repairs.model import ERROR, INFO, WARNING, Bad, Check, Fix

CLOUD = "cloud"


def _database(facts: Facts) -> Sequence[Bad] | str:
    if facts.damage:
        return [Bad(facts.damage)]
    if facts.rows is None:
        return "none yet"
    last = max(steps())
    return (
        "whole"
        if facts.rows.schema == last
        else f"whole; the next start brings it from schema {facts.rows.schema} to {last}"
    )


def _core(facts: Facts) -> Sequence[Bad] | str | None:
    """What /healthz warns of and no other check tells."""
    if facts.report is None:
        return None
    backup = overdue(facts.machine.folder.newest_backup, facts.now)
    others = [backup, facts.instead, facts.settings.http.exposed(), *(one.told for one in facts.certificates)]
    told = [text for text in facts.report.get("problems", ()) if text not in others]
    return [Bad(text, about=text[:80]) for text in told] or "nothing"


def _drift(facts: Facts) -> Sequence[Bad] | str | None:
    if facts.rows is None or facts.rows.schema != max(steps()):
        return None
    told = ", ".join(facts.rows.drift)
    return [Bad(told, values={"objects": told})] if told else "as the migrations make it"


def _parked(facts: Facts) -> Sequence[Bad] | str | None:
    if facts.rows is None:
        return None
    return [
        Bad(f"{count} of {reader}", "" if reader == CLOUD else reader, {"count": count, "reader": reader})
        for reader, count in (facts.rows.parked or {}).items()
    ] or "none"


def _conflicts(facts: Facts) -> Sequence[Bad] | str | None:
    if facts.rows is None:
        return None
    count = facts.rows.conflicts
    return [Bad(f"{count} wait for a decision", values={"count": count})] if count else "none"


def _pauses(facts: Facts) -> Sequence[Bad] | str | None:
    if facts.rows is None:
        return None
    count = facts.rows.forgotten_pauses
    return [Bad(f"{count} began more than 12 h ago", values={"count": count})] if count else "none"


def _unused(facts: Facts) -> Sequence[Bad] | str | None:
    return _names(facts.rows.unused_keys if facts.rows else None, "all are used")


def _unlimited(facts: Facts) -> Sequence[Bad] | str | None:
    return _names(facts.rows.unlimited_keys if facts.rows else None, "none")


def _names(names: tuple[str, ...] | None, fine: str) -> Sequence[Bad] | str | None:
    if names is None:
        return None
    told = ", ".join(names)
    return [Bad(told, values={"names": told})] if told else fine


def _backup(facts: Facts) -> Sequence[Bad] | str | None:
    newest = facts.machine.folder.newest_backup
    if newest is None:
        return None
    if overdue(newest, facts.now):
        days = (facts.now - newest).days
        return [Bad(f"the newest is {days} days old", values={"days": days})]
    return f"the newest is of {newest:%Y-%m-%d}"


CHECKS = (
    Check(
        "database",
        "database",
        ERROR,
        "The disk failed, the power was cut while it lied about writing, or the file was changed by another program.",
        "What is damaged cannot be served: the gateway does not start on it.",
        (
            "Copy the data folder away, it is the evidence.",
            "`eryxon-gateway restore` the newest good backup; look at the disk.",
        ),
        _database,
    ),
    Check(
        "core",
        "health",
        ERROR,
        "A part of the gateway itself is not well.",
        "As the line says; /healthz tells `degraded`.",
        ("`journalctl -u eryxon-gateway` has what led to it; a restart shows whether it lasts.",),
        _core,
    ),
    Check(
        "schema_drift",
        "schema",
        WARNING,
        "Somebody has changed tables or indexes by hand, or the file comes from a build that was never released.",
        "An update may fail, or work be slow or refused.",
        ("Undo the change, or restore a backup from before it.",),
        _drift,
    ),
    Check(
        "parked",
        "parked",
        WARNING,
        "The other side refused them.",
        "They and what hangs on them are not sent until somebody decides.",
        (
            "`eryxon-gateway queue list` says why each was refused.",
            "Mend the cause, then `queue retry`; or `queue discard`.",
        ),
        _parked,
        Fix("Send them again", "queue.retry", ("reader",)),
    ),
    Check(
        "conflicts",
        "conflicts",
        WARNING,
        "Somebody changed in the cloud what was changed here too.",
        "Both sides differ there until somebody decides.",
        ("`eryxon-gateway conflicts list`, then `conflicts resolve`.",),
        _conflicts,
    ),
    Check(
        "forgotten_pause",
        "forgotten pauses",
        WARNING,
        "Somebody went home with work paused.",
        "The operation is not free for others, and its time is not booked.",
        ("The operator or a supervisor resumes or ends it at a terminal.",),
        _pauses,
    ),
    Check(
        "keys_unused",
        "keys that nobody uses",
        INFO,
        "A client is gone, or was never connected, for 30 days.",
        "Whoever finds the key may use it.",
        ("`eryxon-gateway keys list`, then `keys revoke`.",),
        _unused,
    ),
    Check(
        "keys_unlimited",
        "keys that may do everything",
        INFO,
        "A client works with an admin key, or an agent with every tool.",
        "What it does wrong, or whoever steals the key, is held back by nothing.",
        ("`keys create` with the scope and cells that it needs; then `keys revoke`.",),
        _unlimited,
    ),
    Check(
        "backup_old",
        "backups",
        WARNING,
        "The timer is off, or the backups fail.",
        "If the disk breaks, what is younger than the newest backup and not yet sent is lost.",
        ("`systemctl status eryxon-gateway-backup.timer`; `eryxon-gateway backup create --output FILE`.",),
        _backup,
    ),
)
