// `tables` of generated modules against the interpreter: every operation, every rule, rows of all kinds of storage.

import { describe, expect, test } from 'vitest';
import { printModule } from '../../codegen/glue/module.ts';
import type { BufferPlan, Plan } from '../../codegen/plan/plan.ts';
import { extentSize, runtimeSize } from '../../codegen/plan/size.ts';
import { interpret } from '../../src/interpret/interpret.ts';
import * as ir from '../../src/ir/build.ts';
import type { Axis, Definition, Program, Scalar, Tensor } from '../../src/ir/ir.ts';
import { signatures } from '../../src/ir/ops.ts';
import type { OpName } from '../../src/ir/ops.ts';
import { loadModule } from '../../src/load-module.ts';
import { exampleInfo } from './plan.ts';

type Rows = BufferPlan['rows'];

/** A plan whose definitions are all of the host, each a table. */
function hostPlan(inputs: readonly Tensor[], definitions: readonly Definition[], rows: Rows = 'window'): Plan {
  const results = new Map(definitions.map(({ tensor }) => [tensor.name, tensor]));
  const program = ir.program({ name: 'host', inputs, definitions, results });
  const stored = ({ extent }: Axis) =>
    extent === 'tokens' && rows === 'history' ? runtimeSize('capacity') : extentSize(extent);
  return {
    name: 'host',
    program,
    gradients: null,
    slots: new Map(),
    learned: [],
    host: definitions,
    tables: definitions.map((definition) => ({
      slot: 'table',
      definition,
      buffer: {
        name: definition.tensor.name,
        tensor: definition.tensor,
        shape: definition.tensor.axes.map(stored),
        type: 'f32',
        rows,
        comment: definition.tensor.name,
      },
    })),
    seen: [],
    narrow: new Set(),
    kernels: [],
    entries: [{ name: 'forward', inputs: [], outputs: [], temporaries: [], launches: [] }],
  };
}

const load = async (plan: Plan) => loadModule(await printModule([plan], exampleInfo()));

const tokens = 6;
const whole = { batch: 1, tokens, keys: tokens, first: 0, capacity: tokens };
const someReal = [-2.5, -1, -0.3, 0.5, 1, 3.5];
const someInteger = [-5, -2, 0, 1, 3, 7];
const token = (name = 't'): Axis => ir.axis(name, 'tokens', 'token');

async function expectSame(program: Program, plan: Plan, given: Record<string, readonly number[]>): Promise<void> {
  const module = await load(plan);
  const got = module.tables(whole, given);
  const wanted = interpret(program, { batch: 1, tokens }, given);
  for (const { buffer } of plan.tables) {
    const expected = Float32Array.from(wanted.get(buffer.name)!);
    const positive = (values: Float32Array | Int32Array) => [...values].map((value) => value + 0); // no -0
    expect(positive(got[buffer.name]!), buffer.name).toEqual(positive(expected));
  }
}

describe('operations', () => {
  const random = new Set<OpName>(['normal', 'trunc_normal', 'uniform']);
  const names = (Object.keys(signatures) as OpName[]).filter((op) => !random.has(op));
  test('have the meaning that the interpreter gives them', async () => {
    const a = ir.given('a', [token()], 'user');
    const b = ir.given('b', [token()], 'user');
    const m = ir.given('m', [token()], 'user', 'integer');
    const n = ir.given('n', [token()], 'user', 'integer');
    const definitions = names.flatMap((op) => {
      const [types] = signatures[op];
      const wholeOnly = (types as readonly string[]).includes('integer');
      return (wholeOnly ? [true] : [false, true]).map((integers) => {
        const t = token();
        const sources = integers ? [m, n, n] : [a, b, b];
        const args = types.map((type, k): Scalar => {
          const value = ir.read(sources[k]!, [ir.at(t)]);
          return type === 'boolean' ? ir.call('less', value, ir.integer(1)) : value;
        });
        const value = ir.call(op, ...args);
        const body = value.type === 'boolean' ? ir.call('select', value, ir.integer(1), ir.integer(0)) : value;
        return ir.map(ir.defined(`${op}_of_${integers ? 'integers' : 'reals'}`, [t]), body);
      });
    });
    const plan = hostPlan([a, b, m, n], definitions);
    const given = { a: someReal, b: someReal.toReversed(), m: someInteger, n: someInteger.map((x) => (x % 4) + 5) };
    await expectSame(plan.program, plan, given);
    expect(definitions.length).toBeGreaterThan(60);
  });

  test('in nested expressions keep their order', async () => {
    const { at, call, integer } = ir;
    const t = token();
    const u = at(t);
    const three = integer(3);
    const trees: Scalar[] = [
      call('subtract', u, call('subtract', three, u)),
      call('subtract', call('subtract', u, three), u),
      call('divide', u, call('divide', three, call('add', u, three))),
      call('multiply', call('add', u, three), call('negate', call('negate', u))),
      call('negate', call('subtract', three, u)),
      call('xor', call('add', u, integer(1)), call('multiply', u, three)),
      call(
        'select',
        call(
          'or',
          call('and', call('less', u, three), call('not', call('equal', u, integer(1)))),
          call('equal', u, integer(5)),
        ),
        call('select', call('less', u, integer(2)), integer(-1), u),
        integer(-7),
      ),
      call('add', call('select', call('less', u, three), integer(1), integer(2)), u),
      call('power', call('subtract', u, three), integer(2)),
      call('subtract', u, integer(-3)),
    ];
    const definitions = trees.map((tree, n) => {
      const own = token();
      return ir.map(ir.defined(`tree_${n}`, [own], tree.type), swap(tree, t, own));
    });
    const plan = hostPlan([], definitions);
    await expectSame(plan.program, plan, {});
  });
});

