// How wide each i32 of a kernel must be: a body comes in, what C++ type its locals have and how its arithmetic is written
// goes out. Afterwards no sum or product of indices passes 2^31 in a wide build, where index_t has 64 bits, and no signed
// overflow is left undefined.
//
// The rule. Every value has an interval: literals, lanes and what is masked or divided are bounded; sizes and workgroups
// are not; what is loaded or made of bits is any i32, and is called data. A local whose interval is inside i32 is an `int`,
// else an `index_t`. Arithmetic whose result may leave i32 is
//   - 'wrap' on data, which wraps around as i32 does, unless it leads to the index of a buffer;
//   - 'promote' where every operand is an int: the first becomes an index_t;
//   - 'plain' otherwise.

import type { Expression, KernelFunction, Statement } from '../../codegen/kernel.ts';

export type IntegerType = 'int' | 'index_t';
export type Arithmetic = 'plain' | 'promote' | 'wrap';

export interface Integers {
  declared(name: string): IntegerType;
  /** Of an expression as it is printed. */
  typeOf(expression: Expression): IntegerType;
  /** Of an operation that gives an i32. */
  arithmetic(call: Call): Arithmetic;
}

type Call = Extract<Expression, { kind: 'call' }>;

interface Value {
  readonly low: number;
  readonly high: number;
  readonly data: boolean;
}

const [least, most] = [-(2 ** 31), 2 ** 31 - 1];
const anyData: Value = { low: least, high: most, data: true };
const unbounded: Value = { low: -Infinity, high: Infinity, data: false };
/** What is far inside i32 is no longer data, wherever it came from. */
const between = (low: number, high: number, data = false): Value => ({
  low,
  high,
  data: data && Math.max(-low, high) > 2 ** 30,
});
const fits = ({ low, high }: Value): boolean => low >= least && high <= most;

/** Operations through which an index is computed from others, with the arguments that are part of it. */
const indexParts: Readonly<Partial<Record<Call['op'], (args: readonly Expression[]) => readonly Expression[]>>> = {
  add: (args) => args,
  subtract: (args) => args,
  multiply: (args) => args,
  negate: (args) => args,
  min: (args) => args,
  max: (args) => args,
  abs: (args) => args,
  quotient: (args) => args,
  remainder: (args) => args,
  select: (args) => args.slice(1),
};

type Definition =
  | { readonly kind: 'values'; readonly of: Expression[] }
  | { readonly kind: 'loop'; readonly from: Expression; readonly to: Expression };

