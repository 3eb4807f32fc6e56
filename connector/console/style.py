"""The console's style sheet, which each page has inside, so that a page is one request. Pure."""

from base64 import b64encode
from hashlib import sha256
from typing import Final

SHEET: Final = """
:root {
  color-scheme: light dark; --back: #ffffff; --text: #1b1f24; --quiet: #57606a; --line: #c9d1d9;
  --card: #f4f6f8; --link: #0b57d0; --good: #0f6b2f; --bad: #b3261e; --warn: #7a4b00; --mark: #0b57d0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #14181d; --text: #e6e9ed; --quiet: #a6afb9; --line: #3a424c; --card: #1d232a; --link: #8ab4f8;
    --good: #6fd08c; --bad: #ff9a91; --warn: #f0c36d; --mark: #8ab4f8;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }
header, main, footer { max-width: 72rem; margin: 0 auto; padding: 0.5rem 1rem; }
header { display: flex; flex-wrap: wrap; gap: 0.25rem 1.5rem; align-items: baseline; }
header p { margin: 0; font-weight: 600; }
nav ul, .numbers {
  list-style: none; display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; padding: 0; margin: 0;
}
nav a { display: inline-block; padding: 0.5rem 0; }
h1 { font-size: 1.4rem; margin: 0.5rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 1.5rem 0 0.5rem; }
h3 { font-size: 1rem; margin: 1rem 0 0.25rem; }
a { color: var(--link); }
a[aria-current] { font-weight: 600; text-decoration: none; color: var(--text); }
:focus-visible { outline: 3px solid var(--mark); outline-offset: 2px; }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 1rem; top: 0.5rem; background: var(--back); padding: 0.5rem; }
.verdict {
  border-left: 0.4rem solid var(--good); background: var(--card); padding: 0.5rem 1rem; margin: 0.5rem 0;
  font-size: 1.15rem;
}
.verdict.bad { border-color: var(--bad); }
.good { color: var(--good); }
.bad strong, .bad > b { color: var(--bad); }
.warn { color: var(--warn); }
.quiet, caption, figcaption, footer { color: var(--quiet); font-size: 0.9rem; }
.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); }
.numbers a, .numbers div {
  display: block; padding: 0.75rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 0.5rem;
}
.numbers b { display: block; font-size: 1.6rem; font-variant-numeric: tabular-nums; }
dl {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(12rem, 1fr)); gap: 0.5rem 1rem;
  margin: 0.5rem 0;
}
dt { color: var(--quiet); font-size: 0.9rem; }
dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; padding: 0.25rem 0; }
th, td {
  text-align: left; vertical-align: top; padding: 0.35rem 0.75rem 0.35rem 0;
  border-bottom: 1px solid var(--line);
}
.number { text-align: right; font-variant-numeric: tabular-nums; }
code { font-family: ui-monospace, monospace; font-size: 0.9em; overflow-wrap: anywhere; }
.copy { user-select: all; }
form { display: flex; flex-wrap: wrap; gap: 0.5rem; align-items: end; margin: 0.5rem 0; }
label { display: block; font-size: 0.9rem; color: var(--quiet); }
input, select, button {
  font: inherit; color: inherit; background: var(--back); border: 1px solid var(--quiet);
  border-radius: 0.35rem; padding: 0.45rem 0.6rem; min-height: 2.75rem; max-width: 100%;
}
button { background: var(--card); cursor: pointer; }
summary { cursor: pointer; padding: 0.5rem 0; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: 1rem; }
figure { margin: 0; }
svg { width: 100%; height: auto; background: var(--card); border: 1px solid var(--line); }
.line { fill: none; stroke: var(--mark); stroke-width: 1.5; }
.limit { fill: none; stroke: var(--bad); stroke-width: 1; stroke-dasharray: 4 3; }
.second { fill: none; stroke: var(--bad); stroke-width: 1.5; }
ul.lines { padding-left: 1.1rem; }
ul.lines li { overflow-wrap: anywhere; }
.advice { background: var(--card); padding: 0.5rem 1rem; }
"""
"""Contrast of text is at least 4.5 to 1 in light and dark."""

DIGEST: Final = b64encode(sha256(SHEET.encode()).digest()).decode()
"""SHA-256 of the sheet, by which the content security policy lets it in."""
