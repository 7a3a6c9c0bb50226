// The look of a report: one column of cards, light or dark as the reader's system is, colours that stay apart in both.

export const pageStyle = `
:root { color-scheme: light dark; --ground: #fbfaf7; --card: #ffffff; --ink: #1d2126; --soft: #5d6670; --rule: #e3e1da;
  --c0: #0f6fb8; --c1: #d1495b; --c2: #2a8f63; --c3: #b07a10; --c4: #7a4fb5; --c5: #44505c; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171b; --card: #1c2026; --ink: #e8e6e1; --soft: #9aa4ae; --rule: #2e343c;
  --c0: #62b3f0; --c1: #f2808f; --c2: #64cc9c; --c3: #e2b04a; --c4: #b696ea; --c5: #b4bec8; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, 'Segoe UI', sans-serif; }
main { max-width: 940px; margin: 0 auto; padding: 48px 24px 72px; }
header { margin-bottom: 40px; }
h1 { font-size: 34px; line-height: 1.15; letter-spacing: -0.02em; margin: 0 0 12px; }
h2 { font-size: 20px; letter-spacing: -0.01em; margin: 40px 0 14px; }
h3 { font-size: 14px; font-weight: 600; margin: 0 0 10px; }
.facts { display: flex; flex-wrap: wrap; gap: 6px; margin: 0; }
.facts span { border: 1px solid var(--rule); border-radius: 999px; padding: 2px 12px; font-size: 13px; color: var(--soft); background: var(--card); }
.note, figcaption { color: var(--soft); font-size: 13px; margin: 10px 0 0; }
.legend { margin: 0 0 6px; display: flex; gap: 20px; font-size: 14px; }
.key::before { content: ''; display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 8px; background: var(--colour); }
figcaption.key { margin: 0 0 8px; color: var(--ink); font-weight: 600; font-size: 14px; }
svg { width: 100%; height: auto; background: var(--card); border: 1px solid var(--rule); border-radius: 12px; }
svg text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
.rule { stroke: var(--rule); stroke-width: 1; }
.line { fill: none; stroke: var(--colour); stroke-width: 2.2; stroke-linejoin: round; stroke-linecap: round; }
${[0, 1, 2, 3, 4, 5].map((n) => `.line-${n}, .key-${n} { --colour: var(--c${n}); }`).join('\n')}
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; background: var(--card); border: 1px solid var(--rule); border-radius: 12px; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 9px 14px; border-bottom: 1px solid var(--rule); white-space: nowrap; }
tbody tr:last-child > * { border-bottom: 0; }
th:first-child { text-align: left; }
td.why { color: var(--soft); font-size: 13px; }
thead th { color: var(--soft); font-weight: 500; font-size: 13px; white-space: normal; vertical-align: bottom; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 16px; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(270px, 1fr)); gap: 16px; align-items: start; }
.card { margin: 0; background: var(--card); border: 1px solid var(--rule); border-radius: 12px; padding: 16px 18px; min-width: 0; }
.source { grid-column: 1 / -1; }
pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; font: 13px/1.6 ui-monospace, 'SF Mono', Menlo, Consolas, monospace; }
.map { display: grid; grid-template-columns: 18px 1fr; gap: 4px 6px; }
.map img { width: 100%; aspect-ratio: 1; image-rendering: pixelated; border-radius: 4px; }
.down, .across { color: var(--soft); font-size: 11px; text-align: center; }
.down { writing-mode: vertical-rl; transform: rotate(180deg); }
.across { grid-column: 2; }
.scale { display: flex; align-items: center; gap: 8px; margin: 10px 0 0; font-size: 12px; color: var(--soft); font-variant-numeric: tabular-nums; }
.ramp { flex: 1; height: 8px; border-radius: 4px; background: linear-gradient(90deg, rgb(32 22 74), rgb(44 74 140), rgb(30 128 142), rgb(82 176 112), rgb(248 224 92)); }
`;
