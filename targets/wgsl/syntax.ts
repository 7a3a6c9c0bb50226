// What WGSL spells in its own way: one row an operation; a missing row is a type error.

import { f32Text, i32Text } from '../../codegen/numbers.ts';
import type { KernelOp, ValueType } from '../../codegen/kernel.ts';
import type { Level, Spelling, Syntax } from '../print.ts';

const infix = (operator: string, level: Level): Spelling => ({ infix: operator, level });
const named =
  (name: string): Spelling =>
  (args) =>
    `${name}(${args.join(', ')})`;
const unsigned = (text: string): string => (/^[0-9]+$/.test(text) ? `${text}u` : `u32(${text})`);
const primary = (text: string): string => (/^[A-Za-z0-9_.]+$/.test(text) ? text : `(${text})`);

const operations: Readonly<Record<KernelOp, Spelling>> = {
  add: infix('+', 'sum'),
  subtract: infix('-', 'sum'),
  multiply: infix('*', 'product'),
  divide: infix('/', 'product'),
  negate: infix('-', 'product'),
  min: named('min'),
  max: named('max'),
  abs: named('abs'),
  quotient: infix('/', 'product'),
  remainder: infix('%', 'product'),
  floor: named('floor'),
  ceil: named('ceil'),
  round: named('round'),
  sqrt: named('sqrt'),
  exp: named('exp'),
  log: named('log'),
  less: infix('<', 'compare'),
  less_equal: infix('<=', 'compare'),
  equal: infix('==', 'compare'),
  not_equal: infix('!=', 'compare'),
  and: infix('&&', 'and'),
  or: infix('||', 'or'),
  not: infix('!', 'product'),
  select: ([condition, then, otherwise]) => `select(${otherwise}, ${then}, ${condition})`,
  xor: infix('^', 'bits'),
  shift_left: ([value, by]) => `(${primary(value!)} << ${unsigned(by!)})`,
  shift_right: ([value, by]) => `(${primary(value!)} >> ${unsigned(by!)})`,
  bit_and: infix('&', 'bits'),
  popcount: named('countOneBits'),
  to_f32: named('f32'),
  to_i32: named('i32'),
  bits_of: named('bitcast<i32>'),
  from_bits: named('bitcast<f32>'),
};

const subgroupOperations = { add: 'subgroupAdd', max: 'subgroupMax', min: 'subgroupMin' } as const;
const builtins = { workgroup: 'group', lane: 'lane', subgroup_size: 'subgroup_size', subgroup_lane: 'subgroup_lane' };

function literal(type: ValueType, value: number): string {
  switch (type) {
    case 'f32':
      return f32Text(value);
    case 'i32':
      return i32Text(value);
    case 'bool':
      return value ? 'true' : 'false';
    default:
      throw new Error(`a literal is one number, not ${type}`);
  }
}

export const syntax: Syntax = {
  spelling: ({ op }) => operations[op],
  literal,
  size: (name) => `sizes.${name}`,
  builtin: (kind) => builtins[kind],
  subgroup: (op, value) => `${subgroupOperations[op]}(${value})`,
  load: (buffer, index) => `${buffer}[${index}]`,
  store: (buffer, index, value) => `${buffer}[${index}] = ${value};`,
  declare: (kind, name, _type, value) => `${kind} ${name} = ${value};`,
  loop: (variable, from, to, step) =>
    `for (var ${variable} = ${from}; ${variable} < ${to}; ${variable} ${step === 1 ? '+= 1' : `+= ${step}`})`,
  unroll: null,
  barrier: 'workgroupBarrier();',
  elements: ({ kind, buffer, array, at, count }, index) =>
    Array.from({ length: count }, (_, n) => {
      const [inner, outer] = [`${array}[${at + n}]`, `${buffer}[${index} + ${n}]`];
      return kind === 'load-elements' ? `${inner} = ${outer};` : `${outer} = ${inner};`;
    }),
  function: (of, body, value) => [
    `fn ${of.name}(${of.parameters.map(({ name, type }) => `${name}: ${type}`).join(', ')}) -> ${of.result} {`,
    ...body,
    `  return ${value};`,
    '}',
  ],
};
