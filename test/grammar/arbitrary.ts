// Random syntax trees as the parser could have made them: operands of an operator bind tighter than it, or are in
// parentheses. Spans mean nothing but the order of statements.

import fc from 'fast-check';
import type {
  Binder,
  BinaryOperator,
  Encoding,
  Expression,
  File,
  Name,
  Relation,
  Statement,
} from '../../grammar/ast.ts';
import { keywords } from '../../grammar/tokens.ts';

const nowhere = { file: 'made.pe', start: 0, end: 0 };
const reserved = new Set(keywords.map((entry) => entry.text));

const name: fc.Arbitrary<Name> = fc
  .oneof(
    fc.constantFrom('t', 'h', 'query', 'by_head', 'θ', 'x1', 'letter', '_'),
    fc.stringMatching(/^[a-zA-Z_][a-zA-Z0-9_]{0,12}$/),
  )
  .filter((text) => !reserved.has(text))
  .map((text) => ({ text, span: nowhere }));

const numeral: fc.Arbitrary<Expression> = fc
  .constantFrom('0', '1', '10000', '0.5', '.5', '1e-5', '2.5E+3', '007')
  .map((text) => ({ kind: 'number', value: Number(text), text, span: nowhere }));

const depth = fc.createDepthIdentifier();

const { expression } = fc.letrec<Record<string, Expression>>((tie) => {
  const binary = (operators: readonly BinaryOperator[], left: string, right: string): fc.Arbitrary<Expression> =>
    fc
      .tuple(fc.constantFrom(...operators), tie(left), tie(right))
      .map(([operator, a, b]) => ({ kind: 'binary', operator, left: a, right: b, span: nowhere }) as Expression);
  const either = (...choices: fc.Arbitrary<Expression>[]): fc.Arbitrary<Expression> =>
    fc.oneof({ depthSize: 'small', depthIdentifier: depth, maxDepth: 12 }, ...choices);
  const list = (level: string, maxLength: number): fc.Arbitrary<Expression[]> =>
    fc.array(tie(level), { minLength: 1, maxLength });
  return {
    expression: either(
      tie('or'),
      fc.tuple(tie('expression'), tie('expression'), tie('expression')).map(([condition, then, otherwise]) => {
        // oxlint-disable-next-line no-thenable -- the word of the language
        return { kind: 'if', condition, then, otherwise, span: nowhere } as Expression;
      }),
    ),
    or: either(tie('and'), binary(['or'], 'or', 'and')),
    and: either(tie('not'), binary(['and'], 'and', 'not')),
    not: either(
      tie('compare'),
      tie('not').map((operand) => ({ kind: 'not', operand, span: nowhere }) as Expression),
    ),
    compare: either(
      tie('sum'),
      fc
        .tuple(
          fc.array(fc.tuple(fc.constantFrom<Relation>('<', '<=', '>', '>=', '==', '!='), tie('sum')), {
            minLength: 1,
            maxLength: 3,
          }),
          tie('sum'),
        )
        .map(([rest, first]) => {
          const operands = [first, ...rest.map(([, operand]) => operand)];
          return {
            kind: 'compare',
            operands,
            relations: rest.map(([relation]) => relation),
            span: nowhere,
          } as Expression;
        }),
    ),
    sum: either(tie('product'), binary(['+', '-'], 'sum', 'product')),
    product: either(tie('unary'), binary(['*', '/'], 'product', 'unary')),
    unary: either(
      tie('power'),
      tie('unary').map((operand) => ({ kind: 'negate', operand, span: nowhere }) as Expression),
    ),
    power: either(tie('atom'), binary(['^'], 'atom', 'unary')),
    atom: either(
      numeral,
      fc.boolean().map((value) => ({ kind: 'boolean', value, span: nowhere }) as Expression),
      tie('reference'),
      tie('expression').map((inner) => ({ kind: 'group', inner, span: nowhere }) as Expression),
    ),
    reference: fc
      .tuple(
        name,
        fc.option(
          fc.tuple(
            fc.array(fc.tuple(tie('expression'), fc.option(name)), { minLength: 1, maxLength: 3 }),
            fc.option(tie('expression'), { freq: 2 }),
          ),
        ),
        fc.option(list('expression', 3)),
      )
      .map(([called, brackets, args]) => ({
        kind: 'name',
        name: called,
        brackets:
          brackets === null
            ? null
            : {
                items: brackets[0].map(([value, axis]) => ({ value, axis, span: nowhere })),
                where: brackets[1],
                span: nowhere,
              },
        args,
        span: nowhere,
      })) as fc.Arbitrary<Expression>,
  };
}) as { expression: fc.Arbitrary<Expression> };

