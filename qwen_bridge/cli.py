"""The command `qwen-bridge`. Each command imports what it needs when it runs: `--help` must not load mitmproxy."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qwen_bridge.browser_command import browser
from qwen_bridge.command_line import Choices, State, fail, load, option
from qwen_bridge.session_command import sessions
from qwen_bridge.settings.access import digest_of, is_loopback

if TYPE_CHECKING:
    from qwen_bridge.ports import ConversationStore

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False)

conversations = typer.Typer()
app.add_typer(conversations, name="conversations")
app.add_typer(sessions, name="sessions")
app.command()(browser)

toolcalls = typer.Typer(help="Look at how tool calls are read.", no_args_is_help=True)
app.add_typer(toolcalls, name="toolcalls")

HOST = "127.0.0.1"

DAY = 86_400
"""Seconds."""


@app.callback()
def about() -> None:
    """Let OpenAI clients talk to a Qwen web chat."""


@app.command()
def run(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port for both ways in: base URL and HTTP proxy.")] = 8080,
    host: Annotated[
        str, typer.Option(help="Address to listen on. Any but this machine's own needs client_keys.")
    ] = HOST,
    upstream: Annotated[str | None, typer.Option(help="Where the Qwen web chat is.")] = None,
    state: Annotated[Path | None, typer.Option(help="Folder of the conversation index.")] = None,
    web: Annotated[bool, typer.Option("--web", help="Show the traffic in mitmweb.")] = False,
    options: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="K=V", help="A setting of the bridge or an option of mitmproxy."),
    ] = None,
) -> None:
    """Start the bridge."""
    chosen = [option(item) for item in options or []]
    chosen += [
        f"qwen_{name}={value}" for name, value in (("upstream", upstream), ("state", state)) if value is not None
    ]
    _check(host, port, chosen)
    from qwen_bridge.proxy.launch import launch

    quiet = ["--set", "web_open_browser=false"] if web else ["--set", "flow_detail=0"]
    listen = ["--listen-host", host, "--listen-port", str(port)]
    launch(
        [*listen, *quiet, *(part for item in chosen for part in ("--set", item))],
        web=web,
        announce=announcement(host, port),
    )


@app.command()
def key(name: Annotated[str, typer.Argument(help="Whom it is for; stands in the bridge's settings.")]) -> None:
    """Make a key for a client: for the client itself, and its digest for the bridge."""
    made = f"qb-{secrets.token_urlsafe(32)}"
    typer.echo(f"API key of the client:  {made}")
    typer.echo("For the bridge's config.toml (the digest is no secret; the key is not kept anywhere):\n")
    typer.echo(f'[client_keys]\n{json.dumps(name)} = "sha256:{digest_of(made)}"')


@app.command()
def status(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the running bridge.")] = 8080,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Show how the running bridge is: sessions, conversations, last requests, faults. Fails when it is not ready."""
    import httpx

    from qwen_bridge.observe.status_text import text

    url = f"http://{HOST}:{port}/status.json"
    try:
        answer = httpx.get(url, trust_env=False, timeout=10)
        found = answer.raise_for_status().json()
        shown = answer.text if as_json else text(found)
    except httpx.TransportError as error:
        fail(f"No bridge answers at port {port} ({error}). Start it, or name its port with --port.")
    except (httpx.HTTPStatusError, ValueError, KeyError, TypeError):
        fail(f"What answers at port {port} is no bridge, or shows no status (setting `status_page`).")
    typer.echo(shown, nl=False)
    if not found["ready"]:
        raise typer.Exit(1)


@app.command()
def simulate(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")],
    tls: Annotated[bool, typer.Option("--tls", help="Serve https, with a certificate of its own.")] = False,
    pace: Annotated[float | None, typer.Option(help="Events per second; as fast as possible without.")] = None,
) -> None:
    """Start a Qwen web chat that behaves, and misbehaves on demand. No account, nothing leaves this machine."""
    _check_port(HOST, port)
    from qwen_bridge.simulator.server import run as run_simulator

    run_simulator(port, tls, pace)


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Stay up, for clients of your own.")] = False,
) -> None:
    """Hold a short conversation through a bridge and a simulated Qwen, with the OpenAI SDK."""
    from qwen_bridge.demo import hold

    hold(keep)


@toolcalls.command("parse")
def toolcalls_parse(
    cut: Annotated[str, typer.Option(help="How the text arrives: whole, chars, or random:SEED.")] = "whole",
) -> None:
    """Read answers of a model, one JSON case a line from standard input, and write what the bridge makes of each."""
    from qwen_bridge.toolcalls.cases import answers

    odd = 0
    try:
        for answer, complaint in answers(sys.stdin.buffer, cut):
            odd += bool(complaint)
            typer.echo(answer)
            typer.echo(complaint, err=True, nl=False)
    except ValueError as error:
        fail(str(error))
    raise typer.Exit(min(odd, 1))


