"""The command `qwen-bridge`. Each command imports what it needs when it runs: `--help` must not load mitmproxy."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from qwen_bridge.settings import Settings, SettingsError

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False)

HOST = "127.0.0.1"


@app.callback()
def about() -> None:
    """Let OpenAI clients talk to a Qwen web chat."""


@app.command()
def run(
    port: Annotated[int, typer.Option(help="Port for both ways in: base URL and HTTP proxy.")] = 8080,
    upstream: Annotated[str | None, typer.Option(help="Where the Qwen web chat is.")] = None,
    state: Annotated[Path | None, typer.Option(help="Folder of the conversation index.")] = None,
    web: Annotated[bool, typer.Option("--web", help="Show the traffic in mitmweb.")] = False,
    options: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="K=V", help="A setting of the bridge or an option of mitmproxy."),
    ] = None,
) -> None:
    """Start the bridge."""
    chosen = [_option(item) for item in options or []]
    chosen += [
        f"qwen_{name}={value}" for name, value in (("upstream", upstream), ("state", state)) if value is not None
    ]
    _check(port, chosen)
    from qwen_bridge.proxy.launch import launch

    quiet = ["--set", "web_open_browser=false"] if web else ["--set", "flow_detail=0"]
    listen = ["--listen-host", HOST, "--listen-port", str(port)]
    launch([*listen, *quiet, *(part for item in chosen for part in ("--set", item))], web=web, announce=_announce(port))


@app.command()
def simulate(
    port: Annotated[int, typer.Option(help="Port to listen on.")],
    tls: Annotated[bool, typer.Option("--tls", help="Serve https, with a certificate of its own.")] = False,
    pace: Annotated[float | None, typer.Option(help="Events per second; as fast as possible without.")] = None,
) -> None:
    """Start a Qwen web chat that behaves, and misbehaves on demand. No account, nothing leaves this machine."""
    _check_port(port)
    from qwen_bridge.simulator.server import run as run_simulator

    run_simulator(port, tls, pace)


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Stay up, for clients of your own.")] = False,
) -> None:
    """Hold a short conversation through a bridge and a simulated Qwen, with the OpenAI SDK."""
    from qwen_bridge.demo import hold

    hold(keep)


def main() -> None:
    """Entry point of the command."""
    app()


def _option(item: str) -> str:
    """`name=value` for mitmproxy; a setting of the bridge may be named without its prefix."""
    name, separator, _ = item.partition("=")
    if not separator:
        raise typer.BadParameter(f"{item!r} is not of the form name=value", param_hint="--set")
    return f"qwen_{item}" if name in Settings.model_fields else item


def _check(port: int, chosen: list[str]) -> None:
    """Fail now, and with a sentence, rather than somewhere in mitmproxy's start."""
    pairs = (item.split("=", 1) for item in chosen)
    try:
        Settings.load({name.removeprefix("qwen_"): value for name, value in pairs if name.startswith("qwen_")})
    except SettingsError as error:
        _fail(f"These settings cannot be used:\n{error}")
    _check_port(port)


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            _fail(f"Port {port} cannot be used ({error.strerror}). Choose another one with --port.")


def _fail(sentence: str) -> None:
    typer.secho(sentence, err=True, fg="red")
    raise typer.Exit(1)


def _announce(port: int) -> Callable[[Path], None]:
    def say(confdir: Path) -> None:
        typer.echo(
            f"qwen-bridge is up.\n"
            f"  base URL    http://{HOST}:{port}/v1   (nothing else to set; the first choice)\n"
            f"  HTTP proxy  http://{HOST}:{port}      (the client must trust {confdir / 'mitmproxy-ca-cert.pem'})\n"
            f"Ctrl-C ends it."
        )

    return say


if __name__ == "__main__":
    main()
