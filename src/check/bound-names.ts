// The names of all indices that statements bind anywhere: to offer a letter that is free, and to recognise an index
// used outside the statement it lives in.

import type { Binder, Expression, Site, Statement } from '../../grammar/ast.ts';
import { bare } from './scope.ts';

export function boundNames(statements: readonly Statement[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const statement of statements) ofStatement(statement, names);
  return names;
}

const addBinders = (binders: readonly Binder[] | null, names: Set<string>): void => {
  for (const binder of binders ?? []) names.add(binder.name.text);
};

function ofStatement(statement: Statement, names: Set<string>): void {
  switch (statement.kind) {
    case 'let':
      addBinders(statement.head.binders, names);
      return ofExpression(statement.value, names);
    case 'learn':
    case 'fixed':
    case 'draw':
      addBinders(statement.head.binders, names);
      return ofExpression(statement.initial, names);
    case 'given':
      return addBinders(statement.head.binders, names);
    case 'fn':
      for (const parameter of statement.parameters) names.add(parameter.text);
      return ofExpression(statement.value, names);
    case 'site':
      return ofSite(statement.site, names);
    case 'param':
    case 'axis':
    case 'expect':
      return;
    default:
      return statement satisfies never;
  }
}

function ofSite(site: Site, names: Set<string>): void {
  addBinders(site.targets.binders, names);
  ofExpression(site.kind === 'assign' ? site.value : site.by, names);
}

function ofExpression(e: Expression, names: Set<string>): void {
  const each = (...below: readonly Expression[]): void => {
    for (const one of below) ofExpression(one, names);
  };
  switch (e.kind) {
    case 'number':
    case 'boolean':
      return;
    case 'if':
      return each(e.condition, e.then, e.otherwise);
    case 'not':
    case 'negate':
      return each(e.operand);
    case 'binary':
      return each(e.left, e.right);
    case 'compare':
      return each(...e.operands);
    case 'group':
      return each(e.inner);
    case 'name':
      for (const { value, axis } of e.brackets?.items ?? []) {
        const name = axis === null ? null : bare(value);
        if (name !== null) names.add(name);
        ofExpression(value, names);
      }
      if (e.brackets?.where != null) ofExpression(e.brackets.where, names);
      return each(...(e.args ?? []));
    default:
      return e satisfies never;
  }
}
