"""The next household number is found by an index: a register that was taken over may have a million numbers of another shape."""

from sqlalchemy.dialects import postgresql

from services.bureau.population.acts.households import HIGHEST_NO
from services.bureau.population.tables import household


def test_the_highest_number_is_asked_for_as_the_index_holds_it() -> None:
    index = next(one for one in household.indexes if one.name == "ix_household_numbered")
    held = str(index.dialect_options["postgresql"]["where"])
    asked = str(HIGHEST_NO.compile(dialect=postgresql.asyncpg.dialect()))
    assert f"household.{held}" in asked
