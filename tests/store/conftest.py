"""One Redis for all tests of this folder that do not kill it: each test has a namespace of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.redis_server import redis_server


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server.url