/** Of a kernel with that many lanes, or of a helper (whose parameters are any i32). */
export function integersOf(of: {
  readonly statements: readonly Statement[];
  readonly lanes: number;
  readonly value?: Expression;
}): Integers {
  const definitions = new Map<string, Definition>();
  const indices: Expression[] = [];
  collect(of.statements, definitions, indices);
  if (of.value !== undefined) within(of.value, indices);
  const { nodes, names } = addressed(definitions, indices);

  const values = new Map<string, Value | null>(); // null: being computed
  const memo = new Map<Expression, Value>();

  function ofLocal(name: string): Value {
    const known = values.get(name);
    if (known !== undefined) return known ?? unbounded;
    const definition = definitions.get(name);
    if (definition === undefined) return anyData; // a parameter
    values.set(name, null);
    const value = merged(definition);
    const settled = value.data && !fits(value) && !names.has(name) ? anyData : value;
    values.set(name, settled);
    memo.clear(); // what was computed while this one was unknown
    return settled;
  }

  function merged(definition: Definition): Value {
    if (definition.kind === 'values') return union(definition.of.map(valueOf));
    const [from, to] = [valueOf(definition.from), valueOf(definition.to)];
    return between(from.low, Math.max(from.low, to.high - 1), from.data || to.data);
  }

  function valueOf(expression: Expression): Value {
    if (expression.type !== 'i32') return anyData;
    const known = memo.get(expression);
    if (known !== undefined) return known;
    const value = compute(expression);
    memo.set(expression, value);
    return value;
  }

  function compute(expression: Expression): Value {
    switch (expression.kind) {
      case 'literal':
        return between(expression.value, expression.value);
      case 'local':
        return ofLocal(expression.name);
      case 'size':
      case 'workgroup':
        return between(0, Infinity);
      case 'lane':
        return between(0, of.lanes - 1);
      case 'subgroup_size':
        return between(32, 32);
      case 'subgroup_lane':
        return between(0, 31);
      case 'load':
      case 'shared':
      case 'element':
      case 'apply':
      case 'subgroup':
      case 'splat':
      case 'ramp':
      case 'extract':
      case 'across':
      case 'shuffle':
        return anyData;
      case 'call': {
        const value = rangeOf(expression, expression.args.map(valueOf));
        return arithmetic(expression, value) === 'wrap' ? anyData : value;
      }
      default:
        return expression satisfies never;
    }
  }

  function arithmetic(call: Call, value = rangeOf(call, call.args.map(valueOf))): Arithmetic {
    if (fits(value)) return 'plain';
    if (value.data && !nodes.has(call)) return 'wrap';
    return call.args.some((argument) => typeOf(argument) === 'index_t') ? 'plain' : 'promote';
  }

  const declared = (name: string): IntegerType => (fits(ofLocal(name)) ? 'int' : 'index_t');

  function typeOf(expression: Expression): IntegerType {
    switch (expression.kind) {
      case 'size':
      case 'workgroup':
        return 'index_t';
      case 'local':
        return expression.type === 'i32' ? declared(expression.name) : 'int';
      case 'call': {
        const parts = indexParts[expression.op]?.(expression.args) ?? bitParts(expression);
        const how = parts.length === 0 ? 'plain' : arithmetic(expression);
        if (how !== 'plain') return how === 'promote' ? 'index_t' : 'int';
        return parts.some((part) => part.type === 'i32' && typeOf(part) === 'index_t') ? 'index_t' : 'int';
      }
      default:
        return 'int';
    }
  }

  return { declared, typeOf, arithmetic };
}

export const integersOfHelper = (of: KernelFunction): Integers =>
  integersOf({ statements: of.body, lanes: 1, value: of.value });

const bitParts = ({ op, args }: Call): readonly Expression[] =>
  op === 'xor' || op === 'bit_and' ? args : op === 'shift_right' || op === 'shift_left' ? args.slice(0, 1) : [];

function union(values: readonly Value[]): Value {
  const low = Math.min(...values.map((value) => value.low));
  const high = Math.max(...values.map((value) => value.high));
  return between(
    low,
    high,
    values.some(({ data }) => data),
  );
}

/** The interval of the exact result. */
function rangeOf({ op, args }: Call, values: readonly Value[]): Value {
  const [a = unbounded, b = unbounded] = values;
  const data = values.some((value, index) => value.data && args[index]!.type === 'i32');
  const literal = args[1]?.kind === 'literal' ? args[1].value : null;
  switch (op) {
    case 'add':
      return between(a.low + b.low, a.high + b.high, data);
    case 'subtract':
      return between(a.low - b.high, a.high - b.low, data);
    case 'multiply': {
      const corners = [a.low, a.high].flatMap((m) => [b.low, b.high].map((n) => (m === 0 || n === 0 ? 0 : m * n)));
      return between(Math.min(...corners), Math.max(...corners), data);
    }
    case 'negate':
      return between(-a.high, -a.low, data);
    case 'min':
      return between(Math.min(a.low, b.low), Math.min(a.high, b.high), data);
    case 'max':
      return between(Math.max(a.low, b.low), Math.max(a.high, b.high), data);
    case 'abs':
      return between(a.low > 0 ? a.low : 0, Math.max(Math.abs(a.low), Math.abs(a.high)), data);
    case 'quotient': {
      const size = Math.max(Math.abs(a.low), Math.abs(a.high)) / (literal === null ? 1 : Math.abs(literal));
      return between(a.low >= 0 && b.low > 0 ? 0 : -Math.trunc(size), Math.trunc(size), data);
    }
    case 'remainder': {
      const largest = Math.max(Math.abs(a.low), Math.abs(a.high));
      const size = Math.min(largest, Math.max(Math.abs(b.low), Math.abs(b.high)) - 1);
      return between(a.low >= 0 ? 0 : -size, size, data);
    }
    case 'bit_and': {
      const masks = values.filter(({ low }) => low >= 0).map(({ high }) => high);
      const mask = Math.min(...masks);
      return masks.length === 0 ? (data ? anyData : unbounded) : between(0, mask, data);
    }
    case 'xor': {
      const bits = Math.max(a.high, b.high);
      if (a.low < 0 || b.low < 0) return data ? anyData : unbounded;
      return between(0, bits < most ? 2 ** Math.ceil(Math.log2(bits + 1)) - 1 : bits, data);
    }
    case 'shift_left': {
      const scale = literal === null ? Infinity : 2 ** literal;
      const by = (end: number): number => (end === 0 ? 0 : end * scale);
      return between(by(a.low), by(a.high), data);
    }
    case 'shift_right': {
      const by = (end: number): number => Math.floor(end / 2 ** (literal ?? 0));
      return between(Math.min(by(a.low), 0), Math.max(by(a.high), 0), data);
    }
    case 'popcount':
      return between(0, 32);
    case 'select':
      return union(values.slice(1));
    case 'to_i32':
      return args[0]!.type === 'bool' ? between(0, 1) : anyData;
    case 'bits_of':
      return anyData;
    default:
      return anyData; // no integer
  }
}

