// One self-contained HTML page about one run or several side by side: losses as curves, the numbers as a table, text that
// each model writes, pictures of each encoding, and all of it again as JSON. No network, no script that must run.

import type { Configuration } from '../configuration.ts';
import type { CurvePoint } from '../checkpoint.ts';
import type { Evaluation, OutOfReach } from '../evaluate.ts';
import { lossChart } from './chart.ts';
import { escapeHtml, scriptJson } from './escape.ts';
import type { Picture } from './pictures.ts';
import { pageStyle } from './style.ts';

export interface RunSummary {
  readonly name: string; // of the encoding
  readonly source: string; // its text
  readonly curve: readonly CurvePoint[];
  readonly finalLoss: number;
  readonly evaluations: readonly (Evaluation | OutOfReach)[]; // at the context, and at multiples of it
  readonly tokensPerSecond: number;
  readonly parameters: { readonly model: number; readonly encoding: number };
  readonly sample: string;
  readonly pictures: readonly Picture[];
}

export interface ReportContents {
  readonly configuration: Configuration;
  readonly corpus: string;
  readonly device: string;
  readonly runs: readonly RunSummary[];
}

/** one, two and three */
export const enumerated = (words: readonly string[]): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;

/** 12,346 */
export const numberOf = (value: number): string => Math.round(value).toLocaleString('en-US');

/** The numbers of the runs: a header and a row a run. */
export function summaryTable(runs: readonly RunSummary[]): readonly (readonly string[])[] {
  const lengths = runs[0]?.evaluations.map(({ tokens }) => tokens) ?? [];
  const header = [
    'encoding',
    'training loss',
    ...lengths.map((tokens, n) => (n === 0 ? `perplexity at ${tokens}` : `at ${tokens}`)),
    'tokens/s',
    'parameters added',
  ];
  const rows = runs.map((run) => [
    run.name,
    run.finalLoss.toFixed(4),
    ...run.evaluations.map((one) =>
      one.kind === 'measured' ? one.perplexity.toFixed(3) : `table has ${one.rows} rows`,
    ),
    numberOf(run.tokensPerSecond),
    numberOf(run.parameters.encoding),
  ]);
  return [header, ...rows];
}

export function reportPage(contents: ReportContents): string {
  const { configuration, runs } = contents;
  const names = enumerated(runs.map(({ name }) => name));
  const { layers, width, heads, context, steps, batch, accumulate, seed } = configuration;
  const facts = [
    `${layers} layers`,
    `width ${width}`,
    `${heads} heads`,
    `context ${context}`,
    `${steps} steps of ${numberOf(batch * accumulate * context)} tokens`,
    `seed ${seed}`,
    `${numberOf(runs[0]?.parameters.model ?? 0)} parameters without the encoding`,
    contents.corpus,
    contents.device,
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(names)}</title>
<style>${pageStyle}</style>
</head>
<body>
<main>
<header>
<h1>${escapeHtml(names)}</h1>
<p class="facts">${facts.map((fact) => `<span>${escapeHtml(fact)}</span>`).join('')}</p>
</header>
<section>
<h2>Training loss</h2>
<p class="legend">${runs.map(({ name }, n) => `<span class="key key-${n % 6}">${escapeHtml(name)}</span>`).join('')}</p>
${lossChart(runs.map(({ name, curve }) => ({ name, points: curve })))}
</section>
<section>
<h2>Numbers</h2>
${table(summaryTable(runs))}
<p class="note">Perplexity is per token, on text held out from training, in windows of as many tokens; the models were trained on windows of ${context}.</p>
</section>
<section>
<h2>What the models write</h2>
<div class="columns">${runs.map(sampleCard).join('\n')}</div>
</section>
${runs.map(pictureSection).join('\n')}
</main>
<script type="application/json" id="data">${scriptJson(data(contents))}</script>
</body>
</html>
`;
}

/** Everything but the images. */
function data(contents: ReportContents): unknown {
  return { ...contents, runs: contents.runs.map((run) => ({ ...run, pictures: undefined })) };
}

function table([header, ...rows]: readonly (readonly string[])[]): string {
  const cells = (row: readonly string[], tag: string): string =>
    row
      .map((cell, n) => {
        const open = n === 0 ? 'th scope="row"' : /^[a-z]/.test(cell) ? `${tag} class="why"` : tag;
        return `<${open}>${escapeHtml(cell)}</${n === 0 ? 'th' : tag}>`;
      })
      .join('');
  const head = `<tr>${(header ?? []).map((cell) => `<th scope="col">${escapeHtml(cell)}</th>`).join('')}</tr>`;
  const body = rows.map((row) => `<tr>${cells(row, 'td')}</tr>`).join('\n');
  return `<div class="scroll"><table><thead>${head}</thead><tbody>${body}</tbody></table></div>`;
}

const sampleCard = (run: RunSummary, n: number): string =>
  `<figure class="card"><figcaption class="key key-${n % 6}">${escapeHtml(run.name)}</figcaption><pre class="text">${escapeHtml(run.sample)}</pre></figure>`;

function pictureSection(run: RunSummary, n: number): string {
  const figures = run.pictures.map(pictureFigure);
  return `<section>
<h2 class="key key-${n % 6}">${escapeHtml(run.name)}</h2>
<div class="pictures">
<figure class="card source"><pre>${escapeHtml(run.source.trim())}</pre></figure>
${figures.join('\n')}
</div>
</section>`;
}

function pictureFigure(picture: Picture): string {
  const { title, caption, image, low, high, rowName, columnName, rows, columns } = picture;
  const label = `${title}: ${rowName} down, ${columnName} across`;
  return `<figure class="card">
<h3>${escapeHtml(title)}</h3>
<div class="map"><span class="down">${escapeHtml(rowName)} 0 to ${rows - 1}</span><img src="${image}" alt="${escapeHtml(label)}"><span class="across">${escapeHtml(columnName)} 0 to ${columns - 1}</span></div>
<p class="scale"><span>${low.toPrecision(3)}</span><span class="ramp"></span><span>${high.toPrecision(3)}</span></p>
${caption === '' ? '' : `<figcaption>${escapeHtml(caption)}</figcaption>`}
</figure>`;
}
