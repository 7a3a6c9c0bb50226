// The binary format: a module byte for byte as the specification says, numbers of every length, labels, locals, calls; and what
// cannot be encoded is refused.

import { describe, expect, it } from 'vitest';
import { get, number, op, type Action, type Value, type WasmFunction } from '../../targets/wasm/ast.ts';
import { encodeModule } from '../../targets/wasm/encode.ts';

const functionOf = (given: Partial<WasmFunction>): WasmFunction => ({
  name: 'run',
  exported: true,
  parameters: [],
  locals: [],
  body: [],
  result: null,
  ...given,
});

/** What the first function gives for these arguments. */
function call(functions: readonly WasmFunction[], ...args: readonly number[]): number {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
  const module = new WebAssembly.Module(encodeModule({ functions }));
  const run = new WebAssembly.Instance(module, { env: { memory } }).exports['run'] as (...all: number[]) => number;
  return run(...args);
}

it('one function, byte by byte', () => {
  const sum = functionOf({
    parameters: [
      { name: 'a', type: 'i32' },
      { name: 'b', type: 'f32' },
    ],
    locals: [
      { name: 'c', type: 'i32' },
      { name: 'd', type: 'i32' },
      { name: 'e', type: 'v128' },
    ],
    body: [
      { kind: 'set', name: 'e', value: op('i32x4.abs', op('i32x4.splat', get('a'))) },
      { kind: 'store', op: 'f32.store', address: get('a'), offset: 200, value: get('b') },
    ],
    result: { type: 'i32', value: op('i32.add', get('d'), number(-65)) },
  });
  // prettier-ignore
  expect([...encodeModule({ functions: [sum] })]).toEqual([
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00,
    // types: (i32, f32) -> i32
    0x01, 0x07, 0x01, 0x60, 0x02, 0x7f, 0x7d, 0x01, 0x7f,
    // import: env.memory, shared, 1 to 65536 pages
    0x02, 0x12, 0x01, 0x03, 0x65, 0x6e, 0x76, 0x06, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 0x02, 0x03, 0x01, 0x80, 0x80, 0x04,
    // function 0 has type 0; it is exported as run
    0x03, 0x02, 0x01, 0x00,
    0x07, 0x07, 0x01, 0x03, 0x72, 0x75, 0x6e, 0x00, 0x00,
    // code: two locals of i32 and one of v128
    0x0a, 0x1f, 0x01, 0x1d, 0x02, 0x02, 0x7f, 0x01, 0x7b,
    0x20, 0x00, 0xfd, 0x11, 0xfd, 0xa0, 0x01, 0x21, 0x04, // e = abs(splat(a))
    0x20, 0x00, 0x20, 0x01, 0x38, 0x02, 0xc8, 0x01, // store b at a + 200, aligned to four bytes
    0x20, 0x03, 0x41, 0xbf, 0x7f, 0x6a, 0x0b, // d + -65
    // names of functions
    0x00, 0x0d, 0x04, 0x6e, 0x61, 0x6d, 0x65, 0x01, 0x06, 0x01, 0x00, 0x03, 0x72, 0x75, 0x6e,
  ]);
});

describe('numbers', () => {
  const edges = [0, 1, -1, 63, 64, -64, -65, 127, 128, 8191, 8192, -8192, -8193, 2 ** 27, 2 ** 31 - 1, -(2 ** 31)];
  it.each(edges)('the integer %i', (value) => {
    expect(call([functionOf({ result: { type: 'i32', value: number(value) } })])).toBe(value);
  });
  it.each([0, -0, 1.5, 2 ** -149, -3.4028234663852886e38, Infinity, NaN])('the real %f', (value) => {
    expect(call([functionOf({ result: { type: 'f32', value: { kind: 'f32', value } } })])).toBe(value);
  });
  it.each([0, 4, 124, 128, 16380, 16384, 65532])('the offset %i', (offset) => {
    const stored: Action = { kind: 'store', op: 'i32.store', address: number(0), offset, value: number(77) };
    const loaded: Value = { kind: 'load', op: 'i32.load', address: number(offset), offset: 0 };
    expect(call([functionOf({ body: [stored], result: { type: 'i32', value: loaded } })])).toBe(77);
  });
  it('a module whose parts are longer than a byte says', () => {
    const locals = Array.from({ length: 300 }, (_, n) => ({ name: `l${n}`, type: n % 2 ? 'f32' : 'i32' }) as const);
    const body = locals
      .filter(({ type }) => type === 'i32')
      .map(({ name }, n) => ({ kind: 'set', name, value: number(n) }) as const);
    expect(call([functionOf({ locals, body, result: { type: 'i32', value: get('l298') } })])).toBe(149);
  });
});

