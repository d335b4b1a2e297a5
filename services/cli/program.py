"""The command `quanyu`, put together: its groups, its language, and what becomes of errors."""

import io
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, get_args

import typer

from services.bureau.process import PortTaken
from services.bureau.schema import SchemaError
from services.bureau.stations.rules import ListRefused
from services.bureau.wiring import SettingsError
from services.cli import bench, bus, database, keys, node, register, stories, token
from services.cli.common import EXITS, FAILED, WRONG_USE
from services.harness.interrupts import SIGNALS, Interrupts
from services.harness.stack import StackError
from services.harness.stories.script import ScriptRefused
from services.harness.stories.telling import Teller
from shared.database import DatabaseDown, OutcomeUnknown
from shared.envelope import CeremonyError, EnvelopeError
from shared.identifiers.texts import N_
from shared.telemetry import configure_logs
from shared.web.texts import Language, Texts

LANGUAGE_OPTION: Final = "--lang"
LANGUAGE_VARIABLES: Final = ("LC_ALL", "LC_MESSAGES", "LANG")  # POSIX: the first that is set counts
ABOUT: Final = N_("Quanyu: the federation of four police bureaus. Shows in Chinese, or in English (--lang en, or LANG=en_…).")
SENTENCES: Final = (SettingsError, SchemaError, PortTaken, EnvelopeError, ListRefused, DatabaseDown, OutcomeUnknown)
"""Errors whose own text is the sentence for people."""
UNUSABLE: Final = (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError)
"""What a path that was given wrongly leads to, before anything has happened; a full disk, for example, is not among them."""


def main() -> None:
    """Run the command of this process's arguments; ends the process."""
    arguments, language = split_language(sys.argv[1:], os.environ)
    with Interrupts() as interrupts:
        try:
            code = run(arguments, language)
            interrupts.hold()
        except KeyboardInterrupt:  # one more, while the command's end was told
            code = FAILED
    for number in SIGNALS:  # nothing is left to interrupt but Python's own end
        signal.signal(number, signal.SIG_IGN)
    sys.exit(code)


def run(arguments: Sequence[str], language: Language | None) -> int:
    """Run one command; gives its exit code. `language` None: one was named that there is not."""
    if language is None:
        print(f"{LANGUAGE_OPTION}: {', '.join(get_args(Language))}", file=sys.stderr)
        return WRONG_USE
    configure_logs("critical", stream=_Silence())  # a person reads sentences; `quanyu node` sets up logs of its own
    command = build()
    speak(command, language)
    teller = Teller(language, sys.stderr)
    try:
        command.main(args=list(arguments), prog_name="quanyu", obj=language)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else FAILED
    except ScriptRefused as refused:
        stories.tell_faults(refused, teller)
        return WRONG_USE
    except StackError as error:
        teller.say(error.message, **error.values)
    except CeremonyError as error:
        teller.say(error.msgid, **error.values)
    except SENTENCES as error:
        teller.write(str(error))
    except KeyboardInterrupt:
        teller.say(N_("interrupted"))
    except UNUSABLE as error:
        teller.say(N_("{path} cannot be used: {reason}"), path=str(error.filename), reason=str(error.strerror))
        return WRONG_USE
    except BrokenPipeError:  # whoever read has gone; what is still unwritten must not be tried again at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        what = str(error.filename or "quanyu")
        teller.say(N_("{path}: the system refuses: {reason}"), path=what, reason=error.strerror or str(error))
    return FAILED


class _Silence(io.StringIO):
    """Where the logs of libraries go."""

    def write(self, text: str, /) -> int:
        return len(text)


def build() -> Any:
    """All commands as a click command, their helps still msgids. (click is inside of typer or beside it, by release.)"""
    app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

    @app.callback(help=ABOUT, epilog=EXITS)
    def about(
        lang: Annotated[str | None, typer.Option(LANGUAGE_OPTION, metavar="zh|en", help=N_("language of what is shown"))] = None,
    ) -> None:
        """The option is only shown here: `main` has taken it out, wherever it stood."""

    node.add_to(app)
    stories.add_to(app)
    token.add_to(app)
    keys.add_to(app)
    bus.add_to(app)
    database.add_to(app)
    register.add_to(app)
    bench.add_to(app)
    return typer.main.get_command(app)


def speak(command: Any, language: Language) -> None:
    """Put every help of the command and those below it into the language."""
    say = Texts.zh if language == "zh" else Texts.en
    for owner in (command, *command.params):
        for name in ("help", "short_help", "epilog"):
            text = getattr(owner, name, None)
            if text:
                setattr(owner, name, say(text))
    for below in getattr(command, "commands", {}).values():
        speak(below, language)


def split_language(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[list[str], Language | None]:
    """The arguments without `--lang`, which may stand anywhere, and the language: named, else the environment's, else Chinese."""
    rest: list[str] = []
    named: str | None = None
    words = iter(arguments)
    for word in words:
        option, equals, value = word.partition("=")
        if option == LANGUAGE_OPTION:
            named = value if equals else next(words, "")
        else:
            rest.append(word)
    if named is None:
        set_here = next((environment[name] for name in LANGUAGE_VARIABLES if environment.get(name)), "")
        named = "en" if set_here.lower().startswith("en") else "zh"
    languages: dict[str, Any] = {name: name for name in get_args(Language)}
    return rest, languages.get(named)
