"""`restore`: a backup brought back, on this box or on another one."""

import asyncio
from pathlib import Path
from typing import Any

import click

from gateway import sealed
from gateway.backups import configured
from gateway.backups.archive import Archive
from gateway.backups.restore import Restored, preview, secrets
from gateway.backups.restore import configuration as of_backup
from gateway.backups.restore import restore as restored
from gateway.backups.sealing import Kept
from gateway.cli.leaf import Place, leaf
from gateway.cli.passphrases import passphrase, with_passphrase
from gateway.kernel import logs
from gateway.kernel.clock import SystemClock
from gateway.kernel.disk import DataLock, write_whole
from gateway.kernel.errors import Invalid, StartupError
from gateway.kernel.ids import uuid7
from gateway.kernel.secrets import FILE, Secrets
from gateway.outbox.event import Stamp


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--yes", is_flag=True, help="Do it; without it only what would happen is told.")
@with_passphrase
@leaf
def restore(place: Place, file: Path, passphrase_file: Path | None, *, yes: bool, with_secrets: bool) -> None:
    """Bring a backup back; the gateway must not run. What is there is kept aside. A --config that is not there yet is written
    from the backup.
    """
    logs.configure("error")
    try:
        with Archive(file) as archive:
            secret = passphrase(passphrase_file, twice=False) if with_secrets else None
            kept = None if secret is None else secrets(archive, secret)
            where = _Where(place, archive, kept)
            if not yes:
                told = preview(file, where.data)
                place.show({**told, "restored": False}, _previewed(told, where.data))
                return
            done = asyncio.run(_restore(archive, where, kept))
    except OSError as exc:
        raise StartupError(f"{file} could not be restored: {exc}") from exc
    told = {"restored": True, "epoch": done.epoch, "journal_head": done.journal_head, "pending": done.pending}
    where.asked += ["the secrets of webhooks and of MQTT publishers"] if done.sealed else []
    told |= {"aside": done.aside and str(done.aside), "asked_again": where.asked}
    place.show({**told, "config": where.written and str(where.written)}, _plain(done, where))


class _Where:
    """The data folder and the gateway that are meant; a configuration that is not there yet comes out of the backup."""

    def __init__(self, place: Place, archive: Archive, kept: Kept | None) -> None:
        self.written: Path | None = None
        self.box_key = kept is not None and FILE in kept.files
        if place.config is None or place.config.exists():
            settings = place.settings()
            self.data, self.gateway = settings.data_dir, settings.gateway.id
            _, set_here = configured.split(settings)
            self.asked = [name for name in of_backup(archive, None)[1] if name not in set_here]
            return
        tree, asked = of_backup(archive, kept)
        self.asked = [*asked]
        section: dict[str, Any] = tree.setdefault("gateway", {})
        if place.data is not None:
            section["data_dir"] = str(place.data.absolute())
        if "data_dir" not in section:
            raise Invalid("the backup does not say where its data was: name the data folder with --data")
        self.data, self.gateway = Path(section["data_dir"]), archive.manifest.gateway
        self.written = place.config
        self._tree = tree

    def write(self) -> None:
        """Once the data is back, and with it the key that the secrets are sealed with."""
        if self.written is not None:
            if self.box_key:
                sealed.seal(self._tree, Secrets(self.data))
            self.written.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.written, configured.text(self.gateway, self._tree, dict.fromkeys(self.asked, "")).encode())


async def _restore(archive: Archive, where: _Where, kept: Kept | None) -> Restored:
    clock = SystemClock()
    stamp = Stamp(clock.now(), where.gateway, uuid7(clock))
    where.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with DataLock(where.data) as lock:
        done = await restored(archive, where.data, where.gateway, clock, stamp, kept)
        where.write()
        lock.orderly = True
    return done


def _previewed(told: dict[str, Any], data: Path) -> str:
    one = told["backup"]
    made = f"of {one['gateway']}, made {one['made_at'][:19]}Z with version {one['version']}"
    holds = f"{one['rows']} rows, {one['files']} files, journal {one['journal_head']}, {one['pending']} entries not sent then"
    lines = [f"the backup: {made}; {holds}"]
    here, lost = told["here"], told["lost"]
    if here is None:
        lines.append(f"here: nothing in {data}")
    elif lost is None:
        lines.append(f"here: {data} cannot be read ({here['error']})")
    else:
        lines.append(
            f"here: journal {here['journal_head']}; {lost['entries']} entries came after the backup and would be gone, "
            f"{lost['pending']} of those here are not in the cloud"
        )
    return "\n".join([*lines, "nothing was changed: --yes restores it, and keeps what is here aside"])


def _plain(done: Restored, where: _Where) -> str:
    lines = [f"restored into {where.data}: journal {done.journal_head}, epoch {done.epoch}"]
    if done.aside is not None:
        lines.append(f"what was there: {done.aside}; delete it when nobody needs it any more")
    if where.box_key:
        lines.append(
            f"the key of the box: {where.data / FILE}; on a box with a credential store run install.sh again before the start, "
            "it moves the key there"
        )
    if done.pending:
        lines.append(
            f"{done.pending} entries wait for the cloud, and nobody knows whether the old box has sent them: each is verified first"
        )
    if where.written is not None:
        lines.append(f"configuration: {where.written}")
    if where.asked:
        lines.append(f"to be set again, it is not in the backup: {', '.join(where.asked)}")
    return "\n".join(lines)
