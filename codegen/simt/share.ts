// Binds what a kernel computes twice. Statements with expression trees come in; the same statements come out, where a
// pure expression used twice in a block, or used in a loop that does not change it, is a `let` before its first use.
// A load (and, where it may trap, a division) is never moved out of a branch or loop that may not run, and nothing moves
// across a change of what it reads.

import type { Binding, Expression, Statement, ValueType } from '../kernel.ts';
import { componentOf, isVector } from '../kernel-ops.ts';
import { inside } from '../map-expressions.ts';
import { childrenOf, eachRoot, isPlain, rewriteStatement } from './walk-kernel.ts';

interface Node {
  readonly id: number;
  readonly expression: Expression;
  readonly children: readonly Node[];
  readonly locals: ReadonlySet<string>;
  /** Must not be done where it was not: a load, or a division that may trap. */
  readonly guarded: boolean;
  /** Reads something that may change: shared or private arrays, a buffer the kernel writes, other lanes. */
  readonly volatile: boolean;
  readonly trivial: boolean;
}

type Intern = (expression: Expression) => Node;

const none: ReadonlySet<string> = new Set();

function interner(writable: ReadonlySet<string>, traps: boolean): Intern {
  const byKey = new Map<string, Node>();
  const known = new Map<Expression, Node>();
  const intern: Intern = (e) => {
    const done = known.get(e);
    if (done !== undefined) return done;
    const children = childrenOf(e).map(intern);
    const key = `${label(e)}(${children.map((child) => child.id).join(',')})`;
    let node = byKey.get(key);
    if (node === undefined) {
      node = {
        id: byKey.size,
        expression: e,
        children,
        locals: localsOf(e, children),
        guarded: e.kind === 'load' || (traps && mayTrap(e)) || children.some((child) => child.guarded),
        volatile: isVolatile(e, writable) || children.some((child) => child.volatile),
        trivial: children.length === 0,
      };
      byKey.set(key, node);
    }
    known.set(e, node);
    return node;
  };
  return intern;
}

/** Sizes are never 0. */
const mayTrap = (e: Expression): boolean =>
  e.kind === 'call' &&
  (e.op === 'quotient' || e.op === 'remainder') &&
  !['literal', 'size'].includes((e.args[1]!.kind === 'splat' ? e.args[1]!.value : e.args[1]!).kind);

function localsOf(e: Expression, children: readonly Node[]): ReadonlySet<string> {
  if (e.kind === 'local') return new Set([e.name]);
  let all = none;
  for (const { locals } of children) all = union(all, locals);
  return all;
}

function union(a: ReadonlySet<string>, b: ReadonlySet<string>): ReadonlySet<string> {
  const [large, small] = a.size >= b.size ? [a, b] : [b, a];
  for (const name of small) if (!large.has(name)) return new Set([...large, ...small]);
  return large;
}

function isVolatile(e: Expression, writable: ReadonlySet<string>): boolean {
  if (e.kind === 'load') return writable.has(e.buffer);
  return e.kind === 'shared' || e.kind === 'element' || e.kind === 'subgroup';
}

function label(e: Expression): string {
  switch (e.kind) {
    case 'literal':
      return `${e.type}:${Object.is(e.value, -0) ? '-0' : e.value}`;
    case 'local':
      return `local:${e.name}`;
    case 'size':
      return `size:${e.size}`;
    case 'load':
      return `load:${e.buffer}:${e.type}`;
    case 'shared':
    case 'element':
      return `${e.kind}:${e.array}:${e.type}`;
    case 'call':
      return `${e.op}:${e.type}`;
    case 'apply':
      return `apply:${e.of.name}`;
    case 'subgroup':
    case 'across':
      return `${e.kind}:${e.op}`;
    case 'extract':
      return `extract:${e.component}`;
    case 'shuffle':
      return `shuffle:${e.components.join()}`;
    default:
      return e.kind;
  }
}

interface Use {
  count: number;
  unconditional: number;
  first: number; // statement of the block
}

/** A name that can be read here and does not change any more. */
type Settled = (name: string) => boolean;

interface Frame {
  readonly settled: Settled;
  readonly bound: ReadonlyMap<number, Expression>;
}

/** Cheap enough to be written twice. */
function isSlight(node: Node): boolean {
  const e = node.expression;
  if (e.kind === 'splat' && e.value.kind === 'literal') return true;
  if (e.kind === 'load' || e.kind === 'apply' || isVector(e.type) || e.kind === 'across') return false;
  if (e.kind !== 'call') return true;
  if (e.op === 'to_f32' || e.op === 'negate' || e.op === 'not') return node.children[0]!.trivial;
  return (
    (e.op === 'add' || e.op === 'subtract' || e.op === 'less' || e.op === 'less_equal' || e.op === 'equal') &&
    node.children.every((child) => child.trivial) &&
    node.children.some((child) => child.expression.kind === 'literal')
  );
}

export interface ShareOptions {
  readonly bindings: readonly Binding[];
  readonly hints: ReadonlyMap<Expression, string>;
  readonly fresh: (wanted: string) => string;
  /** Dividing an integer by zero ends the program, as on a CPU. */
  readonly traps?: boolean;
}

