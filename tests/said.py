"""An answer of the REST API, as it came."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Said:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    @property
    def data(self) -> Any:
        assert self.body["success"] is True, self.text
        return self.body["data"]

    @property
    def error(self) -> Any:
        assert self.body["success"] is False, self.text
        return self.body["error"]
