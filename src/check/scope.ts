// What the parts of the checker share: names and what they stand for, the scope of one expression, and the checker
// itself as an interface, so that expressions and declarations can call each other without importing each other.

import type { Assignment, Encoding, Expression, Head, Name, Statement } from '../../grammar/ast.ts';
import type { Span } from '../../grammar/span.ts';
import type { Diagnostic, Label } from '../diagnostics/diagnostic.ts';
import type { ChainTensor, CheckedAxis, Declaration, Geometry, Index, Node } from './checked.ts';
import type { Advice } from './foreign.ts';
import type { Fact, Ranges } from './ranges.ts';

/** A statement of the merged program. */
export interface Line {
  readonly statement: Statement;
  readonly encoding: Encoding; // the body it stands in
  readonly place: number; // among all lines, parents first; a replacing declaration has the place of the old one
  readonly inherited: boolean; // it stands in the place of a parent's declaration
}

type ValueKind = 'param' | 'let' | 'learn' | 'fixed' | 'draw' | 'given' | 'fn';

/** A declared name; `fn`s have no head. */
export interface Entry {
  readonly kind: ValueKind;
  readonly name: Name;
  readonly line: Line;
  readonly broken: boolean; // it cannot stand where it stands, which was said: reading it says nothing more
  readonly body:
    | { readonly kind: 'param'; readonly assignment: Assignment }
    | { readonly kind: 'tensor'; readonly head: Head; readonly value: Expression | null; readonly shared: boolean }
    | { readonly kind: 'fn'; readonly parameters: readonly Name[]; readonly value: Expression };
}

export interface AxisEntry {
  readonly name: Name;
  readonly size: Expression;
  readonly line: Line;
}

/** What a declared name turned out to be; `declaration` is null after an error (its axes may still be known). */
export interface Resolved {
  readonly axes: readonly (CheckedAxis | null)[] | null;
  readonly declaration: Declaration | null;
  readonly constant: number | boolean | null; // of a param or a number known when compiling
  readonly layer: Span | null; // where it reads `layer`
}

/** The version of each of attention's tensors above a line. */
export type Versions = Readonly<Record<ChainTensor, number>>;

/** What a parameter of a `fn` stands for; the node is null after an error. */
export type Argument =
  { readonly kind: 'node'; readonly node: Node | null } | { readonly kind: 'tensor'; readonly name: string }; // a declared tensor, `position` or one of attention's

export interface Scope {
  readonly indices: ReadonlyMap<string, Index>;
  readonly parameters: ReadonlyMap<string, Argument>; // of the `fn` whose body this is
  readonly versions: Versions;
  readonly reads: 'all' | 'initial' | 'shared initial' | 'draw'; // what may be read
  readonly calls: readonly Label[]; // the calls that led into this `fn`, innermost last
  readonly inlining: readonly Entry[]; // the `fn`s being written out, outermost first
  readonly facts: readonly Fact[]; // what `if` and `where` around it promise
  readonly dead: boolean; // in a branch that is not taken: types are checked, values are not
  readonly notes: { layer: Span | null }; // what the statement was seen to use
}

export interface Checker {
  readonly geometry: Geometry;
  readonly values: ReadonlyMap<string, Entry>;
  readonly axisEntries: ReadonlyMap<string, AxisEntry>;
  readonly boundNames: ReadonlySet<string>; // every index anywhere, to offer a free letter
  readonly assigned: ReadonlySet<string>; // what sites change: a name among them that is unknown was said to be there
  readonly ranges: Ranges;
  readonly position: () => Declaration;
  /** Declarations so far, each reading only earlier ones; and by the entry they came from. */
  readonly ordered: () => readonly Declaration[];
  readonly declared: () => ReadonlyMap<Entry, Declaration>;
  /** What to write in place of a word of another language. */
  readonly foreign: (name: string) => Advice | null;
  /** Reports an error once, with the calls that led there. */
  readonly report: (scope: Scope | null, diagnostic: Diagnostic) => null;
  readonly expression: (expression: Expression, scope: Scope) => Node | null;
  readonly resolve: (entry: Entry, from: Span) => Resolved;
  /** The axis a name stands for; null after an error, which it reports. */
  readonly axis: (name: Name, scope: Scope | null) => CheckedAxis | null;
  readonly text: (span: Span) => string; // as written
  readonly line: (span: Span) => number; // from 1
  /** Counts the work of writing out `fn`s; false when it is too much. */
  readonly spend: () => boolean;
  /** Counts expressions inside each other; false when it is too deep. */
  readonly descend: () => boolean;
  readonly ascend: () => void;
  /** Says so, once. */
  readonly tooDeep: (scope: Scope, at: Span) => null;
  readonly tooLarge: (scope: Scope, at: Span, name: string) => null;
}

export const emptyScope = (versions: Versions, reads: Scope['reads'] = 'all'): Scope => ({
  indices: new Map(),
  parameters: new Map(),
  versions,
  reads,
  calls: [],
  inlining: [],
  facts: [],
  dead: false,
  notes: { layer: null },
});

/** The bare index that a name stands for in a scope, through parameters too. */
export function indexOf(name: string, scope: Scope): Index | null {
  const index = scope.indices.get(name);
  if (index !== undefined) return index;
  const argument = scope.parameters.get(name);
  return argument?.kind === 'node' && argument.node?.kind === 'index' ? argument.node.index : null;
}

/** Names by which indices can be written here. */
export function indexNames(scope: Scope): readonly (readonly [name: string, index: Index])[] {
  const names = [...scope.indices.keys(), ...scope.parameters.keys()];
  return names.flatMap((name) => {
    const index = indexOf(name, scope);
    return index === null ? [] : [[name, index] as const];
  });
}

/** Names whose index could not be bound: reading them says nothing more. */
export const broken = (names: readonly string[]): ReadonlyMap<string, Argument> =>
  new Map(names.map((name) => [name, { kind: 'node', node: null }] as const));

export const bare = (expression: Expression): string | null => {
  const inner = ungroup(expression);
  return inner.kind === 'name' && inner.brackets === null && inner.args === null ? inner.name.text : null;
};

export function ungroup(expression: Expression): Expression {
  let inner = expression;
  while (inner.kind === 'group') inner = inner.inner;
  return inner;
}
