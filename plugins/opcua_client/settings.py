"""The keys of `[plugins.opcua_client]`. docs/machines.md says what they mean."""

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from gateway.plugin_api import Config, Duration

FINGERPRINT_CHARACTERS = 64  # of SHA-256, in hex
NO_SECURITY = "None"


def _fingerprint(text: str) -> str:
    """As programs show it: with colons or without."""
    found = text.replace(":", "").strip().lower()
    if found and (len(found) != FINGERPRINT_CHARACTERS or set(found) - set("0123456789abcdef")):
        raise ValueError(f'"{text}" is no SHA-256 fingerprint: {FINGERPRINT_CHARACTERS} characters 0-9 and a-f')
    return found


class Tag(Config):
    """`node` as `nsu=http://vendor/UA/;s=Prod.Count`: the address of its namespace, which stays, not the index, which may move."""

    node: Annotated[str, Field(pattern=r"^(?:nsu=[^;]+;|ns=\d+;)?[isgb]=.+$")]
    to: Annotated[str, Field(min_length=1)]


class Server(Config):
    """One machine. `device` is the id of a `[[uns.device]]`; `certificate`: the SHA-256 fingerprint of its server's."""

    device: str
    url: str
    security: Literal["Basic256Sha256", "Aes256Sha256RsaPss", "Aes128Sha256RsaOaep", "None"] = "Basic256Sha256"
    certificate: Annotated[str, AfterValidator(_fingerprint)] = ""
    user: str = ""
    password: SecretStr = SecretStr("")
    publish: Annotated[Duration, Field(ge=0.05)] = 0.5
    timeout: Annotated[Duration, Field(gt=0)] = 10.0
    tag: Annotated[tuple[Tag, ...], Field(min_length=1)]

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme != "opc.tcp" or not parts.hostname or parts.username:
            raise ValueError('url: as "opc.tcp://10.0.0.5:4840", user and password are keys of their own')
        return url

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if self.user and self.security == NO_SECURITY:
            raise ValueError(
                f'{self.device}: security = "None" would send the password in the clear: choose a policy, or no user'
            )
        return self


class Settings(Config):
    """`retry_max`: the longest pause between two tries to connect."""

    retry_max: Annotated[Duration, Field(gt=0)] = 30.0
    server: tuple[Server, ...] = ()

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        names = [one.device for one in self.server]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ValueError(f'[[plugins.opcua_client.server]] "{twice}" stands there twice: put its tags into one')
        return self
