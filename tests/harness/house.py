"""The project's source read as facts: modules, what they import, what they call, how long they are.

No rule stands here; `tests/test_house.py` has those.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("qwen_bridge", "addons")

type Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """One source file. `path` is relative to the root, `name` is dotted, without a trailing `__init__`."""

    path: PurePosixPath
    source: str
    tree: ast.Module

    @property
    def name(self) -> str:
        parts = self.path.with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def is_init(self) -> bool:
        return self.path.name == "__init__.py"

    @property
    def room(self) -> str:
        """The part of the house it lies in: `addons`, or the first name below `qwen_bridge` (none: the map itself)."""
        return room_of(self.name)

    @property
    def package(self) -> str:
        """The package that a relative import in it starts from."""
        return self.name if self.is_init else self.name.rpartition(".")[0]


def room_of(name: str) -> str:
    """`qwen_bridge.sse.decoder` → `sse`, `addons.bridge` → `addons`, `qwen_bridge` and foreign names → empty."""
    first, *rest = name.split(".")
    if first == "qwen_bridge":
        return rest[0] if rest else ""
    return first if first in PACKAGES else ""


def parse(path: str, source: str) -> Module:
    """A module from its text; `path` as it would be below the root."""
    return Module(PurePosixPath(path), source, ast.parse(source, path))


def modules(root: Path = ROOT) -> list[Module]:
    """Every source file of the shipped packages."""
    files = sorted(file for package in PACKAGES for file in (root / package).rglob("*.py"))
    return [parse(file.relative_to(root).as_posix(), file.read_text(encoding="utf-8")) for file in files]


def imports(module: Module) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of everything imported, wherever in the module, also for type checking only.

    `from a import b` gives `a.b`: whether `b` is a module or a name in one makes no difference to who lives where.
    """
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.package.split(".")
                base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def calls(module: Module) -> Iterator[tuple[int, str]]:
    """Line and name of every call by name: `open`, `path.read_text`, `datetime.now`; the last two names at most."""
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Name(id=name):
                yield node.lineno, name
            case ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner), attr=name):
                yield node.lineno, f"{owner}.{name}"
            case ast.Attribute(attr=name):
                yield node.lineno, f"?.{name}"
            case _:
                pass


def functions(module: Module) -> Iterator[Function]:
    """Every function and method, nested ones too."""
    return (node for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def lines(node: Function) -> int:
    """From `def` to the last line, docstring included, decorators not."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def is_promise(node: Function) -> bool:
    """A body of docstring and `...` alone: a protocol's method, which says what others do and does nothing."""
    return all(isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) for line in node.body)


def waits(module: Module) -> Iterator[int]:
    """Lines that can suspend: `await`, `async for`, `async with`, asynchronous comprehensions, an `async def`."""
    for node in ast.walk(module.tree):
        match node:
            case ast.AsyncFunctionDef() if not is_promise(node):
                yield node.lineno
            case ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                yield node.lineno
            case ast.comprehension(is_async=1, target=target):
                yield target.lineno
            case _:
                pass
