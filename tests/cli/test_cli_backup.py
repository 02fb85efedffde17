"""`backup` and `restore` as a person or a script has them."""

import json
import tomllib

PASSPHRASE = "correct horse battery"
SECRET = "ery_live_canary-0123456789"
CLOUD = f'[broker]\nmode = "off"\n[cloud]\nurl = "http://127.0.0.1:9/functions/v1"\napi_key = "{SECRET}"\n'


def test_making_listing_and_proving_one_works_with_the_service_running_and_stopped(either):
    made = either.ok("backup", "create", "--json").json
    assert made["gateway"] == "gw-test"
    assert made["secrets"] is False
    listed = either.ok("backup", "list", "--json").json
    assert [one["name"] for one in listed["backups"]] == [made["file"].rpartition("/")[2]]
    assert either.ok("backup", "verify", listed["backups"][0]["name"]).out.startswith("sound: ")
    elsewhere = either.folder / "elsewhere.zip"
    assert either.ok("backup", "create", "--output", str(elsewhere), "--json").json["file"] == str(elsewhere)
    assert either.ok("backup", "verify", str(elsewhere)).code == 0
    assert len(either.ok("backup", "list", "--json").json["backups"]) == 1
    assert [*(either.data / "backups" / "outgoing").iterdir()] == []
    said = either.call("backup", "create", "--output", str(either.folder / "no" / "x.zip"))
    assert (said.code, "cannot be written" in said.err) == (1, True)


def test_restoring_wants_a_stopped_gateway_and_a_yes(program):
    file = str(program.folder / "a.zip")
    with program.serving():
        program.ok("backup", "create", "--output", file)
        after = program.key()
        said = program.call("restore", file, "--yes")
        assert (said.code, "stop that gateway first" in said.err) == (1, True)
        assert "nothing was changed: --yes restores it" in program.ok("restore", file).out
    keys = program.ok("keys", "list", "--json").json
    assert len(keys) == 2  # the first one, and the one made after the backup
    done = program.ok("restore", file, "--yes", "--json").json
    assert done["restored"] is True
    assert done["aside"].startswith(str(program.data / "before-restore-"))
    assert len(program.ok("keys", "list", "--json").json) == 1
    assert after.startswith("ery_")


def test_a_box_is_swapped_with_everything_under_the_passphrase(program):
    """As docs/backup.md has it: another box, nothing there but the program."""
    program.configure(CLOUD)
    program.environment["GATEWAY_PASSPHRASE"] = PASSPHRASE
    key = program.key()
    file = str(program.folder / "a.zip")
    program.ok("backup", "create", "--with-secrets", "--output", file)
    program.ok("backup", "verify", file, "--with-secrets")
    new = type(program).at(program.folder / "new")
    new.folder.mkdir()
    secret = new.folder / "passphrase"
    secret.write_text(PASSPHRASE + "\nmore\n")
    where = ("--config", str(new.config), "--data", str(new.data))
    done = new.call(
        "restore", file, "--yes", "--with-secrets", "--passphrase-file", str(secret), "--json", *where, where=False
    )
    assert done.code == 0, done
    assert (done.json["config"], done.json["asked_again"]) == (str(new.config), [])
    written = tomllib.loads(new.config.read_text())
    assert written["cloud"]["api_key"] == SECRET
    assert written["gateway"] == {"id": "gw-test", "data_dir": str(new.data)}
    assert new.config.stat().st_mode & 0o777 == 0o600
    new.ok("config", "check")
    with new.serving():
        assert new.ok("status", "--json").json["epoch"] == done.json["epoch"]
        assert key.startswith("ery_")


def test_without_the_passphrase_the_secrets_are_asked_for_by_name(program):
    program.configure(CLOUD)
    file = str(program.folder / "a.zip")
    program.ok("backup", "create", "--output", file)
    new = type(program).at(program.folder / "new")
    new.folder.mkdir()
    where = ("--config", str(new.config), "--data", str(new.data))
    done = new.call("restore", file, "--yes", *where, where=False)
    assert "to be set again, it is not in the backup: cloud.api_key" in done.out
    said = new.call("config", "check")
    assert (said.code, "api_key is missing" in said.err) == (1, True)
    assert SECRET not in new.config.read_text()


def test_a_passphrase_is_never_asked_for_without_a_terminal(program):
    said = program.call("backup", "create", "--with-secrets")
    assert (said.code, "name a file with --passphrase-file, or set GATEWAY_PASSPHRASE" in said.err) == (1, True)
    program.environment["GATEWAY_PASSPHRASE"] = "short"
    said = program.call("backup", "create", "--with-secrets")
    assert (said.code, "too short" in said.err) == (1, True)
    program.environment["GATEWAY_PASSPHRASE"] = PASSPHRASE
    file = str(program.folder / "a.zip")
    program.ok("backup", "create", "--with-secrets", "--output", file)
    program.environment["GATEWAY_PASSPHRASE"] = "incorrect horse battery"
    said = program.call("restore", file, "--yes", "--with-secrets")
    assert (said.code, "does not open the secrets" in said.err) == (1, True)
    bare = str(program.folder / "b.zip")
    program.ok("backup", "create", "--output", bare)
    said = program.call("restore", bare, "--yes", "--with-secrets")
    assert (said.code, "holds no secrets" in said.err) == (1, True)


def test_a_file_that_is_none_is_refused_in_one_line(program):
    (program.folder / "a.zip").write_text("Dear diary")
    for words in (("restore", "--yes"), ("backup", "verify")):
        said = program.call(*words, str(program.folder / "a.zip"))
        assert (said.code, "is no sound backup" in said.err) == (1, True)
        assert len(said.err.splitlines()) == 1
    said = program.call("backup", "verify", "nothing.zip")
    assert (said.code, "there is no backup" in said.err) == (1, True)


def test_the_settings_say_where_and_how_many(program):
    program.configure(
        f'[broker]\nmode = "off"\n[backup]\nfolder = "{program.folder}/usb"\nkeep_daily = 1\nkeep_weekly = 0\n'
    )
    first = program.ok("backup", "create", "--json").json["file"]
    second = program.ok("backup", "create", "--json").json["file"]
    assert first != second
    told = json.loads(program.ok("backup", "list", "--json").out)
    assert told["folder"] == f"{program.folder}/usb"
    assert [f"{told['folder']}/{one['name']}" for one in told["backups"]] == [second]
