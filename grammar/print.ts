// Syntax tree of a statement -> pieces for wrap.ts. The author's line breaks before an operator, `by`, `then`, `else`,
// `where` and `when`, and after `=`, `~` and a comma, are kept: they are forced breaks.

import type { Binder, Brackets, Expression, Head, Item, Statement, Targets } from './ast.ts';
import type { Span } from './span.ts';
import type { Piece } from './wrap.ts';

/** The parts of a statement that are aligned with those of its neighbours; one that has no sign has only `before`. */
export interface Printed {
  readonly keyword: string; // empty for an assignment
  readonly before: readonly Piece[];
  readonly sign: string;
  readonly after: readonly Piece[];
}

type Between = (left: Span, right: Span, level: number) => Piece;

export function printStatement(statement: Statement, text: string): Printed {
  const between: Between = (left, right, level) => ({
    kind: 'break',
    level,
    forced: /[\r\n]/.test(text.slice(left.end, right.start)),
  });
  const value = (left: Span, expression: Expression): Piece[] => [
    between(left, expression.span, 0),
    ...printExpression(expression, 1, between),
  ];
  const declared = (words: string, head: Head, sign: string, initial: Expression): Printed => {
    const [keyword = '', ...more] = words.split(' ');
    const before = [...more.map((word) => `${word} `), ...printHead(head, between)];
    return { keyword, before, sign, after: value(head.span, initial) };
  };
  switch (statement.kind) {
    case 'param':
    case 'axis': {
      const { assignments } = statement;
      const after = assignments.flatMap((setting, index): Piece[] => {
        const parts = value(setting.name.span, setting.value);
        if (index === 0) return parts;
        return [
          ',',
          between(assignments[index - 1]!.span, setting.span, 0),
          `${setting.name.text} = `,
          ...parts.slice(1),
        ];
      });
      return { keyword: statement.kind, before: [assignments[0]!.name.text], sign: '=', after };
    }
    case 'given':
      return { keyword: 'given', before: printHead(statement.head, between), sign: '', after: [] };
    case 'learn':
    case 'fixed':
      return declared(statement.kind + (statement.shared ? ' shared' : ''), statement.head, '~', statement.initial);
    case 'draw':
      return declared('draw', statement.head, '~', statement.initial);
    case 'let':
      return declared('let', statement.head, '=', statement.value);
    case 'fn': {
      const parameters = statement.parameters.map((name) => name.text).join(', ');
      const before = [`${statement.name.text}(${parameters})`];
      return { keyword: 'fn', before, sign: '=', after: value(statement.parameters.at(-1)!.span, statement.value) };
    }
    case 'expect': {
      const before: Piece[] = [];
      for (const [index, law] of statement.laws.entries()) {
        if (index > 0) before.push(',', between(statement.laws[index - 1]!.span, law.span, 0));
        before.push(law.argument === null ? law.name.text : `${law.name.text}(${law.argument.text})`);
      }
      return { keyword: 'expect', before, sign: '', after: [] };
    }
    case 'site':
      return printSite(statement, between);
    default:
      return statement satisfies never;
  }
}

function printSite({ site }: Extract<Statement, { kind: 'site' }>, between: Between): Printed {
  const { targets } = site;
  const when = (last: Span): Piece[] =>
    site.when === null ? [] : [between(last, site.when.span, 0), 'when ', ...printExpression(site.when, 1, between)];
  switch (site.kind) {
    case 'assign': {
      const after = [between(targets.span, site.value.span, 0), ...printExpression(site.value, 1, between)];
      return {
        keyword: '',
        before: printTargets(targets, targets.names.length > 1, between),
        sign: site.operator,
        after: [...after, ...when(site.value.span)],
      };
    }
    case 'rotate': {
      const before = [...printTargets(targets, true, between), between(targets.span, site.by.span, 0), 'by '];
      before.push(...printExpression(site.by, 1, between));
      if (site.interleaved) before.push(' interleaved');
      if (site.from !== null) before.push(' from ', ...printExpression(site.from, 1, between));
      before.push(...when((site.from ?? site.by).span));
      return { keyword: site.kind, before, sign: '', after: [] };
    }
    case 'transform':
    case 'transport': {
      const before = [...printTargets(targets, true, between), between(targets.span, site.by.span, 0), 'by '];
      before.push(...printExpression(site.by, 1, between), ...when(site.by.span));
      return { keyword: site.kind, before, sign: '', after: [] };
    }
    default:
      return site satisfies never;
  }
}

