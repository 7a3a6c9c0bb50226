// The syntax tree of a `.pe` file: what was written, with a span on every node and nothing resolved.

import type { Span } from './span.ts';

export interface Name {
  readonly text: string;
  readonly span: Span;
}

/** `name: axis` or, where the tensor already says the axis, `name`. */
export interface Binder {
  readonly name: Name;
  readonly axis: Name | null;
  readonly span: Span;
}

export interface Head {
  readonly name: Name;
  readonly binders: readonly Binder[] | null; // null: no brackets, a number
  readonly span: Span;
}

/** One item between brackets on the right: `e` or `e: axis`. */
export interface Item {
  readonly value: Expression;
  readonly axis: Name | null;
  readonly span: Span;
}

export interface Brackets {
  readonly items: readonly Item[];
  readonly where: Expression | null;
  readonly span: Span;
}

export type BinaryOperator = 'or' | 'and' | '+' | '-' | '*' | '/' | '^';
export type Relation = '<' | '<=' | '>' | '>=' | '==' | '!=';

export type Expression = { readonly span: Span } & (
  | { readonly kind: 'number'; readonly value: number; readonly text: string }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'if'; readonly condition: Expression; readonly then: Expression; readonly otherwise: Expression }
  | { readonly kind: 'not'; readonly operand: Expression }
  | { readonly kind: 'negate'; readonly operand: Expression }
  | {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
    }
  /** `a < b <= c`: operands a, b, c and relations <, <=. */
  | { readonly kind: 'compare'; readonly operands: readonly Expression[]; readonly relations: readonly Relation[] }
  | { readonly kind: 'group'; readonly inner: Expression } // parentheses, kept for the formatter
  /** `name`, `name[...]`, `name(...)`, `name[...](...)`: a value, a subscript, a call, a reduction or a map. */
  | {
      readonly kind: 'name';
      readonly name: Name;
      readonly brackets: Brackets | null;
      readonly args: readonly Expression[] | null;
    }
);

export interface Targets {
  readonly names: readonly Name[];
  readonly binders: readonly Binder[] | null;
  readonly span: Span;
}

export interface Law {
  readonly name: Name;
  readonly argument: Name | null;
  readonly span: Span;
}

export interface Assignment {
  readonly name: Name;
  readonly value: Expression;
  readonly span: Span;
}

export type Site = { readonly span: Span; readonly targets: Targets; readonly when: Expression | null } & (
  | { readonly kind: 'assign'; readonly operator: '=' | '+=' | '*='; readonly value: Expression }
  | {
      readonly kind: 'rotate';
      readonly by: Expression;
      readonly interleaved: boolean;
      readonly from: Expression | null;
    }
  | { readonly kind: 'transform' | 'transport'; readonly by: Expression }
);

export type Statement =
  | { readonly kind: 'param' | 'axis'; readonly assignments: readonly Assignment[]; readonly span: Span }
  | { readonly kind: 'given'; readonly head: Head; readonly span: Span }
  | {
      readonly kind: 'learn' | 'fixed';
      readonly shared: boolean;
      readonly head: Head;
      readonly initial: Expression;
      readonly span: Span;
    }
  | { readonly kind: 'draw'; readonly head: Head; readonly initial: Expression; readonly span: Span }
  | { readonly kind: 'let'; readonly head: Head; readonly value: Expression; readonly span: Span }
  | {
      readonly kind: 'fn';
      readonly name: Name;
      readonly parameters: readonly Name[];
      readonly value: Expression;
      readonly span: Span;
    }
  | { readonly kind: 'expect'; readonly laws: readonly Law[]; readonly span: Span }
  | { readonly kind: 'site'; readonly site: Site; readonly span: Span };

export interface Import {
  readonly path: string;
  readonly span: Span;
}

export interface Encoding {
  readonly name: Name;
  readonly parents: readonly Name[];
  readonly statements: readonly Statement[];
  readonly span: Span;
}

export interface Comment {
  readonly text: string; // with its `//`
  readonly span: Span;
}

export interface File {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
  readonly encodings: readonly Encoding[];
  readonly comments: readonly Comment[]; // in order of the text
}
