"""`quanyu token`: an access token of a development node, for curl."""

from typing import Annotated

import httpx2 as httpx
import typer

from services.bureau.access.development import GRANT_TYPE
from services.cli.common import DEMO_FOLDER, Bureau, RunFolderOption
from services.harness.network import OFFICER_TOKEN_PATH, SERVICES
from services.harness.processes import read_ports
from services.harness.stack import StackError
from shared.identifiers.texts import N_

ANSWER_SECONDS = 5.0
HELP = N_("Print an access token of an officer, from the development login of a running node.")
EXAMPLE = N_('Example: curl -H "Authorization: Bearer $(quanyu token shanghai D31001)" http://127.0.0.1:8031/api/v1/transfers')


def add_to(app: typer.Typer) -> None:
    app.command("token", help=HELP, epilog=EXAMPLE)(token)


def token(
    bureau: Bureau,
    officer: Annotated[str, typer.Argument(metavar="OFFICER", help=N_("badge number, as in services/<bureau>/posts.csv"))],
    folder: RunFolderOption = DEMO_FOLDER,
) -> None:
    address = f"http://127.0.0.1:{read_ports(folder)[bureau].web}"
    form = {"grant_type": GRANT_TYPE, "officer": officer}
    try:
        answer = httpx.post(f"{address}{OFFICER_TOKEN_PATH}", data=form, timeout=ANSWER_SECONDS, trust_env=False)
    except httpx.HTTPError:
        message = N_("the node of {bureau} does not answer at {address}: is the demo running?")
        raise StackError(message, bureau=bureau, address=address) from None
    if answer.status_code == httpx.codes.BAD_REQUEST:
        message = N_("{bureau} has no officer {officer} with a post today; the officers are in {file}")
        raise StackError(message, bureau=bureau, officer=officer, file=str(SERVICES / bureau / "posts.csv"))
    if not answer.is_success:
        message = N_("the node of {bureau} gives no token: {status}")
        raise StackError(message, bureau=bureau, status=answer.status_code)
    typer.echo(answer.json()["access_token"])
