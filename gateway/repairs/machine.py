"""Checks of the machine under the gateway: disk, folder, clock, memory, and the files that it is made of."""

from collections.abc import Sequence
from datetime import timedelta

from gateway.kernel import clock as time_
from gateway.kernel.disk import BALLAST_BYTES
from gateway.kernel.memory import MEMORY_MAX_BYTES
from gateway.kernel.room import Use, leaves_bytes, listed
from gateway.repairs.facts import FIRST_KEY, Facts
from gateway.repairs.model import ERROR, INFO, WARNING, Bad, Check, Fix

MB = 1024 * 1024
FREE_FACTOR = 2  # times what uploads leave free: then somebody should look
PYTHON_MIN, SQLITE_MIN = (3, 11), (3, 38)
CLOCK_OFF_MAX_S = 60.0
FILES_SHARE_MAX = 0.8  # of what the process may have open
FILES_SPARE = 256  # beside one for each connection: database, broker, cloud, plugins
MEMORY_FREE_MIN_MB = 64
UPDATE_TAKES = timedelta(minutes=15)  # while it is on its way nobody has to be told


def _service(facts: Facts) -> Sequence[Bad] | str:
    if facts.service:
        return [Bad(facts.service)]
    return "stopped" if facts.report is None else "running"


def _python(facts: Facts) -> Sequence[Bad] | str:
    return _version(facts.machine.python, PYTHON_MIN)


def _sqlite(facts: Facts) -> Sequence[Bad] | str:
    return _version(facts.machine.sqlite, SQLITE_MIN)


def _version(found: tuple[int, ...], least: tuple[int, ...]) -> Sequence[Bad] | str:
    told, wanted = (".".join(map(str, one)) for one in (found, least))
    return told if found >= least else [Bad(f"{told}, at least {wanted} is needed", values={"found": told})]


def _folder(facts: Facts) -> Sequence[Bad] | str:
    folder, path = facts.machine.folder, facts.settings.data_dir
    if not folder.writable:
        return [Bad(f"{path} cannot be written in", "writable")]
    if not folder.there:
        return f"{path} (still to be made)"
    if folder.strangers:
        names = ", ".join(folder.strangers)
        return [Bad(f"in {path} these belong to somebody else: {names}", "owner", {"files": names})]
    return str(path)


def _open_folder(facts: Facts) -> Sequence[Bad] | str | None:
    mode = facts.machine.folder.open_to
    if not facts.machine.folder.there:
        return None
    return (
        [Bad(f"{facts.settings.data_dir} has the mode {mode}", values={"mode": mode})] if mode else "for its owner only"
    )


def _disk(facts: Facts) -> Sequence[Bad] | str:
    lent = 0 if facts.machine.folder.ballast or not facts.machine.folder.there else BALLAST_BYTES
    free = max(0, facts.machine.free_bytes - lent)
    free_mb, should_mb = free // MB, FREE_FACTOR * _leaves(facts, Use.UPLOAD) // MB
    if free_mb >= should_mb:
        return f"{free_mb} MB free"
    refused = [use for use in Use if free < _leaves(facts, use)]
    told = f"; {listed(refused)} are refused" if refused else ""
    severity = ERROR if Use.TELEMETRY in refused else None
    return [Bad(f"{free_mb} MB are free, {should_mb} should be{told}", values={"free_mb": free_mb}, severity=severity)]


def _leaves(facts: Facts, use: Use) -> int:
    return leaves_bytes(use, facts.machine.total_bytes, facts.settings.limits.upload_reserve_bytes)


def _ballast(facts: Facts) -> Sequence[Bad] | str | None:
    if facts.report is None:
        return None
    if facts.machine.folder.ballast:
        return f"{BALLAST_BYTES // MB} MB kept back"
    needed = (BALLAST_BYTES + _leaves(facts, Use.PLAN)) // MB
    return [Bad(f"it was given to the journal; laid down again once {needed} MB are free")]


def _clock_unset(facts: Facts) -> Sequence[Bad] | str:
    told = facts.now.isoformat(timespec="seconds")
    return told if time_.trusted(facts.now) else [Bad(f"it shows {told}: it was never set")]


