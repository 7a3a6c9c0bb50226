// The interval of one node from the intervals below it. `open` says that the upper end itself is not reached
// (uniform), so that floor(uniform(0, n)) is at most n - 1.

import type { Node } from './checked.ts';

export interface Interval {
  readonly low: number;
  readonly high: number;
  readonly open?: boolean;
}

const EVERYTHING: Interval = { low: -Infinity, high: Infinity };
const UNIT: Interval = { low: 0, high: 1 };
const SIGNED_UNIT: Interval = { low: -1, high: 1 };
const UP: Interval = { low: 0, high: Infinity };

const hull = (a: Interval, b: Interval): Interval => ({
  low: Math.min(a.low, b.low),
  high: Math.max(a.high, b.high),
});
const product = (a: number, b: number): number => (a === 0 || b === 0 ? 0 : a * b);

function multiply(a: Interval, b: Interval): Interval {
  const corners = [product(a.low, b.low), product(a.low, b.high), product(a.high, b.low), product(a.high, b.high)];
  return { low: Math.min(...corners), high: Math.max(...corners) };
}

/** A function that never falls, applied to both ends; an end without a value says nothing. */
function monotone(f: (value: number) => number, a: Interval): Interval {
  const [low, high] = [f(a.low), f(a.high)];
  return { low: Number.isNaN(low) ? -Infinity : low, high: Number.isNaN(high) ? Infinity : high };
}

function ofSize(size: number | 'tokens'): Interval {
  return size === 'tokens' ? UP : { low: 0, high: Math.max(0, size - 1) };
}

export function intervalOf(node: Node, below: (node: Node) => Interval): Interval {
  switch (node.kind) {
    case 'constant':
      return Number.isNaN(node.value) ? EVERYTHING : { low: node.value, high: node.value };
    case 'index':
      return ofSize(node.index.axis.size);
    case 'runtime':
      return node.name === 'length' ? { low: 1, high: Infinity } : UNIT;
    case 'read':
      switch (node.of.kind) {
        case 'let':
          return outside(below(node.of.value), node);
        case 'draw':
          return outside(below(node.of.initial), node);
        case 'position':
          return UP;
        default:
          return EVERYTHING;
      }
    case 'chain':
      return node.tensor === 'attention' && node.version === 0 ? UNIT : EVERYTHING;
    case 'reduce':
      return ofReduction(node, below(node.body));
    case 'map':
      if (node.op === 'softmax') return UNIT;
      return node.op === 'rank' ? ofSize(node.along[0]!.axis.size) : EVERYTHING;
    case 'call':
      return ofCall(node, node.args.map(below));
    default:
      return node satisfies never;
  }
}

/** Outside a tensor everything is 0: a read whose index is not plain may also give that. */
function outside(interval: Interval, node: Extract<Node, { kind: 'read' }>): Interval {
  const plain = node.items.every(
    (item, place) => item.kind === 'index' && item.index.axis.name === node.of.indices[place]?.axis.name,
  );
  return plain ? interval : hull(interval, { low: 0, high: 0 });
}

function ofReduction(node: Extract<Node, { kind: 'reduce' }>, body: Interval): Interval {
  const mayBeEmpty = node.where !== null;
  const count = node.over.reduce((all, { axis }) => all * (axis.size === 'tokens' ? Infinity : axis.size), 1);
  switch (node.op) {
    case 'sum': {
      const least = mayBeEmpty ? 0 : Number.isFinite(count) ? count : 1;
      return {
        low: Math.min(product(body.low, count), product(body.low, least)),
        high: Math.max(product(body.high, count), product(body.high, least)),
      };
    }
    case 'prod':
      return body.low >= 0 && body.high <= 1 ? UNIT : EVERYTHING;
    case 'mean':
    case 'max':
    case 'min':
      return mayBeEmpty ? hull(body, { low: 0, high: 0 }) : body;
    case 'logsumexp':
      return EVERYTHING;
    default:
      return node.op satisfies never;
  }
}