@app.command("export-calls")
def export_calls(
    recordings: Annotated[Path, typer.Argument(help="A file of recordings, or the folder that `record` names.")],
    out: Annotated[Path | None, typer.Option("--out", help="The file to write; without it, standard output.")] = None,
) -> None:
    """Write recorded tool calls as a fine-tuning set: one example a line, in OpenAI's chat form, without doubles."""
    from qwen_bridge.observe.examples import Tally, examples

    files = sorted(recordings.glob("*.jsonl")) if recordings.is_dir() else [recordings]
    tally = Tally()
    try:
        lines = (line for file in files for line in file.read_text(encoding="utf-8", errors="replace").split("\n"))
        written = "".join(f"{example}\n" for example in examples(lines, tally))
    except OSError as error:
        fail(f"{error.filename} cannot be read: {error.strerror}.")
    if out is None:
        typer.echo(written, nl=False)
    else:
        out.touch(mode=0o600)
        out.write_text(written, encoding="utf-8")
    typer.echo(
        f"Examples: {tally.examples}, of {tally.records} exchanges: {tally.duplicates} came twice, "
        f"{tally.unreleased} had no call or one that was not released, {tally.unreadable} could not be read.",
        err=True,
    )


@conversations.callback(invoke_without_command=True)
def conversations_default(context: typer.Context, state: State = None, options: Choices = None) -> None:
    """What the bridge remembers of conversations: ids and sizes, never a word. Without a command: the list."""
    if context.invoked_subcommand is None:
        conversations_list(state, options)


@conversations.command("list")
def conversations_list(
    state: State = None,
    options: Choices = None,
    limit: Annotated[int, typer.Option(help="Chats to show.")] = 50,
) -> None:
    """Show the chats, the one used last first."""
    from qwen_bridge.observe.conversations import chat_table

    chats = _ask_store(state, options, lambda store: store.chats(limit))
    typer.echo(chat_table(chats, time.time()), nl=False)


@conversations.command("show")
def conversations_show(
    chat_id: Annotated[str, typer.Argument(help="A chat's id, as `list` shows it.")],
    state: State = None,
    options: Choices = None,
) -> None:
    """Show one chat as a tree of its answers."""
    from qwen_bridge.observe.conversations import chat_tree

    typer.echo(chat_tree(_ask_store(state, options, lambda store: store.anchors_of(chat_id))), nl=False)


@conversations.command("purge")
def conversations_purge(
    older_than: Annotated[
        float | None, typer.Option(metavar="DAYS", min=0, help="The chats not used for so long.")
    ] = None,
    chat: Annotated[str | None, typer.Option(metavar="CHAT_ID", help="This chat.")] = None,
    state: State = None,
    options: Choices = None,
) -> None:
    """Forget chats. Nothing is deleted at Qwen; a conversation that comes back starts a new chat."""

    def purge(store: ConversationStore) -> Awaitable[int]:
        return store.drop_chat(chat) if chat is not None else store.purge((older_than or 0.0) * DAY)

    if (older_than is None) == (chat is None):
        raise typer.BadParameter("give either --older-than DAYS or --chat CHAT_ID")
    gone = _ask_store(state, options, purge)
    typer.echo(f"Forgotten: {gone} answer{'' if gone == 1 else 's'}. A running bridge may know them until it ends.")


def main() -> None:
    """Entry point of the command."""
    app()


def _ask_store[T](
    state: Path | None, options: list[str] | None, work: Callable[[ConversationStore], Awaitable[T]]
) -> T:
    """Do something with the store that the settings name, or end with a sentence that says why it cannot be."""
    from qwen_bridge.bridge.conversations import open_store
    from qwen_bridge.bridge.machine import SystemClock
    from qwen_bridge.ports import StoreUnavailable

    chosen = dict(item.partition("=")[::2] for item in map(option, options or []))
    settings = load(chosen if state is None else chosen | {"qwen_state": str(state)})
    if settings.store == "memory":
        fail("With store = memory the bridge remembers conversations only while it runs; nothing can be shown.")

    async def asked() -> T:
        store = open_store(settings, SystemClock())
        try:
            return await work(store)
        finally:
            await store.close()

    try:
        return asyncio.run(asked())
    except StoreUnavailable as error:
        fail(f"{str(error)[0].upper()}{str(error)[1:]}.")


def _check(host: str, port: int, chosen: list[str]) -> None:
    """Fail now, and with a sentence, rather than somewhere in mitmproxy's start."""
    pairs = (item.split("=", 1) for item in chosen)
    settings = load({name: value for name, value in pairs if name.startswith("qwen_")})
    if not (is_loopback(host) or settings.serves_network):
        fail(
            f"Other machines can reach {host}, and whoever does would use your Qwen account. Make a key for each "
            "client with `qwen-bridge key NAME` and put it into client_keys; or, if everybody in that network may, "
            "set open_to_network=true."
        )
    _check_port(host, port)


def _check_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            fail(f"Port {port} of {host} cannot be used ({error.strerror}). Choose another one with --port or --host.")


def announcement(host: str, port: int) -> Callable[[Path], None]:
    """What `run` says once it is up, given the folder of mitmproxy's authority."""
    everywhere = not host.strip("0.:")  # `0.0.0.0` and `::` are for listening; nobody can call them
    shown = HOST if everywhere else f"[{host}]" if ":" in host else host
    others = "  from other machines the same, with this one's name or address in it\n" if everywhere else ""

    def say(confdir: Path) -> None:
        typer.echo(
            f"qwen-bridge is up.\n"
            f"  base URL    http://{shown}:{port}/v1   (nothing else to set; the first choice)\n"
            f"  HTTP proxy  http://{shown}:{port}      (the client must trust {confdir / 'mitmproxy-ca-cert.pem'})\n"
            f"{others}Ctrl-C ends it."
        )

    return say


if __name__ == "__main__":
    main()
