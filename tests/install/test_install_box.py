"""A fresh Debian without network, and a folder: what the installer makes of them works, and is left alone afterwards."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import box as boxes
import pytest
from box import CONFIG, DATA, OPT, Box
from waiting import until

from gateway import __version__
from gateway.settings import CONFIGS

KEY = f"{DATA}/first-admin-key"
NOBODY = "http://127.0.0.1:9/functions/v1"  # a cloud that does not answer
CLOUD_KEY = "ery_live_00000000000000000000000000000000"
PASSPHRASE = "the passphrase of this hall"
CREATE = ["runuser", "-u", "eryxon-gateway", "--", "eryxon-gateway", "backup", "create"]
CREATE += ["--with-secrets", "--output", f"{DATA}/hall.zip"]
SWAP_MAX_S = 600.0  # what docs/backup.md promises
SERVICE = "eryxon-gateway.service"
GUIDE = (Path(__file__).parents[2] / "docs" / "backup.md").read_text()


if boxes.possible():  # else there is no box; `make test` as root has one

    @pytest.fixture(scope="module")
    def box(tmp_path_factory, bundle) -> Iterator[Box]:
        with boxes.debian(tmp_path_factory.mktemp("box"), supervised=True) as box:
            box.carry(bundle)
            yield box

    @pytest.fixture(scope="module")
    def said(box) -> str:
        """What a person reads at the end of the first run."""
        done = box.install()
        assert done.code == 0, done
        return done.out

    async def test_one_command_brings_a_service_that_books(box, said):
        await until(lambda: box.call("systemctl", "is-active", SERVICE).code == 0)  # READY=1 was heard
        assert box.ask("/readyz") == (200, "ready")
        assert box.current() == f"{__version__}-1"
        assert box.ok("eryxon-gateway", "version") == f"{__version__}\n"
        key = box.at(KEY).read_text().strip()
        status, made = box.ask("/api-cells", key, {"name": "Laser", "sequence": 1})
        assert (status, made["data"]["cell"]["name"]) == (201, "Laser")
        assert KEY in said
        assert key not in said  # it would lie in the log of a package manager
        assert "/ops/setup" in said
        assert "tls init" in said

    def test_every_command_that_is_named_works_as_it_stands(box, said):
        for line in said.splitlines():
            _, runuser, command = line.partition("runuser -u eryxon-gateway -- ")
            if runuser and "tls init" not in command:
                box.as_service(*command.split())  # doctor among them, which finds no problem

    def test_the_broker_is_the_mosquitto_of_the_distribution(box, said):
        key = box.at(KEY).read_text().strip()
        assert box.ask("/healthz", key)[1]["links"]["broker"]["state"] == "up"
        assert "embedded" not in said

    def test_what_is_there_is_its_owners_alone(box, said):
        owner = box.ok("id", "-u", "eryxon-gateway").strip()
        for path in (CONFIG, str(CONFIGS[-1].parent), DATA, KEY):
            about = box.at(path).stat()
            assert (about.st_mode & 0o077, str(about.st_uid)) == (0, owner), path
        store = box.at("/etc/credstore/eryxon-gateway.box-key").stat()
        assert (store.st_mode & 0o777, store.st_uid, store.st_size) == (0o600, 0, 64)
        others = box.ok("find", OPT, "!", "-user", "root")  # what runs cannot change itself
        assert others == ""

    def test_a_second_run_changes_nothing(box, said):
        before, running = box.stamp(), box.at(f"/run/{SERVICE}.keeper").read_text()
        done = box.install()
        assert (done.code, done.out) == (
            0,
            f"eryxon-gateway {__version__} is installed already: nothing was changed.\n",
        )
        still = {path: stamp for path, stamp in box.stamp().items() if not path.startswith(DATA[1:])}
        assert still == {path: stamp for path, stamp in before.items() if not path.startswith(DATA[1:])}
        assert box.at(f"/run/{SERVICE}.keeper").read_text() == running

    async def test_a_backup_holds_what_nobody_has_heard_of(box, said):
        key = box.at(KEY).read_text().strip()
        box.as_service("eryxon-gateway", "config", "set", f"cloud.url={NOBODY}", f"cloud.api_key={CLOUD_KEY}")
        box.ok("systemctl", "restart", SERVICE)
        await until(lambda: box.call("systemctl", "is-active", SERVICE).code == 0)
        operation = {
            "operation_name": "Cut",
            "sequence": 1,
            "cell_id": box.ask("/api-cells", key)[1]["data"]["cells"][0]["id"],
        }
        part = {"part_number": "P-1", "material": "Steel", "quantity": 5, "operations": [operation]}
        status, _ = box.ask("/api-jobs", key, {"job_number": "J-1", "customer": "ACME", "parts": [part]})
        assert status == 201
        assert box.ask("/healthz", key)[1]["links"]["cloud"]["pending"] > 0
        made = box.call(*CREATE, GATEWAY_PASSPHRASE=PASSPHRASE)
        assert made.code == 0, made
        box.ok("cp", f"{DATA}/hall.zip", "/root/hall.zip")
        box.put("/root/key", key, 0o600)

    def test_nothing_is_left_open_and_no_secret_lies_about(box, said):
        left = {path.name for path in box.at("/run").iterdir()}
        assert not [name for name in left if "credentials." in name]
        assert not box.at(f"{KEY}.part").exists()

    def test_it_goes_and_leaves_what_was_booked_unless_that_is_to_go_too(box, said):
        assert box.install("--purge").code == 2  # alone it is no word
        done = box.install("--uninstall")
        assert (done.code, DATA in done.out) == (0, True)
        assert not any(box.at(path).exists() for path in (OPT, f"/etc/systemd/system/{SERVICE}"))
        assert not box.at("/usr/local/bin/eryxon-gateway").is_symlink()
        assert not box.at(f"/run/{SERVICE}.keeper").exists()  # it was stopped
        assert box.at(f"{DATA}/gateway.sqlite").stat().st_size > 0
        assert box.install("--uninstall", "--purge").code == 0
        assert not any(box.at(path).exists() for path in (OPT, DATA, str(CONFIGS[-1].parent)))
        assert list(box.at("/etc/credstore").iterdir()) == []
        assert box.call("id", "eryxon-gateway").code == 1

    async def test_another_box_takes_its_place_by_the_written_steps(box, said):
        """The box is as one that was never installed; nothing is done but what the guide says."""
        assert not box.at(OPT).exists()
        section = GUIDE.partition("## Another box in ten minutes")[2].partition("\n## ")[0]
        began_s = time.monotonic()
        assert box.install("--no-start").code == 0
        for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL):
            done = box.call("sh", "-ec", block, GATEWAY_PASSPHRASE=PASSPHRASE)
            assert done.code == 0, (block, done)
        box.as_service("eryxon-gateway", "config", "check")
        assert box.install().code == 0
        await until(lambda: box.call("systemctl", "is-active", SERVICE).code == 0)
        assert time.monotonic() - began_s < SWAP_MAX_S
        key = box.at("/root/key").read_text()
        status, told = box.ask("/healthz", key)  # clients go on with their keys
        assert status == 200
        assert told["links"]["cloud"]["pending"] > 0
        assert "secret" not in " ".join(told.get("problems", []))
        assert [job["job_number"] for job in box.ask("/api-jobs", key)[1]["data"]["jobs"]] == ["J-1"]
        assert not box.at(f"{DATA}/box.key").exists()  # it went into the store
        text = box.at(CONFIG).read_text()
        assert NOBODY in text
        assert CLOUD_KEY not in text
