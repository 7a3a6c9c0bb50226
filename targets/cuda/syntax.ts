// What CUDA C++ spells in its own way: the bindings and integers of one kernel (or helper) come in, its spellings go out.
// Arithmetic of f32 is the language's own, in its accurate forms; that of i32 wraps or widens as integers.ts says.

import type { Binding, Expression, KernelOp, ValueType } from '../../codegen/kernel.ts';
import { f32Text, i32Text } from '../../codegen/numbers.ts';
import type { Call, Level, Spelling, Syntax } from '../print.ts';
import type { Integers } from './integers.ts';

export const typeNames: Readonly<Partial<Record<ValueType, string>>> = { f32: 'float', i32: 'int', bool: 'bool' };

const infix = (operator: string, level: Level): Spelling => ({ infix: operator, level });
const named =
  (name: string): Spelling =>
  (args) =>
    `${name}(${args.map(bare).join(', ')})`;

/** A negative number alone needs no parentheses. */
const bare = (text: string): string => text.replace(/^\((-[\w.]+)\)$/, '$1');

const reals: Readonly<Record<KernelOp, Spelling>> = {
  add: infix('+', 'sum'),
  subtract: infix('-', 'sum'),
  multiply: infix('*', 'product'),
  divide: infix('/', 'product'),
  negate: infix('-', 'product'),
  min: named('fminf'),
  max: named('fmaxf'),
  abs: named('fabsf'),
  quotient: infix('/', 'product'),
  remainder: infix('%', 'product'),
  floor: named('floorf'),
  ceil: named('ceilf'),
  round: named('rintf'),
  sqrt: named('sqrtf'),
  exp: named('expf'),
  log: named('logf'),
  less: infix('<', 'compare'),
  less_equal: infix('<=', 'compare'),
  equal: infix('==', 'compare'),
  not_equal: infix('!=', 'compare'),
  and: infix('&&', 'and'),
  or: infix('||', 'or'),
  not: infix('!', 'product'),
  select: 'choice',
  xor: infix('^', 'bits'),
  shift_left: infix('<<', 'bits'),
  shift_right: infix('>>', 'bits'),
  bit_and: infix('&', 'bits'),
  popcount: named('__popc'),
  to_f32: named('float'),
  to_i32: named('int'),
  bits_of: named('__float_as_int'),
  from_bits: named('__int_as_float'),
};

/** Of i32, where it differs. */
const integers: Readonly<Partial<Record<KernelOp, Spelling>>> = {
  min: named('least'),
  max: named('greatest'),
  abs: named('magnitude'),
};

/** Of i32 that wraps around. */
const wrapping: Readonly<Partial<Record<KernelOp, Spelling>>> = {
  add: named('wrapping_add'),
  subtract: named('wrapping_subtract'),
  multiply: named('wrapping_multiply'),
  negate: named('wrapping_negate'),
  abs: named('magnitude'),
  shift_left: named('wrapping_shift_left'),
};

function literal(type: ValueType, value: number): string {
  switch (type) {
    case 'f32':
      return f32Text(value).replace(/\)?$/, (end) => `f${end}`);
    case 'i32':
      return i32Text(value);
    case 'bool':
      return value ? 'true' : 'false';
    default:
      throw new Error(`a literal is one number, not ${type}`);
  }
}

function spelling(call: Call, of: Integers): Spelling {
  const { op, type, args } = call;
  if (op === 'not') return opposite(args[0]!) ?? reals[op];
  if (op === 'select' && type === 'i32' && of.typeOf(args[1]!) !== of.typeOf(args[2]!)) return choiceOf(args, of);
  if (args[0]!.type !== 'i32' || type !== 'i32') return reals[op];
  const how = of.arithmetic(call);
  // C++17 shifts no negative number to the left, and no bits out.
  if ((how === 'wrap' || op === 'shift_left') && wrapping[op] !== undefined) return wrapping[op];
  const plain = integers[op] ?? reals[op];
  if (op === 'min' || op === 'max') return alike(plain, args, of, how === 'promote');
  if (typeof plain !== 'object') return plain;
  return { ...plain, ...(how === 'promote' ? { first: 'index_t' } : {}), ...(op === 'add' ? difference(args) : {}) };
}