function printHead(head: Head, between: Between): Piece[] {
  return [head.name.text, ...printBinders(head.binders, between)];
}

function printTargets(targets: Targets, spaced: boolean, between: Between): Piece[] {
  const names = targets.names.map((name) => name.text).join(', ');
  const binders = printBinders(targets.binders, between);
  return [binders.length > 0 && spaced ? `${names} ` : names, ...binders];
}

function printBinders(binders: readonly Binder[] | null, between: Between): Piece[] {
  if (binders === null) return [];
  const text = (binder: Binder): Piece[] => [
    binder.axis === null ? binder.name.text : `${binder.name.text}: ${binder.axis.text}`,
  ];
  return ['[', { kind: 'open' }, ...list(binders, text, 1, between), { kind: 'close' }, ']'];
}

function list<Member extends { readonly span: Span }>(
  members: readonly Member[],
  print: (member: Member) => Piece[],
  level: number,
  between: Between,
): Piece[] {
  return members.flatMap((member, index) =>
    index === 0 ? print(member) : [',', between(members[index - 1]!.span, member.span, level), ...print(member)],
  );
}

function printExpression(expression: Expression, level: number, between: Between): Piece[] {
  const inner = (operand: Expression): Piece[] => printExpression(operand, level + 1, between);
  switch (expression.kind) {
    case 'number':
      return [expression.text];
    case 'boolean':
      return [expression.value ? 'true' : 'false'];
    case 'if': {
      const { condition, then, otherwise } = expression;
      const consequence = [between(condition.span, then.span, level + 1), 'then ', ...inner(then)];
      const alternative = printExpression(otherwise, level, between);
      return [
        'if ',
        ...inner(condition),
        ...consequence,
        between(then.span, otherwise.span, level),
        'else ',
        ...alternative,
      ];
    }
    case 'not':
      return ['not ', ...inner(expression.operand)];
    case 'negate':
      return ['-', ...inner(expression.operand)];
    case 'binary': {
      const { operator, left, right } = expression;
      if (operator === '^') return [...inner(left), ' ^ ', ...inner(right)];
      const same = left.kind === 'binary' && strength[left.operator] === strength[operator];
      const first = same ? printExpression(left, level, between) : inner(left);
      return [...first, between(left.span, right.span, level), `${operator} `, ...inner(right)];
    }
    case 'compare':
      return expression.operands.flatMap((operand, index) => {
        if (index === 0) return inner(operand);
        const gap = between(expression.operands[index - 1]!.span, operand.span, level);
        return [gap, `${expression.relations[index - 1]!} `, ...inner(operand)];
      });
    case 'group':
      return ['(', { kind: 'open' }, ...inner(expression.inner), { kind: 'close' }, ')'];
    case 'name': {
      const { name, brackets, args } = expression;
      const subscript = brackets === null ? [] : printBrackets(brackets, level, between);
      if (args === null) return [name.text, ...subscript];
      const listed = list(args, (arg) => printExpression(arg, level + 2, between), level + 1, between);
      return [name.text, ...subscript, '(', { kind: 'open' }, ...listed, { kind: 'close' }, ')'];
    }
    default:
      return expression satisfies never;
  }
}

function printBrackets({ items, where }: Brackets, level: number, between: Between): Piece[] {
  const inner = (operand: Expression): Piece[] => printExpression(operand, level + 1, between);
  const item = ({ value, axis }: Item): Piece[] => (axis === null ? inner(value) : [...inner(value), `: ${axis.text}`]);
  const listed = list(items, item, level + 1, between);
  const limit = where === null ? [] : [between(items.at(-1)!.span, where.span, level + 1), 'where ', ...inner(where)];
  return ['[', { kind: 'open' }, ...listed, ...limit, { kind: 'close' }, ']'];
}

const strength = { or: 1, and: 2, '+': 3, '-': 3, '*': 4, '/': 4, '^': 5 } as const;
