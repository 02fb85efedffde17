"""The arguments of a method, checked: asyncua hands over whatever came (2.1.0), too few and of any type."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from asyncua import ua

TEXT_MAX = 255
COMMENT_MAX = 500
LIST_MAX = 100


@dataclass(frozen=True, slots=True)
class Argument:
    """`nullable`: may be null or empty. A `structure` is named by its class in asyncua."""

    name: str
    type: ua.VariantType
    array: bool = False
    nullable: bool = False
    about: str = ""
    structure: str = ""

    @property
    def described(self) -> ua.Argument:
        return ua.Argument(
            Name=self.name,
            DataType=ua.NodeId(self.type.value),
            ValueRank=ua.ValueRank.OneDimension if self.array else ua.ValueRank.Scalar,
            ArrayDimensions=[0] if self.array else [],
            Description=ua.LocalizedText(self.about),
        )


def checked(wanted: Sequence[Argument], given: Sequence[ua.Variant]) -> list[Any] | ua.CallMethodResult:
    """The values, or what to answer: which argument is wrong stands in its InputArgumentResults (OPC 10000-4, 5.12.2)."""
    if len(given) < len(wanted):
        return _bad(ua.StatusCodes.BadArgumentsMissing, ())
    if len(given) > len(wanted):
        return _bad(ua.StatusCodes.BadTooManyArguments, ())
    results = [_wrong(one, variant) for one, variant in zip(wanted, given, strict=True)]
    if any(results):
        return _bad(ua.StatusCodes.BadInvalidArgument, results)
    return [_value(one, variant) for one, variant in zip(wanted, given, strict=True)]


def done(*outputs: ua.Variant) -> ua.CallMethodResult:
    return ua.CallMethodResult(StatusCode=ua.StatusCode(ua.StatusCodes.Good), OutputArguments=[*outputs])


def refused(code: int) -> ua.CallMethodResult:
    return _bad(code, ())


def _wrong(one: Argument, variant: ua.Variant) -> Any:
    """A status code; 0: nothing is."""
    if variant.VariantType is ua.VariantType.Null or variant.Value is None:
        return 0 if one.nullable else ua.StatusCodes.BadTypeMismatch
    is_array = isinstance(variant.Value, list)
    if variant.VariantType is not one.type or is_array is not one.array:
        return ua.StatusCodes.BadTypeMismatch
    items = variant.Value if is_array else [variant.Value]
    if one.structure and any(type(item).__name__ != one.structure for item in items):
        return ua.StatusCodes.BadTypeMismatch
    if len(items) > LIST_MAX or any(isinstance(item, str) and len(item) > TEXT_MAX for item in items):
        return ua.StatusCodes.BadOutOfRange
    return 0


def _value(one: Argument, variant: ua.Variant) -> Any:
    if variant.Value is not None:
        return variant.Value
    return [] if one.array else ""


def _bad(code: int, results: Sequence[int]) -> ua.CallMethodResult:
    return ua.CallMethodResult(
        StatusCode=ua.StatusCode(code), InputArgumentResults=[ua.StatusCode(one) for one in results], OutputArguments=[]
    )
