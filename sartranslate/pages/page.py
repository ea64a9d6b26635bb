"""An HTML page that needs nothing else: no network, no script, no other file; light and dark, on a phone too."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

SYNTHETIC = (
    "Predictions are synthetic: they show what an optical image of such backscatter tends to look like, not what was "
    "there. Do not measure, count or decide on them without the SAR scene beside them."
)


@dataclass(frozen=True)
class SheetFigure:
    """A PNG of examples row by row, each as two or more pictures of one width, whose names are `columns`."""

    caption: str
    png: bytes
    columns: tuple[str, ...] = ("SAR", "prediction", "truth")


def html_page(title: str, sections: Iterable[str]) -> str:
    """A valid HTML5 page that opens anywhere and says that predictions are synthetic.

    The title is plain text; sections are HTML, see `section`, and those that are empty are left out.
    """
    title = escape(title)
    html = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p class="soft">{SYNTHETIC}</p>
</header>
<main>
{lines(sections)}
</main>
</body>
</html>
"""
    # A file name may hold bytes that are no text, and those can not be written as UTF-8.
    return html.encode("utf-8", "replace").decode("utf-8")


def lines(parts: Iterable[str]) -> str:
    return "\n".join(part for part in parts if part)


def section(heading: str, content: str) -> str:
    return f"<section>\n<h2>{heading}</h2>\n{content}\n</section>" if content else ""


def folded(summary: str, content: str) -> str:
    """Content that is shown once its summary is clicked on."""
    return f"<details>\n<summary>{escape(summary)}</summary>\n{content}\n</details>"


def grid(kind: str, figures: Sequence[str]) -> str:
    return f'<div class="grid {kind}">\n{lines(figures)}\n</div>' if any(figures) else ""


def items(texts: Iterable[str]) -> str:
    """Plain texts as a list, or "" where there are none."""
    entries = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<ul>{entries}</ul>" if entries else ""


def named_values(values: Mapping[str, str]) -> str:
    rows = [f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in values.items()]
    return f'<div class="wide"><table class="named">\n{lines(rows)}\n</table></div>' if rows else ""


def table(heads: Iterable[str], rows: Iterable[str], kind: str = "") -> str:
    """Numbers under their heads, the HTML of cells, in a box that scrolls sideways where they are too wide for it."""
    head = "".join(f'<th scope="col">{cell}</th>' for cell in heads)
    return (
        f'<div class="wide"><table class="{f"numbers {kind}".strip()}">\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{lines(rows)}\n</tbody>\n</table></div>"
    )


def chart_figure(heading: str, legend: Iterable[str], svg: str) -> str:
    """A chart below its heading and the entries of its legend, which are HTML, or "" where nothing was drawn."""
    entries = "".join(f"<li>{entry}</li>" for entry in legend)
    caption = f'<b>{escape(heading)}</b><ul class="legend">{entries}</ul>'
    return f"<figure><figcaption>{caption}</figcaption>\n{svg}</figure>" if svg else ""


def sheet_figure(figure: SheetFigure) -> str:
    caption, encoded = escape(figure.caption), b64encode(figure.png).decode("ascii")
    names = [escape(name) for name in figure.columns]
    heads = "".join(f"<span>{name}</span>" for name in names)
    return (
        f'<figure class="sheet"><div class="columns" aria-hidden="true">{heads}</div>'
        f'<img src="data:image/png;base64,{encoded}" alt="{caption}: examples row by row, each as '
        f'{", ".join(names[:-1])} and {names[-1]}"><figcaption>{caption}</figcaption></figure>'
    )


def shown(value: float | None) -> str:
    """In at least four digits, whole numbers in all of theirs.

    >>> shown(240000.0), shown(12273.6), shown(0.123456), shown(float("nan")), shown(None)
    ('240000', '12274', '0.1235', 'nan', '–')
    """
    if value is None:
        return "–"
    legible = abs(value) < 1e15  # beyond, all digits are too many
    return f"{value:.0f}" if legible and (value == round(value) or abs(value) >= 1000) else f"{value:.4g}"