def _clock_off(facts: Facts) -> Sequence[Bad] | str | None:
    off_s = facts.links.get("cloud", {}).get("clock_offset_s")
    if off_s is None:
        return None
    told = f"it differs from the cloud's by {abs(off_s):.0f} s"
    return [Bad(told, values={"offset_s": off_s})] if abs(off_s) > CLOCK_OFF_MAX_S else told


def _files(facts: Facts) -> Sequence[Bad] | str | None:
    process = facts.machine.process
    if process is None:
        return None
    wanted = facts.settings.limits.connections + FILES_SPARE
    if process.files_open > FILES_SHARE_MAX * process.files_max:
        return [Bad(f"{process.files_open} of {process.files_max} are open", "open", severity=ERROR)]
    if process.files_max < wanted:
        told = (
            f"{process.files_max} may be open, {wanted} are needed for {facts.settings.limits.connections} connections"
        )
        return [Bad(told, "limit", {"files_max": process.files_max, "wanted": wanted})]
    return f"{process.files_open} of {process.files_max} are open"


def _memory(facts: Facts) -> Sequence[Bad] | str | None:
    free, process = facts.machine.memory_free_bytes, facts.machine.process
    if free is not None and free < MEMORY_FREE_MIN_MB * MB:
        return [Bad(f"{free // MB} MB are free on this machine", "free", {"free_mb": free // MB})]
    if process is not None and process.memory_bytes > MEMORY_MAX_BYTES:
        used_mb = process.memory_bytes // MB
        return [Bad(f"the gateway has taken {used_mb} MB", "used", {"used_mb": used_mb})]
    return None if free is None else f"{free // MB} MB free"


def _config(facts: Facts) -> Sequence[Bad] | str:
    return [Bad(one, about=str(number) if number else "") for number, one in enumerate(facts.config)] or "can be used"


def _restart(facts: Facts) -> Sequence[Bad] | str | None:
    if facts.report is None:
        return None
    told = ", ".join(facts.restart)
    return [Bad(f"otherwise in the file: {told}", values={"keys": told})] if told else "what the file says is in force"


def _last_good(facts: Facts) -> Sequence[Bad] | str | None:
    if facts.report is None:
        return None
    return [Bad(facts.instead)] if facts.instead else "the one of the file"


def _secrets_clear(facts: Facts) -> Sequence[Bad] | str:
    told = ", ".join(facts.clear)
    return [Bad(f"in the clear: {told}", values={"keys": told})] if told else "none in the clear"


def _first_key(facts: Facts) -> Sequence[Bad] | str:
    file = facts.settings.data_dir / FIRST_KEY
    return [Bad(f"{file} is still there", values={"file": str(file)})] if facts.machine.folder.first_key else "put away"


def _update(facts: Facts) -> Sequence[Bad] | str | None:
    began = facts.machine.folder.update
    if began is None:
        return None
    if facts.now - began < UPDATE_TAKES:
        return "one is on its way"
    told = f"{began:%Y-%m-%d %H:%M} UTC"
    return [Bad(f"one was begun on {told} and is neither confirmed nor rolled back", values={"at": told})]


_CLOCK_STEPS = (
    "`timedatectl` shows whether it is synchronised.",
    "Name a time server of the plant in /etc/systemd/timesyncd.conf.",
)
CHECKS = (
    Check(
        "service",
        "service",
        ERROR,
        "The gateway has started and does not answer: it hangs, or it is just starting.",
        "Commands cannot reach it; stations may not either.",
        (
            "Wait half a minute and look again.",
            "`journalctl -u eryxon-gateway` says what it did last; then restart it.",
        ),
        _service,
    ),
    Check(
        "python",
        "Python",
        ERROR,
        "This Python is older than the gateway was made for.",
        "It may not start, or fail where nobody expects it.",
        ("Install Python 3.11 or newer and the gateway anew with it.",),
        _python,
    ),
    Check(
        "sqlite",
        "SQLite",
        ERROR,
        "This SQLite lacks what the gateway's statements need.",
        "It will not start.",
        ("Update the operating system: SQLite comes with it.",),
        _sqlite,
    ),
    Check(
        "config",
        "configuration",
        WARNING,
        "A key is unknown, has no effect, or can be read by others.",
        "Something is not set as somebody believes it is, or a secret is seen.",
        (
            "`eryxon-gateway config check` names file, key and value.",
            "`chmod 600` on the file that holds the cloud's key.",
        ),
        _config,
    ),
    Check(
        "last_good",
        "last good configuration",
        ERROR,
        "The gateway failed five times within two minutes with the configuration in the file.",
        "It works with the configuration that worked last; what was changed since then is not in force.",
        (
            "`eryxon-gateway config check` says what is wrong with the file; else the log of the failed starts does.",
            "Correct the file, then `systemctl restart eryxon-gateway`.",
        ),
        _last_good,
    ),
    Check(
        "restart_needed",
        "configuration in force",
        WARNING,
        "The configuration file has changed since the start.",
        "The gateway still works with what was there at its start.",
        ("`systemctl restart eryxon-gateway`, at a quiet time: stations wait for some seconds.",),
        _restart,
    ),
    Check(
        "data_folder",
        "data folder",
        ERROR,
        "A command ran as another user, or the folder was copied or mounted by somebody else.",
        "The gateway cannot write there: it stops, or refuses what is booked.",
        ("Run commands as the gateway's user.", "`chown -R` the folder to the user that the service runs as."),
        _folder,
    ),
    Check(
        "data_folder_open",
        "data folder's rights",
        WARNING,
        "The folder was made or copied with wider rights than the gateway gives it.",
        "Other users of this machine may read work, keys and certificates.",
        ("`chmod 700` the folder.",),
        _open_folder,
        Fix("Close it to others", "repairs.close_folder"),
    ),
    Check(
        "disk_low",
        "free space",
        WARNING,
        "Backups, files or other programs have filled the disk.",
        "First uploads are refused, then machine values and logs, then plans, in the end bookings.",
        (
            "docs/disk-full.md says how to make room: move old backups away, delete what is not needed.",
            "Set [retention] journal_days and log_days lower.",
        ),
        _disk,
    ),
    Check(
        "ballast",
        "ballast",
        WARNING,
        "The disk was full: the space kept back for the journal is in use.",
        "When the disk fills up again there is nothing left to give.",
        ("Free some space; it is laid down again by itself.",),
        _ballast,
    ),
    Check(
        "clock_unset",
        "clock",
        ERROR,
        "The machine has no battery for its clock and has not reached a time server.",
        "What is booked has a wrong time until the clock is set; nothing expires while it cannot be trusted.",
        _CLOCK_STEPS,
        _clock_unset,
    ),
    Check(
        "clock_off",
        "clock beside the cloud's",
        WARNING,
        "This machine or the cloud does not reach a time server.",
        "What is booked has a wrong time.",
        _CLOCK_STEPS,
        _clock_off,
    ),
    Check(
        "files_open",
        "open files",
        WARNING,
        "The limit of the service is lower than its connections need, or something does not let go.",
        "Beyond the limit no station connects and no file opens.",
        ("Set LimitNOFILE=4096 in the unit, or fewer [limits] connections.",),
        _files,
    ),
    Check(
        "memory",
        "memory",
        WARNING,
        "Other programs need it, or the gateway has taken too much.",
        "The kernel ends the largest program; the gateway starts again and loses nothing, but stations wait.",
        (
            "`systemctl status` shows who takes it.",
            "Restart the gateway at a quiet time; send a support bundle if it grows again.",
        ),
        _memory,
    ),
    Check(
        "secrets_clear",
        "secrets in the configuration",
        INFO,
        "Secrets were written into the configuration file by hand.",
        "Whoever gets at a copy of the file has them.",
        ("`eryxon-gateway config seal` seals them with the key of this box; older copies of the file keep them.",),
        _secrets_clear,
        Fix("Seal them", "config.seal"),
    ),
    Check(
        "update_open",
        "update",
        WARNING,
        "The installer was cut off, or somebody updated by hand and did not say how it ended.",
        "Nothing is wrong with the work; but nobody has said that the new version is good, and the next update is refused.",
        (
            "It works: `eryxon-gateway update confirm`.",
            "It does not: `install.sh --rollback`, or stop the service and `eryxon-gateway update rollback`.",
        ),
        _update,
    ),
    Check(
        "first_key",
        "first admin key",
        INFO,
        "The key of the first start was not put away.",
        "Whoever reads the data folder may do everything.",
        ("Keep the key in a safe place and delete the file.",),
        _first_key,
    ),
)