const binder: fc.Arbitrary<Binder> = fc
  .tuple(name, fc.option(name))
  .map(([index, axis]) => ({ name: index, axis, span: nowhere }));
const binders = fc.option(fc.array(binder, { minLength: 1, maxLength: 4 }));
const head = fc.tuple(name, binders).map(([called, indices]) => ({ name: called, binders: indices, span: nowhere }));
const names = fc.array(name, { minLength: 1, maxLength: 3 });
const targets = fc
  .tuple(names, binders)
  .map(([called, indices]) => ({ names: called, binders: indices, span: nowhere }));
const assignment = fc.tuple(name, expression).map(([called, value]) => ({ name: called, value, span: nowhere }));
const law = fc.tuple(name, fc.option(name)).map(([called, argument]) => ({ name: called, argument, span: nowhere }));
const at = { span: fc.constant(nowhere) };

const site = fc.oneof(
  fc.record({
    kind: fc.constant('assign' as const),
    targets,
    operator: fc.constantFrom('=' as const, '+=' as const, '*=' as const),
    value: expression,
    when: fc.option(expression),
    ...at,
  }),
  fc.record({
    kind: fc.constant('rotate' as const),
    targets,
    by: expression,
    interleaved: fc.boolean(),
    from: fc.option(expression),
    when: fc.option(expression),
    ...at,
  }),
  fc.record({
    kind: fc.constantFrom('transform' as const, 'transport' as const),
    targets,
    by: expression,
    when: fc.option(expression),
    ...at,
  }),
);

const statement: fc.Arbitrary<Statement> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('param' as const, 'axis' as const),
    assignments: fc.array(assignment, { minLength: 1, maxLength: 3 }),
    ...at,
  }),
  fc.record({ kind: fc.constant('given' as const), head, ...at }),
  fc.record({
    kind: fc.constantFrom('learn' as const, 'fixed' as const),
    shared: fc.boolean(),
    head,
    initial: expression,
    ...at,
  }),
  fc.record({ kind: fc.constant('draw' as const), head, initial: expression, ...at }),
  fc.record({ kind: fc.constant('let' as const), head, value: expression, ...at }),
  fc.record({ kind: fc.constant('fn' as const), name, parameters: names, value: expression, ...at }),
  fc.record({ kind: fc.constant('expect' as const), laws: fc.array(law, { minLength: 1, maxLength: 4 }), ...at }),
  fc.record({ kind: fc.constant('site' as const), site, ...at }),
);

const encoding: fc.Arbitrary<Encoding> = fc
  .tuple(name, fc.array(name, { maxLength: 2 }), fc.array(statement, { maxLength: 5 }))
  .map(([called, parents, statements]) => ({ name: called, parents, statements, span: nowhere }));

/** Spans in the order of the text, so that the printer keeps that order. */
export const file: fc.Arbitrary<File> = fc
  .tuple(fc.array(fc.constantFrom('a.pe', 'sub/b.pe'), { maxLength: 2 }), fc.array(encoding, { maxLength: 3 }))
  .map(([imports, encodings]) => ({
    path: 'made.pe',
    text: '',
    imports: imports.map((path, index) => ({ path, span: { ...nowhere, start: index, end: index } })),
    encodings: encodings.map((each, index) => {
      const start = 100 * (index + 1);
      const place = (offset: number): typeof nowhere => ({ ...nowhere, start: start + offset, end: start + offset });
      return {
        ...each,
        statements: each.statements.map((one, offset) => ({ ...one, span: place(offset + 1) })),
        span: { ...place(0), end: start + 90 },
      };
    }),
    comments: [],
  }));
