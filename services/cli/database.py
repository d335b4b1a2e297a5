"""`quanyu database`: a bureau's database made ready on a PostgreSQL server: roles, rights, schema."""

from pathlib import Path
from typing import Annotated, Final
from urllib.parse import quote

import typer

from services.bureau.schema import migrate
from services.cli.common import Bureau, language_of
from services.harness.processes import DATABASE
from services.harness.stack import Databases, node_role, owner_role
from services.harness.stack.databases import pgpass_line
from services.harness.stories.telling import Teller
from shared.envelope.keys import write_private
from shared.identifiers.texts import N_

HELP: Final = N_("A bureau's database on a PostgreSQL server.")
PREPARE_HELP: Final = N_(
    "Make the bureau's two roles (its owner, and the node, which reads and writes rows and changes no table) and its database,"
    " bring the schema to this program's, and write the node's password file. Run it again for every new version of the program."
)
PREPARE_EXAMPLE: Final = N_(
    "Example: quanyu database prepare shanghai db-shanghai:5432 --superuser-password secrets/superuser --roles secrets/roles.json"
    " --node-passwords secrets/pgpass"
)


def add_to(app: typer.Typer) -> None:
    database = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    database.command("prepare", help=PREPARE_HELP, epilog=PREPARE_EXAMPLE)(prepare)
    app.add_typer(database, name="database", help=HELP)


def prepare(
    context: typer.Context,
    bureau: Bureau,
    server: Annotated[str, typer.Argument(metavar="SERVER", help=N_("PostgreSQL server: host:port"))],
    superuser_password: Annotated[Path, typer.Option(exists=True, dir_okay=False, help=N_("file with the password of postgres"))],
    roles: Annotated[Path, typer.Option(help=N_("file that keeps the passwords of the two roles; made when it is missing"))],
    node_passwords: Annotated[
        Path, typer.Option(help=N_("file to write for the node, which finds its password there (PGPASSFILE)"))
    ],
) -> None:
    password = superuser_password.read_text().strip()
    databases = Databases(lambda: f"postgresql://postgres:{quote(password, safe='')}@{server}/postgres", passwords=roles)
    databases.create_database(DATABASE, bureau=bureau)
    migrate(databases.url(DATABASE, owner_role(bureau)), node_role=node_role(bureau))
    fresh = node_passwords.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    write_private(fresh, pgpass_line(databases.dsn(DATABASE, node_role(bureau))).encode())
    fresh.replace(node_passwords)
    Teller(language_of(context)).say(N_("the database of {bureau} on {server} is ready"), bureau=bureau, server=server)
