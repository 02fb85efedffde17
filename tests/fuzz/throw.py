"""Throws generated requests at every route of a real gateway, by its own OpenAPI document, and at what follows from them.

Nothing may be answered with 5xx, with a status that is not documented, or with a body outside its schema.

    python tests/fuzz/throw.py [--cases N] [--seed N] [--only REGEX]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from hall import HALL
from program import Program

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,ignored_auth"
CASES = 10_000  # for each route
ROUND = 500  # cases for each route in one go, with a seed of its own
PHASES = "examples,coverage,fuzzing,stateful"
FURTHER = "fuzzing,stateful"  # the examples and the boundary values are the same in each round
BUSY = 10_000_000  # requests a minute and at once: the limit itself is tested elsewhere


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--cases", type=int, default=CASES, help="for each route")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--only", default=".", help="routes whose path this expression finds")
    given = arguments.parse_args()
    rounds = range(0, given.cases, ROUND)
    found = 0
    for done in rounds:
        cases, seed = min(ROUND, given.cases - done), given.seed + done // ROUND
        print(f"=== cases {done + 1} to {done + cases} of {given.cases} for each route, seed {seed}", flush=True)
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            found |= fuzz(Path(folder), cases, seed, given.only, _phases(first=done == 0, whole=given.only == "."))
    return found


def _phases(*, first: bool, whole: bool) -> str:
    """Links lead from some routes to others: nothing to follow where only some are asked."""
    phases = PHASES if first else FURTHER
    return phases if whole else phases.removesuffix(",stateful")


def fuzz(folder: Path, cases: int, seed: int, only: str = ".", phases: str = PHASES) -> int:
    """0 when nothing was found."""
    program = Program.at(folder)
    program.configure(f'[broker]\nmode = "off"\n[limits]\nrequests_per_minute = {BUSY}\nburst = {BUSY}\n')
    program.ok("import", "-", stdin=json.dumps(HALL))
    key = program.key()
    with program.serving() as gateway:
        code = _throw(program, key, cases, seed, only, phases)
        if gateway.poll() is not None:
            print(f"the gateway ended with {gateway.returncode}:\n{(folder / 'log').read_text()[-3000:]}")
            return 1
    return code


def _throw(program: Program, key: str, cases: int, seed: int, only: str, phases: str) -> int:
    command = [
        *(
            sys.executable,
            "-m",
            "schemathesis.cli",
            "--config-file",
            str(Path(__file__).with_name("schemathesis.toml")),
            "run",
            f"{program.url}/openapi.json",
            "--url",
            program.url,
        ),
        *(
            "--checks",
            CHECKS,
            "--header",
            f"Authorization: Bearer {key}",
            "--max-examples",
            str(cases),
            "--phases",
            phases,
        ),
        *("--seed", str(seed), "--include-path-regex", only, "--suppress-health-check", "all"),
        *("--exclude-path", "/api-cad-proxy"),  # has one answer, and that is 501
        *("--warnings", "off", "--no-color", "--continue-on-failure", "--generation-database", "none"),
    ]
    environment = program.environment | {"SCHEMATHESIS_HOOKS": "hooks", "PYTHONWARNINGS": "ignore"}
    folders = (Path(__file__).parent, Path(__file__).parents[1])
    environment["PYTHONPATH"] = os.pathsep.join([*map(str, folders), environment["PYTHONPATH"]])
    return subprocess.run(command, env=environment, cwd=program.folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
