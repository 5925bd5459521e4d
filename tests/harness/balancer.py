"""A real TCP load balancer (HAProxy) that gives each connection to the next server."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.harness.proxy import started, wait_until_listening
from tests.harness.sockets import HOST, free_port

CONFIGURATION = """\
defaults
    mode tcp
    balance roundrobin
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend bridges
    bind {host}:{port}
    default_backend bridges
backend bridges
{servers}
"""


@contextlib.contextmanager
def balancer(folder: Path, ports: Sequence[int]) -> Iterator[str]:
    """The address of a balancer before servers on `ports` of this machine. Skips the test where there is no HAProxy."""
    program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if program is None:
        pytest.skip("needs haproxy (Debian and Ubuntu: apt-get install haproxy)")
    port = free_port()
    servers = "\n".join(f"    server bridge{at} {HOST}:{each}" for at, each in enumerate(ports))
    file, log = folder / "haproxy.cfg", folder / "haproxy.log"
    file.write_text(CONFIGURATION.format(host=HOST, port=port, servers=servers), encoding="utf-8")
    with started([program, "-db", "-f", str(file)], log) as process:
        wait_until_listening(port, process, log)
        yield f"http://{HOST}:{port}"
