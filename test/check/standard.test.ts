// The standard library: found from anywhere without a disk, and what is wrong with an import of it is said.

import { expect, test } from 'vitest';
import { standardFile, standardNames } from '../../src/check/standard.ts';
import { compile } from '../../src/compile.ts';
import { frontEnd } from '../../src/front-end.ts';
import { compileOptions } from '../../src/options.ts';
import { lineOf } from '../../src/source.ts';
import { say, sayText } from '../diagnostics/front.ts';

const resonance = `import "std/rope"
encoding resonance extends rope {
  let theta[p: pair] = 2 * pi / round(2 * pi / frequency(p, head_dim))
}
`;

test.each(standardNames)('%s has nothing wrong', (name) => {
  const { path, text } = standardFile(name)!;
  expect(say(new Map([[path, text]])).diagnostics).toEqual([]);
});

test('compile() needs nothing but the text, and knows the lines of the library', async () => {
  const source = { path: 'deep/below/resonance.pe', text: resonance };
  const { module, diagnostics, plan } = await compile(source);
  expect(diagnostics).toEqual([]);
  expect(module).not.toBeNull();
  const lines = plan!.attend.program.definitions.map(({ span }) => (span === null ? '' : lineOf(source, span)));
  expect(lines).toContain('rope.pe:4');
});

test('a file of the same name beside the importing one is another', () => {
  const local = { 'std/rope': 'encoding rope {\n}\n', 'std/rope.pe': 'encoding rope {\n}\n' };
  const { diagnostics, lowered } = frontEnd({ path: 'a.pe', text: resonance, imports: local }, compileOptions());
  expect(diagnostics).toEqual([]);
  expect(lowered!.attend.definitions.some(({ kind }) => kind === 'rotate')).toBe(true);
});

test('a library file that is not there', () => {
  const { diagnostics } = sayText('import "std/rop"\nencoding e {\n}\n');
  expect(diagnostics.map(({ code, message, hint }) => [code, message, hint])).toEqual([
    ['PE0801', 'the standard library has no "std/rop"', 'did you mean `std/rope`?'],
  ]);
});