/** The same scalar over another axis. */
function swap(scalar: Scalar, from: Axis, to: Axis): Scalar {
  if (scalar.kind === 'axis' && scalar.axis === from) return ir.at(to);
  if (scalar.kind === 'call') return ir.call(scalar.op, ...scalar.args.map((arg) => swap(arg, from, to)));
  return scalar;
}

/** One definition of every rule, over given tensors. */
function rules(): { inputs: Tensor[]; definitions: Definition[] } {
  const { at, call, integer, read, real } = ir;
  const side = () => [ir.axis('r', 3), ir.axis('c', 3)] as const;
  const a = ir.given('a', [token()], 'user');
  const matrix = ir.given('matrix', [token(), ...side()], 'user');
  const t = token();
  const shifted = ir.defined('shifted', [t]);
  const [ta, tb, tc, td, te, tf, tg, th, ti] = 'abcdefghi'.split('').map((n) => token(`t${n}`)) as [
    Axis,
    ...Axis[],
  ] as Axis[] as [Axis, Axis, Axis, Axis, Axis, Axis, Axis, Axis, Axis];
  const s = ir.axis('s', 'keys', 'key-token');
  const total = ir.defined('total', [ta]);
  const [r1, c1] = side();
  const product = ir.defined('product', [tb]);
  const best = ir.defined('best', [tc], 'integer');
  const sum = ir.defined('running', [td]);
  const back = ir.defined('back', [te]);
  const r2 = ir.axis('r', 3);
  const weights = ir.defined('weights', [tf, r2]);
  const [r3, c3] = side();
  const power = ir.defined('power', [tg, r3, c3]);
  const [r4, c4] = side();
  const back_again = ir.defined('back_again', [ti, r4, c4]);
  const bins = ir.axis('bin', 4);
  const counts = ir.defined('counts', [bins]);
  const u = ir.axis('u', 6);
  const f = ir.axis('f', 3);
  const turned = ir.defined('turned', [th, ir.axis('r', 3), f]);
  return {
    inputs: [a, matrix],
    definitions: [
      ir.map(
        shifted,
        call('add', read(a, [call('subtract', at(t), integer(1))], 0), read(a, [call('add', at(t), integer(1))], 7)),
      ),
      ir.reduce('sum', total, [s], call('select', call('less_equal', at(s), at(ta)), read(shifted, [at(s)]), real(0))),
      ir.reduce('prod', product, [r1, c1], read(matrix, [at(tb), at(r1), at(c1)])),
      ir.reduce(
        'argmax',
        best,
        [ir.axis('r', 3)].map((axis) => axis),
        real(1),
      ),
      ir.scan(sum, { along: td, factor: real(0.5), term: read(a, [at(td)]), initial: 1 }),
      ir.scan(back, {
        along: te,
        reverse: true,
        exclusive: true,
        factor: read(a, [at(te)]),
        term: read(shifted, [at(te)]),
        initial: 0,
      }),
      ir.softmax(weights, r2, call('less', at(r2), at(tf)), read(matrix, [at(tf), at(r2), integer(1)])),
      ir.expm(power, matrix),
      ir.inverse(back_again, power),
      ir.scatter(counts, [u], [call('mod', at(u), integer(4))], call('real', at(u))),
      ir.rotate(turned, { input: matrix, phase: read(a, [at(th)]), pair: ir.axis('p', 1), from: 1 }),
    ],
  };
}

describe('rules', () => {
  const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => Math.sin(3 * n + 1));
  const given = { a: numbers(tokens), matrix: numbers(tokens * 9) };

  test('of every kind agree with the interpreter', async () => {
    const { inputs, definitions } = rules();
    const plan = hostPlan(inputs, definitions);
    expect(new Set(definitions.map(({ kind }) => kind)).size).toBe(7);
    const module = await load(plan);
    const got = module.tables(whole, given);
    const wanted = interpret(plan.program, { batch: 1, tokens }, given);
    for (const { tensor } of definitions) {
      const expected = wanted.get(tensor.name)!;
      expect(got[tensor.name]!.length, tensor.name).toBe(expected.length);
      expected.forEach((value, n) => expect(got[tensor.name]![n], `${tensor.name}[${n}]`).toBeCloseTo(value, 5));
    }
  });

  test.each(['window', 'history'] as const)('rows stored as %s are those of the whole sequence', async (rows) => {
    const { inputs, definitions } = rules();
    const overTokens = definitions.filter(
      ({ tensor, kind }) => tensor.axes[0]?.extent === 'tokens' && !(kind === 'scan' && tensor.name === 'back'),
    );
    const needed = definitions.filter((each) => overTokens.includes(each));
    const plan = hostPlan(inputs, needed, rows);
    const module = await load(plan);
    const all = module.tables({ ...whole, capacity: 9 }, given);
    const [first, capacity] = [4, 9];
    const last = module.tables({ batch: 1, tokens: tokens - first, keys: tokens, first, capacity }, given);
    for (const { tensor } of needed) {
      const width = all[tensor.name]!.length / (rows === 'window' ? tokens : capacity);
      const from = rows === 'window' ? first * width : 0;
      expect([...last[tensor.name]!], tensor.name).toEqual([...all[tensor.name]!.subarray(from)]);
    }
  });

  test('a given tensor that is missing or short is named', async () => {
    const { inputs, definitions } = rules();
    const module = await load(hostPlan(inputs, definitions));
    expect(() => module.tables(whole, { a: given.a })).toThrow('given.matrix must have 54 numbers, not 0');
    expect(() => module.tables(whole, { ...given, a: [1] })).toThrow('given.a must have 6 numbers, not 1');
  });
});
