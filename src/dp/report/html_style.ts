/** Style sheet of the report: light and dark, print, contrast of at least 4.5 to 1 for text. */
export const STYLE = `
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #4b5563; --paper: #ffffff; --panel: #f3f5f8;
  --rule: #c6ccd4; --bar: #0b5fa5; --warn: #9a3412;
  --s0: #0b5fa5; --s1: #a13d00; --s2: #1a7a3c; --s3: #7a3fb0; --s4: #8a6100; --s5: #a3195b; }
@media (prefers-color-scheme: dark) { :root { --ink: #eceff3; --soft: #b4bcc8; --paper: #14181d;
  --panel: #1f252d; --rule: #46505d; --bar: #6db6f5; --warn: #ffb38a;
  --s0: #6db6f5; --s1: #ffab70; --s2: #7ddb9a; --s3: #cfa8f5; --s4: #e5c25c; --s5: #ff9ac4; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 62rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; padding-top: .75rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1rem; margin: 1.5rem 0 .25rem; }
p { margin: .5rem 0; max-width: 46rem; }
.meta, figcaption, .note { color: var(--soft); font-size: .9rem; }
.lead { background: var(--panel); border-left: 4px solid var(--bar); padding: .75rem 1.1rem;
  border-radius: 4px; }
.scroll { overflow-x: auto; }
.scroll:focus-visible { outline: 2px solid var(--bar); }
table { border-collapse: collapse; width: 100%; margin: .75rem 0 1rem; font-size: .9rem; }
caption { text-align: left; font-weight: 600; padding: .25rem 0; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--rule); vertical-align: top;
  font-variant-numeric: tabular-nums; }
thead th { border-bottom: 2px solid var(--rule); }
tbody th { font-weight: 600; }
a { color: var(--bar); }
a:focus-visible { outline: 3px solid var(--bar); outline-offset: 2px; }
.figure { white-space: nowrap; }
.facts td { overflow-wrap: anywhere; }
.track { display: block; width: 100%; min-width: 7rem; height: .7rem; margin-top: .3rem; border-radius: 3px;
  background: var(--panel); border: 1px solid var(--rule); }
.fill { fill: var(--bar); }
.full .fill { fill: var(--warn); }
figure { margin: 1rem 0 1.5rem; }
svg { width: 100%; height: auto; max-width: 46rem; display: block; }
svg.plot text { fill: var(--soft); font-size: 13px; font-family: inherit; }
svg .grid { stroke: var(--rule); stroke-width: .6; }
svg .axis { stroke: var(--soft); stroke-width: 1; }
svg .limit { stroke: var(--soft); stroke-width: 1.3; stroke-dasharray: 3 3; fill: none; }
svg .line { fill: none; stroke-width: 2.4; }
svg .line.s0 { stroke: var(--s0); } svg .line.s1 { stroke: var(--s1); } svg .line.s2 { stroke: var(--s2); }
svg .line.s3 { stroke: var(--s3); } svg .line.s4 { stroke: var(--s4); } svg .line.s5 { stroke: var(--s5); }
svg.plot .label { font-weight: 600; }
svg.plot .label.s0 { fill: var(--s0); } svg.plot .label.s1 { fill: var(--s1); } svg.plot .label.s2 { fill: var(--s2); }
svg.plot .label.s3 { fill: var(--s3); } svg.plot .label.s4 { fill: var(--s4); } svg.plot .label.s5 { fill: var(--s5); }
@page { margin: 16mm 14mm; }
@media print { nav { display: none; } :root { color-scheme: light; --ink: #000; --soft: #333; --paper: #fff; --panel: #f3f5f8;
  --rule: #999; --bar: #0b5fa5; --s0: #0b5fa5; --s1: #a13d00; --s2: #1a7a3c; --s3: #7a3fb0; --s4: #8a6100;
  --s5: #a3195b; }
  body { padding: 0; font-size: 10.5pt; max-width: none; } h2 { break-after: avoid; }
  table { font-size: 8.5pt; } th, td { padding: .25rem .4rem; } .scroll { overflow: visible; }
  thead { display: table-header-group; } p, li { orphans: 3; widows: 3; }
  figure, tr { break-inside: avoid; } .fill { print-color-adjust: exact; } }
`;
