"""`qwen-bridge sessions`: which Qwen sessions were learned from the browser, and which of them is spoken with."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from qwen_bridge.bridge.sessions import Known, Sessions, session_file
from qwen_bridge.command_line import Choices, State, fail, load, option
from qwen_bridge.ports import StoreUnavailable
from qwen_bridge.settings.settings import Settings

sessions = typer.Typer()

Account = Annotated[str, typer.Argument(help="The account, as the list shows it.")]


@sessions.callback(invoke_without_command=True)
def sessions_default(context: typer.Context, state: State = None, options: Choices = None) -> None:
    """The Qwen sessions learned from your browser, by digest, never a cookie. Without a command: the list."""
    if context.invoked_subcommand is None:
        sessions_list(state, options)


@sessions.command("list")
def sessions_list(state: State = None, options: Choices = None) -> None:
    """Show the learned sessions, the one seen last first."""
    from qwen_bridge.observe.learned import session_table

    settings = _settings(state, options)
    typer.echo(session_table(Sessions(settings).states(), time.time()), nl=False)
    if not settings.learns:
        typer.echo("None of them is used: `learn` is off, or `token` or `cookies` are set (see `learn`).", err=True)


@sessions.command("use")
def sessions_use(account: Account, state: State = None, options: Choices = None) -> None:
    """Speak with this account from now on, where the settings name none. Running bridges follow at once."""
    found = _change(account, state, options, lambda known, found: Known(found, known.sessions))
    typer.echo(f"The bridge speaks with account {found[:8]} from now on. Conversations of other accounts start anew.")


@sessions.command("forget")
def sessions_forget(account: Account, state: State = None, options: Choices = None) -> None:
    """Forget a learned session, and that its account was chosen. It ends nothing at Qwen: sign out there for that."""
    found = _change(account, state, options, _without)
    typer.echo(f"Forgotten: account {found[:8]}. A browser that is signed in with it would teach it again.")


def _without(known: Known, account: str) -> Known:
    rest = known.without(account)
    return Known("" if known.chosen == account else known.chosen, rest.sessions)


def _settings(state: Path | None, options: list[str] | None) -> Settings:
    chosen = dict(item.partition("=")[::2] for item in map(option, options or []))
    return load(chosen if state is None else chosen | {"qwen_state": str(state)})


def _change(prefix: str, state: Path | None, options: list[str] | None, change: Callable[[Known, str], Known]) -> str:
    file = session_file(_settings(state, options))
    found = file.known().find(prefix)
    if not found:
        fail(f"No learned account is {prefix!r}, or more than one. `qwen-bridge sessions` lists them.")
    try:
        file.change(lambda known: change(known, found))
    except StoreUnavailable as error:
        fail(f"{str(error)[0].upper()}{str(error)[1:]}.")
    return found