describe('control', () => {
  const set = (name: string, value: Value): Action => ({ kind: 'set', name, value });
  const increase = (name: string): Action => set(name, op('i32.add', get(name), number(1)));
  const locals = [{ name: 'n', type: 'i32' }] as const;
  const parameters = [{ name: 'p', type: 'i32' }] as const;

  it('a branch finds its label through what stands between', () => {
    const leave: Action = {
      kind: 'if',
      condition: op('i32.le_s', get('p'), get('n')),
      yes: [{ kind: 'branch', label: 'all', condition: null }],
      no: [],
    };
    const body: readonly Action[] = [
      {
        kind: 'block',
        label: 'all',
        body: [
          {
            kind: 'loop',
            label: 'again',
            body: [leave, increase('n'), { kind: 'branch', label: 'again', condition: null }],
          },
        ],
      },
    ];
    const count = functionOf({ parameters, locals, body, result: { type: 'i32', value: get('n') } });
    expect([0, 1, 5].map((p) => call([count], p))).toEqual([0, 1, 5]);
  });
  it('the inner of two labels of one name', () => {
    const loop: Action = {
      kind: 'loop',
      label: 'x',
      body: [increase('n'), { kind: 'branch', label: 'x', condition: op('i32.lt_s', get('n'), get('p')) }],
    };
    const count = functionOf({
      parameters,
      locals,
      body: [{ kind: 'block', label: 'x', body: [loop] }],
      result: { type: 'i32', value: get('n') },
    });
    expect(call([count], 4)).toBe(4);
  });
  it('either side, and a choice of values', () => {
    const body: readonly Action[] = [
      { kind: 'if', condition: get('p'), yes: [set('n', number(3))], no: [set('n', number(5))] },
    ];
    const value: Value = {
      kind: 'choose',
      type: 'i32',
      condition: get('p'),
      yes: get('n'),
      no: op('i32.mul', get('n'), number(10)),
    };
    const either = functionOf({ parameters, locals, body, result: { type: 'i32', value } });
    expect([call([either], 1), call([either], 0)]).toEqual([3, 50]);
  });
  it('a call of another function, of another type', () => {
    const half = functionOf({
      name: 'half',
      exported: false,
      parameters: [{ name: 'x', type: 'f32' }],
      result: { type: 'f32', value: op('f32.mul', get('x'), { kind: 'f32', value: 0.5 }) },
    });
    const value = op('i32.trunc_sat_f32_s', { kind: 'call', name: 'half', args: [op('f32.convert_i32_s', get('p'))] });
    expect(call([functionOf({ parameters, result: { type: 'i32', value } }), half], 9)).toBe(4);
  });
  it('is refused where a name is not there, or there twice', () => {
    const refused = (given: Partial<WasmFunction>) => () => encodeModule({ functions: [functionOf(given)] });
    expect(refused({ body: [set('m', number(1))] })).toThrow('m is not declared');
    expect(refused({ body: [{ kind: 'branch', label: 'out', condition: null }] })).toThrow('no label out');
    expect(refused({ parameters, locals: parameters })).toThrow('two locals have one name');
    expect(refused({ result: { type: 'i32', value: { kind: 'call', name: 'gone', args: [] } } })).toThrow(
      'gone is not declared',
    );
  });
});