STYLE = """
:root { color-scheme: light dark; --ink: #1b2026; --soft: #57616c; --rule: #d9dee4; --paper: #fff; --panel: #f5f7f9;
  --warn: #fff4d6; --warn-rule: #d39e00; --s0: #1f66c1; --s1: #c2510a; --s2: #0a7a5c; --s3: #96389c; --s4: #7a6200;
  --s5: #b3264a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --soft: #a1abb6; --rule: #3a424c; --paper: #14181d;
  --panel: #1c2229; --warn: #372c0c; --warn-rule: #d9a514; --s0: #6fa9ff; --s1: #ff9d57; --s2: #4bcfa6; --s3: #d88be2;
  --s4: #dcc04a; --s5: #ff8299; } }
* { box-sizing: border-box; }
body { max-width: 70rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { margin: 0; font-size: 1.7rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin: 2rem 0 .6rem; font-size: 1.15rem; }
.soft { margin: .4rem 0 0; max-width: 46rem; color: var(--soft); }
.warnings { margin-top: 1.5rem; padding: .8rem 1rem; background: var(--warn); border-left: 4px solid var(--warn-rule); }
.warnings h2 { margin: 0; font-size: 1rem; }
.warnings ul { margin: .2rem 0 0; padding-left: 1.2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: top; }
.named th { font-weight: 400; color: var(--soft); white-space: nowrap; padding-right: 2rem; }
.named td { overflow-wrap: anywhere; }
.numbers { font-size: .875rem; }
.numbers th, .numbers td { text-align: right; padding: .25rem 0 .25rem 1.2rem; white-space: nowrap; }
.numbers th { vertical-align: bottom; white-space: normal; }
.best td, td.best { font-weight: 700; }
.scores small { display: block; font-weight: 400; color: var(--soft); }
.scores td.best { background: var(--panel); }
.scores th, .scores td { padding-left: .9rem; }
.scores th:first-child { position: sticky; left: 0; min-width: 10.5rem; padding-left: 0;
  text-align: left; background: var(--paper); overflow-wrap: anywhere; }
.scores tbody th { font-weight: 400; vertical-align: top; }
.scores .subject th { font-weight: 700; }
details { margin-top: .4rem; }
summary { cursor: pointer; margin-bottom: .5rem; }
.grid { display: grid; gap: 1rem; }
.spreads { grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); }
.charts { grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr)); }
.sheets { grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
figure { margin: 0; padding: .8rem; background: var(--panel); border-radius: 6px; }
.sheet { max-width: 52rem; }
.sheet img { display: block; width: 100%; height: auto; }
.sheet figcaption { margin-top: .5rem; color: var(--soft); }
@media print {
  .wide { overflow: visible; }
  .numbers { font-size: .6rem; }
  .numbers th, .numbers td { padding-left: .35rem; }
  .scores th:first-child { position: static; min-width: 0; padding-left: 0; }
}
.columns { display: grid; grid-auto-flow: column; grid-auto-columns: 1fr; text-align: center; color: var(--soft); }
.legend { display: flex; flex-wrap: wrap; gap: 0 1rem; margin: .1rem 0 .3rem; padding: 0; list-style: none;
  font-size: .85rem; color: var(--soft); }
.key { width: 28px; height: 10px; margin-right: .35rem; }
.chart { display: block; width: 100%; height: auto; }
.chart text { font-size: 12px; fill: var(--soft); font-variant-numeric: tabular-nums; }
.chart path, .key path { fill: none; stroke: var(--soft); }
.chart .rule { stroke: var(--rule); }
.chart .mark { stroke: var(--ink); stroke-dasharray: 4 4; }
.bar { fill: var(--s0); }
.line { stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
.line.s0 { stroke: var(--s0); } .line.s1 { stroke: var(--s1); stroke-dasharray: 7 5; }
.line.s2 { stroke: var(--s2); stroke-dasharray: 1 5; } .line.s3 { stroke: var(--s3); stroke-dasharray: 9 4 1 4; }
.line.s4 { stroke: var(--s4); stroke-dasharray: 3 4; } .line.s5 { stroke: var(--s5); stroke-dasharray: 12 4; }
.dot.s0 { fill: var(--s0); } .dot.s1 { fill: var(--s1); } .dot.s2 { fill: var(--s2); }
.dot.s3 { fill: var(--s3); } .dot.s4 { fill: var(--s4); } .dot.s5 { fill: var(--s5); }
"""
