"""What install.sh looks at before it touches anything, and what it then says."""

from collections.abc import Iterator
from pathlib import Path

import box as boxes
import pytest
import stub
from box import BUNDLE, Box

if boxes.possible():  # else there is no box; `make test` as root has one

    @pytest.fixture
    def box(tmp_path) -> Iterator[Box]:
        with boxes.debian(tmp_path, supervised=False) as box:
            box.carry(stub.bundle(tmp_path, "1.0"))
            yield box

    def of_bundle(box: Box, key: str, value: str) -> None:
        """Another value in BUNDLE, with sums that fit."""
        bundle = box.at(BUNDLE)
        lines = [line for line in (bundle / "BUNDLE").read_text().splitlines() if not line.startswith(f"{key}=")]
        (bundle / "BUNDLE").write_text("\n".join([*lines, f"{key}={value}", ""]))
        stub.seal(bundle)

    def not_debian(box: Box) -> None:
        box.at("/etc/os-release").unlink()
        box.put("/etc/os-release", "ID=fedora\n")

    def no_python(box: Box) -> None:
        box.at("/usr/bin/python3").unlink()

    def damaged(box: Box) -> None:
        wheel = next(Path(box.at(f"{BUNDLE}/wheelhouse")).glob("eryxon*.whl"))
        wheel.write_bytes(wheel.read_bytes()[:-1])

    def no_room(box: Box) -> None:
        box.ok("mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", "/opt")

    CASES = {
        "another Python": (lambda box: of_bundle(box, "python", "3.99"), "make bundle ARCH="),
        "another machine": (lambda box: of_bundle(box, "machine", "riscv64"), "are for Python and machine"),
        "not a Debian": (not_debian, "take the container"),
        "no Python": (no_python, "apt install python3"),
        "a damaged file": (damaged, "is damaged (above): copy it again"),
        "no room": (no_room, "100 MB are free below /opt, 500 MB are needed"),
    }

    @pytest.mark.parametrize("case", CASES)
    def test_a_box_that_does_not_fit_is_told_the_way_out_and_left_as_it_is(box, case):
        spoil, words = CASES[case]
        spoil(box)
        before = box.stamp()
        done = box.install()
        assert (done.code, done.err.count("\n") < 4) == (1, True), done
        assert words in done.err
        assert box.stamp() == before
        assert box.call("id", "eryxon-gateway").code == 1

    @pytest.mark.parametrize(
        ("words", "code", "told"),
        [
            (["--what"], 2, "--uninstall"),
            (["--kiosk"], 1, "wants an address"),
            (["--kiosk", "file:///etc/passwd"], 1, "begins with http"),
            (["--kiosk", "http://x/\nExecStart=/bin/sh"], 1, "wants an address"),
            (["--rollback"], 1, "is not installed"),
        ],
    )
    def test_a_word_that_makes_no_sense_is_refused(box, words, code, told):
        done = box.install(*words)
        assert (done.code, told in done.err) == (code, True), done

    def test_only_root_may(box):
        done = box.call("runuser", "-u", "nobody", "--", f"{BUNDLE}/install.sh")
        assert (done.code, "only root" in done.err) == (1, True)

    def test_the_script_alone_says_what_is_missing(box):
        box.ok("cp", f"{BUNDLE}/install.sh", "/root/")
        done = box.call("/root/install.sh")
        assert (done.code, "make bundle" in done.err) == (1, True)

    def test_without_systemd_everything_is_there_but_started(box):
        """As in a container, or while an image for many boxes is made."""
        done = box.install()
        assert done.code == 0, done
        assert "runuser -u eryxon-gateway -- eryxon-gateway run --config" in done.out
        wanted = box.at("/etc/systemd/system/multi-user.target.wants/eryxon-gateway.service")
        assert wanted.is_symlink()  # it comes with the next boot
        assert box.at("/etc/systemd/system/timers.target.wants/eryxon-gateway-backup.timer").is_symlink()
