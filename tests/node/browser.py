"""A browser at the pages of one bureau: its cookies, the forms it is shown, and the login as officers do it.

    browser = Browser(shanghai)
    await browser.log_in("D31001")
    answer = await browser.get("/w")
    answer = await browser.send("/w/case/1/accept", forms(answer)[0].fields | {"reason": "演示"})

The login is the real code flow: /login, the provider's page, a code, the callback. Redirects after a POST are not followed unless
asked for, so that a test sees them.
"""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import httpx2 as httpx

from services.bureau.app import build_web
from tests.node.bureau import Bureau

HTML = "text/html,application/xhtml+xml"


@dataclass
class FormShown:
    """A form of a page: where it is sent to, and its fields as they stand."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)


class Browser:
    """One person's browser; `page` is the last answer."""

    def __init__(self, bureau: Bureau, **headers: str) -> None:
        self.origin = bureau.wiring.issuer.removesuffix("/dev")
        transport = httpx.ASGITransport(build_web(bureau.wiring))
        self.client = httpx.AsyncClient(transport=transport, base_url=self.origin, headers={"Accept": HTML, **headers})
        self.page: httpx.Response | None = None

    async def close(self) -> None:
        await self.client.aclose()

    async def get(self, path: str, *, follow: bool = False, **headers: str) -> httpx.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        self.page = await self.client.get(path, headers=sent, follow_redirects=follow)
        return self.page

    async def send(
        self, path: str, form: dict[str, Any] | None = None, *, follow: bool = False, site: str = "same-origin", **headers: str
    ) -> httpx.Response:
        """Send a form as a page of this node does; `site`: what the browser says about where the form was."""
        referer = self.origin if self.page is None else str(self.page.url)
        sent = {"Sec-Fetch-Site": site, "Referer": referer}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        self.page = await self.client.post(path, data=form or {}, headers=sent, follow_redirects=follow)
        return self.page

    async def log_in(self, officer: str, *, post: str | None = None, step_up: bool = False, next: str = "/me") -> httpx.Response:
        """Log in (again) as `officer`; gives the page that he comes to. `post`: station:role, for who holds several."""
        asked = {"next": next, **({"step_up": "yes"} if step_up else {})}
        choosing = await self.client.get("/login", params=asked, follow_redirects=True)
        assert choosing.status_code == 200, choosing.text
        assert choosing.url.path == "/dev/authorize"
        self.page = choosing
        self.page = await self.send(urljoin(str(choosing.url), forms(choosing)[-1].action), {"officer": officer}, follow=True)
        if post is not None:
            self.page = await self.send("/login/post", {"post": post, "next": next}, follow=True)
        return self.page


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[FormShown] = []
        self._select: str | None = None
        self._area: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.forms.append(FormShown(given.get("action") or ""))
        if not self.forms:
            return
        fields, name = self.forms[-1].fields, given.get("name")
        if tag == "input" and name:
            if given.get("type") not in ("checkbox", "radio") or "checked" in given:
                fields[name] = given.get("value") or ""
        elif tag == "textarea" and name:
            self._area, fields[name] = name, ""
        elif tag == "select" and name:
            self._select = name
        elif tag == "option" and self._select and ("selected" in given or self._select not in fields):
            fields[self._select] = given.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = None
        elif tag == "textarea":
            self._area = None

    def handle_data(self, data: str) -> None:
        if self._area is not None and self.forms:
            self.forms[-1].fields[self._area] += data


def forms(answer: httpx.Response) -> list[FormShown]:
    """The forms of a page, in its order (the search box of the head is one)."""
    parser = _Forms()
    parser.feed(answer.text)
    return parser.forms


def form_to(answer: httpx.Response, action: str, *, last: bool = False) -> FormShown:
    """The form of a page that is sent to `action`; `last`: there are several, and the last is meant."""
    found = [one for one in forms(answer) if one.action == action]
    assert found, [one.action for one in forms(answer)]
    assert last or len(found) == 1, [one.action for one in forms(answer)]
    return found[-1]
