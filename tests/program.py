"""The gateway as a person or a script has it: a program, a data folder, a configuration."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tcp

ENDS_MAX_S = 60
STOPS_MAX_S = 15


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        return self.out.rstrip("\n").splitlines()[-1]

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Program:
    """`eryxon-gateway` with a configuration and a data folder of its own. `within`: what starts it, as `nsenter ...`."""

    folder: Path
    data: Path
    port: int
    environment: dict[str, str]
    within: tuple[str, ...] = ()
    python: tuple[str, ...] = ("-m", "gateway")  # how it is started

    @classmethod
    def at(cls, folder: Path) -> "Program":
        environment = {name: text for name, text in os.environ.items() if not name.startswith("GATEWAY_")}
        # the clone is importable without being installed
        environment["PYTHONPATH"] = str(Path(__file__).parents[1])
        return cls(folder, folder / "data", cls.free_port(), environment)

    @property
    def config(self) -> Path:
        return self.folder / "gateway.toml"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def configure(self, text: str = '[broker]\nmode = "off"\n') -> None:
        http = "" if "[http]" in text else f'[http]\nhost = "127.0.0.1"\nport = {self.port}\n'
        self.config.write_text(f'[gateway]\nid = "gw-test"\ndata_dir = "{self.data}"\n{http}{text}')

    def call(self, *words: str, stdin: str | None = None, where: bool = True) -> Said:
        """Run it to its end; `where`: with --config after its own arguments."""
        command = [
            *self.within,
            sys.executable,
            "-m",
            "gateway",
            *words,
            *(["--config", str(self.config)] if where else []),
        ]
        done = subprocess.run(
            command,
            input=stdin or "",
            capture_output=True,
            text=True,
            timeout=ENDS_MAX_S,
            env=self.environment,
            cwd=self.folder,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def ok(self, *words: str, stdin: str | None = None) -> Said:
        said = self.call(*words, stdin=stdin)
        assert said.code == 0, said
        return said

    def key(self, scope: str = "admin") -> str:
        return self.ok("keys", "create", "--name", f"test {scope}", "--scope", scope).last

    free_port = staticmethod(tcp.free_port)

    @contextlib.contextmanager
    def serving(self) -> Iterator[subprocess.Popen[str]]:
        """`run`, until it is ready; killed afterwards if it is still there."""
        with (
            (self.folder / "log").open("a") as log,
            subprocess.Popen(
                [*self.within, sys.executable, *self.python, "run", "--config", str(self.config)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self.environment,
                cwd=self.folder,
            ) as process,
        ):
            try:
                line = process.stdout.readline()
                assert line.startswith("ready: "), (self.folder / "log").read_text()
                yield process
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGCONT)
                    process.terminate()
                    try:
                        process.wait(STOPS_MAX_S)
                    except subprocess.TimeoutExpired:
                        process.kill()

    def get(self, path: str, key: str | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ENDS_MAX_S)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Authorization": f"Bearer {key}"} if key else {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
