"""What changes something comes from a page of this node; where one is led after a login is a page of this node too."""

from typing import Any

import pytest
from starlette.requests import Request

from services.bureau.access.page_calls import page, require_own_page
from services.bureau.access.pages import HOME, own_path
from services.bureau.access.sessions import cookie_name
from shared.web import Forbidden

HOST = "127.0.0.1:8031"


def request(method: str = "POST", **headers: str) -> Request:
    scope: dict[str, Any] = {"type": "http", "method": method, "path": "/w", "query_string": b"", "scheme": "http"}
    named = {"host": HOST, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return Request(scope | {"headers": [(name.encode(), value.encode()) for name, value in named.items()]})


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_a_form_of_this_node_is_taken(site: str) -> None:
    require_own_page(request(sec_fetch_site=site))


@pytest.mark.parametrize("site", ["same-site", "cross-site", "", "anything"])
@pytest.mark.parametrize("origin", [f"http://{HOST}", "http://127.0.0.1:8033"])
def test_a_form_of_another_site_or_port_is_refused_whatever_its_origin_says(site: str, origin: str) -> None:
    with pytest.raises(Forbidden):
        require_own_page(request(sec_fetch_site=site, origin=origin))


def test_an_old_browser_is_judged_by_its_origin() -> None:
    require_own_page(request(origin=f"http://{HOST}"))
    for foreign in ("http://127.0.0.1:8033", "http://elsewhere.invalid", "null", ""):
        with pytest.raises(Forbidden):
            require_own_page(request(origin=foreign))
    with pytest.raises(Forbidden):
        require_own_page(request())


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_needs_no_page_of_ours(method: str) -> None:
    require_own_page(request(method, sec_fetch_site="cross-site"))


def test_a_page_without_a_rule_cannot_be_declared() -> None:
    with pytest.raises(KeyError):
        page("transfers.sael")


@pytest.mark.parametrize("path", ["/", "/w", "/w/queue/drafts?after=50", "/w/case/x#trace", "/w?next=//elsewhere"])
def test_a_path_of_this_node_is_followed(path: str) -> None:
    assert own_path(path) == path


@pytest.mark.parametrize(
    "where",
    [
        "//elsewhere.invalid", "///elsewhere.invalid", "/\\elsewhere.invalid", "/\\/elsewhere.invalid", "http://elsewhere.invalid",
        "https:elsewhere.invalid", "javascript:alert(1)", "elsewhere", "", "\t//elsewhere.invalid", "/\n/elsewhere.invalid",
        "/\t/elsewhere.invalid", "\\\\elsewhere.invalid", None,
    ],
)  # fmt: skip
def test_an_address_elsewhere_is_not(where: Any) -> None:
    assert own_path(where) == HOME


def test_the_cookie_is_named_after_the_bureau_and_bound_to_its_host_where_there_is_tls() -> None:
    assert cookie_name("shanghai", secure=False) == "quanyu-shanghai"
    assert cookie_name("shanghai", secure=True) == "__Host-quanyu-shanghai"
    assert cookie_name("shanghai", secure=False) != cookie_name("zhejiang", secure=False)
