// Generated encodings, well-typed by construction: each is compiled or refused in words, means the same after every pass
// and in every kernel, has gradients that are slopes, and is what `fmt` makes of it. `PEGEN_FUZZ=1000` looks longer.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { format } from '../../grammar/format.ts';
import { parse } from '../../grammar/index.ts';
import type { Program } from '../../src/ir/ir.ts';
import { printProgram } from '../../src/ir/print.ts';
import { verify } from '../../src/ir/verify.ts';
import { targetPlan } from '../../src/options.ts';
import { meaning } from '../grammar/programs.ts';
import { loadText } from '../lower/load.ts';
import { runWasm } from '../wasm/run-kernel.ts';
import { runs, tapes } from './arbitrary.ts';
import { encodingOf, shapeOf, shapes, type Shape } from './encodings.ts';
import { found } from './found.ts';
import {
  decodeAgrees,
  gradientsAreSlopes,
  kernelsAgree,
  rewritesKeepMeaning,
  passesKeepMeaning,
  withGradients,
} from './properties.ts';

function load(text: string, { geometry }: Shape = shapes[0]!): readonly Program[] {
  const { lowered, diagnostics } = loadText(text, 'examples/test.pe', { geometry });
  const errors = diagnostics.filter(({ severity }) => severity === 'error');
  expect(errors.map(({ code, message }) => `${code} ${message}`)).toEqual([]);
  for (const { span } of diagnostics) {
    expect(span.start).toBeGreaterThanOrEqual(0);
    expect(span.end).toBeGreaterThanOrEqual(span.start);
    expect(span.end).toBeLessThanOrEqual(text.length);
  }
  if (lowered === null) return [];
  return [lowered.attend, lowered.embed, lowered.input].filter((program) => program !== null);
}

const properties: readonly (readonly [string, number, (program: Program, shape: Shape) => void])[] = [
  ['passes keep the meaning', 1, (program, sizes) => passesKeepMeaning(program, sizes)],
  ['passes keep the meaning of gradients', 0.5, (program, sizes) => passesKeepMeaning(withGradients(program), sizes)],
  ['rewrites keep the meaning', 1, (program, sizes) => rewritesKeepMeaning(program, sizes)],
  ['gradients are slopes', 1, (program, sizes) => gradientsAreSlopes(program, sizes)],
  ['kernels for WebGPU', 0.4, (program, sizes) => kernelsAgree(program, sizes, { chunk: 4 }, { order: 'random' })],
  [
    'kernels for WebGPU, matrix products and more tokens',
    0.2,
    (program) =>
      kernelsAgree(
        program,
        { batch: 1, tokens: 9 },
        { chunk: 4, contract: 'always' },
        { order: 'reverse', profile: 'subgroups' },
      ),
  ],
  [
    'kernels for CUDA',
    0.2,
    (program, sizes) => kernelsAgree(program, sizes, targetPlan('cuda', 'f32'), { order: 'random' }),
  ],
  [
    'kernels for CPUs, as WebAssembly',
    0.3,
    (program, sizes) => kernelsAgree(program, sizes, targetPlan('wasm', 'f32'), { execute: runWasm }),
  ],
  ['decode, for WebGPU', 0.3, (program, { geometry }) => decodeAgrees(program, geometry, {})],
  [
    'decode, on a CPU',
    0.2,
    (program, { geometry }) => decodeAgrees(program, geometry, targetPlan('wasm', 'f32'), { execute: runWasm }),
  ],
];