export function share(statements: readonly Statement[], options: ShareOptions): Statement[] {
  const writable = new Set(options.bindings.filter((b) => b.access === 'read_write').map((b) => b.name));
  const intern = interner(writable, options.traps ?? false);
  const names = new Map<number, string>();
  for (const [expression, name] of options.hints) {
    const { id } = intern(expression);
    if (!names.has(id)) names.set(id, name);
  }

  const process = (block: readonly Statement[], frame: Frame): Statement[] => {
    const { settledFrom, uses } = countUses(block, frame, intern);
    const bound = new Map(frame.bound);
    const result: Statement[] = [];
    const replaced = new Map<Node, Expression>(); // until something is bound
    const replace = (e: Expression): Expression => {
      const node = intern(e);
      const known = bound.get(node.id) ?? replaced.get(node);
      if (known !== undefined) return known;
      const made = inside(node.expression, replace);
      replaced.set(node, made);
      return made;
    };
    const bind = (node: Node, name: string, type: ValueType): void => {
      bound.set(node.id, { kind: 'local', type, name });
      replaced.clear();
    };
    block.forEach((statement, s) => {
      if (isPlain(statement)) {
        result.push(statement);
        return;
      }
      const place = (node: Node): void => {
        if (node.trivial || bound.has(node.id)) return;
        node.children.forEach(place);
        const use = uses.get(node.id);
        if (use === undefined || use.first !== s || !worthIt(node, use)) return;
        const value = inside(node.expression, replace);
        const name = options.fresh(names.get(node.id) ?? defaultName(node.expression));
        result.push({ kind: 'let', name, value });
        bind(node, name, value.type);
      };
      eachRoot(statement, ({ expression }) => {
        const node = intern(expression);
        // A `let` binds its own value.
        if (statement.kind === 'let' && expression === statement.value && !bound.has(node.id))
          node.children.forEach(place);
        else place(node);
      });
      const settled: Settled = (name) => (settledFrom.get(name) ?? Infinity) <= s || frame.settled(name);
      const inner = (nested: readonly Statement[], loopVariable: string | null): Statement[] =>
        process(nested, { settled: (name) => name === loopVariable || settled(name), bound });
      result.push(rewriteStatement(statement, replace, inner));
      if (statement.kind === 'let') {
        const node = intern(statement.value);
        if (!node.volatile && !node.trivial && !bound.has(node.id) && isSettled(node, settled)) {
          bind(node, statement.name, statement.value.type);
        }
      }
    });
    return result;
  };
  return process(statements, { settled: () => false, bound: new Map() });
}

function isSettled(node: Node, settled: Settled): boolean {
  for (const name of node.locals) if (!settled(name)) return false;
  return true;
}

function worthIt(node: Node, use: Use): boolean {
  if (use.count < 2 || isSlight(node)) return false;
  return !node.guarded || use.unconditional > 0;
}

function defaultName(e: Expression): string {
  const type = componentOf(e.type);
  if (type === 'i32') return e.kind === 'load' ? 'item' : 'offset';
  return type === 'bool' ? 'holds' : 'value';
}

/** From which statement on each name of the block does not change any more; how often each node is used. */
function countUses(
  block: readonly Statement[],
  frame: Frame,
  intern: Intern,
): { settledFrom: ReadonlyMap<string, number>; uses: ReadonlyMap<number, Use> } {
  const settledFrom = new Map<string, number>();
  block.forEach((statement, s) => {
    if (statement.kind === 'let' || statement.kind === 'var') settledFrom.set(statement.name, s + 1);
    else for (const name of setsOf(statement)) if (settledFrom.has(name)) settledFrom.set(name, s + 1);
  });
  const uses = new Map<number, Use>();
  block.forEach((statement, s) => {
    if (isPlain(statement)) return;
    const settled: Settled = (name) => (settledFrom.get(name) ?? Infinity) <= s || frame.settled(name);
    const movable = (node: Node): boolean => !node.volatile && isSettled(node, settled);
    const count = (node: Node, weight: number, conditional: boolean): void => {
      if (node.trivial || frame.bound.has(node.id)) return;
      if (!movable(node)) return node.children.forEach((child) => count(child, weight, conditional));
      const use = uses.get(node.id);
      if (use === undefined) {
        uses.set(node.id, { count: weight, unconditional: conditional ? 0 : weight, first: s });
        // A node moved out of a loop takes its children along.
        const inner = isSlight(node) || (node.guarded && conditional) ? weight : 1;
        node.children.forEach((child) => count(child, inner, conditional));
      } else {
        use.count += weight;
        if (!conditional) {
          // The children of a node seen only in branches so far are now certain too.
          if (use.unconditional === 0) node.children.forEach((child) => count(child, 0, false));
          use.unconditional += Math.max(weight, 1);
        }
      }
    };
    eachRoot(statement, ({ expression, loops, conditional }) => {
      count(intern(expression), loops > 0 ? 2 : 1, conditional);
    });
  });
  return { settledFrom, uses };
}

function setsOf(statement: Statement): readonly string[] {
  switch (statement.kind) {
    case 'set':
      return [statement.name];
    case 'for':
      return statement.body.flatMap(setsOf);
    case 'if':
      return [...statement.then, ...statement.otherwise].flatMap(setsOf);
    default:
      return [];
  }
}
