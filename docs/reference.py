"""Writes the two guides that are tables of the code: `scripts/docs` calls it, `tests/test_docs.py` holds it.

`settings.md` comes from `Settings`, `faults.md` from the error tree, the catalogue of faults and what a run over all of
them has shown. The sentence of advice per error stands in `qwen_bridge/observe/advice.py`.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from docs import fault_results
from qwen_bridge import errors
from qwen_bridge.errors import BridgeError
from qwen_bridge.exchange.faults import CATALOGUE
from qwen_bridge.observe.advice import ADVICE
from qwen_bridge.qwen.faults import FAULTS
from qwen_bridge.qwen.refusal import Refusal
from qwen_bridge.settings.settings import Settings

HERE = Path(__file__).resolve().parent

SETTINGS_HEAD = """\
# Settings

Written by `scripts/docs` from `qwen_bridge/settings/settings.py`; change it there.

Each setting can be given in four ways. The first that has it wins:

1. an option: `qwen-bridge run --set NAME=VALUE`, or `mitmdump -s addons/bridge.py --set qwen_NAME=VALUE`;
2. an environment variable: the name in capitals with `QWEN_` in front, such as `QWEN_MODEL`; an empty one counts as
   not set;
3. the file `config.toml` in your configuration folder (`~/.config/qwen-bridge/` on Linux), or the file that
   `QWEN_CONFIG` names; there the plain names are the keys;
4. the default.

A value given with `--set` can be read by everybody who may list the processes of the machine, and stands in the
shell's history: use the environment or the file for `token`, `cookies` and `bx_umidtoken`, and let nobody else read
the file (`chmod 600`). A name that does not exist, or a value that cannot be used, ends the start with a sentence.

Times are in seconds, sizes in bytes.

| setting | values | default | what it does |
|---|---|---|---|
"""

SETTINGS_TAIL = """
The folder of `state` is by default the one your system has for the data of applications
(`~/.local/share/qwen-bridge` on Linux). It holds hashes and ids, never the text of a conversation; and, in
`sessions.json`, the Qwen sessions learned from your browser.

A file with everything that most people need:

```toml
# config.toml
cookies = "token=eyJ…; acw_tc=…; x-ap=…"
bx_umidtoken = "T2gA…"
user_agent = "Mozilla/5.0 …"
model = "qwen3-max"

[model_aliases]
fast = "qwen3-coder-plus"
```

