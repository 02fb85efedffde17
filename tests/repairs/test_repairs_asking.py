"""Where the facts come from: a real database, a real folder, real sockets of this machine."""

import os
import socket
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from tcp import free_port

from gateway.backups.store import Backups
from gateway.cloud.budget import KEY, KEY_REFUSED
from gateway.configuration import Configuration
from gateway.kernel import clock as time_
from gateway.kernel import state
from gateway.kernel.clock import ManualClock
from gateway.kernel.connection import offline
from gateway.kernel.db import Database
from gateway.kernel.migrate import migrate
from gateway.repairs import rows
from gateway.repairs.asking import DOOR_EVERY_S, BrokerDoor, configured, listens_on_lan, of_running, of_stopped
from gateway.repairs.examined import examined
from gateway.repairs.facts import _strangers, machine
from gateway.settings import Broker, Settings

CONFIGURATION = Configuration(None, None, lambda settings: None, read=False)
REPORT = {"status": "ok", "links": {}, "problems": []}
NOW = ManualClock().now()
PERSON, JOB, PART, OPERATION, ENTRY = (f"00000000-0000-4000-8000-00000000000{number}" for number in range(5))
AT = time_.text(NOW)


def ago(**span) -> str:
    return time_.text(NOW - timedelta(**span))


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings.model_validate({"gateway": {"data_dir": tmp_path / "data"}, "broker": {"mode": "off"}})


@pytest.fixture
def file(settings) -> Path:
    settings.data_dir.mkdir(mode=0o700)
    path = settings.data_dir / "gateway.sqlite"
    migrate(path, ManualClock())
    return path


def problems(found) -> dict[str, str]:
    facts, ignored = found
    return {one.id: one.found for one in examined(facts, ignored) if one.bad and not one.ignored_until}


def key(connection, name, scope="read", origin="local", **more) -> None:
    given = {
        "id": name,
        "name": name,
        "key_hash": name,
        "key_prefix": "ery",
        "scope": scope,
        "origin": origin,
        "created_at": AT,
    }
    given |= more
    marks = ", ".join("?" for _ in given)
    connection.execute(f"INSERT INTO api_keys ({', '.join(given)}) VALUES ({marks})", tuple(given.values()))


# ------------------------------------------------------------------ the database


async def test_a_new_database_has_no_problem(settings, file):
    assert problems(await of_stopped(settings, NOW)) == {}


async def test_keys_that_lie_about_and_keys_that_may_everything(settings, file):
    with offline(file) as connection:
        key(connection, "fresh")
        key(connection, "old", created_at=ago(days=31))
        key(connection, "once", created_at=ago(days=90), last_used_at=ago(days=40))
        key(connection, "busy", "admin", created_at=ago(days=90), last_used_at=ago(days=1))
        key(connection, "held", "admin", cells="[]", last_used_at=AT)
        key(connection, "put away", "admin")
        key(connection, "gone", "admin", active=0, created_at=ago(days=90), last_used_at=ago(days=40))
        connection.execute(
            "INSERT INTO mcp_authentication_keys "
            "(id, name, key_hash, key_prefix, allowed_tools, created_at, updated_at, last_used_at) "
            "VALUES ('m', 'agent', 'h', 'p', '[\"*\"]', ?1, ?1, ?1)",
            (AT,),
        )
    found = problems(await of_stopped(settings, NOW))
    assert found == {"keys_unused": "old, once", "keys_unlimited": "agent, busy"}


async def test_keys_of_the_cloud_that_were_not_verified_for_long(settings, file):
    cloud = {"url": "https://project.example/functions/v1", "api_key": "ery_live_x", "key_offline": "10d"}
    settings = settings.model_copy(update={"cloud": Settings.model_validate({"cloud": cloud}).cloud})
    with offline(file) as connection:
        key(connection, "a", origin="cloud", verified_at=ago(days=7))
        key(connection, "b", origin="cloud", verified_at=ago(days=9))
        state.put(connection, KEY, f'{{"why": "{KEY_REFUSED}: revoked"}}')
    found = problems(await of_stopped(settings, NOW))
    assert found == {"cloud_keys": "1 learnt from the cloud end soon", "cloud_key": f"{KEY_REFUSED}: revoked"}
    with offline(file) as connection:
        state.put(connection, KEY, '{"why": "connect timeout"}')
        connection.execute("UPDATE api_keys SET verified_at = ?", (AT,))
    assert problems(await of_stopped(settings, NOW)) == {}


