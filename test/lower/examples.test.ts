// Every example lowers, for one key head a query head and for shared ones, to programs that hold the invariants of the
// IR, forward and with gradients; the text of each program is kept beside the tests.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { printProgram } from '../../src/ir/print.ts';
import { verify } from '../../src/ir/verify.ts';
import { withGradients } from '../../src/verify/run.ts';
import { loadFile, root, small } from './load.ts';

const names = readdirSync(join(root, 'examples'))
  .filter((file) => file.endsWith('.pe'))
  .map((file) => file.replace('.pe', ''));

describe.each(names)('%s', (name) => {
  it.each([4, 2, 1])('lowers with %i key heads', (kv_heads) => {
    const { lowered, diagnostics } = loadFile(`examples/${name}.pe`, { geometry: { ...small, kv_heads } });
    expect(diagnostics).toEqual([]);
    const { attend, embed } = lowered!;
    expect(verify(attend)).toEqual([]);
    expect(
      verify(
        withGradients(
          attend,
          attend.inputs.map((input) => input.name),
        ).program,
      ),
    ).toEqual([]);
    for (const result of ['output', 'score', 'attention', 'query_encoded', 'key_encoded']) {
      expect(attend.results.has(result)).toBe(true);
    }
    if (embed !== null) {
      expect(verify(embed)).toEqual([]);
      expect(embed.results.has('embedding_encoded')).toBe(true);
    }
  });

  it('is this program', async () => {
    const { attend, embed } = loadFile(`examples/${name}.pe`).lowered!;
    const text = [attend, embed].flatMap((program) => (program === null ? [] : [printProgram(program)])).join('\n');
    await expect(text).toMatchFileSnapshot(`../fixtures/lower/${name}.txt`);
  });
});