Options of mitmproxy itself can be given with `--set` too, for example `confdir` (the folder of its certificate
authority) or `web_port` (mitmweb's own page).
"""

FAULTS_HEAD = """\
# Faults

Written by `scripts/docs` from the catalogue in `qwen_bridge/exchange/faults.py`, a view of `qwen_bridge/errors.py`,
`qwen_bridge/qwen/faults.py`, `qwen_bridge/recovery/policy.py` and `qwen_bridge/recovery/cooldown.py`; change it there.
What to do about the common ones: [troubleshooting](troubleshooting.md).

Every error has OpenAI's form, with all four keys, and an `x-request-id` that stands in the bridge's log too:

```json
{"error": {"message": "what happened, and what to do", "type": "…", "param": null, "code": "…"}}
```

- Before the first byte of an answer an error is a plain HTTP error with the status below.
- In a stream that has begun, also one that has had a keep-alive comment only, the same object comes as
  `data: {"error": …}`. No `finish_reason` and no `[DONE]` follow it: a broken answer does not look finished.
- Without `stream` the client waits for the whole answer, so there is always a status.
- `x-should-retry` is read by OpenAI's SDKs. It is `false` wherever the bridge has already tried again by itself, or
  where trying again is of no use. `retry-after` is sent where Qwen says how long to wait, or the session rests for so
  long; the SDKs obey `x-should-retry: false` before it, so no number there makes them ask again.

## What the client is told

*By itself* is what the bridge does before it tells the client anything; it stops as soon as a word of the answer has
been shown, after `attempts` attempts, or when the waits would exceed `patience`.

| code | status | `type` | retry? | by itself | meaning, and what to do |
|---|---|---|---|---|---|
"""

FAULTS_MIDDLE = """
## What is known, and how

One row for each fault, in the order in which they are looked for. Qwen refuses mostly with status 200 and some JSON, so
status, content type and fields decide, and its words only where there is nothing else. The last rows are faults that
nobody says.

| fault | known by | code | by itself |
|---|---|---|---|
"""

FAULTS_WORDS = """
## What the client reads

The sentence of each refusal (here as for status 502); Qwen's own words follow it where it had some.

| fault | message |
|---|---|
"""

FAULTS_RUN = """
## What a run has shown

`scripts/faults --write` drives each fault through `mitmdump`, with openai-python and openai-node and their own retries
as their users have them: once, with a good answer behind it, and each time. Both clients saw the same. *Asked* is how
often Qwen was asked for an answer, for the one request of the client's program. The names are those of the simulator.

| what happens | once | each time |
|---|---|---|
"""


def settings() -> str:
    """The text of `settings.md`."""
    rows = (
        (f"`{name}`", _values(field), _default(field), field.description or "")
        for name, field in Settings.model_fields.items()
    )
    return SETTINGS_HEAD + _rows(rows) + SETTINGS_TAIL


def faults() -> str:
    """The text of `faults.md`. Raises `KeyError` for an error code without a sentence in `ADVICE`."""
    told = (
        (
            f"`{error.code}`",
            str(error.status),
            f"`{error.type}`",
            "yes" if error.should_retry else "no",
            _by_itself(error),
            ADVICE[error.code],
        )
        for error in leaves()
    )
    known = ((row.name, row.known, f"`{row.error.code}`", row.action()) for row in CATALOGUE)
    said: dict[str, list[str]] = {}
    for fault in FAULTS:
        said.setdefault(fault.error(Refusal(502)).message, []).append(fault.name)
    words = ((", ".join(names), message) for message, names in said.items())
    parts = ((FAULTS_HEAD, told), (FAULTS_MIDDLE, known), (FAULTS_WORDS, words), (FAULTS_RUN, fault_results.rows()))
    return "".join(head + _rows(rows) for head, rows in parts)


def leaves() -> list[type[BridgeError]]:
    """The errors that reach a client, in the order of the tree drawn at the top of `errors`: those with a status."""
    names = re.findall(r"^[^\w\n]*(\w+) +\d{3} +\w+", errors.__doc__ or "", re.MULTILINE)
    return [getattr(errors, name) for name in names]


def _by_itself(error: type[BridgeError]) -> str:
    return next((row.action() for row in CATALOGUE if row.error is error), "–")


def _values(field: FieldInfo) -> str:
    annotation = field.annotation
    inner = [kind for kind in typing.get_args(annotation) if kind is not type(None)]
    if typing.get_origin(annotation) is Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if inner == [float]:
        annotation = float
    if annotation in (int, float):
        return _number(field, "whole number" if annotation is int else "number")
    if typing.get_origin(annotation) in (tuple, dict):
        return "list, with commas" if typing.get_origin(annotation) is tuple else "pairs"
    if inner and typing.get_origin(inner[0]) is dict:
        return {SecretStr: "secret pairs", str: "pairs"}.get(typing.get_args(inner[0])[1], "tables")
    if SecretStr in inner:
        return "secret text"
    return "folder" if annotation is Path else "text"


def _number(field: FieldInfo, kind: str) -> str:
    words = {"ge": "from", "gt": "above", "le": "to"}
    limits = [
        f"{word} {limit:g}"
        for rule in field.metadata
        for key, word in words.items()
        if (limit := getattr(rule, key, None)) is not None
    ]
    return " ".join((kind, *limits))


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "see below" if field.annotation is Path else "none"
    match field.default:
        case None:
            return "none"
        case tuple() as words:
            return f"`{','.join(words)}`"
        case float() as number:
            return f"`{number:g}`"
        case value:
            return f"`{value}`"


def _rows(rows: Iterable[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(cell.replace('|', '\\|') for cell in row)} |\n" for row in rows)


def write() -> None:
    """Write both files beside this one."""
    for name, text in (("settings.md", settings()), ("faults.md", faults())):
        (HERE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
