"""Keys of agents and plugins from the command line, on a stopped gateway and through the socket of a running one."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.plugin_host.host import allowed_tools

READING = list(allowed_tools(None))


@dataclass
class Box:
    """The data of a stopped gateway; commands run in this process."""

    config: Path

    def call(self, *words: str) -> Result:
        return CliRunner().invoke(main, [*words, "--config", str(self.config)])

    def ok(self, *words: str) -> Any:
        done = self.call(*words, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def agents(self) -> list[Any]:
        return [key for key in self.ok("keys", "list") if key["kind"] == "mcp"]


@pytest.fixture
def box(program) -> Box:
    return Box(program.config)


@pytest.mark.parametrize(
    ("words", "tools", "rate_limit"),
    [
        ((), READING, 100),
        (("--tools", "fetch_jobs, start_job", "--rate-limit", "7"), ["fetch_jobs", "start_job"], 7),
        (("--tools", "*"), ["*"], 100),
    ],
)
def test_a_key_for_an_agent_is_printed_alone_and_listed_without_its_secret(box, words, tools, rate_limit):
    done = box.call("keys", "create", "--mcp", "--name", "planner", *words)
    assert done.exit_code == 0
    assert done.stdout.startswith("mcp_live_")
    assert len(done.stdout.split()) == 1
    (row,) = box.agents()
    assert (row["allowed_tools"], row["rate_limit"], row["active"]) == (tools, rate_limit, True)
    assert "key_hash" not in row
    assert f"mcp       {row['key_prefix']}...  planner" in box.call("keys", "list").stdout


def test_it_is_rotated_and_revoked_as_others_are(box):
    made = box.ok("keys", "create", "--mcp", "--name", "planner", "--tools", "fetch_jobs")
    new = box.ok("keys", "rotate", "planner")
    assert (new["allowed_tools"], new["key"] != made["key"]) == (["fetch_jobs"], True)
    box.ok("keys", "revoke", new["id"])
    assert [key["active"] for key in box.agents()] == [False, False]
    assert "no active key" in box.call("keys", "revoke", "planner").stderr


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--mcp", "--tools", "strat_job"), 1, 'there is no tool "strat_job": did you mean start_job?'),
        (("--mcp", "--scope", "read"), 2, "--mcp goes with --tools and --rate-limit only"),
        (("--scope", "read", "--tools", "x"), 2, "--tools and --rate-limit are for keys of agents: add --mcp"),
        ((), 2, "Missing option '--scope'"),
        (("--mcp", "--rate-limit", "0"), 2, "--rate-limit"),
    ],
)
def test_what_does_not_go_together_is_said(box, words, code, told):
    done = box.call("keys", "create", "--name", "x", *words)
    assert (done.exit_code, done.stdout) == (code, "")
    assert told in done.stderr


def test_a_box_with_a_key_for_agents_only_still_gets_its_first_admin_key(box):
    box.ok("keys", "create", "--mcp", "--name", "planner")
    assert box.ok("init")["key"].startswith("ery_live_")


def test_a_running_gateway_lets_a_new_key_in_and_an_ended_one_out_at_once(program, box):
    def plugins() -> list[tuple[str, bool, str]]:
        rows = box.ok("plugins", "list")
        return [(row["name"], row["enabled"], row["state"]) for row in rows if row["name"].startswith("mcp")]

    assert plugins() == [("mcp_server", False, "off")]
    on = "[plugins.mcp_server]\nenabled = true\n[plugins.mcp_servr]\nenabled = true\n"
    program.configure(f'[broker]\nmode = "off"\n{on}')
    assert plugins() == [("mcp_server", True, "off"), ("mcp_servr", True, "down")]
    with program.serving():
        for _ in range(100):  # it is ready before all of its links are
            if plugins()[0][2] == "up":
                break
        assert [state for _, _, state in plugins()] == ["up", "down"]
        assert 'there is no plugin "mcp_servr"; known here: ' in box.call("plugins", "list").stdout
        key = box.ok("keys", "create", "--mcp", "--name", "planner")["key"]
        assert program.get("/mcp", key)[0] != 401
        box.ok("keys", "revoke", "planner")
        assert program.get("/mcp", key)[0] == 401
