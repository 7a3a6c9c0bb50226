// Each rule of the verifier on a program that breaks it and nothing else; and the constructors, which refuse to build one.

import { describe, expect, it } from 'vitest';
import {
  at,
  axis,
  call,
  defined,
  given,
  integer,
  map,
  program,
  read,
  readAt,
  real,
  reduce,
  rotate,
  scan,
  softmax,
  triangular,
} from '../../src/ir/build.ts';
import type { Definition, Program, Scalar } from '../../src/ir/ir.ts';
import { bounded, finite, ordered, scoped, shaped, traced, typed, verify, wellFounded } from '../../src/ir/verify.ts';
import type { Rule } from '../../src/ir/verify.ts';

const t = axis('t', 'tokens', 'token');
const d = axis('d', 4, 'feature');
const x = given('x', [axis('t', 'tokens', 'token'), axis('d', 4, 'feature')], 'x');
const y = defined('y', [t, d]);
const cotangent = given('d_z', x.axes, 'cotangent');
const fine = map(y, call('multiply', readAt(x, [t, d]), real(2)));

const other = axis('s', 'keys', 'key-token');
const system = triangular(y, { along: t, other, factor: read(x, [at(other), at(d)]), term: readAt(x, [t, d]) });

const wrongProgram = (definitions: readonly Definition[], more: Partial<Program> = {}): Program => ({
  name: 'wrong',
  inputs: [x],
  definitions,
  sites: [],
  results: new Map(),
  ...more,
});
const withBody = (body: Scalar): Definition => ({ ...fine, kind: 'map', body }) as Definition;

const broken: readonly [string, Rule, Program, RegExp][] = [
  ['a name that occurs twice', ordered, wrongProgram([fine, fine]), /two tensors are called 'y'/],
  ['an order that is not topological', ordered, wrongProgram([fine], { inputs: [] }), /reads 'x' before/],
  ['a result made nowhere', ordered, wrongProgram([], { results: new Map([['y', y]]) }), /made nowhere/],
  [
    'a name that is no identifier',
    ordered,
    wrongProgram([{ ...fine, tensor: { ...y, name: 'a b' } }]),
    /not an identifier/,
  ],
  ['an axis out of scope', scoped, wrongProgram([withBody(call('real', at(axis('z', 3))))]), /uses axis 'z'/],
  [
    'an axis twice',
    scoped,
    wrongProgram([{ ...fine, tensor: { ...y, axes: [t, t] } }] as Definition[]),
    /over an axis twice/,
  ],
  [
    'a rank that is wrong',
    typed,
    wrongProgram([withBody({ kind: 'read', type: 'real', tensor: x, index: [at(t)], outside: null })]),
    /read at 1 of 2/,
  ],
  [
    'an operation that does not fit',
    typed,
    wrongProgram([withBody({ kind: 'call', type: 'real', op: 'and', args: [real(1), real(1)] })]),
    /is real, not boolean/,
  ],
  ['a body of another type', typed, wrongProgram([withBody(at(t))]), /its rule makes integer/],
  [
    'an index that may run out',
    bounded,
    wrongProgram([withBody(read(x, [call('add', at(t), integer(1)), at(d)]))]),
    /not proved inside/,
  ],
  [
    'a reduction over an axis it keeps',
    shaped,
    wrongProgram([{ ...reduce('sum', y, [axis('k', 2)], real(1)), over: [d] } as Definition]),
    /reduces over an axis that it keeps/,
  ],
  [
    'a scan along a foreign axis',
    shaped,
    wrongProgram([{ ...scan(y, { along: t }), along: axis('z', 'tokens') } as Definition]),
    /scans along an axis/,
  ],
  [
    'a factor that cannot be shifted',
    shaped,
    wrongProgram([scan(y, { along: t, factor: call('exp', readAt(x, [t, d])) })]),
    /neither a constant nor a plain read/,
  ],
  [
    'a system whose factor cannot be transposed',
    shaped,
    wrongProgram([triangular(y, { along: t, other, factor: real(1), term: real(0) })]),
    /is no plain read/,
  ],
  [
    'a system that begins at a row of its own',
    shaped,
    wrongProgram([{ ...system, from: at(t) } as Definition]),
    /begins at a step of its own/,
  ],
  [
    'a system whose factors run over what it keeps',
    shaped,
    wrongProgram([{ ...system, other: d } as Definition]),
    /is over the axis of its other steps/,
  ],
  [
    'a softmax over a foreign axis',
    shaped,
    wrongProgram([{ ...softmax(y, d, call('less', at(t), integer(3)), real(0)), over: axis('z', 4) } as Definition]),
    /softmax over an axis/,
  ],
  ['a tensor that reads itself', wellFounded, wrongProgram([withBody(readAt(y, [t, d]))]), /reads itself/],
  [
    'a constant that is not finite',
    finite,
    wrongProgram([withBody({ kind: 'constant', type: 'real', value: Infinity })]),
    /not finite/,
  ],
  [
    'a gradient of nothing',
    traced,
    wrongProgram([map(y, readAt(cotangent, [t, d]))], { inputs: [cotangent] }),
    /gradient of no definition/,
  ],
];

describe('verify', () => {
  it.each(broken)('finds %s', (_, rule, p, message) => {
    const found = rule(p);
    expect(found.join('; ')).toMatch(message);
    expect(verify(p)).toEqual(expect.arrayContaining(found));
  });

  it('has nothing to say of a good program', () => {
    expect(verify(program({ name: 'good', inputs: [x], definitions: [fine], results: { y } }))).toEqual([]);
  });

  it('knows the conditions of a select, a softmax and a modulus', () => {
    const previous = read(x, [call('subtract', at(t), integer(1)), at(d)]);
    const guarded = withBody(call('select', call('less', integer(0), at(t)), previous, real(0)));
    expect(bounded(wrongProgram([guarded]))).toEqual([]);
    const other = withBody(call('select', call('less', integer(0), at(t)), real(0), previous));
    expect(bounded(wrongProgram([other]))).not.toEqual([]);
    const wrapped = read(x, [at(t), call('mod', call('add', at(d), integer(3)), integer(4))]);
    expect(bounded(wrongProgram([withBody(wrapped)]))).toEqual([]);
  });
});

describe('constructors', () => {
  it.each<[string, () => unknown, RegExp]>([
    ['a foreign axis', () => map(defined('z', [t]), call('real', at(d))), /uses axis 'd'/],
    ['a read of the wrong rank', () => read(x, [at(t)]), /has 2 axes and is read at 1/],
    ['an index that is no integer', () => read(x, [real(0), at(d)]), /not an integer/],
    ['an axis without points', () => axis('none', 0), /extent 0/],
    ['a reduction over nothing', () => reduce('sum', defined('z', [t]), [], real(1)), /no axis/],
    ['a boolean body of a real tensor', () => map(defined('z', [t]), call('less', at(t), integer(1))), /is boolean/],
    ['a scan along a foreign axis', () => scan(defined('z', [t]), { along: d }), /scans along 'd'/],
    [
      'pairs that do not fit',
      () => rotate(defined('z', [t, d]), { input: x, phase: real(1), pair: axis('p', 2), from: 1 }),
      /do not fit 4 features/,
    ],
    [
      'a program that reads what is not there',
      () => program({ name: 'p', inputs: [], definitions: [fine], results: {} }),
      /not made before/,
    ],
    [
      'two tensors of one name',
      () => program({ name: 'p', inputs: [x, given('x', [], 'scalar')], definitions: [], results: {} }),
      /called 'x'/,
    ],
  ])('refuse %s', (_, build, message) => expect(build).toThrow(message));
});
