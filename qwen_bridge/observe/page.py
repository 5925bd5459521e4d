"""The status page: the JSON of `status` as one HTML document that needs nothing else, and its headers.

It works without scripts and has none; the browser is told to run and fetch nothing (Content Security Policy), to frame
it nowhere, and to keep no copy. Every value is escaped where it enters the document.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

from qwen_bridge.observe.figures import part, size, span, took
from qwen_bridge.observe.page_style import STYLE
from qwen_bridge.observe.turns import Course

_ICON: Final = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Crect width='32' height='32'"
    " rx='8' fill='%234b57c5'/%3E%3Cpath d='M6 21c3-9 17-9 20 0M6 21v3m6.500-8v8m7-8v8m6.500-3v3' fill='none'"
    " stroke='white' stroke-width='2.500' stroke-linecap='round'/%3E%3C/svg%3E"
)

_STYLE_HASH: Final = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

HEADERS: Final = (
    ("content-type", "text/html; charset=utf-8"),
    (
        "content-security-policy",
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'",
    ),
)
"""Headers of the page alone; those of every page of the bridge are added where it is served."""

REFRESH_EVERY: Final = 10
"""Seconds, where the reader wants it."""

NOTHING: Final = "–"
"""Stands in a cell that has nothing to say; narrow screens leave it out."""

_DEPTH: Final = re.compile(r"\bdepth=(\d+)/(\d+)")
_KINDS: Final = {"hit": "good", "new": "info", "miss": "warn", "reset": "warn"}
_ROUTES: Final = {"list_models": "model list", "get_model": "one model", "preflight": "preflight"}


def page(status: Mapping[str, Any], *, refresh: bool = False) -> str:
    """The document; with `refresh` it renews itself."""
    renewal = f'<meta http-equiv="refresh" content="{REFRESH_EVERY}">' if refresh else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>'
        f"{'' if status['ready'] else '! '}qwen-bridge</title>"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="{_ICON}">{renewal}<style>{STYLE}</style></head>\n<body><main>\n'
        + "\n".join(
            (
                _head(status),
                _notices(status["problems"]),
                _connect(status),
                _tiles(status),
                _accounts(status["accounts"], status["now"]),
                _turns(status["turns"], status["now"]),
                _faults(status["faults"], status["now"]),
                _foot(refresh=refresh),
            )
        )
        + "\n</main></body></html>\n"
    )


def _head(status: Mapping[str, Any]) -> str:
    mark = '<span class="pill good">ready</span>' if status["ready"] else '<span class="pill bad">not ready</span>'
    meta = f"version {escape(status['version'])} · up {span(status['uptime'])}"
    return f'<header><h1>qwen-bridge</h1>{mark}<span class="meta">{meta}</span></header>'


def _notices(problems: Iterable[Mapping[str, str]]) -> str:
    return "".join(
        f'<div class="card notice" role="alert"><strong>{_code(problem["code"])}</strong>'
        f"<span>{_marked(problem['advice'])}</span></div>"
        for problem in problems
    )


def _connect(status: Mapping[str, Any]) -> str:
    rows = (
        ("Base URL", _code(status["base_url"]), "the first choice; nothing else to set"),
        ("HTTP proxy", _code(status["proxy"]), "for clients that insist on api.openai.com"),
        ("Answers come from", _code(status["upstream"]), ""),
    )
    entries = (f"<dt>{name}</dt><dd>{value}{f'<span>{note}</span>' if note else ''}</dd>" for name, value, note in rows)
    return f'<dl class="card connect">{"".join(entries)}</dl>'


def _tiles(status: Mapping[str, Any]) -> str:
    talks, store = status["conversations"], status["store"]
    turns = sum(talks[kind] for kind in ("hit", "miss", "new", "reset"))
    lost = talks["miss"] + talks["reset"]
    ratio = talks["hit_ratio"]
    kept = f"{store['answers']:,} answers remembered" if store["up"] else "the store does not answer"
    tiles = (
        ("Turns", f"{turns:,}", f"{talks['new']:,} new conversation{'' if talks['new'] == 1 else 's'}", ""),
        ("Went on in their chat", part(ratio), f"{talks['hit']:,} of {talks['hit'] + lost:,}", _bar(ratio)),
        ("Not sent again", size(talks["bytes_saved"]), f"{size(talks['bytes_up'])} sent", ""),
        ("Now", f"{status['active']:,}", f"answering · {status['waiting']:,} waiting<br>{kept}", ""),
    )
    items = (
        f'<li class="card"><div class="name">{name}</div><div class="value">{value}</div>'
        f'<div class="note">{note}</div>{more}</li>'
        for name, value, note, more in tiles
    )
    return f'<ul class="tiles">{"".join(items)}</ul>'


def _bar(ratio: float | None) -> str:
    width = f"{100 * (ratio or 0):.0f}%"
    return (
        '<svg class="bar" aria-hidden="true"><rect class="all" width="100%" height="5" rx="2.5"/>'
        f'<rect class="part" width="{width}" height="5" rx="2.5"/></svg>'
    )


def _accounts(accounts: Sequence[Mapping[str, Any]], now: float) -> str:
    rows = []
    for account in accounts:
        problem = account["problem"]
        if problem and account["rests"] > 0:
            state = f'<span class="pill warn">rests {span(account["rests"])}</span> {_code(problem)}'
        elif problem:
            state = f'<span class="pill bad">not usable</span> {_code(problem)}'
        else:
            state = '<span class="pill good">ready</span>'
        ends = account["expires_at"]
        end = "does not say" if ends is None else f"in {span(ends - now)}" if ends > now else "over"
        seen = account["seen"]
        source = "waits for your browser" if account["learned"] else "set by hand"
        if seen is not None:
            source = f"learned from your browser, seen {span(now - seen)} ago"
        rows.append(
            (
                ("Session", "", f"<span>{escape(account['name'])} {_code(account['digest'])}</span>"),
                ("From", "", source),
                ("State", "", state),
                ("Ends", "", end),
                ("Answering", "number", f"{account['running']:,}"),
                ("Waiting", "number", f"{account['waiting']:,}"),
            )
        )
    return "<h2>Qwen sessions</h2>" + _table(rows, "No session is set.")


def _turns(turns: Sequence[Mapping[str, Any]], now: float) -> str:
    rows = []
    for turn in turns:
        good = turn["outcome"] in ("complete", "answered")
        outcome = f'<span class="pill {"" if good else "warn" if turn["outcome"] == "left" else "bad"}">'
        outcome += f"{escape(turn['outcome'])}</span>"
        rows.append(
            (
                ("When", "time", f"{span(now - turn['ended'])} ago"),
                ("Conversation", "", _conversation(turn)),
                ("Model", "name", escape(turn["model"]) or NOTHING),
                ("Outcome", "", outcome),
                ("First word", "number", NOTHING if turn["first_word"] is None else took(turn["first_word"])),
                ("Took", "number", took(turn["seconds"])),
                ("Request", "id", _code(turn["request_id"])),
            )
        )
    return "<h2>Last requests <small>no text is kept</small></h2>" + _table(rows, "None yet.")


def _conversation(turn: Mapping[str, Any]) -> str:
    if turn["kind"] not in _KINDS:
        return escape(_ROUTES.get(turn["route"], NOTHING))
    rest = _words(turn["conversation"])
    after = f'<span class="after">{escape(rest)}</span>' if rest else ""
    return f'<span><span class="pill {_KINDS[turn["kind"]]}">{turn["kind"]}</span>{after}</span>'


def _words(conversation: str) -> str:
    """`hit depth=8/9 saved=20` → `8 of 9 known`: the header's words for people who have not read its description."""
    course = Course.of(conversation)
    known = _DEPTH.search(conversation)
    words = [f"{known[1]} of {known[2]} known"] if known else []
    return ", ".join([*words, *([course.reason.replace("_", " ")] if course.reason else [])])


