// A scalar of the tensor IR -> a JavaScript expression in float64. Booleans are JavaScript booleans in expressions and
// 0 or 1 in arrays. A value used twice is bound to a `const` in front of the statement.

import type { Axis, Scalar, Tensor } from '../../src/ir/ir.ts';
import { numberLiteral } from './literals.ts';
import type { HelperName } from './helpers.ts';
import { precedence, spellings } from './spellings.ts';
import type { RandomOp } from './spellings.ts';

/** Where expressions stand: names of axes, how tensors are read, what was used. */
export interface Scope {
  readonly axes: ReadonlyMap<Axis, string>;
  /** The element of a tensor at an index, as text, and the condition under which it exists (null: always). */
  element(tensor: Tensor, index: readonly string[]): { readonly text: string; readonly exists: string };
  size(name: 'batch' | 'tokens' | 'keys' | 'first'): string;
  helper(name: HelperName): string;
  /** A draw of the element at hand; only where initial values are made. */
  random(op: RandomOp, call: Scalar, args: readonly string[], axes: ReadonlyMap<Axis, string>): string;
  /** A fresh local name. */
  local(wanted: string): string;
}

interface Text {
  readonly text: string;
  readonly strength: number;
}

const primary = (text: string): Text => ({ text, strength: precedence.primary });
const within = (value: Text, strength: number): string => (value.strength < strength ? `(${value.text})` : value.text);

/** Lines of bindings to put in front, and the expressions. Each scalar of `roots` is printed once. */
export function printScalars(roots: readonly Scalar[], scope: Scope): { bindings: string[]; texts: string[] } {
  const uses = new Map<Scalar, number>();
  roots.forEach((root) => count(root, uses));
  const bindings: string[] = [];
  const bound = new Map<Scalar, Text>();

  const print = (scalar: Scalar): Text => {
    const known = bound.get(scalar);
    if (known !== undefined) return known;
    const text = printOnce(scalar, print, scope);
    if ((uses.get(scalar) ?? 0) < 2 || (scalar.kind !== 'call' && scalar.kind !== 'read')) return text;
    const name = scope.local(scalar.kind === 'read' ? scalar.tensor.name : scalar.op);
    bindings.push(`const ${name} = ${text.text};`);
    bound.set(scalar, primary(name));
    return primary(name);
  };
  return { texts: roots.map((root) => print(root).text), bindings };
}

/** How often a scalar stands in the text. */
function count(scalar: Scalar, uses: Map<Scalar, number>): void {
  const before = uses.get(scalar) ?? 0;
  uses.set(scalar, before + 1);
  if (before > 0) return;
  if (scalar.kind === 'call') scalar.args.forEach((arg) => count(arg, uses));
  if (scalar.kind === 'read') scalar.index.forEach((index) => count(index, uses));
}

function printOnce(scalar: Scalar, print: (scalar: Scalar) => Text, scope: Scope): Text {
  switch (scalar.kind) {
    case 'constant':
      if (scalar.type === 'boolean') return primary(scalar.value === 0 ? 'false' : 'true');
      return { text: numberLiteral(scalar.value), strength: scalar.value < 0 ? precedence.unary : precedence.primary };
    case 'size':
      return primary(scope.size(scalar.size));
    case 'axis': {
      const name = scope.axes.get(scalar.axis);
      if (name === undefined) throw new Error(`axis ${scalar.axis.name} is not bound here`);
      return primary(name);
    }
    case 'read':
      return printRead(scalar, print, scope);
    case 'call':
      return printCall(scalar, print, scope);
    default:
      return scalar satisfies never;
  }
}

function printRead(read: Scalar & { kind: 'read' }, print: (scalar: Scalar) => Text, scope: Scope): Text {
  const index = read.index.map((each) => within(print(each), precedence.unary));
  const { text, exists } = scope.element(read.tensor, index);
  const value = read.type === 'boolean' ? { text: `${text} !== 0`, strength: precedence.equality } : primary(text);
  if (read.outside === null) return value;
  const outside = read.type === 'boolean' ? String(read.outside !== 0) : numberLiteral(read.outside);
  if (exists === '') return value;
  return { text: `${exists} ? ${value.text} : ${outside}`, strength: precedence.conditional };
}

function printCall(call: Scalar & { kind: 'call' }, print: (scalar: Scalar) => Text, scope: Scope): Text {
  const args = call.args.map(print);
  const [a, b, c] = args as [Text, Text, Text];
  if (call.op === 'normal' || call.op === 'trunc_normal' || call.op === 'uniform')
    return primary(
      scope.random(
        call.op,
        call,
        args.map((arg) => arg.text),
        scope.axes,
      ),
    );
  const spelling = spellings[call.op];
  switch (spelling.kind) {
    case 'infix': {
      const own = precedence[spelling.strength];
      const right = within(b, spelling.associative ? own : own + 1);
      return { text: `${within(a, own)} ${spelling.operator} ${right}`, strength: own };
    }
    case 'prefix':
      return { text: `${spelling.operator}${within(a, precedence.primary)}`, strength: precedence.unary };
    case 'argument':
      return a;
    case 'conditional':
      return {
        text: `${within(a, precedence.conditional + 1)} ? ${within(b, precedence.conditional)} : ${within(c, precedence.conditional)}`,
        strength: precedence.conditional,
      };
    case 'function':
      return primary(`${spelling.name}(${args.map((arg) => arg.text).join(', ')})`);
    case 'helper':
      return primary(`${scope.helper(spelling.name)}(${args.map((arg) => arg.text).join(', ')})`);
    default:
      return spelling satisfies never;
  }
}

/** The same scalar for an array: 0 or 1 for a condition. */
export function stored(scalar: Scalar, text: string): string {
  return scalar.type === 'boolean' ? `${text} ? 1 : 0` : text;
}
