"""How the status page looks: one style sheet, light and dark, wide and narrow. Nothing is fetched for it."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root {
  color-scheme: light dark;
  --paper: #f6f7f9; --card: #ffffff; --ink: #1b2430; --soft: #5c6878; --line: #e3e7ec; --code: #eef1f5;
  --accent: #4b57c5; --good: #1d7a4c; --good-bg: #e2f4ea; --warn: #8f5a00; --warn-bg: #fcf0d8;
  --bad: #b3261e; --bad-bg: #fce8e6; --info-bg: #e9ebfb;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #10141a; --card: #181e26; --ink: #e4e9f0; --soft: #94a1b2; --line: #28303b; --code: #212933;
    --accent: #a3adff; --good: #6fd6a0; --good-bg: #143326; --warn: #f0bf6a; --warn-bg: #3a2c11;
    --bad: #ff9d94; --bad-bg: #431c19; --info-bg: #232a4d;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
main { max-width: 66rem; margin: 0 auto; padding: 2.25rem 1.5rem 3rem; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem 1rem; margin-bottom: 1.5rem; }
h1 { font-size: 1.45rem; font-weight: 650; letter-spacing: -.015em; margin: 0; }
header .meta { margin-left: auto; color: var(--soft); font-size: .875rem; }
h2 { font-size: .95rem; font-weight: 620; margin: 2.25rem 0 .65rem; }
h2 small { font-weight: 400; color: var(--soft); margin-left: .35rem; font-size: .85rem; }
p { margin: 0; }
a { color: var(--accent); text-underline-offset: .2em; text-decoration-thickness: 1px; }
a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
code { font: .86em/1.5 ui-monospace, SFMono-Regular, "SF Mono", Menlo, Consolas, monospace; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
.pill {
  display: inline-block; padding: .05rem .55rem; border-radius: 999px; font-size: .8125rem; font-weight: 560;
  white-space: nowrap; color: var(--soft); background: var(--code);
}
.pill.good { color: var(--good); background: var(--good-bg); }
.pill.warn { color: var(--warn); background: var(--warn-bg); }
.pill.bad { color: var(--bad); background: var(--bad-bg); }
.pill.info { color: var(--accent); background: var(--info-bg); }
.notice { padding: .9rem 1.15rem; margin-bottom: 1rem; border-left: 4px solid var(--bad); }
.notice strong { display: block; font-weight: 600; }
.notice span { color: var(--soft); }
.connect {
  display: grid; grid-template-columns: max-content 1fr; gap: .55rem 1.5rem; padding: 1.05rem 1.25rem; margin: 0;
}
.connect dt { color: var(--soft); }
.connect dd { margin: 0; overflow-wrap: anywhere; }
.connect dd code { background: var(--code); border-radius: 6px; padding: .18rem .45rem; }
.connect dd span { color: var(--soft); font-size: .875rem; margin-left: .4rem; }
.tiles {
  display: grid; grid-template-columns: repeat(4, 1fr); gap: 1rem; margin: 1rem 0 0; padding: 0; list-style: none;
}
.tiles li { padding: 1rem 1.25rem 1.05rem; }
.tiles .name { color: var(--soft); font-size: .8125rem; }
.tiles .value {
  font-size: 1.7rem; line-height: 1.25; font-weight: 620; letter-spacing: -.02em; font-variant-numeric: tabular-nums;
}
.tiles .note { color: var(--soft); font-size: .8125rem; }
.bar { display: block; width: 100%; height: 5px; margin-top: .5rem; border-radius: 3px; }
.bar .all { fill: var(--line); }
.bar .part { fill: var(--accent); }
table { width: 100%; border-collapse: separate; border-spacing: 0; }
th, td { text-align: left; padding: .55rem .75rem; vertical-align: baseline; border-top: 1px solid var(--line); }
thead th { border-top: 0; color: var(--soft); font-weight: 500; font-size: .8125rem; padding-top: .7rem; }
th:first-child, td:first-child { padding-left: 1.25rem; }
th:last-child, td:last-child { padding-right: 1.25rem; }
td { font-size: .875rem; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.name { white-space: nowrap; }
td.time { color: var(--soft); white-space: nowrap; font-variant-numeric: tabular-nums; }
td.id code { color: var(--soft); font-size: .75rem; }
td .after { color: var(--soft); margin-left: .4rem; }
td .advice { color: var(--soft); display: block; }
.empty { padding: 1rem 1.25rem; color: var(--soft); }
footer {
  margin-top: 2.25rem; color: var(--soft); font-size: .8125rem; display: flex; flex-wrap: wrap; gap: .3rem 1.25rem;
}
@media (max-width: 46rem) {
  main { padding: 1.25rem 1rem 2rem; }
  header .meta { margin-left: 0; width: 100%; }
  .tiles { grid-template-columns: repeat(2, 1fr); gap: .75rem; }
  .tiles li { padding: .8rem 1rem; }
  .tiles .value { font-size: 1.4rem; }
  .connect { grid-template-columns: 1fr; gap: .1rem; padding: .9rem 1rem; }
  .connect dd { margin-bottom: .6rem; }
  .connect dd:last-child { margin-bottom: 0; }
  .connect dd span { display: block; margin-left: 0; }
  table, tbody, tr, td { display: block; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tr { padding: .7rem 1rem; border-top: 1px solid var(--line); }
  tbody tr:first-child { border-top: 0; }
  td, td:first-child, td:last-child, td.number {
    display: flex; justify-content: space-between; gap: 1rem; border: 0; padding: .12rem 0; text-align: right;
  }
  td::before { content: attr(data-label); color: var(--soft); flex: none; text-align: left; }
  td.nothing { display: none; }
  td.wide { display: block; text-align: left; }
  td.wide::before { content: none; }
  td .advice { margin-top: .15rem; }
  td.id code { overflow-wrap: anywhere; }
  .empty { padding: .9rem 1rem; }
}
"""