def _faults(faults: Sequence[Mapping[str, Any]], now: float) -> str:
    rows = [
        (
            ("Fault", "wide", f'{_code(fault["code"])}<span class="advice">{_marked(fault["advice"])}</span>'),
            ("Times", "number", f"{fault['count']:,}"),
            ("Last", "time", f"{span(now - fault['seen'])} ago"),
            ("Then", "", escape(fault["action"].replace("_", " "))),
        )
        for fault in faults
    ]
    return "<h2>Faults <small>and what to do</small></h2>" + _table(rows, "None since the start.")


def _foot(*, refresh: bool) -> str:
    renew = '<a href="/status">stop renewing</a>' if refresh else '<a href="/status?refresh">renew every 10 s</a>'
    others = ("/status.json", "/metrics", "/healthz", "/readyz")
    return f"<footer>{renew}{''.join(f'<a href="{path}">{path}</a>' for path in others)}</footer>"


def _table(rows: Sequence[Sequence[tuple[str, str, str]]], empty: str) -> str:
    """A table of rows of cells (label, class, content); the labels of the first row are its head."""
    if not rows:
        return f'<div class="card empty">{empty}</div>'
    head = "".join(f'<th scope="col" class="{kind}">{label}</th>' for label, kind, _ in rows[0])
    lines = (
        "".join(
            f'<td class="{kind}{" nothing" if content == NOTHING else ""}" data-label="{label}">{content}</td>'
            for label, kind, content in row
        )
        for row in rows
    )
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="card"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _marked(sentence: str) -> str:
    """A sentence of ours whose names stand between backquotes."""
    return "".join(_code(piece) if at % 2 else escape(piece) for at, piece in enumerate(sentence.split("`")))