/** A choice has one type, which must not be the narrower one. */
const choiceOf =
  (args: readonly Expression[], of: Integers): Spelling =>
  ([condition, ...branches]) => {
    const [then, otherwise] = branches.map((text, at) =>
      of.typeOf(args[at + 1]!) === 'int' ? `index_t(${text})` : text,
    );
    return `(${condition} ? ${then} : ${otherwise})`;
  };

/** Of integers, !(a < b) reads as a >= b. */
function opposite(condition: Expression): Spelling | null {
  if (condition.kind !== 'call' || condition.args[0]!.type !== 'i32') return null;
  const { op, args } = condition;
  if (op === 'less') return { infix: '>=', level: 'compare', args };
  return op === 'less_equal' ? { infix: '>', level: 'compare', args } : null;
}

/** x + (-1) reads as x - 1. */
function difference([a, b]: readonly Expression[]): { infix: string; args: readonly Expression[] } | null {
  if (b?.kind !== 'literal' || b.value >= 0 || b.value === -(2 ** 31)) return null;
  return { infix: '-', args: [a!, { ...b, value: -b.value }] };
}

/** Overloads take arguments of one type. */
function alike(plain: Spelling, args: readonly Expression[], of: Integers, promote: boolean): Spelling {
  const types = args.map(of.typeOf);
  if (typeof plain !== 'function' || (!promote && types[0] === types[1])) return plain;
  return (texts, valueTypes) =>
    plain(
      texts.map((text, index) => (types[index] === 'int' ? `index_t(${text})` : text)),
      valueTypes,
    );
}

const bound = (text: string): string => (/[?&^|<>=]/.test(text) ? `(${text})` : text);

const builtins = { workgroup: 'group', lane: 'lane', subgroup_size: '32', subgroup_lane: 'subgroup_lane' };

export function syntaxOf(bindings: readonly Binding[], of: Integers): Syntax {
  const narrow = new Set(bindings.filter(({ type }) => type === 'bf16').map(({ name }) => name));
  return {
    spelling: (call) => spelling(call, of),
    literal,
    size: (name) => `sizes.${name}`,
    builtin: (kind) => builtins[kind],
    subgroup: (op, value, { type }) => `warp_${op}(${type === 'i32' ? `int(${value})` : value})`,
    load: (buffer, index) => (narrow.has(buffer) ? `widen(${buffer}[${index}])` : `${buffer}[${index}]`),
    store: (buffer, index, value) =>
      `${buffer}[${index}] = ${narrow.has(buffer) ? `narrow(${bare(value)})` : bare(value)};`,
    declare: (kind, name, type, value) =>
      `${kind === 'let' ? 'const ' : ''}${type === 'i32' ? of.declared(name) : typeNames[type]} ${name} = ${value};`,
    loop: (variable, from, to, step) =>
      `for (${of.declared(variable)} ${variable} = ${from}; ${variable} < ${bound(to)}; ${variable} += ${step})`,
    unroll: '#pragma unroll',
    barrier: '__syncthreads();',
    elements: ({ kind, buffer, array, at, count }, index) => {
      const held = `&${array}[${at}]`;
      const there = `&${buffer}[${index}]`;
      return kind === 'load-elements' ? [`load_${count}(${held}, ${there});`] : [`store_${count}(${there}, ${held});`];
    },
    function: (helper, body, value) => [
      `#ifndef PEGEN_${helper.name.toUpperCase()}`,
      `#define PEGEN_${helper.name.toUpperCase()}`,
      `inline __device__ ${typeNames[helper.result]} ${helper.name}(${helper.parameters
        .map(({ name, type }) => `${typeNames[type]} ${name}`)
        .join(', ')}) {`,
      ...body,
      `  return ${value};`,
      '}',
      '#endif',
    ],
  };
}
