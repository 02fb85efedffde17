"""What the operations page does, from a command line; what the verbs do stands in tests/ops."""


def test_init_prints_the_code_of_the_first_run_and_another_can_be_made(program):
    program.config.unlink()
    said = program.ok("init", "--data", str(program.data), "--json")
    code = said.json["code"]
    assert f"/ops/setup, with the code {code} (once)" in said.err
    other = program.ok("ops", "code", "--data", str(program.data)).last
    assert (len(other), other != code) == (11, True)


def test_keys_are_set_in_the_file_and_another_one_is_compared(program):
    assert "in force after a restart" in program.ok("config", "set", "site.site=plant1", 'cloud.cells=["Laser"]').out
    assert 'site = "plant1"' in program.config.read_text()
    other = program.folder / "other.toml"
    other.write_text(program.config.read_text() + '\n[log]\nlevel = "debug"\n')
    assert program.ok("config", "diff", str(other)).out == 'log.level: "info" -> "debug"\n'
    wrong = program.call("config", "set", "site.sit=x")
    assert (wrong.code, 'did you mean "site"?' in wrong.err) == (1, True)


def test_a_running_gateway_tells_its_log_its_origins_and_is_paused(running):
    assert "gateway.ready" in running.ok("logs", "show").out
    assert running.ok("logs", "level", "debug", "--minutes", "1").out.startswith("debug until ")
    told = running.ok("config", "show", "--origins", "--json").json
    found = {one["key"]: one["origin"] for one in told["values"]}
    assert (found["gateway.id"], found["site.site"], told["restart"]) == (str(running.config), "default", [])
    assert "by admin socket" in running.ok("queue", "pause", "--reason", "maintenance").out
    assert running.ok("queue", "resume").out == "the cloud link goes on\n"
    assert running.ok("queue", "list", "--waiting").out == "nothing waits\n"


def test_a_stopped_gateway_has_no_log_in_memory(program):
    said = program.call("logs", "show")
    assert (said.code, "journalctl" in said.err) == (1, True)


def test_what_the_page_shows_is_told_here_too(running):
    told = running.ok("ops", "overview", "--json").json
    assert (told["gateway"], told["disk"]["free_bytes"] > 0) == (
        running.ok("ops", "about", "--json").json["gateway"],
        True,
    )
    assert running.ok("ops", "history", "--hours", "24", "--json").json["points"] is not None
    assert running.ok("ops", "actions", "--json").json == []
    counts = running.ok("data", "counts", "--json").json
    assert counts["jobs"] == 0
    missing = running.call("data", "row", "jobs", "nowhere")
    assert (missing.code, 'jobs has no row "nowhere"' in missing.err) == (1, True)
    unknown = running.call("queue", "compare", "999999")
    assert (unknown.code, "the journal has no entry 999999" in unknown.err) == (1, True)


def test_a_cloud_and_a_broker_that_do_not_answer_are_exit_code_1(running):
    cloud = ("ops", "test-cloud", "--url", "http://127.0.0.1:1/functions/v1")
    keyless = running.call(*cloud)
    assert (keyless.code, "api_key is missing" in keyless.err) == (1, True)
    running.environment["GATEWAY_CLOUD__API_KEY"] = "ery_live_x"
    for words in (cloud, ("ops", "test-broker", "--port", "1")):
        said = running.call(*words)
        assert (said.code, said.out.startswith("it does not answer: ")) == (1, True), said