async def test_what_waits_for_a_person(settings, file):
    with offline(file) as connection:
        for reader, seq in (("cloud", 1), ("cloud", 2), ("webhook:1", 1)):
            connection.execute(
                "INSERT INTO event_parked (reader, seq, lane, aggregate, state, reason, parked_at) "
                "VALUES (?, ?, 'l', 'a', 'parked', '', ?)",
                (reader, seq, AT),
            )
        for number, resolution in enumerate((None, None, "local")):
            connection.execute(
                "INSERT INTO cloud_conflicts (id, table_name, row_id, field, reason, found_at, resolution) "
                "VALUES (?, 'jobs', 'j', 'f', '', ?, ?)",
                (str(number), AT, resolution),
            )
    found = problems(await of_stopped(settings, NOW))
    assert found == {"parked": "2 of cloud", "parked:webhook:1": "1 of webhook:1", "conflicts": "2 wait for a decision"}


async def test_a_pause_that_somebody_forgot(settings, file):
    def paused(at: str) -> None:
        with offline(file) as connection:
            connection.execute("DELETE FROM time_entry_pauses")
            connection.execute("INSERT INTO time_entry_pauses VALUES ('p', ?, ?, NULL, NULL, 's', ?)", (ENTRY, at, at))

    def forgotten() -> int:
        with offline(file) as connection:
            return rows.look(connection, NOW, 1.0, {}).forgotten_pauses

    with offline(file) as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute(
            "INSERT INTO time_entries (id, operation_id, operator_id, start_time, created_at) VALUES (?, ?, ?, ?, ?)",
            (ENTRY, OPERATION, PERSON, AT, AT),
        )
    paused(ago(hours=11))
    assert forgotten() == 0
    paused(ago(hours=13))
    assert forgotten() == 1
    with offline(file) as connection:  # the page asks every few seconds, and pauses are never thrown away
        (plan,) = connection.execute(f"EXPLAIN QUERY PLAN {rows._PAUSES}", ("",)).fetchall()
    assert "time_entry_pauses_open" in plan[3]


async def test_a_schema_that_somebody_changed(settings, file):
    with offline(file) as connection:
        connection.execute("CREATE INDEX mine ON jobs (notes)")
        connection.execute("DROP INDEX events_by_lane")
        connection.execute("ALTER TABLE cells ADD COLUMN colour_of_mine TEXT")
    told = problems(await of_stopped(settings, NOW))
    assert told == {"schema_drift": "index events_by_lane is missing, index mine is not ours, table cells is another"}


async def test_a_damaged_file_and_one_of_an_older_version(settings, file):
    with offline(file) as connection:
        connection.execute("PRAGMA user_version=3")
    found, ignored = await of_stopped(settings, NOW)
    told = {one.check.kind: one.found for one in examined(found, ignored)}
    assert told["database"].startswith("whole; the next start brings it from schema 3")
    file.write_bytes(b"SQLite format 3\0" + bytes(5000))
    assert "is damaged" in problems(await of_stopped(settings, NOW))["database"]
    file.unlink()
    file.mkdir()
    assert "cannot be read" in problems(await of_stopped(settings, NOW))["database"]


