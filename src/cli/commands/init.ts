// pegen init: a small encoding to begin with. Never over a file that is there.

import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { usage } from '../failure.ts';

const starter = (
  name: string,
): string => `// Rotary positions with a learned frequency for every head and pair, starting where RoPE starts.
// Change a line, then: pegen check, pegen train.
encoding ${name} {
  param base = 10000

  learn theta[h: kv_head, p: pair] ~ base ^ (-2 * p / head_dim)

  let angle[t: token, h: kv_head, p: pair] = position[t] * theta[h, p]

  rotate query, key [t, h, p] by angle[t, h, p]

  expect orthogonal, causal
}
`;

export function addInit(command: Command): void {
  command
    .argument('[file]', 'the file to write', 'encoding.pe')
    .addHelpText(
      'after',
      `
Examples:
  $ pegen init
  $ pegen init mine.pe`,
    )
    .action(run);
}

async function run(file: string): Promise<void> {
  const path = file.endsWith('.pe') ? file : `${file}.pe`;
  const base = path.split(/[\\/]/).at(-1)!.slice(0, -'.pe'.length);
  const plain = base.replace(/[^A-Za-z0-9_]+/g, '_').replace(/^[^A-Za-z]+|_+$/g, '');
  try {
    await writeFile(path, starter(plain === '' ? 'mine' : plain), { flag: 'wx' });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EEXIST') throw usage(`${path} is there already`, 'give another name: pegen init OTHER.pe');
    if (code === 'ENOENT') throw usage(`there is no folder for ${path}`, 'make it first');
    throw error;
  }
  console.log(`wrote ${path}

Next:
  pegen check ${path}                     mistakes, laws, what is learned
  pegen explain ${path}                   stages and kernels
  pegen build ${path} --out out           the kernels, with TypeScript to call them
  pegen train ${path} --out runs/${plain}    a small GPT-2 with it
The language on a few pages: grammar/README.md in the package.`);
}
