"""The ten minutes of plugins/README.md, block by block, as a person types them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from program import ENDS_MAX_S, Program

README = (Path(__file__).parents[2] / "plugins" / "README.md").read_text()
STORY = README[README.index("## A plugin in ten minutes") : README.index("## What a plugin gets")]
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", STORY, re.DOTALL | re.MULTILINE)


@pytest.fixture
def shell(tmp_path):
    """`shell(text)`: what it prints. The gateway is that of this clone, its port a free one."""
    program = Program.at(tmp_path)
    command = tmp_path / "bin" / "eryxon-gateway"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m gateway "$@"\n')
    command.chmod(0o755)
    program.environment |= {
        "PATH": f"{command.parent}:{program.environment['PATH']}",
        "GATEWAY_HTTP__PORT": str(program.port),
    }

    def run(text: str) -> str:
        text = text.replace("127.0.0.1:8080", f"127.0.0.1:{program.port}")
        done = subprocess.run(
            ["bash", "-euc", text],
            check=False,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=program.environment,
            timeout=ENDS_MAX_S,
        )
        assert done.returncode == 0, done
        return done.stdout

    return program, run


def test_a_plugin_in_ten_minutes(tmp_path, shell):
    program, run = shell
    assert [kind for kind, _ in BLOCKS] == ["sh", "python", "toml", "sh", "sh"]
    folder, source, configuration, look, use = (text for _, text in BLOCKS)
    run(folder)
    (tmp_path / "my-plugins" / "counter" / "__init__.py").write_text(source)
    program.config.write_text(configuration)
    listed = run(look)
    assert listed.startswith("the configuration is in order\n")
    assert re.search(rf"^counter +on +off +{tmp_path}/my-plugins/counter$", listed, re.MULTILINE)
    told = r'{"done": {"Laser": 1}}'
    assert told in STORY
    with program.serving():
        assert run(use).splitlines()[-1] == told
        (row,) = [
            row for row in json.loads(run("eryxon-gateway plugins list --json --config gateway.toml")) if row["enabled"]
        ]
        assert (row["name"], row["state"], row["error"]) == ("counter", "up", None)
        key = run("eryxon-gateway keys create --name again --scope read --config gateway.toml").strip()
    with program.serving():
        assert program.get("/plugins/counter/counts", key) == (200, told)
