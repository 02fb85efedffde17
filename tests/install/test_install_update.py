"""The ways of install.sh, with programs that do as the test wishes: update, going back, being cut off, being refused."""

from collections.abc import Iterator

import box as boxes
import cuts
import pytest
import stub
from box import DATA, OPT, Box
from cuts import brought, installed, serves

KEY = f"{DATA}/first-admin-key"
STORE = "/etc/credstore/eryxon-gateway.box-key"
CUTS_IN_TESTS = 2  # `make appliance` takes many more


if boxes.possible():  # else there is no box; `make test` as root has one

    @pytest.fixture
    def box(tmp_path) -> Iterator[Box]:
        with boxes.debian(tmp_path, supervised=True) as box:
            yield box

    async def test_an_update_is_tried_begun_switched_and_confirmed(box, tmp_path):
        await installed(box, tmp_path)
        for version in ("2.0", "3.0"):
            brought(box, tmp_path, version)
            done = box.install()
            assert done.code == 0, done
            await serves(box, version)
        assert box.calls() == ["2.0 try", "1.0 begin", "2.0 confirm", "3.0 try", "2.0 begin", "3.0 confirm"]
        assert box.versions() == ["2.0-1", "3.0-1"]  # the newest two stay
        assert not box.at(f"{OPT}/updating").exists()

    async def test_one_that_does_not_work_with_the_data_changes_nothing(box, tmp_path):
        await installed(box, tmp_path)
        before = box.stamp()
        brought(box, tmp_path, "2.0", fails=("try",))
        done = box.install()
        assert (done.code, "nothing was changed" in done.err) == (1, True)
        after = box.stamp()
        changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
        assert changed == {"opt/eryxon-gateway/versions", "var/lib/eryxon-gateway/calls"} - before.keys() | {
            "opt/eryxon-gateway/versions"
        }
        await serves(box, "1.0")

    async def test_one_that_does_not_begin_lets_the_old_one_go_on(box, tmp_path):
        await installed(box, tmp_path, fails=("begin",))
        brought(box, tmp_path, "2.0")
        done = box.install()
        assert (done.code, "could not begin" in done.err) == (1, True)
        await serves(box, "1.0")

    async def test_one_that_is_not_ready_is_taken_back_with_the_data(box, tmp_path):
        await installed(box, tmp_path)
        brought(box, tmp_path, "2.0", ready=False)
        done = box.install()
        assert (done.code, "runs again" in done.err) == (1, True)
        assert box.calls() == ["2.0 try", "1.0 begin", "2.0 rollback"]
        await serves(box, "1.0")

    async def test_when_the_new_program_cannot_take_it_back_the_old_one_does(box, tmp_path):
        await installed(box, tmp_path)
        brought(box, tmp_path, "2.0", ready=False, fails=("rollback",))
        assert box.install().code == 1
        assert box.calls()[2:] == ["2.0 rollback", "1.0 rollback"]
        await serves(box, "1.0")

    async def test_when_neither_can_nothing_is_started_on_data_that_does_not_fit(box, tmp_path):
        await installed(box, tmp_path, fails=("rollback",))
        brought(box, tmp_path, "2.0", ready=False, fails=("rollback",))
        done = box.install()
        assert (done.code, "could not be taken back" in done.err) == (1, True)
        assert box.call("systemctl", "is-active", "eryxon-gateway.service").code == 3
        assert box.at(f"{OPT}/updating").read_text() == f"{OPT}/versions/1.0-1\n"  # --rollback tries again

    async def test_programs_that_know_no_update_are_exchanged_and_an_older_one_lets_the_new_one_begin(box, tmp_path):
        await installed(box, tmp_path, knows_update=False)
        brought(box, tmp_path, "2.0", knows_update=False)
        assert box.install().code == 0
        await serves(box, "2.0")
        assert box.calls() == []
        brought(box, tmp_path, "3.0")
        assert box.install().code == 0
        assert box.calls() == ["3.0 try", "3.0 begin", "3.0 confirm"]

    async def test_a_person_goes_back_later_once(box, tmp_path):
        await installed(box, tmp_path)
        brought(box, tmp_path, "2.0")
        assert box.install().code == 0
        done = box.install("--rollback")
        assert done.code == 0, done
        await serves(box, "1.0")
        assert box.calls()[3:] == ["2.0 rollback"]
        again = box.install("--rollback")
        assert (again.code, "no earlier version" in again.err) == (1, True)
        assert box.install().code == 0  # and forward again, from the same bundle
        await serves(box, "2.0")

    async def test_the_units_of_the_version_that_runs_are_in_force(box, tmp_path):
        await installed(box, tmp_path)
        unit = "/etc/systemd/system/eryxon-gateway.service"
        old = box.at(unit).read_text()
        new = stub.bundle(tmp_path, "2.0")
        (new / "units" / "eryxon-gateway.service").write_text(old + "# new\n")
        stub.seal(new)
        box.carry(new)
        assert box.install().code == 0
        assert box.at(unit).read_text() == old + "# new\n"
        assert box.install("--rollback").code == 0
        assert box.at(unit).read_text() == old

    async def test_what_is_not_wished_is_not_started(box, tmp_path):
        brought(box, tmp_path, "1.0")
        done = box.install("--no-start")
        assert (done.code, "not started, as asked" in done.out) == (0, True)
        assert box.call("systemctl", "is-active", "eryxon-gateway.service").code == 3

    async def test_after_a_removal_it_comes_back_to_its_data_and_makes_no_second_key(box, tmp_path):
        await installed(box, tmp_path)
        box.as_service("sh", "-c", f"echo booked >{DATA}/gateway.sqlite; echo mine >{KEY}")
        sealed = box.at(STORE).read_bytes()
        assert box.install("--uninstall").code == 0
        assert box.install().code == 0
        await serves(box, "1.0")
        assert (box.at(f"{DATA}/gateway.sqlite").read_text(), box.at(KEY).read_text()) == ("booked\n", "mine\n")
        assert box.at(STORE).read_bytes() == sealed

    # -------------------------------------------------------------- the key of the box

    async def test_a_key_that_lies_in_the_data_folder_moves_into_the_store(box, tmp_path):
        brought(box, tmp_path, "1.0")
        box.ok("useradd", "--system", "--home-dir", DATA, "eryxon-gateway")
        box.ok("install", "-d", "-o", "eryxon-gateway", "-m", "0700", DATA)
        box.put(f"{DATA}/box.key", "k" * 64)
        box.ok("chown", "eryxon-gateway", f"{DATA}/box.key")
        assert box.install().code == 0
        assert box.at(STORE).read_text() == "k" * 64
        assert (box.at(STORE).stat().st_mode & 0o777, box.at(STORE).stat().st_uid) == (0o600, 0)
        assert not box.at(f"{DATA}/box.key").exists()
        await serves(box, "1.0")

    async def test_one_that_a_restore_brought_takes_the_place_of_the_one_in_the_store_which_is_kept(box, tmp_path):
        await installed(box, tmp_path)
        made = box.at(STORE).read_bytes()
        box.as_service("sh", "-c", f"printf %s {'k' * 64} >{DATA}/box.key")
        assert box.install().code == 0
        await serves(box, "1.0")
        assert box.at(STORE).read_text() == "k" * 64
        (kept,) = box.at("/etc/credstore").glob("*.before-*")
        assert (kept.read_bytes(), kept.stat().st_mode & 0o777) == (made, 0o600)

    async def test_root_takes_no_key_by_a_link_that_the_service_may_have_laid(box, tmp_path):
        brought(box, tmp_path, "1.0")
        box.ok("useradd", "--system", "--home-dir", DATA, "eryxon-gateway")
        box.ok("install", "-d", "-o", "eryxon-gateway", "-m", "0700", DATA)
        box.put("/root/secret", "s" * 64, 0o600)
        box.as_service("ln", "-s", "/root/secret", f"{DATA}/box.key")
        assert box.install().code == 0
        assert box.at(STORE).read_bytes() not in (b"", b"s" * 64)

    # -------------------------------------------------------------- cut off in the middle

    async def test_an_install_that_was_cut_off_is_finished_by_the_next_run(tmp_path):
        await cuts.install_survives(tmp_path, CUTS_IN_TESTS)

    async def test_an_update_that_was_cut_off_is_finished_by_the_next_run(tmp_path):
        await cuts.update_survives(tmp_path, CUTS_IN_TESTS)
