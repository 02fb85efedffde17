"""The keys of `[plugins.modbus]`. docs/machines.md says what they mean."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gateway.plugin_api import Config, Duration, Port

ADDRESS_MAX = 65_535
UNIT_MAX = 255
BITS = ("coil", "discrete")  # tables of single bits
STRING_WORDS_MAX = 32
WORDS = {"int16": 1, "uint16": 1, "int32": 2, "uint32": 2, "int64": 4, "uint64": 4, "float32": 2, "float64": 4}
Type = Literal["int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "string"]


class Tag(Config):
    """`address` as it goes over the wire, from 0. `type` and `word_order` are for registers; a coil is true or false, and so is one
    `bit` of a register (0: the lowest). A string has two characters in each of `length` registers; with `word_order = "little"`
    the first of the two is in the low byte.
    """

    to: Annotated[str, Field(min_length=1)]
    address: Annotated[int, Field(ge=0, le=ADDRESS_MAX)]
    table: Literal["holding", "input", "coil", "discrete"] = "holding"
    type: Type = "uint16"
    word_order: Literal["big", "little"] = "big"
    scale: float = 1.0
    bit: Annotated[int, Field(ge=0, le=15)] | None = None
    length: Annotated[int, Field(ge=1, le=STRING_WORDS_MAX)] | None = None

    @property
    def words(self) -> int:
        """How many addresses it takes."""
        return self.length or (1 if self.table in BITS else WORDS[self.type])

    @model_validator(mode="after")
    def _whole(self) -> Self:
        given = self.model_fields_set
        if self.table in BITS and {"type", "word_order", "scale", "bit", "length"} & given:
            raise ValueError(
                f'{self.to}: table = "{self.table}" is true or false: type, word_order, scale, bit and length go with registers'
            )
        if (self.type == "string") != (self.length is not None):
            raise ValueError(f'{self.to}: type = "string" and length (how many registers) go together')
        if self.type == "string" and "scale" in given:
            raise ValueError(f"{self.to}: a string has no scale")
        if self.bit is not None and {"type", "scale", "word_order"} & given:
            raise ValueError(f"{self.to}: bit = {self.bit} is of one register, without type, scale and word_order")
        if self.address + self.words - 1 > ADDRESS_MAX:
            raise ValueError(f"{self.to}: address = {self.address} with type {self.type} ends beyond {ADDRESS_MAX}")
        return self


class Device(Config):
    """One machine. `device` is the id of a `[[uns.device]]`."""

    device: str
    host: str
    port: Port = 502
    unit: Annotated[int, Field(ge=0, le=UNIT_MAX)] = 1
    every: Annotated[Duration, Field(ge=0.05)] = 1.0
    timeout: Annotated[Duration, Field(gt=0)] = 3.0
    tag: Annotated[tuple[Tag, ...], Field(min_length=1)]


class Settings(Config):
    """`retry_max`: the longest pause between two tries to connect."""

    retry_max: Annotated[Duration, Field(gt=0)] = 30.0
    device: tuple[Device, ...] = ()

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        names = [one.device for one in self.device]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ValueError(f'[[plugins.modbus.device]] "{twice}" stands there twice: put its tags into one')
        return self