/** What defines each local, and every index into a buffer. */
function collect(statements: readonly Statement[], definitions: Map<string, Definition>, indices: Expression[]): void {
  for (const statement of statements) {
    switch (statement.kind) {
      case 'let':
      case 'var':
      case 'set': {
        const known = definitions.get(statement.name);
        if (known?.kind === 'values') known.of.push(statement.value);
        else definitions.set(statement.name, { kind: 'values', of: [statement.value] });
        within(statement.value, indices);
        break;
      }
      case 'store':
        indices.push(statement.index);
        within(statement.index, indices);
        within(statement.value, indices);
        break;
      case 'load-elements':
      case 'store-elements':
        indices.push(statement.index);
        within(statement.index, indices);
        break;
      case 'store-shared':
      case 'store-element':
        within(statement.index, indices);
        within(statement.value, indices);
        break;
      case 'for':
        definitions.set(statement.variable, { kind: 'loop', from: statement.from, to: statement.to });
        within(statement.from, indices);
        within(statement.to, indices);
        collect(statement.body, definitions, indices);
        break;
      case 'if':
        within(statement.condition, indices);
        collect(statement.then, definitions, indices);
        collect(statement.otherwise, definitions, indices);
        break;
      case 'barrier':
      case 'return':
      case 'comment':
        break;
      default:
        statement satisfies never;
    }
  }
}

/** Indices of loads inside an expression. */
function within(expression: Expression, indices: Expression[]): void {
  switch (expression.kind) {
    case 'load':
      indices.push(expression.index);
      within(expression.index, indices);
      break;
    case 'shared':
    case 'element':
      within(expression.index, indices);
      break;
    case 'subgroup':
      within(expression.value, indices);
      break;
    case 'call':
    case 'apply':
      for (const argument of expression.args) within(argument, indices);
      break;
    default:
  }
}

/** The expressions and locals that an index into a buffer is computed from. */
function addressed(
  definitions: ReadonlyMap<string, Definition>,
  indices: readonly Expression[],
): { readonly nodes: ReadonlySet<Expression>; readonly names: ReadonlySet<string> } {
  const nodes = new Set<Expression>();
  const names = new Set<string>();
  const visit = (expression: Expression): void => {
    if (nodes.has(expression)) return;
    nodes.add(expression);
    if (expression.kind === 'call') indexParts[expression.op]?.(expression.args).forEach(visit);
    if (expression.kind !== 'local' || names.has(expression.name)) return;
    names.add(expression.name);
    const definition = definitions.get(expression.name);
    if (definition?.kind === 'values') definition.of.forEach(visit);
    if (definition?.kind === 'loop') [definition.from, definition.to].forEach(visit);
  };
  indices.forEach(visit);
  return { nodes, names };
}