async def test_looking_at_a_stopped_gateway_makes_and_changes_nothing(settings, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    await of_stopped(settings, NOW)
    assert sorted(tmp_path.rglob("*")) == before


async def test_what_somebody_knows_of_is_not_told_until_then(settings, file):
    with offline(file) as connection:
        connection.execute("CREATE INDEX mine ON jobs (notes)")
        rows.ignore(connection, "schema_drift", time_.text(NOW + timedelta(days=2)), "anna", AT)
    assert problems(await of_stopped(settings, NOW)) == {}
    assert "schema_drift" in problems(await of_stopped(settings, NOW + timedelta(days=3)))
    with offline(file) as connection:
        rows.heed(connection, "schema_drift")
    assert "schema_drift" in problems(await of_stopped(settings, NOW))


async def test_a_gateway_that_runs_is_looked_at_through_its_own_connections(settings, file):
    async with Database.open(settings.data_dir, prepare=lambda path: migrate(path, ManualClock())) as db:
        await db.write(lambda tx: None)
        found, ignored = await of_running(settings, NOW, db, REPORT, CONFIGURATION, no_broker)
        told = {one.check.kind: one.found for one in examined(found, ignored)}
    assert found.machine.process is not None
    assert found.machine.process.memory_bytes > 1_000_000
    assert {"files_open", "memory", "ballast", "plugin_down", "behind"} <= told.keys()
    assert told["service"] == "running"


async def test_a_file_that_changed_or_broke_since_the_start_is_told(settings, file, tmp_path):
    config = tmp_path / "gateway.toml"
    config.write_text(f'[gateway]\ndata_dir = "{settings.data_dir}"\n[broker]\nmode = "off"\n')
    source = Configuration(config, None, lambda given: None)

    async def found() -> dict[str, str]:
        async with Database.open(settings.data_dir, prepare=lambda path: migrate(path, ManualClock())) as db:
            return problems(await of_running(settings, NOW, db, REPORT, source, no_broker))

    assert not {"config", "restart_needed"} & (await found()).keys()
    config.write_text(config.read_text() + '[site]\nsite = "plant1"\n')
    assert (await found())["restart_needed"] == "otherwise in the file: site.site"
    config.write_text("[htp]\n")
    assert "htp" in (await found())["config"]


async def no_broker() -> None:
    return None


async def test_a_broker_of_somebody_else_is_tried_now_and_then():
    clock = ManualClock()
    door = BrokerDoor(Broker(mode="external", port=free_port()), clock)
    first = await door()
    assert first is not None
    assert not first.reached
    assert await door() is first
    await clock.advance(DOOR_EVERY_S + 1)
    assert await door() is not first


def test_the_schema_is_what_the_migrations_make_however_the_file_came_about(file):
    with sqlite3.connect(":memory:") as empty, offline(file) as connection:
        assert rows.schema(connection) == rows.schema_wanted(empty)
    empty.close()


# ------------------------------------------------------------------ the folder


def test_rights_owners_and_backups_of_the_folder(settings, file):
    folder = settings.data_dir
    assert machine(settings, served=False).folder.open_to is None
    folder.chmod(0o750)
    assert machine(settings, served=False).folder.open_to == "750"
    folder.chmod(0o700)
    assert _strangers(folder, os.geteuid()) == ()
    assert "gateway.sqlite" in _strangers(folder, os.geteuid() + 1)
    assert machine(settings, served=False).folder.newest_backup is None
    yesterday = NOW - timedelta(days=1)
    clock = ManualClock()
    clock.step(-86_400)
    Backups(settings, clock).create(file)
    assert machine(settings, served=False).folder.newest_backup == yesterday
    (folder / "first-admin-key").write_text("")
    assert machine(settings, served=False).folder.first_key


def test_a_folder_that_is_still_to_be_made_and_one_that_is_a_file(settings):
    assert not machine(settings, served=False).folder.there
    settings.data_dir.write_text("")
    told = machine(settings, served=False).folder
    assert (told.there, told.writable) == (False, False)


def test_a_configuration_with_secrets_that_others_may_read(settings, tmp_path):
    config = tmp_path / "gateway.toml"
    config.write_text("")
    config.chmod(0o644)
    assert configured(settings, config) == ()
    broker = Settings.model_validate(
        {"broker": {"mode": "external", "password": "x"}, "plugins": {"modbus": {"port": 1}}}
    )
    told = configured(broker, config)
    assert [one for one in told if "mode 644" in one]
    assert [one for one in told if one.startswith("plugins.modbus")]
    config.chmod(0o600)
    assert not [one for one in configured(broker, config) if "secrets" in one]


# ------------------------------------------------------------------ who listens


@pytest.mark.parametrize(
    ("family", "host", "lan"),
    [
        (socket.AF_INET, "127.0.0.1", False),
        (socket.AF_INET, "0.0.0.0", True),  # noqa: S104 -- what is to be found
        (socket.AF_INET6, "::1", False),
        (socket.AF_INET6, "::", True),
    ],
)
def test_who_listens_for_other_machines(family, host, lan):
    with socket.socket(family) as listening:
        try:
            listening.bind((host, 0))
        except OSError:
            assert family == socket.AF_INET6, "a machine without IPv6 has no such listener"
            return
        listening.listen()
        assert listens_on_lan(listening.getsockname()[1]) is lan
