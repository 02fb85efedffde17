"""A fresh Debian without network, and a folder: what the installer makes of them works, and is left alone afterwards."""

from collections.abc import Iterator

import box as boxes
import pytest
from box import CONFIG, DATA, OPT, Box
from waiting import until

from gateway import __version__
from gateway.settings import CONFIGS

KEY = f"{DATA}/first-admin-key"
SERVICE = "eryxon-gateway.service"


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
