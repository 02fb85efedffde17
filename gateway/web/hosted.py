"""Functions of the hosted cloud that mean something else on a gateway, or nothing."""

from gateway.kernel.errors import NotOffered
from gateway.outbox.event import encode
from gateway.outbox.receipts import Answer
from gateway.web.routes import Call, Cells, Raw, Route, Scope

JSON = "application/json"
PLAN = {
    "selfHosted": True,
    "trialDays": 0,
    "pricingStatus": "coming_soon",
    "message": "This is a gateway on your own premises: no plan and no trial limits what it does.",
}
_PLAN_SCHEMA = {
    "selfHosted": {"type": "boolean"},
    "trialDays": {"type": "integer"},
    "pricingStatus": {"type": "string"},
    "message": {"type": "string"},
}


def routes() -> list[Route]:
    return [
        Route(
            "GET",
            "/plan-mode",
            _plan,
            Scope.NONE,
            Cells.NONE,
            "How this installation is paid for",
            answers=_PLAN_SCHEMA,
            gives=JSON,
            strict_method=True,
        ),
        Route(
            "POST",
            "/api-cad-proxy",
            _cad,
            Scope.OPERATE,
            Cells.NONE,
            "CAD files are taken apart in the cloud only: always 501",
            takes=("*/*",),
            refuses=frozenset({501}),
            strict_method=True,
        ),
    ]


async def _plan(_call: Call) -> Raw:
    """[U] not in the envelope."""
    return Raw(JSON, encode(PLAN).encode())


async def _cad(_call: Call) -> Answer:
    raise NotOffered("a gateway does not take CAD files apart: send them to the cloud's /api-cad-proxy")
