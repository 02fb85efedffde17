"""What can be set about the cloud: where it is, and with which secrets it is asked."""

from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from gateway.values import Duration, Names, Section, is_loopback

SECRET_MIN_CHARACTERS = 16
_FUNCTIONS = "/functions/v1"


class Cloud(Section):
    """`kind` is `plain` when there is a url and `off` when there is none, unless it is given.

    With `service_user` plans are read as that user reads them; with `webhook_secret` the cloud's webhooks are taken, with
    `publish_password` its MQTT publishes.
    """

    kind: Literal["plain", "hub", "off"] = "off"
    url: str = ""
    api_key: SecretStr = SecretStr("")
    cells: Names = ("*",)
    pull_every: Duration = 300.0
    timeout: Duration = 15.0
    settle_after: Duration = 180.0
    requests_per_day: Annotated[int, Field(ge=1)] | None = None
    key_offline: Duration = 30 * 86_400.0
    service_user: str = ""
    service_password: SecretStr = SecretStr("")
    anon_key: SecretStr = SecretStr("")
    project_url: str = ""
    webhook_secret: SecretStr = SecretStr("")
    publish_username: Annotated[str, Field(pattern=r"^[^:\x00-\x1f]{1,100}$")] = "eryxon"
    publish_password: SecretStr = SecretStr("")

    @property
    def enabled(self) -> bool:
        return self.kind != "off"

    @property
    def project(self) -> str:
        """Where its users sign in and its tables are; empty when nobody can tell."""
        functions = self.url.rstrip("/")
        derived = functions.removesuffix(_FUNCTIONS) if functions.endswith(_FUNCTIONS) else ""
        return self.project_url.rstrip("/") or derived

    @model_validator(mode="before")
    @classmethod
    def _kind(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("url") and "kind" not in given:
            return {**given, "kind": "plain"}
        return given

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.kind == "off":
            return self
        _address("url", self.url, f"https://project.example{_FUNCTIONS}")
        if not self.api_key.get_secret_value():
            raise ValueError('api_key is missing: the cloud shows it once when it is made; or set kind = "off"')
        return self

    @model_validator(mode="after")
    def _user(self) -> Self:
        given = [bool(one) for one in (self.service_user, *map(_revealed, (self.service_password, self.anon_key)))]
        if any(given) and not all(given):
            raise ValueError("service_user, service_password and anon_key belong together: set all three or none")
        if all(given) and self.enabled:
            if not self.project:
                raise ValueError(
                    f"project_url is missing: url does not end in {_FUNCTIONS}, so nobody can tell where its users sign in"
                )
            _address("project_url", self.project, "https://project.example")
        for name in ("webhook_secret", "publish_password"):
            secret = _revealed(getattr(self, name))
            if secret and len(secret) < SECRET_MIN_CHARACTERS:
                raise ValueError(f"{name} is too short: at least {SECRET_MIN_CHARACTERS} characters")
        return self


def _address(name: str, url: str, example: str) -> None:
    """Raises ValueError."""
    address = urlsplit(url)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ValueError(f'{name} = "{url}" is not an address: as "{example}"')
    if address.scheme == "http" and not is_loopback(address.hostname):
        raise ValueError(f'{name} = "{url}" would send secrets in the clear: use https')


def _revealed(secret: SecretStr) -> str:
    return secret.get_secret_value()
