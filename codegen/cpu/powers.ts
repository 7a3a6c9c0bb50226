// Powers of one number by the points along an axis: b^p for p = 0, 1, ... are made by repeated products, four at a time, into
// private memory, instead of an exponential and a logarithm each. The error grows by about one rounding a factor, as that of
// b itself does in its powers.

import type { Axis, Scalar, Tensor } from '../../src/ir/ir.ts';
import { integer } from '../../src/ir/scalar.ts';
import { axesOf, readsOf, substitute, visit } from '../../src/ir/visit.ts';
import { f32, i32, local, loop, multiply, shuffle, splat, storeElement } from '../kernel-build.ts';
import type { Expression } from '../kernel.ts';
import type { Point } from '../point.ts';
import { scalarsOfRoot, type Root } from '../plan/nest.ts';
import { numberSize } from '../plan/size.ts';
import type { Scope } from '../simt/scope.ts';
import { setTo } from '../simt/variable.ts';

/** scalar = base^(first + p) at the points p of `along`. */
interface Power {
  readonly scalar: Scalar;
  readonly base: Scalar;
  readonly first: number;
  readonly along: Axis;
}

/** Fewer are no vectors; more lose too many bits. */
const fewest = 4;
const most = 256;

/** The powers in a root along one of its axes, of what is known before the points are walked. */
export function powersOf(root: Root, along: Axis, unknown: ReadonlySet<Tensor> = new Set()): readonly Power[] {
  const { extent } = along;
  if (typeof extent !== 'number' || extent < fewest || extent > most) return [];
  const found: Power[] = [];
  visit(scalarsOfRoot(root), (scalar) => {
    if (scalar.kind !== 'call' || scalar.op !== 'power') return;
    const [base, exponent] = scalar.args as [Scalar, Scalar];
    const first = startOf(exponent, along);
    if (first === null || axesOf(base).has(along)) return;
    if (!readsOf(base).some(({ tensor }) => unknown.has(tensor))) found.push({ scalar, base, first, along });
  });
  return found;
}

/** c of c + p; null: another exponent. */
function startOf(exponent: Scalar, along: Axis): number | null {
  if (exponent.type !== 'integer') return null;
  const [zero, one] = [0, 1].map((p) => substitute(exponent, new Map([[along, integer(p)]])));
  if (zero?.kind !== 'constant' || one?.kind !== 'constant' || one.value !== zero.value + 1) return null;
  return isSum(exponent) ? zero.value : null;
}

const isSum = (s: Scalar): boolean =>
  s.kind === 'axis' ||
  s.kind === 'constant' ||
  (s.kind === 'call' && (s.op === 'add' || s.op === 'subtract') && s.args.every(isSum));

/** Reserves memory, or registers for a few vectors; what it gives fills them at a point of all other axes, after which reads find them. */
export function openPowers(scope: Scope, powers: readonly Power[]): (row: Point) => void {
  const arrays = powers.map(({ along }) => {
    const vectors = Math.ceil((along.extent as number) / 4);
    const isShort = vectors <= writtenOut;
    const array = isShort
      ? scope.array('powers', 'f32', 4 * vectors)
      : scope.scratch('powers', 'f32', numberSize(4 * vectors));
    return { array, vectors };
  });
  return (row) => {
    powers.forEach((power, n) => {
      const { array, vectors } = arrays[n]!;
      fill(scope, row, power, array, vectors);
      scope.held.set(power.scalar, { array, along: power.along });
    });
  };
}

/** So many vectors are written out. */
const writtenOut = 16;

function fill(scope: Scope, row: Point, { base, first }: Power, array: string, vectors: number): void {
  const once = scope.bind('base', row.real(base));
  const start = scope.bind('start', scope.expand('power', [once, i32(first)]));
  const square = scope.bind('square', multiply(once, once));
  // (start, start b, start b^2, start b^3)
  const pair = shuffle(splat(start), splat(multiply(start, once)), [0, 4, 0, 4]);
  const four = multiply(pair, shuffle(splat(f32(1)), splat(square), [0, 1, 4, 5]));
  const fourth = scope.bind('fourth', multiply(square, square));
  if (vectors > writtenOut) return multiplied(scope, array, four, splat(fourth), vectors);
  // Vector n from that a power of two before it: few products follow each other.
  const made = [scope.bind('power', four)];
  let factor = fourth;
  for (let n = 1; n < vectors; n += 1) {
    const before = 2 ** Math.floor(Math.log2(n));
    if (n > 1 && before === n) factor = scope.bind('further', multiply(factor, factor));
    made.push(scope.bind('power', multiply(made[n - before]!, splat(factor))));
  }
  scope.emit(...made.map((power, n) => storeElement(array, i32(4 * n), power)));
}

function multiplied(scope: Scope, array: string, first: Expression, by: Expression, vectors: number): void {
  const power = scope.variable('power', first);
  const next = scope.bind('next', by);
  const name = scope.fresh('vector');
  const at = multiply(local(name, 'i32'), i32(4));
  const body = [storeElement(array, at, power), setTo(power, multiply(power, next))];
  scope.emit(loop(name, i32(0), i32(vectors), body));
}
