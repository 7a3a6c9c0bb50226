// A program as text to read: one definition a line, `name[axes] = rule`, with precedence and short names for axes that
// are told apart by a prime where two of a definition have the same name.

import type { Axis, Definition, Program, Scalar, Tensor } from './ir.ts';
import type { OpName } from './signatures.ts';
import { domainOf } from './visit.ts';

const infix: Partial<Record<OpName, readonly [symbol: string, level: number]>> = {
  or: ['or', 1],
  and: ['and', 2],
  less: ['<', 4],
  less_equal: ['<=', 4],
  equal: ['==', 4],
  not_equal: ['!=', 4],
  add: ['+', 5],
  subtract: ['-', 5],
  multiply: ['*', 6],
  divide: ['/', 6],
  div: ['div', 6],
  mod: ['mod', 6],
};

type AxisNames = (axis: Axis) => string;

/** A scalar as text. */
export function printScalar(s: Scalar, axisName: AxisNames = (axis) => axis.name, level = 0): string {
  const inner = (a: Scalar, at = 0): string => printScalar(a, axisName, at);
  switch (s.kind) {
    case 'constant':
      return s.type === 'boolean' ? (s.value === 1 ? 'true' : 'false') : `${s.value}`;
    case 'size':
      return s.size;
    case 'axis':
      return axisName(s.axis);
    case 'read': {
      const outside = s.outside === null ? '' : ` else ${s.outside}`;
      return `${s.tensor.name}[${s.index.map((a) => inner(a)).join(', ')}${outside}]`;
    }
    case 'call': {
      const [a, b, c] = s.args;
      const wrap = (text: string, own: number): string => (own < level ? `(${text})` : text);
      if (s.op === 'real') return inner(a!, level);
      if (s.op === 'negate') return wrap(`-${inner(a!, 7)}`, 6);
      if (s.op === 'not') return wrap(`not ${inner(a!, 3)}`, 3);
      if (s.op === 'select') return wrap(`if ${inner(a!)} then ${inner(b!)} else ${inner(c!)}`, 0.5);
      if (s.op === 'power') return wrap(`${inner(a!, 9)} ^ ${inner(b!, 8)}`, 8);
      const known = infix[s.op];
      if (known === undefined) return `${s.op}(${s.args.map((arg) => inner(arg)).join(', ')})`;
      const [symbol, own] = known;
      return wrap(`${inner(a!, own)} ${symbol} ${inner(b!, own + 0.5)}`, own);
    }
    default:
      return s satisfies never;
  }
}

function axisNamesOf(d: Definition): AxisNames {
  const names = new Map<Axis, string>();
  const taken = new Set<string>();
  for (const axis of [...d.tensor.axes, ...domainOf(d)]) {
    if (names.has(axis)) continue;
    let name = axis.name;
    while (taken.has(name)) name += "'";
    taken.add(name);
    names.set(axis, name);
  }
  return (axis) => names.get(axis) ?? `${axis.name}?`;
}

const printAxes = (axes: readonly Axis[], name: AxisNames): string =>
  axes.map((axis) => `${name(axis)}: ${axis.extent}`).join(', ');

function printRule(d: Definition, name: AxisNames): string {
  const scalar = (s: Scalar): string => printScalar(s, name);
  switch (d.kind) {
    case 'map':
      return scalar(d.body);
    case 'reduce':
      return `${d.op}[${printAxes(d.over, name)}](${scalar(d.body)})`;
    case 'scan': {
      const options = [d.reverse ? ' reverse' : '', d.exclusive ? ' exclusive' : '', ` from ${d.initial}`].join('');
      return `scan[${name(d.along)}${options}](${scalar(d.factor)} * h + ${scalar(d.term)})`;
    }
    case 'triangular': {
      const steps = `${name(d.other)} ${d.reverse ? '>' : '<'} ${name(d.along)}`;
      const sum = `sum[${steps}](${scalar(d.factor)} * h[${name(d.other)}])`;
      return `triangular[${name(d.along)} from ${scalar(d.from)}](${scalar(d.term)} + ${sum})`;
    }
    case 'scatter':
      return `scatter[${printAxes(d.over, name)}]([${d.index.map(scalar).join(', ')}] += ${scalar(d.body)})`;
    case 'softmax':
      return `softmax[${name(d.over)} where ${scalar(d.where)}](${scalar(d.body)})`;
    case 'rotate': {
      const from = d.from === 0 ? '' : ` from ${d.from}`;
      const sign = d.sign === 1 ? '' : '-';
      return `rotate[${name(d.pair)}: ${d.pair.extent} ${d.layout}${from}](${d.input.name} by ${sign}(${scalar(d.phase)}))`;
    }
    case 'matrix':
      return `${d.function}(${d.input.name}${d.cotangent === null ? '' : `, adjoint of ${d.cotangent.name}`})`;
    default:
      return d satisfies never;
  }
}

export function printDefinition(d: Definition): string {
  const name = axisNamesOf(d);
  return `${d.tensor.name}[${printAxes(d.tensor.axes, name)}] = ${printRule(d, name)}`;
}

const printTensor = ({ name, axes, type }: Tensor): string =>
  `${name}[${printAxes(axes, (axis) => axis.name)}]${type === 'real' ? '' : `: ${type}`}`;

export function printProgram(program: Program): string {
  const results = [...program.results].map(([name, made]) => (name === made.name ? name : `${name} = ${made.name}`));
  return [
    `program ${program.name}`,
    ...program.inputs.map((input) => `input ${printTensor(input)}`),
    ...program.definitions.map(printDefinition),
    `results ${results.join(', ')}`,
    '',
  ].join('\n');
}
