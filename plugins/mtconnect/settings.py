"""The keys of `[plugins.mtconnect]`. docs/machines.md says what they mean."""

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from gateway.plugin_api import Config, Duration


class Item(Config):
    """A data item of the machine: its `id` in the agent's `probe`."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,100}$")]  # it goes into an XPath
    to: Annotated[str, Field(min_length=1)]


class Agent(Config):
    """One machine. `device` is the id of a `[[uns.device]]`, `url` that of the agent, with the machine's name there behind it."""

    device: str
    url: str
    every: Annotated[Duration, Field(ge=0.05)] = 1.0
    timeout: Annotated[Duration, Field(gt=0)] = 10.0
    item: Annotated[tuple[Item, ...], Field(min_length=1)]

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f'"{url}" is no address of an agent: as "http://10.0.0.9:5000/VMC-3Axis"')
        return url.rstrip("/")

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        names = [one.id for one in self.item]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ValueError(f'{self.device}: the item "{twice}" stands there twice')
        return self


class Settings(Config):
    """`retry_max`: the longest pause between two tries to reach an agent."""

    retry_max: Annotated[Duration, Field(gt=0)] = 30.0
    agent: tuple[Agent, ...] = ()

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        names = [one.device for one in self.agent]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ValueError(f'[[plugins.mtconnect.agent]] "{twice}" stands there twice: put its items into one')
        return self