function ofCall(node: Extract<Node, { kind: 'call' }>, args: readonly Interval[]): Interval {
  const [a, b, c] = args as [Interval, Interval, Interval];
  switch (node.op) {
    case 'add':
      return { low: a.low + b.low, high: a.high + b.high, ...(a.open || b.open ? { open: true } : {}) };
    case 'subtract':
      return { low: a.low - b.high, high: a.high - b.low };
    case 'negate':
      return { low: -a.high, high: -a.low };
    case 'multiply':
      if (node.args[0] === node.args[1]) return multiply(a, b).low < 0 ? UP : multiply(a, b);
      return multiply(a, b);
    case 'divide':
      if (b.low > 0 || b.high < 0) return multiply(a, { low: 1 / b.high, high: 1 / b.low });
      return EVERYTHING;
    case 'power':
      return ofPower(node, a, b);
    case 'min':
      return { low: Math.min(a.low, b.low), high: Math.min(a.high, b.high) };
    case 'max':
      return { low: Math.max(a.low, b.low), high: Math.max(a.high, b.high) };
    case 'abs':
    case 'relu': {
      const most = node.op === 'abs' ? Math.max(Math.abs(a.low), Math.abs(a.high)) : Math.max(0, a.high);
      if (node.op === 'relu') return { low: Math.max(0, a.low), high: most };
      return { low: a.low > 0 ? a.low : a.high < 0 ? -a.high : 0, high: most };
    }
    case 'mod':
      if (b.low <= 0) return EVERYTHING;
      if (a.low >= 0 && a.high < b.low) return a;
      return node.type === 'integer' ? { low: 0, high: b.high - 1 } : { low: 0, high: b.high, open: true };
    case 'div':
      if (b.low !== b.high || b.low === 0) return EVERYTHING;
      return floored(multiply(a, { low: 1 / b.low, high: 1 / b.low }));
    case 'floor':
      return floored(a);
    case 'ceil':
      return monotone(Math.ceil, a);
    case 'round':
      return { low: Math.floor(a.low), high: Math.ceil(a.high) };
    case 'sign':
      return monotone(Math.sign, a);
    case 'xor':
      if (a.low < 0 || b.low < 0) return EVERYTHING;
      return { low: 0, high: 2 ** Math.ceil(Math.log2(Math.max(a.high, b.high) + 1)) - 1 };
    case 'popcount':
      return { low: 0, high: a.low >= 0 ? Math.min(32, Math.ceil(Math.log2(a.high + 1))) : 32 };
    case 'exp':
      return monotone(Math.exp, a);
    case 'expm1':
      return monotone(Math.expm1, a);
    case 'log':
      return monotone(Math.log, a);
    case 'log1p':
      return monotone(Math.log1p, a);
    case 'log2':
      return monotone(Math.log2, a);
    case 'sqrt':
      return monotone(Math.sqrt, { low: Math.max(0, a.low), high: a.high });
    case 'sin':
    case 'cos':
    case 'tanh':
    case 'erf':
      return SIGNED_UNIT;
    case 'atan2':
      return { low: -Math.PI, high: Math.PI };
    case 'sigmoid':
      return UNIT;
    case 'log_sigmoid':
      return { low: -Infinity, high: 0 };
    case 'softplus':
      return UP;
    case 'silu':
    case 'gelu':
      return { low: -0.3, high: Math.max(0, a.high) };
    case 'real':
    case 'detach':
      return a;
    case 'select':
      return hull(b, c);
    case 'uniform':
      return { low: a.low, high: b.high, open: true };
    case 'less':
    case 'less_equal':
    case 'equal':
    case 'not_equal':
    case 'and':
    case 'or':
    case 'not':
      return UNIT;
    case 'tan':
    case 'normal':
    case 'trunc_normal':
      return EVERYTHING;
    default:
      return node.op satisfies never;
  }
}

function floored(a: Interval): Interval {
  const high = Math.floor(a.high);
  return { low: Math.floor(a.low), high: a.open === true && high === a.high ? high - 1 : high };
}

function ofPower(node: Extract<Node, { kind: 'call' }>, a: Interval, b: Interval): Interval {
  const exponent = node.args[1]!;
  if (exponent.kind === 'constant' && exponent.value > 0) {
    if (exponent.value % 2 === 0) {
      const most = Math.max(Math.abs(a.low), Math.abs(a.high)) ** exponent.value;
      const least = a.low > 0 ? a.low ** exponent.value : a.high < 0 ? (-a.high) ** exponent.value : 0;
      return { low: least, high: most };
    }
    if (a.low >= 0 || exponent.value % 2 === 1) return monotone((value) => value ** exponent.value, a);
  }
  if (a.low < 0) return EVERYTHING;
  const corners = [a.low ** b.low, a.low ** b.high, a.high ** b.low, a.high ** b.high];
  if (corners.some(Number.isNaN)) return UP;
  return { low: Math.min(...corners), high: Math.max(...corners) };
}
