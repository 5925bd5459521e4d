"""The rules of the house, held over the source itself: who may import whom, what pure means, how big, where tested."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.harness import house
from tests.harness.house import ROOT, Module, parse
from tests.harness.shared import DATA, needs_shared

# Who may import whom. Arrows point down; siblings meet only in `exchange`. A room may always import itself.
FLOOR = {"messages", "events", "stage", "ports", "errors"}
SIBLINGS = {"surfaces", "conversation", "qwen", "toolcalls", "recovery"}
BELOW_EXCHANGE = SIBLINGS | {"sse", "wire"} | FLOOR
FRONT = {"proxy", "bridge", "observe", "settings", "errors"}
MAY_IMPORT: dict[str, set[str]] = {
    "addons": FRONT,
    # `toolcalls` to show that room alone
    "cli": FRONT | {"simulator", "demo", "ports", "toolcalls", "command_line", "session_command", "browser_command"},
    "browser_command": {"command_line"},  # some commands of `cli`
    "command_line": {"settings"},
    "session_command": FRONT | {"ports", "command_line"},  # some commands of `cli`
    "demo": FRONT | {"simulator"},  # one command of `cli`: the whole road, on one screen
    "proxy": {"bridge", "exchange", "observe", "settings", "errors"},
    "bridge": {"upstream", "store", "exchange", "observe", "settings"} | BELOW_EXCHANGE,
    "upstream": {"ports", "wire", "qwen", "errors"},
    "store": {"ports", "wire", "qwen", "errors"},
    "simulator": {"ports", "wire", "qwen", "errors"},
    "observe": {"ports", "settings", "errors"},
    "settings": {"errors"},
    "envelope": set(),
    "exchange": BELOW_EXCHANGE,
    **{room: {"wire", "sse"} | FLOOR for room in SIBLINGS},
    "sse": {"stage", "errors"},
    "wire": {"errors"},
    **{room: {"errors"} for room in FLOOR},
    "errors": {"envelope"},
}

# Only these await, open, sleep, read a clock or draw a random number. Everything else is pure.
EFFECTFUL = (
    *("upstream", "store", "bridge", "proxy", "cli", "session_command", "browser_command", "demo"),
    # and what was cut out of the server: its connections, the pace of its answers, its certificate
    *(f"simulator.{module}" for module in ("server", "connection", "stream", "certificate")),
)
READS_FILES = (*EFFECTFUL, "settings")  # the TOML file and the environment

EFFECTS = [
    *("time", "sched"),
    *("random", "secrets", "uuid"),
    *("asyncio", "anyio", "socket", "ssl", "select", "selectors"),
    *("threading", "concurrent", "multiprocessing", "queue", "subprocess", "signal"),
    *("tempfile", "shutil"),
]
HARMLESS = {"uuid.UUID", "random.Random"}  # a form, and a generator that starts from a given seed: no draws

# What comes from outside the house, and the only rooms that may let it in.
ADMITS: dict[str, tuple[str, ...]] = {
    "mitmproxy": ("proxy", "addons"),
    "httpx": ("upstream", "bridge", "cli", "demo"),
    "openai": ("demo",),
    "redis": ("store",),
    "sqlite3": ("store",),
    "os": READS_FILES,
    **dict.fromkeys(EFFECTS, EFFECTFUL),
}
IMPURE_CALL = re.compile(
    r"(open|input|print)|.+\.(open|read_text|read_bytes|write_text|write_bytes|urandom|sleep)"
    r"|datetime\.(now|utcnow|today)|date\.today"
)

MAX_FUNCTION, MAX_MODULE, MAX_README = 50, 320, 200
VAGUE = {"util", "utils", "helper", "helpers", "common", "core", "manager", "managers", "handler", "handlers"}

# In pieces, so that this file does not find itself.
LEAK = re.compile(
    r"(?<![\w.~-])/(?:work|root|tmp)" + r"(?:/|\b)"  # somebody's machine
    r"|\bsk-(?:proj-)?[A-Za-z0-9]{24,}"  # OpenAI's keys
    r"|\beyJ[\w-]{12,}\.eyJ[\w-]{12,}\." + r"[\w-]{12,}"  # a JSON web token, Qwen's among them
    r"|\b(?:ghp|gho|ghs)_\w{30,}|\bAKIA[0-9A-Z]{16}\b"
    r"|-----BEGIN [A-Z ]*PRIVATE" + " KEY"
)

type Rule = Callable[[Module], Iterator[str]]


def lies_in(module: Module, places: tuple[str, ...]) -> bool:
    """Whether the module is, or is part of, one of these places (`room`, `room.module`, or a whole package)."""
    name = module.name.removeprefix("qwen_bridge.") + "."
    return any(name.startswith(place + ".") for place in places)


def imports_only_below(module: Module) -> Iterator[str]:
    """The import rule."""
    if module.room and module.room not in MAY_IMPORT:
        yield f"{module.path}: the room {module.room!r} has no place in the import rule"
    allowed = MAY_IMPORT.get(module.room, set()) | {module.room, ""}
    for line, name in house.imports(module):
        room = house.room_of(name)
        # `from qwen_bridge import __version__` names no room.
        if room not in allowed and not (name.count(".") == 1 and room.startswith("__")):
            yield f"{module.path}:{line}: {module.room or 'the map'} may not import {room} ({name})"


def admits_no_stranger(module: Module) -> Iterator[str]:
    """What comes from outside, and effects with it, stays in the rooms made for it."""
    for line, name in house.imports(module):
        outside = name.partition(".")[0]
        if outside in ADMITS and name not in HARMLESS and not lies_in(module, ADMITS[outside]):
            yield f"{module.path}:{line}: {outside} is only for {', '.join(ADMITS[outside])}"


def is_pure(module: Module) -> Iterator[str]:
    """A pure room neither waits nor reaches out."""
    if not lies_in(module, EFFECTFUL):
        yield from (f"{module.path}:{line}: a pure room does not await" for line in house.waits(module))
    if not lies_in(module, READS_FILES):
        for line, name in house.calls(module):
            if IMPURE_CALL.fullmatch(name):
                yield f"{module.path}:{line}: a pure room does not call {name}"


def is_a_plain_room(module: Module) -> Iterator[str]:
    """An `__init__` says what the room is for, in 5 to 20 lines, and holds nothing else."""
    if not module.is_init:
        return
    docstring = ast.get_docstring(module.tree) or ""
    if len(module.tree.body) > 1 or not docstring:
        yield f"{module.path}: holds more, or less, than a docstring"
    elif not 5 <= docstring.count("\n") + 1 <= 20:
        yield f"{module.path}: its docstring has {docstring.count('\n') + 1} lines, not 5 to 20"


def is_small(module: Module) -> Iterator[str]:
    """Functions and modules fit into a head."""
    length = len(module.source.splitlines())
    if length > MAX_MODULE:
        yield f"{module.path}: {length} lines, more than {MAX_MODULE}"
    for function in house.functions(module):
        if house.lines(function) > MAX_FUNCTION:
            yield f"{module.path}:{function.lineno}: {function.name} has {house.lines(function)} lines"


def has_a_telling_name(module: Module) -> Iterator[str]:
    """A file is named after the noun it owns."""
    for part in module.path.with_suffix("").parts:
        if VAGUE.intersection(part.lower().split("_")):
            yield f"{module.path}: {part!r} does not say what is in it"


RULES: list[Rule] = [imports_only_below, admits_no_stranger, is_pure, is_a_plain_room, is_small, has_a_telling_name]


def mirror_of(module: Module) -> Path:
    """`qwen_bridge/x/y.py` → `tests/x/test_y.py`, `addons/y.py` → `tests/addons/test_y.py`."""
    folder = module.path.parent
    mirrored = folder.relative_to("qwen_bridge") if folder.parts[0] == "qwen_bridge" else folder
    return ROOT / "tests" / mirrored / f"test_{module.path.name}"


def nothing(complaints: Iterable[str]) -> None:
    """Fail with every complaint on a line of its own."""
    if lines := list(complaints):
        pytest.fail("\n".join(lines), pytrace=False)


def read(path: str, source: str) -> Module:
    """One line of a bad example as a module."""
    return parse(path, f'"""."""\n{source}\n')


def tracked() -> list[Path]:
    """Every file under version control."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout to know which files belong to the project")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule(rule: Rule) -> None:
    """Every module of the house keeps every rule of the house."""
    nothing(complaint for module in house.modules() for complaint in rule(module))


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [
        (imports_only_below, "qwen_bridge/surfaces/a.py", "from qwen_bridge.qwen.decoder import QwenDecoder"),
        (imports_only_below, "qwen_bridge/surfaces/a.py", "from qwen_bridge import qwen"),
        (imports_only_below, "qwen_bridge/surfaces/a.py", "from ..qwen import decoder"),
        (imports_only_below, "qwen_bridge/surfaces/chat/a.py", "from ...qwen import decoder"),
        (imports_only_below, "qwen_bridge/errors.py", "import qwen_bridge.events"),
        (imports_only_below, "qwen_bridge/exchange/a.py", "def f():\n    import qwen_bridge.store.sqlite"),
        (imports_only_below, "qwen_bridge/proxy/a.py", "import addons.bridge"),
        (imports_only_below, "qwen_bridge/attic.py", ""),
        (admits_no_stranger, "qwen_bridge/bridge/bridge.py", "from mitmproxy import http"),
        (admits_no_stranger, "qwen_bridge/sse/a.py", "import time"),
        (admits_no_stranger, "qwen_bridge/simulator/tree.py", "from asyncio import sleep"),
        (admits_no_stranger, "qwen_bridge/exchange/a.py", "from os import urandom"),
        (is_pure, "qwen_bridge/qwen/a.py", "async def f():\n    return 1"),
        (is_pure, "qwen_bridge/qwen/a.py", "f = lambda x: [y async for y in x]"),
        (is_pure, "qwen_bridge/qwen/a.py", "open('x')"),
        (is_pure, "qwen_bridge/qwen/a.py", "import pathlib\npathlib.Path('x').read_text()"),
        (is_pure, "qwen_bridge/qwen/a.py", "import datetime\ndatetime.datetime.now()"),
        (is_a_plain_room, "qwen_bridge/qwen/__init__.py", "from x import y"),
        (is_a_plain_room, "qwen_bridge/qwen/__init__.py", ""),
        (is_small, "qwen_bridge/qwen/a.py", "def f():\n" + "    f()\n" * MAX_FUNCTION),
        (is_small, "qwen_bridge/qwen/a.py", "x = 1\n" * MAX_MODULE),
        (has_a_telling_name, "qwen_bridge/qwen/json_utils.py", ""),
        (has_a_telling_name, "qwen_bridge/core/a.py", ""),
    ],
)
def test_rule_bites(rule: Rule, path: str, source: str) -> None:
    """Each rule complains about what it forbids."""
    assert list(rule(read(path, source)))


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("qwen_bridge/exchange/a.py", "from qwen_bridge.qwen import decoder\nfrom qwen_bridge.exchange import b"),
        ("qwen_bridge/ports.py", "class Store(Protocol):\n    async def close(self) -> None:\n        '''Flush.'''"),
        ("qwen_bridge/simulator/ids.py", "from uuid import UUID"),
        ("qwen_bridge/simulator/server.py", "import asyncio\nasync def f():\n    await asyncio.sleep(1)"),
        ("qwen_bridge/qwen/a.py", "from . import b\nfrom qwen_bridge import __version__\nclock.now()"),
        ("addons/bridge.py", "from mitmproxy import http\nfrom qwen_bridge.proxy.addon import Bridge"),
    ],
)
def test_rules_let_pass(path: str, source: str) -> None:
    """No rule complains about what the house is built of."""
    nothing(complaint for rule in RULES for complaint in rule(read(path, source)))


