"""The table of all parsers of what comes from outside: what officers type, what files and headers hold, what bureaus send."""

import atexit
import io
import json
import shutil
import tempfile
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from pydantic import TypeAdapter, ValidationError

from services.bureau.clocks import BusinessClock
from services.bureau.population.acts.importing import check_register_file
from services.bureau.rulebook import read_rulebook
from services.bureau.settings import Settings
from services.bureau.stations.rules import ListRefused, read_posts, read_stations
from services.bureau.transfers.rules.application import ApplicationForm
from shared.contract.questions import PersonStatus, ResidentForTransfer, TransferState
from shared.contract.registry import ContractError, decode, decode_answer, decode_question
from shared.envelope.errors import KeyFileError
from shared.envelope.keys import StoredKey, read_keys, write_kek, write_key
from shared.identifiers.apply_no import new_apply_no, parse_apply_no
from shared.identifiers.citizen_id import parse_citizen_id_no
from shared.identifiers.division import full_division_name, parse_division_code, require_division
from shared.identifiers.errors import IdentifierError
from shared.identifiers.query_code import new_query_code, parse_query_code
from shared.identifiers.unit_code import bureau_of_unit, parse_unit_code
from shared.telemetry import masked, trace
from shared.web.handlers import faults_of
from shared.web.problems import InvalidInput
from shared.web.texts import preferred_language
from tests.fuzz import envelopes
from tests.fuzz.envelopes import golden
from tests.fuzz.loop import Parser
from tests.fuzz.mutate import by_member

SERVICES = Path(__file__).parents[2] / "services"
STORIES = SERVICES / "harness" / "stories"
DAY = date(2020, 12, 28)
FORM: TypeAdapter[Any] = TypeAdapter(ApplicationForm)


def files(pattern: str, folder: Path = SERVICES) -> list[bytes]:
    return [file.read_bytes() for file in sorted(folder.glob(pattern))]


def texts(pattern: str) -> list[str]:
    return [one.decode() for one in files(pattern)]


def identifiers() -> list[Parser]:
    wrong, random = (IdentifierError,), Random(1)
    people = ["330482198405129726", "33048219580304971X", "110101199003070281", "11010119900307028x"]
    places, units = ["330482", "310116", "340200", "330000"], ["330482910000", "310116000000"]
    return [
        Parser("citizen id number", partial(parse_citizen_id_no, today=DAY), people, wrong, inputs=80_000),
        Parser("division, its form", parse_division_code, places, wrong, inputs=50_000),
        Parser("division", lambda text: full_division_name(require_division(text)), places, wrong, inputs=50_000),
        Parser("unit code", lambda text: bureau_of_unit(parse_unit_code(text)), units, wrong, inputs=50_000),
        Parser("case number", parse_apply_no, [new_apply_no("310116", DAY, random) for _ in range(5)], wrong, inputs=80_000),
        Parser("query code", parse_query_code, [new_query_code(random) for _ in range(5)], wrong, inputs=50_000),
    ]


def headers() -> list[Parser]:
    languages = ["zh-CN,zh;q=0.9,en;q=0.8", "en", "*;q=0.5, en;q=0"]
    logged = [
        "person 330482198405129726 telephone 13912345678",
        "input_value='x', input_type=str",
        "[parameters: (1, 2)]\nDETAIL: x",
    ]
    return [
        Parser("traceparent", trace.parse, ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"], inputs=80_000),
        Parser("Accept-Language", preferred_language, languages, inputs=80_000),
        Parser("log line", masked, logged, inputs=20_000),
    ]


def contents() -> list[Parser]:
    said, refused = golden(), (ContractError,)
    paths = {kind: partial(decode_question, path=kind.path) for kind in (PersonStatus, ResidentForTransfer, TransferState)}
    return [
        Parser("message", decode, said, refused, by_member),
        *(Parser(f"question {kind.__name__}", ask, said, refused, by_member, 15_000) for kind, ask in paths.items()),
        *(
            Parser(f"answer to {kind.__name__}", partial(decode_answer, question=kind), said, refused, by_member, 15_000)
            for kind in paths
        ),
        Parser("application", application, files("*/application*.json", STORIES), (), by_member, 20_000),
    ]


def application(raw: bytes) -> object:
    """The form, as FastAPI reads it, or the problem that the officer is shown: it must always find words."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    try:
        return FORM.validate_python(body)
    except ValidationError as error:
        return InvalidInput(faults=faults_of([{**one, "loc": ("body", *one["loc"])} for one in error.errors()])).response()


def lists() -> list[Parser]:
    stations = read_stations(texts("zhejiang/stations.csv")[0], bureau="zhejiang")
    codes = frozenset(one.code for one in stations)
    register = partial(check_register_file, bureau="zhejiang", stations=codes, today=DAY)
    return [
        Parser("stations.csv", partial(read_stations, bureau="zhejiang"), texts("*/stations.csv"), (ListRefused,), inputs=8_000),
        Parser("posts.csv", partial(read_posts, stations=stations), texts("*/posts.csv"), (ListRefused,), inputs=10_000),
        Parser("register.csv", lambda raw: register(io.BytesIO(raw)), files("*/residents-*.csv", STORIES), inputs=8_000),
    ]


def from_file(read: Callable[[Path], object], name: str) -> Callable[[bytes], object]:
    """A parser of a file's bytes; the file lies in memory where the machine has such a folder."""
    memory = Path("/dev/shm")  # noqa: S108  # only this process writes into the folder that is made here
    folder = Path(tempfile.mkdtemp(prefix="quanyu-fuzz-", dir=memory if memory.is_dir() else None))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "keys").mkdir(mode=0o700)
    file = folder / name

    def call(raw: bytes) -> object:
        file.write_bytes(raw)
        file.chmod(0o600)
        return read(file)

    return call


def key_files() -> Parser:
    with tempfile.TemporaryDirectory() as made:
        kek = write_kek(Path(made))
        write_key(Path(made), StoredKey("zhejiang#sig-2026", "sig", 1, 2, bytes(32)), kek=kek)
        sample = (Path(made) / "keys" / "sig-2026.key").read_bytes()
    read = from_file(lambda file: read_keys(file.parents[1], "sig", kek=kek), "keys/sig-2026.key")
    return Parser("key file", read, [sample], (KeyFileError,), by_member, 10_000)


def own_files() -> list[Parser]:
    toml = (ValueError, RecursionError)  # tomllib follows any nesting; who writes these files may also write main.py beside them
    profile = from_file(lambda file: Settings.model_construct(profile_folder=file.parent).profile(), "bureau.toml")
    rules, clock = from_file(read_rulebook, "rules.toml"), from_file(lambda file: BusinessClock(file).now(), "clock.json")
    clocks = [json.dumps({"offset_seconds": offset}).encode() for offset in (0, -1e9, 86400.5)]
    return [
        key_files(),
        Parser("bureau.toml", profile, files("*/bureau.toml"), toml, inputs=10_000),
        Parser("rules.toml", rules, files("*/rules.toml"), toml, inputs=5_000),
        Parser("business clock", clock, clocks, (ValueError,), by_member, 20_000),
    ]


def parsers() -> tuple[Parser, ...]:
    return (*envelopes.parsers(), *identifiers(), *headers(), *contents(), *lists(), *own_files())
