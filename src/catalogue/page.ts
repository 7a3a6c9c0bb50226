// The catalogue -> examples/README.md and one picture an entry. Everything in them is read from the files or asked of the
// compiler.

import type { LawResult } from '../laws/laws.ts';
import { describe, type Description } from './describe.ts';
import { entries, families, firstChoice, type Entry } from './entries.ts';
import { packagesByEncoding } from './numbers.ts';
import { pictureOf } from './picture.ts';

const pictures = 'examples/pictures/catalogue';

interface Row {
  readonly entry: Entry;
  readonly description: Description | null;
  readonly packages: readonly string[];
}

export interface CatalogueFile {
  readonly path: string;
  readonly text: () => string;
}

/** The page and the pictures; nothing is compiled before a text is asked for, and each entry once. */
export function catalogueFiles(): readonly CatalogueFile[] {
  const all = [...firstChoice(), ...entries()];
  const known = new Map<string, Description | null>();
  const describeOnce = ({ path, source, header }: Entry): Description | null => {
    if (!known.has(path)) known.set(path, describe(source, typeof header !== 'string' && header.bidirectional));
    return known.get(path)!;
  };
  const rows = (): readonly Row[] => {
    const packages = packagesByEncoding();
    return all.map((entry) => ({
      entry,
      description: describeOnce(entry),
      packages: packages.get(entry.name) ?? [],
    }));
  };
  return [
    { path: 'examples/README.md', text: () => page(rows()) },
    ...all.map((entry) => ({
      path: `${pictures}/${entry.name}.svg`,
      text: () => {
        const description = describeOnce(entry);
        if (description === null) throw new Error(`${entry.path} does not compile`);
        return pictureOf(description.lowered);
      },
    })),
  ];
}

function page(rows: readonly Row[]): string {
  const sections = [...new Set(rows.map(({ entry }) => entry.family))].map((family) =>
    section(
      family,
      rows.filter(({ entry }) => entry.family === family),
    ),
  );
  return `<!-- Generated from examples by \`npm run generate\`. Do not edit. -->

# Encodings

The files beside this page are a first choice, each used throughout the documentation. The catalogue below them has
${rows.filter(({ entry }) => entry.path.includes('/catalogue/')).length} more, by family. Each file states formula, source and claims; what this page says of stages, learned numbers and laws is the
compiler's answer (${note}).

- **stages**: when what it defines is computed: \`static\`, \`table\` (once the positions are known), \`step\` (once an optimizer
  step), \`token\` (from x), \`apply\` (from queries and keys), \`pair\` (for two tokens at once). \`pegen explain FILE\` has it line by line.
- **learns**: how many numbers, in all layers.
- **laws**: ✓ proved from the program, ~ tested with random float64 inputs, ? not decided by these.
- **held against**: packages whose own code gave the numbers, outputs and gradients, that this file reproduces in float64 within 1e-9
  (\`test/fixtures/outside\`: what was called, and how). Every file is held to what
  its paper claims besides (\`test/catalogue\`); CARoPE, ComRoPE and others of no package to the paper's formula in PyTorch (\`test/fixtures/vectors\`).
- The picture has on its left the cosine of the phases (token down, pair across), or what joins the embedding, or else the score
  of equal queries and keys (query down, key across); on its right that score over the distance, a line a head.

${sections.join('\n')}`;
}

const note = '2 layers, 4 heads of 16 features, width 64, context 64, initial values';

function section(family: string, rows: readonly Row[]): string {
  const heading = '| encoding | year | formula | class | stages | learns | laws | held against | picture |';
  return [
    `## ${family[0]!.toUpperCase()}${family.slice(1)}\n`,
    `${families[family] ?? 'Used throughout the documentation, and run by every suite of tests.'}\n`,
    heading,
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows.map(line),
    '',
  ].join('\n');
}

const lawMarks: Readonly<Record<LawResult['kind'], string>> = { proved: '✓', tested: '~', undecided: '?', false: '✗' };

function line({ entry, description, packages }: Row): string {
  const { header, name, path } = entry;
  if (typeof header === 'string') throw new Error(`${path}: ${header}`);
  if (description === null) throw new Error(`${path} does not compile`);
  const { classes, stages, learned, laws } = description;
  const cells = [
    `[${name}](${path.replace('examples/', '')})<br>${header.title} (${header.source})`,
    header.year,
    `\`${header.formula}\``,
    [classes.join(', ') || 'none', ...(header.bidirectional ? ['(bidirectional model)'] : [])].join('<br>'),
    stages.map((stage) => `\`${stage}\``).join(' '),
    learned === 0 ? 'nothing' : String(learned),
    laws.map(({ text, kind }) => `${text} ${lawMarks[kind]}`).join('<br>'),
    packages.join('<br>'),
    `![${name}](pictures/catalogue/${name}.svg)`,
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}