def test_every_module_has_its_test() -> None:
    """Each module but an `__init__` has a file of tests in the mirrored place, with a test in it."""
    files = [mirror_of(module) for module in house.modules() if not module.is_init]
    missing = [file for file in files if not (file.is_file() and "def test_" in file.read_text(encoding="utf-8"))]
    nothing(f"{file.relative_to(ROOT)}: missing, or without a test" for file in missing)


def test_every_room_is_a_package() -> None:
    """Each folder of the library that holds source has an `__init__`, so that it says what it is for."""
    folders = {module.path.parent for module in house.modules() if module.path.parts[0] == "qwen_bridge"}
    nothing(f"{folder}: no __init__.py" for folder in folders if not (ROOT / folder / "__init__.py").is_file())


def test_every_test_says_its_sentence() -> None:
    """Each test has a docstring, which says the behaviour it shows."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    tests = [parse(file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8")) for file in files]
    nothing(
        f"{module.path}:{function.lineno}: {function.name} has no docstring"
        for module in tests
        for function in house.functions(module)
        if function.name.startswith("test_") and not ast.get_docstring(function)
    )


def test_library_needs_no_mitmproxy() -> None:
    """Every module outside `proxy` can be imported where mitmproxy is not installed."""
    bare = """
import importlib, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "mitmproxy":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
for name in sys.argv[1:]:
    importlib.import_module(name)
