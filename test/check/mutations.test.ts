// Programs with tokens deleted, doubled, swapped or replaced: the checker never throws, says something about what it
// refuses, and every span lies inside its file.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { say } from '../diagnostics/front.ts';
import { list, load, programs } from './load.ts';

const TOKENS = /\/\/.*|\s+|[A-Za-z_]\w*|\d+(?:\.\d+)?|<=|>=|==|!=|\+=|\*=|./g;
const files = list(programs).map((name) => load(programs + name));
const split = (text: string): readonly string[] => text.match(TOKENS) ?? [];
const vocabulary = [...new Set(files.flatMap((sources) => split([...sources.values()][0]!)))].filter(
  (token) => token.trim() !== '',
);

const mutation = fc.record({
  kind: fc.constantFrom('delete', 'double', 'swap', 'replace', 'rename'),
  at: fc.nat(100_000),
  other: fc.nat(100_000),
});
type Mutation = Parameters<Parameters<typeof mutation.map>[0]>[0];

function mutate(tokens: readonly string[], { kind, at, other }: Mutation): readonly string[] {
  const solid = tokens.flatMap((token, place) => (token.trim() === '' || token.startsWith('//') ? [] : [place]));
  if (solid.length === 0) return tokens;
  const [a, b] = [solid[at % solid.length]!, solid[other % solid.length]!];
  const out: string[] = [...tokens];
  switch (kind) {
    case 'delete':
      out.splice(a, 1);
      return out;
    case 'double':
      out.splice(a, 0, `${tokens[a]} `);
      return out;
    case 'swap':
      [out[a], out[b]] = [tokens[b]!, tokens[a]!];
      return out;
    case 'replace':
      out[a] = vocabulary[other % vocabulary.length]!;
      return out;
    case 'rename': // every occurrence of one name becomes another
      return /^[A-Za-z_]/.test(tokens[a]!) ? out.map((token) => (token === tokens[a] ? tokens[b]! : token)) : out;
    default:
      return kind satisfies never;
  }
}

test('mutated programs are answered, never thrown at', () => {
  let refused = 0;
  let passed = 0;
  fc.assert(
    fc.property(fc.nat(files.length - 1), fc.array(mutation, { minLength: 1, maxLength: 3 }), (which, mutations) => {
      const [[path, text], ...imports] = [...files[which]!] as [[string, string], ...[string, string][]];
      const sources = new Map([[path, mutations.reduce(mutate, split(text)).join('')], ...imports]);
      const { diagnostics, checked } = say(sources, { kv_heads: 8 }, false);
      const errors = diagnostics.filter(({ severity }) => severity === 'error');
      expect(checked === null).toBe(
        errors.some(({ code }) => !code.startsWith('PE01')) || (checked === null && errors.length > 0),
      );
      if (checked === null) refused++;
      else passed++;
      for (const { span, labels } of diagnostics)
        for (const one of [span, ...(labels ?? []).map((label) => label.span)]) {
          const length = sources.get(one.file)?.length ?? -1;
          expect(
            one.start >= 0 && one.start <= one.end && one.end <= length,
            `${one.file} ${one.start}-${one.end}`,
          ).toBe(true);
        }
    }),
    { numRuns: 250, seed: 20250101 },
  );
  expect(refused).toBeGreaterThan(50);
  expect(passed).toBeGreaterThan(5);
});
