"""`qwen-bridge browser`: a browser of its own that goes through the bridge, so that the session is learned from it.

It gets a profile of its own in the folder `state`, the bridge as its proxy, and trust in mitmproxy's authority by the
digest of its key: neither the user's everyday browser nor the system has to be told anything.
"""

from __future__ import annotations

import os
import shutil
import socket
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer

from qwen_bridge.command_line import Choices, State, fail, load, option

PROGRAMS = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "brave-browser"),
    "microsoft-edge",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
AUTHORITY = "mitmproxy-ca-cert.pem"


def arguments(proxy: str, authority: Path, profile: Path) -> Sequence[str]:
    """What a browser of Chromium's family is started with; `proxy` is like `http://127.0.0.1:8080`."""
    return [
        f"--user-data-dir={profile}",
        f"--proxy-server={proxy}",
        f"--ignore-certificate-errors-spki-list={key_digest(authority)}",
        "--no-first-run",
        "--no-default-browser-check",
    ]


def key_digest(authority: Path) -> str:
    """The digest of a certificate's key, as Chromium wants it: chains in which it stands are taken."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = x509.load_pem_x509_certificate(authority.read_bytes()).public_key()
    return b64encode(sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()).decode()


def browser(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the running bridge.")] = 8080,
    program: Annotated[str | None, typer.Option(help="The browser, of Chromium's family.")] = None,
    confdir: Annotated[Path, typer.Option(help="Folder of mitmproxy's authority.")] = Path("~/.mitmproxy"),
    state: State = None,
    options: Choices = None,
) -> None:
    """Open Qwen's site in a browser that goes through the bridge: sign in, send a message, and it is learned."""
    chosen = dict(item.partition("=")[::2] for item in map(option, options or []))
    settings = load(chosen if state is None else chosen | {"qwen_state": str(state)})
    found = next(filter(None, map(shutil.which, (program,) if program else PROGRAMS)), None)
    if found is None:
        missing = f"There is no program {program!r}." if program else "No browser of Chromium's family was found."
        fail(
            f"{missing} Name one of Chromium's family with --program. Any other browser will do as well: "
            f"give it the proxy http://127.0.0.1:{port} and the certificate that `qwen-bridge run` names "
            "(docs/clients.md)."
        )
    if not settings.learns:
        fail("The bridge learns nothing with these settings: `token` or `cookies` are set, or `learn` is off.")
    authority = confdir.expanduser() / AUTHORITY
    if not authority.is_file():
        fail(f"There is no {authority}. Start the bridge first, or name its folder with --confdir.")
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        fail(
            f"Nothing answers at port {port}. Start the bridge first (`qwen-bridge run`), or name its port with --port."
        )
    profile = settings.state / "browser"
    profile.mkdir(mode=0o700, parents=True, exist_ok=True)
    # No shell, and nothing of a stranger's: the program was looked up, the address is the settings' own.
    os.execv(found, [found, *arguments(f"http://127.0.0.1:{port}", authority, profile), settings.upstream])  # noqa: S606