"""
    names = [module.name for module in house.modules() if module.room not in {"proxy", "addons"}]
    done = subprocess.run([sys.executable, "-c", bare, *names], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def declared() -> dict[str, Requirement]:
    """What `pyproject.toml` asks for at run time, its extras included, by canonical name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    return {canonicalize_name(requirement.name): requirement for requirement in map(Requirement, lines)}


def test_what_is_imported_is_declared() -> None:
    """Nothing is used only because some other package happens to bring it."""
    owners = importlib.metadata.packages_distributions()
    asked = declared().keys() | {"pydantic-core"}  # the other half of pydantic, in lockstep with it
    nothing(
        f"{module.path}:{line}: {name} is of no package that pyproject.toml names"
        for module in house.modules()
        for line, name in house.imports(module)
        if (top := name.partition(".")[0]) not in sys.stdlib_module_names
        and top not in house.PACKAGES
        and not {canonicalize_name(owner) for owner in owners.get(top, [])} & asked
    )


def test_lock_holds_what_is_declared() -> None:
    """Every declared requirement is locked, at versions that it admits; if not, scripts/lock was forgotten."""
    locked: dict[str, list[str]] = {}
    for line in (ROOT / "requirements/dev.txt").read_text(encoding="utf-8").splitlines():
        if pin := re.match(r"([\w.-]+)(?:\[[^]]*])?==([^ ;]+)", line):
            locked.setdefault(canonicalize_name(pin[1]), []).append(pin[2])
    nothing(
        f"{requirement}: requirements/dev.txt holds {locked.get(name)}"
        for name, requirement in declared().items()
        if not all(requirement.specifier.contains(version) for version in locked.get(name, ["0"]))
    )


