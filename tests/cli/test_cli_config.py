"""`config check|show|schema` as a person uses them."""

import json

from jsonschema import Draft202012Validator


def test_check_says_that_all_is_in_order(program):
    said = program.ok("config", "check")
    assert (said.out, said.err) == ("the configuration is in order\n", "")
    assert program.ok("config", "check", "--json").json == {"ok": True, "gateway": "gw-test", "warnings": []}


def test_check_warns_of_what_is_set_and_not_used(program):
    program.configure("[plugins.mcp_server]\nallowed_hosts = ['box']\n")
    told = "plugins.mcp_server: enabled = true is missing, so it is off"
    assert program.ok("config", "check").err == f"warning: {told}\n"
    assert program.ok("config", "check", "--json").json["warnings"] == [told]


def test_check_refuses_what_run_would_refuse(program):
    program.configure("[broker]\nmod = 1\n")
    for words in (("config", "check"), ("run",), ("status",), ("config", "show")):
        said = program.call(*words)
        assert (said.code, said.out) == (1, "")
        assert 'unknown key broker.mod: did you mean "mode"?' in said.err


def test_check_asks_the_parts_themselves(program):
    for text, told in (
        ('[uns]\ntopic_pattern = "{site}"\n', "topic_pattern"),
        ('[http]\ntls_cert = "none.pem"\ntls_key = "none.pem"\n', "none.pem"),
        ("[plugins.mcp_servr]\nenabled = true\n", 'there is no plugin "mcp_servr"; known here: '),
        ("[plugins.mcp_server]\nenabled = true\nport = 1\n", "unknown key port; known here: enabled, allowed_hosts"),
        ('[plugins.mcp_server]\nenabled = "yes"\n', 'enabled = "yes": true or false is wanted'),
    ):
        program.configure('[broker]\nmode = "off"\n' + text)
        said = program.call("config", "check")
        assert (said.code, said.out) == (1, "")
        assert told in said.err


def test_show_hides_secrets_and_shows_what_the_environment_says(program):
    program.configure('[broker]\nmode = "external"\npassword = "hush"\n')
    program.environment["GATEWAY_SITE__AREA"] = "hall 2"
    for words in (("config", "show"), ("config", "show", "--json")):
        said = program.ok(*words)
        assert "hush" not in said.out
        assert said.json["site"]["area"] == "hall 2"
        assert said.json["limits"]["request_timeout"] == "30s"


def test_schema_is_a_json_schema_that_takes_what_show_shows(program):
    schema = program.ok("config", "schema").json
    Draft202012Validator.check_schema(schema)
    shown = program.ok("config", "show").json
    shown["broker"]["password"] = shown["cloud"]["api_key"] = ""
    assert [error.message for error in Draft202012Validator(schema).iter_errors(json.loads(json.dumps(shown)))] == []


def test_a_configuration_that_is_not_there_says_how_to_get_one(program):
    program.config.unlink()
    said = program.call("config", "check")
    assert said.code == 1
    assert "init --config" in said.err
