"""What the operations page does, from a command line."""

import json


def test_init_prints_the_code_of_the_first_run_and_another_can_be_made(program):
    program.config.unlink()
    said = program.ok("init", "--data", str(program.data), "--json")
    code = said.json["code"]
    assert f"/ops/setup, with the code {code} (once)" in said.err
    other = program.ok("ops", "code", "--data", str(program.data)).last
    assert (len(other), other != code) == (11, True)


def test_values_of_the_configuration_tell_where_they_come_from(either):
    told = either.ok("config", "show", "--origins", "--json").json
    found = {one["key"]: one["origin"] for one in told["values"]}
    assert (found["gateway.id"], found["site.site"]) == (str(either.config), "default")
    assert 'gateway.id = "gw-test"' in either.ok("config", "show", "--origins").out


def test_keys_are_set_in_the_file_and_in_force_after_a_restart(either):
    assert "in force after a restart" in either.ok("config", "set", "site.site=plant1", 'cloud.cells=["Laser"]').out
    assert 'site = "plant1"' in either.config.read_text()
    other = either.folder / "other.toml"
    other.write_text(either.config.read_text() + '\n[log]\nlevel = "debug"\n')
    assert 'log.level: "info" -> "debug"' in either.ok("config", "diff", str(other)).out
    wrong = either.call("config", "set", "site.sit=x")
    assert (wrong.code, 'did you mean "site"?' in wrong.err) == (1, True)
    assert either.call("config", "set", "nonsense").code == 2


def test_problems_are_told_in_words_and_can_be_ignored(either):
    either.config.write_text(
        either.config.read_text().replace('host = "127.0.0.1"', 'host = "127.0.0.1"\nallow_plain_lan = true')
    )
    if (either.data / "admin.sock").exists():  # what runs is as it was started
        assert "The configuration file has changed" in either.ok("repairs", "list").out
        return
    assert "Keys travel over the LAN in the clear" in either.ok("repairs", "list").out
    assert "ignored until" in either.ok("repairs", "ignore", "plain_lan").out
    assert "(ignored until" in either.ok("repairs", "list").out
    assert either.ok("repairs", "ignore", "plain_lan", "--days", "0").out == "plain_lan: heeded again\n"


def test_the_log_of_a_running_gateway_is_shown_and_its_level_changed(running):
    assert "gateway.ready" in running.ok("logs", "show").out
    assert running.ok("logs", "level", "debug", "--minutes", "1").out.startswith("debug until ")
    assert running.ok("logs", "show", "--level", "error", "--json").json["records"] == []


def test_a_stopped_gateway_has_no_log(program):
    said = program.call("logs", "show")
    assert (said.code, "journalctl" in said.err) == (1, True)


def test_the_cloud_link_is_paused_and_goes_on(either):
    assert "by admin socket" in either.ok("queue", "pause", "--reason", "maintenance").out
    assert json.loads(either.ok("queue", "pause", "--json").out)["reason"] == "maintenance"
    assert either.ok("queue", "resume").out == "the cloud link goes on\n"
    assert either.ok("queue", "list", "--waiting").out == "nothing waits\n"