def test_locks_name_no_place() -> None:
    """A lock says what is installed, by hash, and never from which host."""
    for lock in sorted((ROOT / "requirements").glob("*.txt")):
        text = lock.read_text(encoding="utf-8")
        assert not re.search(r"://|^\s*-(?!-hash=)", text, re.MULTILINE), lock.name
        assert text.count("==") <= text.count("\\\n"), f"{lock.name}: a pin without a hash"
    for node_lock in sorted((ROOT / "tests/e2e/node").glob("package-lock.json")):
        packages = json.loads(node_lock.read_text(encoding="utf-8"))["packages"]
        assert not [name for name, package in packages.items() if "resolved" in package]


def test_readme_is_short() -> None:
    """The README stays within what is read at one sitting; longer guides live in docs/."""
    readme = ROOT / "README.md"
    if not readme.exists():
        pytest.skip("there is no README yet")
    assert len(readme.read_text(encoding="utf-8").splitlines()) <= MAX_README


def test_nothing_private_is_tracked() -> None:
    """No file of the project names a place on somebody's machine or holds what looks like a secret."""
    nothing(
        f"{file.relative_to(ROOT)}: {leak[0][:12]}…"
        for file in tracked()
        for leak in LEAK.finditer(file.read_bytes().decode("utf-8", "replace"))
    )


@pytest.mark.parametrize(
    "text",
    ["open('/" + "tmp/x')", "cd /" + "root", "sk-" + "a1" * 20, "eyJ" + "a" * 20 + ".eyJ" + "b" * 20 + "." + "c" * 30],
)
def test_leaks_are_seen(text: str) -> None:
    """A path of a machine, a key and a token are recognised for what they are."""
    assert LEAK.search(text)


@needs_shared
def test_no_capture_is_tracked() -> None:
    """None of the third-party captures was copied into the project."""
    foreign: dict[int, list[Path]] = {}
    for file in DATA.rglob("*"):
        if file.is_file() and file.stat().st_size:
            foreign.setdefault(file.stat().st_size, []).append(file)
    nothing(
        f"{file.relative_to(ROOT)}: a copy from the captures"
        for file in tracked()
        if any(file.read_bytes() == other.read_bytes() for other in foreign.get(file.stat().st_size, []))
    )
