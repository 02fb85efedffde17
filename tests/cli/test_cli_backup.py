"""`backup` and `restore` as a person or a script has them."""

import sqlite3
import sys
import tomllib
from pathlib import Path

import pytest

from gateway import settings
from gateway.admin import client
from gateway.cli.passphrases import passphrase
from gateway.kernel.errors import GatewayError, Invalid

PASSPHRASE = "correct horse battery"
SECRET = "ery_live_canary-0123456789"
CLOUD = f'[broker]\nmode = "off"\n[cloud]\nurl = "http://127.0.0.1:9/functions/v1"\napi_key = "{SECRET}"\n'


def ask(program, sql: str):
    connection = sqlite3.connect(program.data / "gateway.sqlite")
    try:
        return connection.execute(sql).fetchone()[0]
    finally:
        connection.close()


def keys(program) -> int:
    return ask(program, "SELECT count(*) FROM api_keys")


def test_making_listing_and_proving_one_works_with_the_service_running_and_stopped(either):
    made = either.ok("backup", "create", "--json").json
    assert (made["gateway"], made["secrets"]) == ("gw-test", False)
    elsewhere = either.folder / "elsewhere.zip"
    assert either.ok("backup", "create", "--output", str(elsewhere), "--json").json["file"] == str(elsewhere)
    assert either.ok("backup", "verify", str(elsewhere)).out.startswith("sound: ")
    listed = either.ok("backup", "list", "--json").json
    assert [one["name"] for one in listed["backups"]] == [made["file"].rpartition("/")[2]]
    assert [*(either.data / "backups" / "outgoing").iterdir()] == []


def test_restoring_wants_a_stopped_gateway_and_a_yes(program):
    file = str(program.folder / "a.zip")
    with program.serving():
        program.ok("backup", "create", "--output", file)
        program.key()
        said = program.call("restore", file, "--yes")
        assert (said.code, "stop that gateway first" in said.err) == (1, True)
    assert "nothing was changed: --yes restores it" in program.ok("restore", file).out
    assert keys(program) == 2  # the first one, and the one made after the backup
    done = program.ok("restore", file, "--yes", "--json").json
    assert done["restored"] is True
    assert done["aside"].startswith(str(program.data / "before-restore-"))
    assert keys(program) == 1


def test_a_box_is_swapped_with_everything_under_the_passphrase(program):
    """As docs/backup.md has it: another box, nothing there but the program."""
    program.configure(CLOUD)
    file = str(program.folder / "a.zip")
    program.environment["GATEWAY_PASSPHRASE"] = PASSPHRASE
    program.ok("backup", "create", "--with-secrets", "--output", file)
    new = type(program).at(program.folder / "new")
    new.folder.mkdir()
    secret = new.folder / "passphrase"
    secret.write_text(PASSPHRASE + "\nmore\n")
    where = ("--with-secrets", "--passphrase-file", str(secret), "--config", str(new.config), "--data", str(new.data))
    done = new.call("restore", file, "--yes", "--json", *where, where=False)
    assert done.code == 0, done
    assert (done.json["config"], done.json["asked_again"]) == (str(new.config), [])
    written = tomllib.loads(new.config.read_text())
    assert written["cloud"]["api_key"] == SECRET
    assert written["gateway"] == {"id": "gw-test", "data_dir": str(new.data)}
    assert new.config.stat().st_mode & 0o777 == 0o600
    with new.serving():
        assert ask(new, "SELECT value FROM gateway_state WHERE key = 'epoch'") == str(done.json["epoch"])


def test_without_the_passphrase_the_secrets_are_asked_for_by_name(program):
    program.configure(CLOUD)
    file = str(program.folder / "a.zip")
    program.ok("backup", "create", "--output", file)
    new = type(program).at(program.folder / "new")
    new.folder.mkdir()
    done = new.call("restore", file, "--yes", "--config", str(new.config), "--data", str(new.data), where=False)
    assert "to be set again, it is not in the backup: cloud.api_key" in done.out
    said = new.call("config", "check")
    assert (said.code, "api_key is missing" in said.err) == (1, True)
    assert SECRET not in new.config.read_text()


def test_a_passphrase_comes_from_a_file_or_the_environment_and_is_asked_for_on_a_terminal_only(tmp_path, monkeypatch):
    file = tmp_path / "passphrase"
    monkeypatch.setattr(settings, "passphrase", lambda: None)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    with pytest.raises(Invalid, match="name a file with --passphrase-file, or set GATEWAY_PASSPHRASE"):
        passphrase(None, twice=False)
    monkeypatch.setattr(settings, "passphrase", lambda: "of the environment")
    assert passphrase(None, twice=False) == "of the environment"
    with pytest.raises(Invalid, match="cannot be read"):
        passphrase(file, twice=False)
    file.write_text("\n")
    with pytest.raises(Invalid, match="is empty"):
        passphrase(file, twice=False)
    file.write_text("of the file\n")
    assert passphrase(file, twice=False) == "of the file"


def test_a_file_that_is_none_is_refused_in_one_line(program):
    (program.folder / "a.zip").write_text("Dear diary")
    said = program.call("restore", str(program.folder / "a.zip"), "--yes")
    assert (said.code, "is no sound backup" in said.err) == (1, True)
    assert len(said.err.splitlines()) == 1


async def test_programs_on_the_box_have_all_of_it_by_the_socket(running, tmp_path):
    """What the operations page does, and a secret on the way that nobody logs."""

    async def ask(verb: str, **given):
        return await client.ask(running.data, f"backups.{verb}", given)

    made = await ask("create", passphrase=PASSPHRASE)
    (one,) = (await ask("list"))["backups"]
    assert (one["name"], one["secrets"]) == (Path(made["file"]).name, True)
    assert (await ask("verify", name=one["name"], passphrase=PASSPHRASE))["rows"] == one["rows"]
    with pytest.raises(GatewayError, match="does not open"):
        await ask("verify", name=one["name"], passphrase="incorrect horse battery")
    for name in ("../gateway.sqlite", "gw-test-20000101T000000Z.backup.zip"):
        with pytest.raises(GatewayError, match="there is no backup"):
            await ask("verify", name=name)
    async with client.downloaded(running.data, one["name"]) as chunks:
        assert b"".join([chunk async for chunk in chunks]) == Path(made["file"]).read_bytes()
    with pytest.raises(GatewayError, match="there is no backup"):
        async with client.downloaded(running.data, "gw-test-20000101T000000Z.backup.zip"):
            pass
    assert PASSPHRASE not in (running.folder / "log").read_text()
