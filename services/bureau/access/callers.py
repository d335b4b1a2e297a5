"""Who is calling: a value that says so, or an exception; never a branch that may be skipped."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from math import inf
from time import monotonic

from shared.contract.questions import Asker
from shared.database import Actor

POSTS_REMEMBERED_SECONDS = 5  # as long as a dismissed officer may finish what he is sending
POSTS_REMEMBERED_OFFICERS = 1000  # far more than work at one bureau's node in five seconds
CITIZEN = "citizen"


class Role(StrEnum):
    """What a post entitles to; kept as plain text in posts.csv and in the table of posts."""

    COUNTER = "counter"
    """窗口民警: officer at a station's counter."""
    POPULATION_OFFICE = "population_office"
    """分局人口办: decides for its division."""
    HRSS = "hrss"
    """人社窗口: decides talent transfers of its division."""
    VERIFIER = "verifier"
    """户籍内勤: keeps a station's register; verifies and seals at the origin."""
    OPERATOR = "operator"
    """运维: runs the bureau's node; sees no person."""
    AUDITOR = "auditor"
    """审计: reads the audit log; does nothing else."""
    NODE = "node"
    """A peer's node that asks by itself, for no officer; never an officer's post."""


OFFICER_ROLES = frozenset(Role) - {Role.NODE}


@dataclass(frozen=True, slots=True)
class Post:
    """One post of one officer on one day: where (unit code, and its six-digit division) and as what (a `Role`).

    `predecessors` are the closed stations whose work this one has taken over: their cases and people are its own.
    """

    station_code: str
    role: str
    division_code: str
    officer_name: str = ""
    predecessors: frozenset[str] = frozenset()

    @property
    def header(self) -> str:
        """How a caller names it: `Quanyu-Post: 310116910000:counter`."""
        return f"{self.station_code}:{self.role}"


PostsOf = Callable[[str, date], Awaitable[Sequence[Post]]]
"""(badge_no, business day) -> the posts held on that day; `stations` knows them, `wiring.py` hands it in."""


class RememberedPosts:
    """A `PostsOf` that asks the database for the same officer and day only now and then: half the cost of a small request.

    A post taken away meanwhile counts up to POSTS_REMEMBERED_SECONDS longer; one that ends, ends with its day.
    """

    def __init__(self, posts_of: PostsOf) -> None:
        self._posts_of = posts_of
        self._known: dict[tuple[str, date], tuple[float, Sequence[Post]]] = {}

    async def __call__(self, badge_no: str, day: date) -> Sequence[Post]:
        known_at, posts = self._known.get((badge_no, day), (-inf, ()))
        if monotonic() - known_at < POSTS_REMEMBERED_SECONDS:
            return posts
        posts = await self._posts_of(badge_no, day)
        if len(self._known) >= POSTS_REMEMBERED_OFFICERS:
            self._known.clear()
        if posts:  # who holds none is asked for each time: he may just have been given one
            self._known[badge_no, day] = (monotonic(), posts)
        return posts


@dataclass(frozen=True, slots=True)
class Officer:
    """An officer of this bureau, logged in, in the post for which this request is made, for the purpose it names (if any).

    `stepped_up`: he has shown his second factor for the token that he uses.
    """

    badge_no: str
    bureau: str
    name: str
    post: Post
    purpose: str | None = None
    stepped_up: bool = False

    @property
    def role(self) -> str:
        return self.post.role

    @property
    def actor(self) -> Actor:
        return Actor("officer", self.badge_no, self.post.role, self.post.station_code, self.purpose or "")


@dataclass(frozen=True, slots=True)
class Peer:
    """Another bureau, known by the signature of the question it asks, with what it says of its officer and his case."""

    bureau: str
    role: str
    purpose: str
    case: str | None

    @classmethod
    def asking(cls, bureau: str, asker: Asker) -> "Peer":
        """The caller of an opened question: who signed it, and what it says of itself."""
        return cls(bureau, asker.role, asker.purpose, asker.case)

    @property
    def actor(self) -> Actor:
        return Actor("peer", self.bureau, self.role)


@dataclass(frozen=True, slots=True)
class Citizen:
    """Who has shown the case number and the query code of its receipt: one case, nothing else."""

    apply_no: str

    @property
    def role(self) -> str:
        return CITIZEN

    @property
    def purpose(self) -> None:
        """A citizen asks about his own case, which needs no other reason."""
        return None

    @property
    def actor(self) -> Actor:
        return Actor("citizen", self.apply_no, CITIZEN)


Caller = Officer | Peer | Citizen
