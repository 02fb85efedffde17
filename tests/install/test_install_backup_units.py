"""The nightly backup: its units fit the program and the service beside it, and let it do less."""

import shutil
import subprocess
from pathlib import Path

import pytest
from test_install_unit import parsed

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "systemd" / "eryxon-gateway-backup.service"
TIMER = ROOT / "systemd" / "eryxon-gateway-backup.timer"
GATEWAY = parsed((ROOT / "systemd" / "eryxon-gateway.service").read_text())["Service"]
WHOLE = parsed(SERVICE.read_text())["Service"]
ANALYZE = shutil.which("systemd-analyze")
SAME = "User Group StateDirectory StateDirectoryMode WorkingDirectory".split()
NOT_ITS_OWN = {  # what only a service that stays needs
    "Type", "ExecStart", "TimeoutStartSec", "WatchdogSec", "Restart", "RestartSec", "KillMode", "TimeoutStopSec", "OOMPolicy",
    "RestrictAddressFamilies", "ReadWritePaths", "MemoryHigh", "MemoryMax", "CPUWeight", "IOWeight", "OOMScoreAdjust", "TasksMax",
}  # fmt: skip


def test_it_makes_one_with_the_program_and_the_configuration_of_the_service():
    (started,), (serves,) = WHOLE["ExecStart"], GATEWAY["ExecStart"]
    assert started == serves.replace(" run ", " backup create ")
    assert WHOLE["Type"] == ["oneshot"]
    assert {key: WHOLE[key] for key in SAME} == {key: GATEWAY[key] for key in SAME}


def test_it_may_do_no_more_than_the_service_and_nothing_on_the_network():
    assert {key: GATEWAY[key] for key in GATEWAY.keys() - NOT_ITS_OWN} == {
        key: WHOLE.get(key) for key in GATEWAY.keys() - NOT_ITS_OWN
    }
    assert WHOLE["RestrictAddressFamilies"] == ["AF_UNIX"]
    assert WHOLE["PrivateNetwork"] == ["yes"]
    assert "ReadWritePaths" not in WHOLE  # the service may write its configuration


def test_the_work_comes_before_it():
    for key in ("CPUWeight", "IOWeight"):
        assert int(WHOLE[key][0]) < 100 < int(GATEWAY[key][0])
    assert int(WHOLE["OOMScoreAdjust"][0]) > 0 > int(GATEWAY["OOMScoreAdjust"][0])
    assert int(WHOLE["MemoryMax"][0].removesuffix("M")) < int(GATEWAY["MemoryMax"][0].removesuffix("M"))


def test_it_comes_every_night_also_for_a_box_that_was_off():
    timer = parsed(TIMER.read_text())
    assert timer["Timer"]["OnCalendar"] == ["*-*-* 02:30"]
    assert timer["Timer"]["Persistent"] == ["yes"]
    assert timer["Install"]["WantedBy"] == ["timers.target"]
    assert TIMER.stem == SERVICE.stem


@pytest.mark.parametrize("file", [SERVICE, TIMER], ids=lambda file: file.suffix)
def test_the_guide_installs_it(file):
    assert f"{file.name}" in (ROOT / "docs" / "backup.md").read_text()


if ANALYZE:  # else the tables above have to do

    def test_systemd_itself_has_nothing_to_complain_about(tmp_path):
        rated = ran(ANALYZE, "security", "--offline=yes", "--threshold=15", "--no-pager", SERVICE)
        assert rated.returncode == 0, rated.stdout
        here = tmp_path / SERVICE.name
        here.write_text(SERVICE.read_text().replace(WHOLE["ExecStart"][0].split()[0], "/bin/true"))
        shutil.copy(TIMER, tmp_path)
        told = ran(ANALYZE, "verify", "--man=no", tmp_path / TIMER.name, here).stderr.splitlines()
        assert [line for line in told if SERVICE.stem in line] == []


def ran(*command) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)
