"""Everything that the JSON API can do with a transfer can be done on pages."""

from fastapi.routing import iter_route_contexts

from services.bureau.app import build_web
from tests.node.bureau import Bureau

# Written by hand: the API's routes of transfers, and the page or form that does the same.
FORMS = {
    "GET /api/v1/transfers": "GET /w/queue/{name}",
    "POST /api/v1/transfers": "POST /w/intake/transfer/{draft}/{step}",
    "POST /api/v1/transfers/{case}/accept": "POST /w/case/{case}/accept",
    "POST /api/v1/transfers/{case}/ask-supplement": "POST /w/case/{case}/ask-supplement",
    "POST /api/v1/transfers/{case}/supplemented": "POST /w/case/{case}/supplemented",
    "POST /api/v1/transfers/{case}/submit": "POST /w/case/{case}/submit",
    "POST /api/v1/transfers/{case}/withdraw": "POST /w/case/{case}/withdraw",
    "POST /api/v1/transfers/{case}/approve": "POST /w/case/{case}/approve",
    "POST /api/v1/transfers/{case}/approve-talent": "POST /w/case/{case}/approve-talent",
    "POST /api/v1/transfers/{case}/refuse": "POST /w/case/{case}/refuse",
    "POST /api/v1/transfers/{case}/void": "POST /w/case/{case}/void",
    "POST /api/v1/transfers/{case}/wait": "POST /w/case/{case}/wait",
    "POST /api/v1/transfers/{case}/settle": "POST /w/case/{case}/settle",
    "POST /api/v1/transfers/{case}/request-reissue": "POST /w/case/{case}/request-reissue",
    "POST /api/v1/transfers/{case}/issue-query-code": "POST /w/case/{case}/issue-query-code",
    "POST /api/v1/transfers/{case}/look-up": "POST /w/case/{case}/look-up",
    "POST /api/v1/transfers/{case}/ask-again": "POST /w/case/{case}/ask-again",
    "POST /api/v1/transfers/{case}/seal": "POST /w/case/{case}/seal",
    "POST /api/v1/transfers/{case}/return": "POST /w/case/{case}/return",
    "POST /api/v1/transfers/{case}/ask-cancel": "POST /w/case/{case}/ask-cancel",
    "POST /api/v1/transfers/{case}/reissue": "POST /w/case/{case}/reissue",
    "POST /api/v1/transfers/{case}/restore": "POST /w/case/{case}/restore",
    "GET /api/v1/transfers/{case}": "GET /w/case/{case}",
    "GET /api/v1/transfers/{case}/findings": "GET /w/case/{case}/compare",
}


def test_every_act_of_the_api_has_its_form(quiet_shanghai: Bureau) -> None:
    routes = {
        f"{method} {context.path}"
        for context in iter_route_contexts(build_web(quiet_shanghai.wiring).routes)
        for method in (getattr(context, "methods", None) or ())
    }
    of_the_api = {route for route in routes if "/api/v1/transfers" in route and not route.startswith("HEAD")}
    assert of_the_api == set(FORMS)
    assert set(FORMS.values()) <= routes
