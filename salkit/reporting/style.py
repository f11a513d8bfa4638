"""How the page of a report looks: by day, by night, on a phone and on paper."""

CSS = """
:root {
  color-scheme: light dark;
  --page: #fdfcfd; --ink: #241f25; --muted: #5f5862; --line: #e2dbe3; --panel: #f6f1f6; --accent: #7b1f73;
  --no: #a1201a; --care: #7d5200; --open: #1c6637; --bar: #b5367a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #17141a; --ink: #ece7ee; --muted: #b0a7b5; --line: #3a333f; --panel: #211c26; --accent: #f0a3c8;
    --no: #ff9d94; --care: #f2c14e; --open: #7fd49b; --bar: #e879ac;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
body {
  background: var(--page); color: var(--ink); margin: 0 auto; max-width: 64rem; padding: 2.5rem 1.25rem 3rem;
  font: 1.02rem/1.6 -apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", Arial,
    sans-serif;
  overflow-wrap: break-word;
}
h1, h2, h3 { letter-spacing: -0.012em; line-height: 1.2; text-wrap: balance; }
h1 { font-size: clamp(1.75rem, 1.2rem + 2.6vw, 2.7rem); margin: 0.2rem 0 0.8rem; overflow-wrap: anywhere; }
h2 { border-top: 1px solid var(--line); font-size: 1.55rem; margin: 3rem 0 1rem; padding-top: 1.6rem; }
h3 { font-size: 1.08rem; margin: 1.4rem 0 0.4rem; overflow-wrap: anywhere; }
p, section > ul { margin: 0 0 0.9rem; max-width: 44rem; }
a { color: var(--accent); text-underline-offset: 0.18em; }
a:focus-visible, [tabindex]:focus-visible {
  border-radius: 0.3rem; outline: 3px solid var(--accent); outline-offset: 2px;
}
code, pre {
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 0.9em;
}
.kicker { color: var(--accent); font-size: 0.9rem; font-weight: 600; margin: 0; }
.lead { color: var(--muted); font-size: 1.18rem; text-wrap: pretty; }
.note, footer { color: var(--muted); font-size: 0.9rem; }
footer { border-top: 1px solid var(--line); margin-top: 3rem; padding-top: 1rem; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.3rem 1.1rem; list-style: none; margin: 1.2rem 0 0; padding: 0; }
img { display: block; filter: none; height: auto; max-width: 100%; }

.verdicts { display: grid; gap: 0.7rem; list-style: none; margin: 1.2rem 0; max-width: none; padding: 0; }
.verdict {
  background: var(--panel); border-left: 0.35rem solid var(--tone); border-radius: 0.5rem; display: flex; gap: 0.9rem;
  padding: 0.85rem 1rem;
}
.verdict.no { --tone: var(--no); }
.verdict.care { --tone: var(--care); }
.verdict.open { --tone: var(--open); }
.verdict h3 { color: var(--tone); margin: 0 0 0.2rem; }
.verdict p { margin: 0; max-width: 48rem; }
.verdict .mark {
  border: 2px solid var(--tone); border-radius: 50%; color: var(--tone); flex: none; font-weight: 700; height: 1.8rem;
  line-height: 1.55rem; text-align: center; width: 1.8rem;
}

.card { border: 1px solid var(--line); border-radius: 0.7rem; margin: 0 0 1.2rem; padding: 1rem 1.1rem 1.1rem; }
.card h3 { margin-top: 0; }
.card p { margin-bottom: 0.6rem; }
.top {
  display: grid; gap: 0.1rem 1.4rem; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); list-style: none;
  margin: 0 0 0.9rem; padding: 0;
}
.top li { align-items: center; display: grid; font-size: 0.92rem; gap: 0 0.6rem; grid-template-columns: 1fr auto; }
.top .share { font-variant-numeric: tabular-nums; }
.top .bar { background: var(--line); border-radius: 2px; grid-column: 1 / -1; height: 4px; overflow: hidden; }
.top .bar i { background: var(--bar); display: block; height: 100%; }
.figure { background: #fff; border-radius: 0.4rem; overflow-x: auto; padding: 0.3rem; }
.figure img { margin: 0 auto; width: 54rem; }
.charts {
  display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr));
  margin: 1.2rem 0;
}
.chart img { width: 100%; }

.scroll { margin: 1.2rem 0; overflow-x: auto; }
table {
  border-collapse: collapse; font-size: 0.92rem; font-variant-numeric: tabular-nums; min-width: 46rem; width: 100%;
}
caption { color: var(--muted); font-size: 0.88rem; padding-bottom: 0.4rem; text-align: left; }
th, td {
  border-bottom: 1px solid var(--line); padding: 0.5rem 0.9rem 0.55rem 0; text-align: left; vertical-align: top;
}
thead th { border-bottom-width: 2px; color: var(--muted); font-weight: 600; }
tbody th { background: var(--page); font-weight: 500; left: 0; position: sticky; white-space: nowrap; z-index: 1; }
.controls, .controls th { background: var(--panel); }
.value { display: block; white-space: nowrap; }
.value small { color: var(--muted); }
.track {
  background: var(--line); border-radius: 3px; display: block; height: 4px; margin: 0.3rem 0.4rem 0.2rem 0;
  max-width: 11rem; position: relative;
}
.track * { position: absolute; }
.track i { background: var(--bar); border-radius: 3px; height: 4px; min-width: 2px; opacity: 0.55; }
.track s { background: var(--bar); border-radius: 50%; height: 9px; margin-left: -4.5px; top: -2.5px; width: 9px; }
.track u { background: var(--muted); height: 10px; top: -3px; width: 1px; }

pre { background: var(--panel); border-radius: 0.5rem; overflow-x: auto; padding: 0.9rem 1rem; }
.facts { margin: 1.2rem 0 0; }
.facts div {
  border-bottom: 1px solid var(--line); display: grid; gap: 0 1rem; grid-template-columns: 15rem 1fr;
  padding: 0.45rem 0;
}
.facts dt { color: var(--muted); }
.facts dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }

@media (max-width: 640px) {
  body { font-size: 1rem; padding: 1.4rem 1rem 2rem; }
  .facts div { grid-template-columns: 1fr; }
  .figure img { max-width: none; width: 42rem; }
  .chart img { width: 30rem; }
  .card { padding: 0.8rem 0.8rem 0.9rem; }
}
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
@media print {
  :root {
    --page: #fff; --ink: #000; --muted: #444; --line: #bbb; --panel: #f4f4f4; --accent: #5c1556; --no: #8f1712;
    --care: #6b4600; --open: #14552c; --bar: #8f2a61;
  }
  html { font-size: 10pt; }
  body { font-size: 1rem; max-width: none; padding: 0; }
  .charts { grid-template-columns: 1fr 1fr; }
  nav { display: none; }
  .card, .verdict, tr, .chart, pre { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .figure, .scroll { overflow: visible; }
  .figure img { max-width: 100%; width: auto; }
  table { font-size: 8.5pt; min-width: 0; }
  .value { white-space: normal; }
  pre { white-space: pre-wrap; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
"""
