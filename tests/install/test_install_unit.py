"""The service's unit: it fits the code that it starts, and lets it do no more than it needs."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr

from gateway import app, starts, systemd
from gateway.cli import serve
from gateway.kernel.memory import MEMORY_MAX_BYTES
from gateway.repairs import machine
from gateway.sections import Settings
from gateway.settings import CONFIGS
from gateway.uns import mosquitto

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "systemd" / "eryxon-gateway.service"
GUIDE = (ROOT / "docs" / "install.md").read_text()
INSTALLER = {line.partition(" #")[0].strip() for line in (ROOT / "systemd" / "parts.sh").read_text().splitlines()}
ANALYZE = shutil.which("systemd-analyze")
ENDS_IN_S = 10  # what is promised for SIGTERM
UNITS_S = {"s": 1, "min": 60}


def parsed(text: str) -> dict[str, dict[str, list[str]]]:
    """Section -> key -> its values, as systemd reads them: a key may stand more than once."""
    found: dict[str, dict[str, list[str]]] = {}
    for line in text.splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            section.setdefault(key, []).append(value)
    return found


WHOLE = parsed(UNIT.read_text())
SERVICE = WHOLE["Service"]


def seconds(span: str) -> float:
    number, unit = re.fullmatch(r"(\d+)([a-z]+)", span).groups()
    return int(number) * UNITS_S[unit]


def one(key: str, section: str = "Service") -> str:
    (value,) = WHOLE[section][key]
    return value


# ------------------------------------------------------------------ it fits the program


def test_it_starts_the_program_that_is_installed_with_the_configuration_that_every_command_finds():
    program, *words = one("ExecStart").split()
    assert words == ["run", "--config", str(CONFIGS[-1])]
    assert program == "/opt/eryxon-gateway/current/bin/eryxon-gateway"
    assert {"NAME=eryxon-gateway", "OPT=/opt/$NAME", "CURRENT=$OPT/current"} <= INSTALLER
    assert {"CONFIGS=/etc/$NAME", "CONFIG=$CONFIGS/gateway.toml"} <= INSTALLER
    assert str(CONFIGS[-1]) in GUIDE


def test_its_data_folder_is_the_one_of_the_guide_and_its_owners_alone():
    folder = f"/var/lib/{one('StateDirectory')}"
    assert one("WorkingDirectory") == folder
    assert one("StateDirectoryMode") == "0700"
    assert folder in GUIDE
    assert "DATA=/var/lib/$NAME" in INSTALLER
    assert (one("User"), one("Group")) == ("eryxon-gateway", "eryxon-gateway")
    assert "DynamicUser" not in SERVICE


def test_systemd_hears_from_it_and_ends_it_when_it_is_stuck():
    assert one("Type") == "notify"
    watchdog_s = seconds(one("WatchdogSec"))
    assert watchdog_s == 30
    assert watchdog_s * systemd.STILL_SHARE == pytest.approx(10)
    assert watchdog_s * systemd.LOOK_SHARE * 3 < watchdog_s  # two beats may get lost


def test_it_has_the_time_that_an_orderly_end_takes_and_ends_its_mosquitto_itself():
    assert app.REQUESTS_END_S + app.LINKS_END_S < ENDS_IN_S < seconds(one("TimeoutStopSec"))
    assert mosquitto.END_MAX_S < app.LINKS_END_S
    assert one("KillMode") == "mixed"  # control-group would end the broker before the goodbye is published


def test_it_comes_back_for_ever_and_counts_its_own_starts():
    """systemd must not give up before the gateway has taken the last good configuration, or shows its page."""
    assert one("Restart") == "always"
    assert one("StartLimitIntervalSec", "Unit") == "0"
    assert seconds(one("RestartSec")) * starts.STARTS_MAX < starts.WITHIN_S  # else no loop would be seen
    assert one("OOMPolicy") == "continue"


def test_it_has_room_for_its_work_and_ends_before_the_machine_does():
    high, most = (int(one(key).removesuffix("M")) for key in ("MemoryHigh", "MemoryMax"))
    assert MEMORY_MAX_BYTES // machine.MB <= high < most  # doctor speaks first
    assert int(one("LimitNOFILE")) > 4 * (Settings().limits.connections + serve.OTHER_FILES)
    assert int(one("TasksMax")) > 200
    assert one("LimitCORE") == "0"


def test_every_secret_of_the_settings_can_come_from_the_credential_store():
    """By name alone: a path that is missing would keep it from starting."""
    wanted = {"box-key", *secrets(Settings)}
    assert SERVICE["LoadCredential"] == [f"{name}:eryxon-gateway.{name}" for name in SERVED if name in wanted]
    assert set(SERVED) == wanted
    assert not {"SetCredential", "LoadCredentialEncrypted"} & SERVICE.keys()


SERVED = [line.partition(":")[0] for line in SERVICE["LoadCredential"]]


def secrets(kind: type[BaseModel], above: str = "") -> Iterator[str]:
    """Settings that are secret, but for those in lists: they have no name of their own."""
    for name, field in kind.model_fields.items():
        if field.annotation is SecretStr:
            yield above + name
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from secrets(field.annotation, f"{above}{name}.")


def test_it_waits_for_somebody_elses_broker_and_for_no_network():
    after = one("After", "Unit").split()
    assert {"mosquitto.service", "network.target"} <= set(after)
    assert "network-online.target" not in after
    assert not {"Wants", "Requires", "BindsTo", "Requisite"} & WHOLE["Unit"].keys()
    assert one("WantedBy", "Install") == "multi-user.target"


# ------------------------------------------------------------------ it may do little

YES = """NoNewPrivileges PrivateTmp PrivateMounts PrivateDevices PrivateUsers ProtectHome ProtectClock ProtectHostname
ProtectKernelLogs ProtectKernelModules ProtectKernelTunables ProtectControlGroups RestrictNamespaces RestrictRealtime
RestrictSUIDSGID RemoveIPC LockPersonality MemoryDenyWriteExecute""".split()
SET = {
    "CapabilityBoundingSet": [""],
    "AmbientCapabilities": [""],
    "UMask": ["0077"],
    "ProtectSystem": ["strict"],
    "DevicePolicy": ["closed"],
    "ProtectProc": ["invisible"],
    "ProcSubset": ["pid"],
    "SystemCallArchitectures": ["native"],
    "SystemCallFilter": ["@system-service", "~@privileged @resources"],
    "RestrictAddressFamilies": ["AF_UNIX AF_INET AF_INET6"],  # admin.sock and systemd; the LAN, the broker, the cloud
}


@pytest.mark.parametrize("key", YES)
def test_what_it_does_not_need_is_taken_away(key):
    assert one(key) == "yes"


@pytest.mark.parametrize("key", SET)
def test_what_it_needs_is_all_that_it_has(key):
    assert SERVICE[key] == SET[key]


def test_nothing_that_its_work_needs_is_taken_away():
    """The LAN, the cloud and a broker elsewhere; a child; writing in its data folder."""
    forbidden = (
        "PrivateNetwork IPAddressDeny NoExecPaths InaccessiblePaths ReadOnlyPaths RootDirectory LimitNPROC".split()
    )
    assert not set(forbidden) & SERVICE.keys()


if ANALYZE:  # else the tables above have to do

    def test_systemd_itself_has_nothing_to_complain_about(tmp_path):
        """Exposure at most 1.5 of 10. The program is not here, so another stands for it."""
        rated = ran(ANALYZE, "security", "--offline=yes", "--threshold=15", "--no-pager", UNIT)
        assert rated.returncode == 0, rated.stdout
        here = tmp_path / UNIT.name
        here.write_text(UNIT.read_text().replace(one("ExecStart").split()[0], "/bin/true"))
        complaints = [
            line for line in ran(ANALYZE, "verify", "--man=no", here).stderr.splitlines() if UNIT.name in line
        ]
        assert complaints == []


def ran(*command) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)
