"""Asking another bureau as its node does for an officer at the counter."""

from shared.contract.questions import Asker, PersonStatus, PersonStatusAnswer
from tests.federation.clerk import Clerk
from tests.federation.people import Person

COUNTER = Asker(
    officer="0123456789abcdef", role="counter", purpose="household_transfer", case="01924b7e-0000-7000-8000-000000000001"
)
NODE = Asker(role="node", purpose="household_transfer")


async def standing(clerk: Clerk, asked: str, person: Person, *, by: str = "jiangsu") -> PersonStatusAnswer:
    """What one bureau tells another that has no part in the move."""
    peers = clerk.network.nodes[by].wiring.peers
    return await peers.ask(asked, PersonStatus(citizen_id_no=person.number), asker=COUNTER, answer=PersonStatusAnswer)
