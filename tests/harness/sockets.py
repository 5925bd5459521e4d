"""Ports for programs that cannot be told to choose one themselves, and an answer read off a socket."""

from __future__ import annotations

import random
import socket

HOST = "127.0.0.1"

PORTS = range(20_000, 32_000)
"""Below the ports that Linux and macOS give to outgoing connections: none of those takes one that is free for a while,
because its program has not started yet, or was killed and will be started again.
"""

_reserved: list[socket.socket] = []


def free_port() -> int:
    """A TCP port that no program has, and no other test gets while this process lives.

    What stands for the reservation is the UDP socket of the same number, which the programs under test do not use.
    """
    for port in random.sample(PORTS, len(PORTS)):
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            claim.bind((HOST, port))
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: old connections may linger
                probe.bind((HOST, port))
                probe.listen()
        except OSError:
            claim.close()
        else:
            _reserved.append(claim)
            return port
    raise RuntimeError("no port is free")


def read_from(client: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """The next answer that has a length: status, headers (names in lower case), body."""
    reader = client.makefile("rb")
    status = int(reader.readline().split()[1])
    fields = {}
    while (line := reader.readline().strip()) != b"":
        name, _, value = line.decode().partition(":")
        fields[name.lower()] = value.strip()
    return status, fields, reader.read(int(fields.get("content-length", 0)))
