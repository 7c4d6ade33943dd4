"""How the report page looks, on a screen by day and by night, and on paper."""

from __future__ import annotations

STYLE = """
:root{--paper:#fff;--ink:#18181b;--faint:#6b7280;--line:#e5e7eb;--lane:#f3f4f6;--good:#2563eb;--found:#86a3c3;
--bad:#dc2626;--odd:#d97706;--late:#7c3aed;--done:#15803d;color-scheme:light dark}
@media(prefers-color-scheme:dark){:root{--paper:#18181b;--ink:#f4f4f5;--faint:#a1a1aa;--line:#3f3f46;--lane:#27272a;
--good:#60a5fa;--found:#64748b;--bad:#f87171;--odd:#fbbf24;--late:#a78bfa;--done:#4ade80}}
*{box-sizing:border-box}
body{margin:0 auto;padding:24px;max-width:1200px;background:var(--paper);color:var(--ink);
font:14px/1.5 system-ui,sans-serif;print-color-adjust:exact;-webkit-print-color-adjust:exact}
h1{margin:0;font-size:24px}h2{margin:32px 0 8px;font-size:17px}
code,pre,td:first-child{font-family:ui-monospace,monospace;font-size:12.5px}
pre{margin:8px 0;padding:8px 12px;background:var(--lane);border-radius:6px;white-space:pre-wrap;overflow-wrap:anywhere}
p{margin:6px 0;overflow-wrap:anywhere}.note{color:var(--faint)}
.state{display:inline-block;margin-left:8px;padding:1px 10px;border-radius:99px;color:var(--paper);background:var(--faint);
font-size:13px;vertical-align:4px}
.state.completed{background:var(--done)}.state.failed,.state.interrupted{background:var(--bad)}
.state.running,.state.pending{background:var(--good)}.state.paused,.state.cancelled{background:var(--odd)}
.figures{display:flex;flex-wrap:wrap;gap:8px;margin:16px 0}
.figures div{padding:8px 14px;border:1px solid var(--line);border-radius:8px}
.figures b{display:block;font-size:19px;font-weight:600}.figures span{color:var(--faint)}
.wide{overflow-x:auto}table{border-collapse:collapse;min-width:50%}
th,td{padding:3px 16px 3px 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
td:not(:last-child){white-space:nowrap}
th{color:var(--faint);font-weight:500}
meter{width:min(220px,30vw);height:12px}
td.failed,.failed>b{color:var(--bad)}
article{margin:12px 0;padding:10px 14px;border:1px solid var(--bad);border-left-width:5px;border-radius:6px}
.lane{display:flex;align-items:center;height:22px}
.lane b{flex:0 0 110px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;font-weight:400;color:var(--faint)}
.lane div{position:relative;flex:1;height:18px;background:var(--lane);border-radius:3px;overflow:hidden}
.lane i{position:absolute;top:0;bottom:0;min-width:1px;background:var(--good)}.lane i:nth-child(even){filter:brightness(.8)}
.lane i.failed{background:var(--bad);min-width:3px;z-index:1}.lane i.cancelled{background:var(--odd)}
.lane i.beaten{background:var(--late)}
.lane i.running{background:repeating-linear-gradient(45deg,var(--good) 0 6px,transparent 6px 10px)}
.lane i.interrupted{background:repeating-linear-gradient(45deg,var(--odd) 0 6px,transparent 6px 10px)}
.axis div{background:none;overflow:visible;border-radius:0;border-bottom:1px solid var(--line)}
.axis u{position:absolute;bottom:1px;padding-left:3px;border-left:1px solid var(--line);color:var(--faint);
font-size:11px;text-decoration:none;white-space:nowrap}
.key i{display:inline-block;width:12px;height:12px;margin:0 4px 0 14px;border-radius:2px;vertical-align:-1px;
background:var(--good)}
.key i.found{background:var(--found)}.key i.failed{background:var(--bad)}.key i.cancelled{background:var(--odd)}
.key i.beaten{background:var(--late)}.key i.interrupted{background:var(--odd)}
.shots{display:grid;grid-template-columns:repeat(auto-fill,minmax(168px,1fr));gap:10px}
figure{margin:0;border:1px solid var(--line);border-top:4px solid var(--found);border-radius:5px;overflow:hidden}
figure.executed{border-top-color:var(--good)}figure.failed{border-top-color:var(--bad)}
figure.interrupted{border-top-color:var(--odd)}
figure.running{border-top-style:dashed;border-top-color:var(--good)}figure.cancelled{border-top-color:var(--odd)}
figure img,figure div{display:block;width:100%;aspect-ratio:16/9;object-fit:contain;background:var(--lane)}
figure div{display:grid;place-items:center;padding:8px;color:var(--faint);text-align:center;overflow:hidden;
overflow-wrap:anywhere;font-size:12px}
figcaption{padding:4px 8px;font-size:12px;color:var(--faint);overflow-wrap:anywhere}
figcaption b{display:block;color:var(--ink);font-weight:500}
.drawing{overflow:auto;max-height:900px;padding:4px;background:#fff;border:1px solid var(--line);border-radius:6px}
summary{cursor:pointer;color:var(--faint)}
@media print{body{max-width:none;padding:0}.drawing{max-height:none}article,figure{break-inside:avoid}}
""".strip()