/** An error names the encoding that it is about. */
function saying(text: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${text}`, { cause: error });
  }
}

it.each(properties)('%s', (_, share, holds) => {
  let compiled = 0;
  fc.assert(
    fc.property(tapes, (tape) => {
      const text = encodingOf(tape);
      const shape = shapeOf(tape);
      for (const program of load(text, shape)) {
        expect(verify(program)).toEqual([]);
        compiled++;
        saying(text, () => holds(program, shape));
      }
    }),
    { ...runs(share), endOnFailure: true },
  );
  expect(compiled).toBeGreaterThan(runs(share).numRuns / 2);
});

it('an encoding that extends a part of itself means what it says in one', () => {
  let split = 0;
  fc.assert(
    fc.property(tapes, (tape) => {
      const texts = [encodingOf(tape), encodingOf({ ...tape, inherited: [] })];
      const [parts, one] = texts.map((text) => load(text, shapeOf(tape))) as [Program[], Program[]];
      if (tape.inherited.length > 0) split++;
      expect(parts.map((program) => printProgram(program))).toEqual(one.map((program) => printProgram(program)));
    }),
    { ...runs(2), endOnFailure: true },
  );
  expect(split).toBeGreaterThan(0);
});

it('all of the language is generated', () => {
  const sample = fc.sample(tapes, { numRuns: 400, seed: runs().seed });
  const text = sample.map(encodingOf).join('');
  const kinds =
    'param axis given learn fixed draw let fn rotate transform transport when extends interleaved from training where length ' +
    'rank[ expm[ inverse[ softmax[ embedding[t x[t query key value visible score attention output loss xor popcount delta detach logsumexp';
  for (const kind of kinds.split(' ')) expect(text).toMatch(new RegExp(`\\b${kind.replace('[', '\\[')}`));
  expect(new Set(sample.map(shapeOf)).size).toBe(shapes.length);
  expect(text).toMatch(/extends parent_1/);
  expect(text).toMatch(/(sum|mean|prod|max|min|logsumexp)\[\w+: token, \w+: token/); // over pairs of tokens
  expect(text).toMatch(/f_\d+\((query|key|x|w_\d+),/); // a tensor's name is an argument
});

it('fmt keeps the tree, and formatting again changes nothing', () => {
  fc.assert(
    fc.property(tapes, (tape) => {
      const text = encodingOf(tape);
      const once = format(text);
      expect(once.diagnostics).toEqual([]);
      expect(format(once.text).text).toBe(once.text);
      expect(meaning(parse(once.text, 'a.pe').file)).toEqual(meaning(parse(text, 'a.pe').file));
    }),
    runs(2),
  );
});

it('encodings with statements out of order, doubled or cut short are answered with spans in the file', () => {
  const damage = fc.record({
    kind: fc.constantFrom('cut', 'double', 'swap', 'drop'),
    at: fc.nat(9999),
    to: fc.nat(9999),
  });
  fc.assert(
    fc.property(tapes, fc.array(damage, { minLength: 1, maxLength: 3 }), (tape, damages) => {
      const text = damages.reduce((before, { kind, at, to }) => {
        const pieces = before.split(/(\s+|[^\w\s])/u).filter((piece) => piece !== '');
        const [a, b] = [at % pieces.length, to % pieces.length];
        if (kind === 'drop') pieces.splice(a, 1);
        else if (kind === 'double') pieces.splice(a, 0, pieces[a]!);
        else if (kind === 'swap') [pieces[a], pieces[b]] = [pieces[b]!, pieces[a]!];
        else pieces.splice(a);
        return pieces.join('');
      }, encodingOf(tape));
      if (parse(text, 'examples/test.pe').diagnostics.length > 0) return;
      for (const { span } of loadText(text, 'examples/test.pe', shapes[0]).diagnostics) {
        expect(span.start).toBeGreaterThanOrEqual(0);
        expect(span.end).toBeLessThanOrEqual(text.length);
      }
    }),
    runs(3),
  );
});

it.each(Object.entries(found))('once wrong: %s', (_, text) => {
  const sizes = shapes[0]!;
  for (const program of load(text)) {
    passesKeepMeaning(program, sizes);
    rewritesKeepMeaning(program, sizes);
    gradientsAreSlopes(program, sizes);
    kernelsAgree(program, sizes, { chunk: 4 }, { order: 'random' });
    kernelsAgree(program, sizes, targetPlan('wasm', 'f32'), { execute: runWasm });
    decodeAgrees(program, sizes.geometry, {});
  }
});
