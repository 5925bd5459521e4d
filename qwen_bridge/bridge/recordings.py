"""Exchanges with tools written to a folder of the user's, where one is named: the part of `bridge` that records.

One JSON object a line (`exchange.record.record_of`), every text redacted first. The folder is the user's alone (0700),
and so is each file (0600). `calls.jsonl` is the present file; at `FILE_LIMIT` bytes it becomes `calls.1.jsonl`, and the
oldest of `FILES` goes. Whatever fails here is logged once and costs no answer.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from pathlib import Path
from typing import Any, Final

import structlog

from qwen_bridge.observe.redaction import redact_value

log = structlog.get_logger("qwen_bridge")

NAME: Final = "calls"

FILE_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of one file; a longer line stands in a file of its own."""

FILES: Final = 4


class Recorder:
    """Appends records below `folder`. `aclose` waits for what is being written."""

    def __init__(self, folder: Path, limit: int = FILE_LIMIT, files: int = FILES) -> None:
        self._folder = folder
        self._limit = limit
        self._files = files
        self._lock = threading.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed = False

    def keep(self, record: dict[str, Any]) -> None:
        """Write a record, beside whatever else happens."""
        task = asyncio.get_running_loop().create_task(self._written(record))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Let what is being written be written."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def write(self, record: dict[str, Any]) -> None:
        """Append one record now. Raises OSError."""
        line = json.dumps(redact_value(record), ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        with self._lock:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.chmod(self._folder, 0o700)
            path = self._path(0)
            if path.exists() and path.stat().st_size + len(line) > self._limit:
                self._rotate()
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(line)

    async def _written(self, record: dict[str, Any]) -> None:
        try:
            await asyncio.to_thread(self.write, record)
        except OSError as error:
            if not self._failed:
                log.warning("exchanges cannot be recorded", reason=str(error))
            self._failed = True
        else:
            self._failed = False

    def _path(self, age: int) -> Path:
        return self._folder / (f"{NAME}.{age}.jsonl" if age else f"{NAME}.jsonl")

    def _rotate(self) -> None:
        for age in range(self._files - 1, 0, -1):
            older = self._path(age - 1)
            if older.exists():
                older.replace(self._path(age))
