// pegen demo from outside, with two steps: four encodings, the table of lengths, what they write, the page.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { inFolder, pegen } from './run.ts';

it('trains four encodings and says how far each reaches', () =>
  inFolder(async (folder) => {
    const { code, out, err } = await pegen(['demo', '--steps', '2', '--device', 'cpu', '--threads', '1'], {
      cwd: folder,
      env: { PEGEN_PRODUCTS: 'own' },
    });
    expect([code, err.includes('bug')]).toEqual([0, false]);
    const lines = out.split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    const rows = lines.filter((line) => /^(encoding|rope|carope|alibi|learned_absolute)  /.test(line));
    const cells = rows.map((row) => row.split(/  +/));
    expect(cells[0]).toEqual(['encoding', 'loss', 'at 64', 'at 128', 'at 256', 'tokens/s', 'adds']);
    expect(cells.slice(1).map(([name]) => name)).toEqual(['rope', 'carope', 'alibi', 'learned_absolute']);
    expect(cells[4]!.slice(3, 5)).toEqual(['64 rows', '64 rows']);
    for (const [, loss] of cells.slice(1)) expect(Number(loss)).toBeLessThan(4.7); // log of 98 characters, and less
    for (const name of ['rope', 'carope', 'alibi', 'learned_absolute']) expect(out).toContain(`${name} writes:\n`);
    const page = await readFile(join(folder, 'runs', 'demo', 'report.html'), 'utf8');
    expect(page).toContain('<title>rope, carope, alibi and learned_absolute</title>');
    expect(page.match(/table has 64 rows/g)).toHaveLength(2);
  }));
