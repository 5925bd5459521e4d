"""What the commands of `qwen-bridge` share: how settings are given to them, and the sentence with which one fails."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from qwen_bridge.settings.settings import Settings, SettingsError

State = Annotated[Path | None, typer.Option("--state", help="Folder of the conversation index.")]
Choices = Annotated[  # no `type`: typer does not look through it
    list[str] | None, typer.Option("--set", metavar="K=V", help="A setting of the bridge, as for `run`.")
]


def option(item: str) -> str:
    """`name=value` for mitmproxy; a setting of the bridge may be named without its prefix."""
    name, separator, _ = item.partition("=")
    if not separator:
        raise typer.BadParameter(f"{item!r} is not of the form name=value", param_hint="--set")
    return f"qwen_{item}" if name in Settings.model_fields else item


def load(chosen: dict[str, str]) -> Settings:
    """The settings, or an end with the sentence that says why not."""
    try:
        return Settings.load({name.removeprefix("qwen_"): value for name, value in chosen.items()})
    except SettingsError as error:
        fail(f"These settings cannot be used:\n{error}")


def fail(sentence: str) -> NoReturn:
    """End the command with a sentence."""
    typer.secho(sentence, err=True, fg="red")
    raise typer.Exit(1)
