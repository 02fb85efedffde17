"""Each check: what makes the problem, and that it is not there otherwise."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.admin import verbs
from gateway.kernel.migrate import steps
from gateway.repairs.examined import CHECKS, examined, unusable
from gateway.repairs.facts import Broker, Certificate, Facts, Folder, Machine, Process
from gateway.repairs.rows import Rows
from gateway.settings import Settings

ENGLISH = Path(__file__).parents[2] / "gateway" / "screens" / "static" / "i18n" / "en.json"
MANUAL = Path(__file__).parents[2] / "docs" / "operate.md"
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
MB = 1024 * 1024
ROWS = Rows(schema=max(steps()), parked={})
UP = {"state": "up", "error": None}
LINKS = {
    "cloud": {**UP, "pending": 3, "oldest_s": 20.0, "clock_offset_s": 0.4, "probes": {"api-jobs": {"is": "up"}}},
    "broker": UP,
    "webhook:1": {**UP, "dead_letters": 0, "oldest_s": 5.0},
    "mqtt:1": UP,
    "plugin:modbus": UP,
}
REPORT = {"status": "ok", "links": LINKS, "problems": []}
MACHINE = Machine(
    5000 * MB,
    64_000 * MB,
    Folder(newest_backup=NOW - timedelta(days=1)),
    900 * MB,
    Process(40, 4096, 90 * MB),
    mosquitto="/usr/sbin/mosquitto",
)
CLOUD = {"url": "https://project.example/functions/v1", "api_key": "ery_live_x"}


def configured(**sections) -> Settings:
    return Settings.model_validate({"cloud": CLOUD, **sections})


PLAIN_LAN = configured(http={"host": "10.0.0.1", "allow_plain_lan": True})
FINE = Facts(
    configured(),
    NOW,
    MACHINE,
    ROWS,
    REPORT,
    Broker(reached=True, on_lan=True),
    (Certificate(Path("server.crt"), NOW + timedelta(days=300)),),
)
STOPPED = replace(FINE, report=None, broker=Broker(error="refused"), machine=replace(MACHINE, process=None))
EXTERNAL = configured(broker={"mode": "external", "host": "10.0.0.9"})


def linked(name: str, **told) -> Facts:
    return replace(FINE, report={**REPORT, "links": {**LINKS, name: {**LINKS.get(name, UP), **told}}})


def of(
    machine: dict | None = None, folder: dict | None = None, rows: dict | None = None, base: Facts = FINE, **more
) -> Facts:
    here = replace(base.machine, folder=replace(base.machine.folder, **(folder or {})), **(machine or {}))
    return replace(base, machine=here, rows=replace(ROWS, **(rows or {})), **more)


BAD = [
    ("service", "error", of(base=STOPPED, service="process 12 does not answer"), "process 12"),
    ("python", "error", of({"python": (3, 9, 2)}), "3.9.2"),
    ("sqlite", "error", of({"sqlite": (3, 34, 1)}), "3.34.1"),
    ("config", "warning", of(config=("plugins.modbus: enabled = true is missing",)), "plugins.modbus"),
    ("last_good", "error", of(instead="the last good one is in force"), "the last good one"),
    ("restart_needed", "warning", of(restart=("site.site", "http.port")), "site.site, http.port"),
    ("data_folder:writable", "error", of(folder={"writable": False}), "cannot be written"),
    ("data_folder:owner", "error", of(folder={"strangers": ("gateway.sqlite",)}), "gateway.sqlite"),
    ("data_folder_open", "warning", of(folder={"open_to": "755"}), "755"),
    ("disk_low", "warning", of({"free_bytes": 900 * MB}), "900 MB"),
    ("disk_low", "error", of({"free_bytes": 100 * MB}), "100 MB"),
    ("ballast", "warning", of(folder={"ballast": False}), "given to the journal"),
    ("clock_unset", "error", of(now=datetime(1970, 1, 1, 0, 5, tzinfo=UTC)), "1970"),
    ("clock_off", "warning", linked("cloud", clock_offset_s=-3600.0), "3600 s"),
    ("files_open:open", "error", of({"process": Process(4000, 4096, 1)}), "4000 of 4096"),
    ("files_open:limit", "warning", of({"process": Process(40, 1024, 1)}), "1256 are needed"),
    ("memory:free", "warning", of({"memory_free_bytes": 20 * MB}), "20 MB"),
    ("memory:used", "warning", of({"process": Process(40, 4096, 800 * MB)}), "800 MB"),
    ("secrets_clear", "info", of(clear=("cloud.api_key",)), "cloud.api_key"),
    ("first_key", "info", of(folder={"first_key": True}), "first-admin-key"),
    ("database", "error", of(base=STOPPED, damage="gateway.sqlite is damaged"), "damaged"),
    ("core:3 disk errors", "error", replace(FINE, report={**REPORT, "problems": ["3 disk errors"]}), "3 disk errors"),
    ("schema_drift", "warning", of(rows={"drift": ("index jobs_x is not ours",)}), "jobs_x"),
    ("parked", "warning", of(rows={"parked": {"cloud": 4}}), "4 of cloud"),
    ("parked:webhook:1", "warning", of(rows={"parked": {"webhook:1": 1}}), "webhook:1"),
    ("conflicts", "warning", of(rows={"conflicts": 2}), "2 wait"),
    ("forgotten_pause", "warning", of(rows={"forgotten_pauses": 1}), "12 h"),
    ("keys_unused", "info", of(rows={"unused_keys": ("old panel",)}), "old panel"),
    ("keys_unlimited", "info", of(rows={"unlimited_keys": ("erp",)}), "erp"),
    ("update_open", "warning", of(folder={"update": NOW - timedelta(hours=2)}), "begun on 2026-11-30 10:00 UTC"),
    ("backup_old", "warning", of(folder={"newest_backup": NOW - timedelta(days=8)}), "8 days"),
    (
        "plain_lan",
        "warning",
        of(settings=PLAIN_LAN),
        "in the clear",
    ),
    (
        "certificate:a.crt",
        "warning",
        of(certificates=(Certificate(Path("a.crt"), NOW + timedelta(days=3), "ends"),)),
        "ends",
    ),
    ("certificate:a.crt", "error", of(certificates=(Certificate(Path("a.crt"), NOW, "ends in 0 days"),)), "ends"),
    ("certificate:a.crt", "error", of(certificates=(Certificate(Path("a.crt"), None, "cannot be read"),)), "cannot"),
    ("broker", "error", linked("broker", state="down", error="port 1883 is taken by another program"), "is taken"),
    ("broker:taken", "error", of(base=STOPPED, broker=Broker(reached=True)), "is taken by another program"),
    (
        "broker:program",
        "error",
        of({"mosquitto": None}, base=STOPPED, settings=configured(broker={"mode": "managed"})),
        "mosquitto",
    ),
    (
        "broker",
        "error",
        of(base=STOPPED, settings=EXTERNAL, broker=Broker(error="no answer")),
        "10.0.0.9:1883: no answer",
    ),
    ("broker_anonymous", "error", of(broker=Broker(reached=True, anonymous=True, on_lan=True)), "everybody"),
    ("broker_anonymous", "error", of(settings=EXTERNAL, broker=Broker(reached=True, anonymous=True)), "10.0.0.9"),
    ("broker_plain", "warning", of(settings=EXTERNAL), "without TLS"),
    (
        "cloud_key",
        "error",
        linked("cloud", state="down", error="the cloud does not accept the API key: revoked"),
        "revoked",
    ),
    ("cloud_key", "error", of(rows={"cloud_says": "the cloud does not accept the API key: no"}, base=STOPPED), "no"),
    ("cloud_keys", "warning", of(rows={"keys_expiring": 2}), "2 learnt"),
    ("cloud_function:api-parts", "warning", linked("cloud", probes={"api-parts": {"is": "down", "why": "503"}}), "503"),
    ("behind:cloud", "warning", linked("cloud", pending=40, oldest_s=30 * 3600.0), "40 wait, the oldest for 30 h"),
    ("behind:webhook:1", "warning", linked("webhook:1", pending=9, oldest_s=20 * 86_400.0), "480 h"),
    ("way_out:webhook:1", "warning", linked("webhook:1", dead_letters=3), "3 were given up"),
    ("way_out:mqtt:1", "warning", linked("mqtt:1", state="down", error="refused", oldest_s=7200.0), "refused"),
    (
        "plugin_down:modbus",
        "warning",
        linked("plugin:modbus", state="down", error="it failed 5 times"),
        "failed 5 times",
    ),
]


@pytest.mark.parametrize("facts", [FINE, STOPPED], ids=["running", "stopped"])
def test_nothing_is_wrong_with_a_box_that_is_well(facts):
    assert [one.shown() for one in examined(facts) if one.bad] == []
    assert len(examined(facts)) > 15


@pytest.mark.parametrize(("wanted", "severity", "facts", "words"), BAD, ids=[f"{one[0]} {one[1]}" for one in BAD])
def test_a_problem_is_found_and_only_that(wanted, severity, facts, words):
    found = [one for one in examined(facts) if one.bad and one.check.kind not in _with(wanted)]
    assert [(one.id, one.severity) for one in found] == [(wanted, severity)]
    told = found[0].shown()
    assert words in told["found"]
    assert not told["ok"]
    assert all(told[name] for name in ("what", "cause", "effect", "steps"))


def _with(wanted: str) -> tuple[str, ...]:
    """What comes along by its nature."""
    plain = ("broker_plain",) if wanted != "broker_plain" else ()
    return (*plain, *(("certificate",) if wanted == "clock_unset" else ()))


def test_every_check_has_a_problem_here():
    assert {wanted.partition(":")[0] for wanted, *_ in BAD} == {check.kind for check in CHECKS}


def test_every_check_is_in_the_manual():
    rows = [line.split("|")[1] for line in MANUAL.read_text().splitlines() if line.startswith("| `")]
    assert {kind for row in rows for kind in re.findall(r"`(\w+)`", row)} - {"kind"} == {check.kind for check in CHECKS}


def test_the_page_says_in_english_what_the_command_says():
    words = json.loads(ENGLISH.read_text())["ops"]["repair"]
    told = {
        check.kind: (check.cause, check.effect, "\n".join(check.steps), check.fix and check.fix.label)
        for check in CHECKS
    }
    assert {kind: (one["cause"], one["effect"], one["steps"], one.get("fix")) for kind, one in words.items()} == told
    assert all(words[check.kind]["title"].lower() == check.title.lower() for check in CHECKS)


def test_kinds_are_told_apart():
    kinds = [check.kind for check in CHECKS]
    assert len(kinds) == len(set(kinds))


def test_a_warning_of_health_that_has_a_check_of_its_own_is_told_once():
    facts = of(settings=PLAIN_LAN, report={**REPORT, "problems": [PLAIN_LAN.http.exposed()]})
    assert [one.id for one in examined(facts) if one.bad] == ["plain_lan"]


def test_the_worst_comes_first_and_what_somebody_knows_of_after_all_that_is_new():
    facts = of({"free_bytes": 100 * MB}, {"first_key": True}, {"conflicts": 2, "parked": {"cloud": 1}})
    found = [one.id for one in examined(facts, {"disk_low": "2027", "parked": "2027"}) if one.bad]
    assert found == ["conflicts", "first_key", "disk_low", "parked"]
    shown = {one.id: one.shown() for one in examined(facts, {"disk_low": "2027"}) if one.bad}
    assert (shown["disk_low"]["ignored_until"], shown["parked"]["ignored_until"]) == ("2027", None)


@pytest.mark.parametrize(
    ("facts", "verb", "given"),
    [
        (of(rows={"parked": {"webhook:1": 4}}), "queue.retry", {"reader": "webhook:1"}),
        (of(folder={"open_to": "755"}), "repairs.close_folder", {}),
        (of(clear=("cloud.api_key",)), "config.seal", {}),
        (linked("plugin:modbus", state="down", error="no"), "plugins.restart", {"name": "modbus"}),
    ],
)
def test_a_problem_that_can_be_mended_here_says_by_which_verb_of_the_socket(facts, verb, given):
    (found,) = [one.shown() for one in examined(facts) if one.bad]
    assert (found["fix"]["verb"], found["fix"]["given"]) == (verb, given)
    assert verbs.verb(verb)


def test_settings_that_cannot_be_read_are_a_problem_a_line():
    found = [one.shown() for one in unusable("gateway.toml: unknown key a\ngateway.toml: http.port = 0: too small")]
    assert [one["severity"] for one in found] == ["error", "error"]
    assert [one["id"] for one in found] == ["config", "config:1"]


def test_an_old_database_is_whole_and_not_looked_into():
    found = {
        one.check.kind: one for one in examined(of(rows={"schema": 3, "drift": ("table x is missing",)}, base=STOPPED))
    }
    assert found["database"].found.startswith("whole; the next start brings it from schema 3")
    assert "schema_drift" not in found
