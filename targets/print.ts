// Kernel IR as lines of text for a language with C's expressions: how statements nest, which parentheses an expression
// needs, which helpers a kernel uses. What languages spell differently is a `Syntax`.

import type { Expression, KernelFunction, Statement, ValueType } from '../codegen/kernel.ts';
import { partsOf } from '../codegen/map-expressions.ts';
import { commentText } from '../codegen/numbers.ts';
import { unroll } from '../codegen/unroll.ts';

/**
 * An infix operator by its level (`first`: a conversion of its first operand; `args`: operands in place of the call's), a
 * condition between `?` and `:`, or a form with the arguments in place (they come without outer parentheses).
 */
export type Spelling =
  | { readonly infix: string; readonly level: Level; readonly first?: string; readonly args?: readonly Expression[] }
  | 'choice'
  | ((args: readonly string[], types: readonly ValueType[]) => string);

/** How tightly an operator binds. `bits` takes only operands that need no parentheses, and is itself put in them. */
export type Level = 'or' | 'and' | 'compare' | 'bits' | 'sum' | 'product';

export type Call = Extract<Expression, { kind: 'call' }>;

export interface Syntax {
  spelling(call: Call): Spelling;
  literal(type: ValueType, value: number): string;
  size(name: string): string;
  builtin(kind: 'workgroup' | 'lane' | 'subgroup_size' | 'subgroup_lane'): string;
  subgroup(op: 'add' | 'max' | 'min', value: string, of: Expression): string;
  load(buffer: string, index: string): string;
  store(buffer: string, index: string, value: string): string; // a statement
  declare(kind: 'let' | 'var', name: string, type: ValueType, value: string): string;
  loop(variable: string, from: string, to: string, step: number): string; // without the brace
  /** The line above a loop that the compiler is to unroll; null: its iterations are printed one by one. */
  readonly unroll: string | null;
  readonly barrier: string;
  /** Several neighbours at once. */
  elements(of: Extract<Statement, { kind: 'load-elements' | 'store-elements' }>, index: string): readonly string[];
  function(of: KernelFunction, body: readonly string[], value: string): readonly string[];
}

const choice = 0;
const levels: Readonly<Record<Level, number>> = { or: 1, and: 2, compare: 3, bits: 4, sum: 5, product: 6 };
const unary = 7;
const atom = 8;

interface Printed {
  readonly text: string;
  readonly level: number;
}

const done = (text: string): Printed => ({ text, level: atom });

export function printExpression(expression: Expression, syntax: Syntax): string {
  return print(expression, syntax).text;
}

function print(expression: Expression, syntax: Syntax): Printed {
  const inner = (each: Expression): string => printExpression(each, syntax);
  switch (expression.kind) {
    case 'literal':
      return done(syntax.literal(expression.type, expression.value));
    case 'local':
      return done(expression.name);
    case 'size':
      return done(syntax.size(expression.size));
    case 'workgroup':
    case 'lane':
    case 'subgroup_size':
    case 'subgroup_lane':
      return done(syntax.builtin(expression.kind));
    case 'load':
      return done(syntax.load(expression.buffer, inner(expression.index)));
    case 'shared':
    case 'element':
      return done(`${expression.array}[${inner(expression.index)}]`);
    case 'apply':
      return done(`${expression.of.name}(${expression.args.map(inner).join(', ')})`);
    case 'subgroup':
      return done(syntax.subgroup(expression.op, inner(expression.value), expression.value));
    case 'call':
      return printCall(expression, syntax);
    case 'splat':
    case 'ramp':
    case 'extract':
    case 'across':
    case 'shuffle':
      throw new Error(`${expression.kind}: vectors are for a CPU`);
    default:
      return expression satisfies never;
  }
}

function printCall(expression: Call, syntax: Syntax): Printed {
  const spelling = syntax.spelling(expression);
  const own = typeof spelling === 'object' ? spelling.args : undefined;
  const args = (own ?? expression.args).map((argument) => print(argument, syntax));
  if (typeof spelling === 'function') {
    const types = expression.args.map((argument) => argument.type);
    const text = spelling(
      args.map((argument) => argument.text),
      types,
    );
    return { text, level: atom };
  }
  if (spelling === 'choice') {
    const [condition, then, otherwise] = args.map((argument) => wrapped(argument, levels.or));
    return { text: `${condition} ? ${then} : ${otherwise}`, level: choice };
  }
  const { infix, level, first } = spelling;
  const tight = levels[level];
  if (first !== undefined) args[0] = done(`${first}(${args[0]!.text})`);
  if (args.length === 1) return { text: `${infix}${wrapped(args[0]!, atom)}`, level: unary };
  // Left-associative, but f32 sums are kept as they are grouped. Comparisons do not chain, bits take atoms, and `and` and
  // `or` do not mix: all of that is what WGSL demands, and reads well elsewhere.
  const left = level === 'compare' ? levels.bits : level === 'bits' ? unary : tight;
  const right = level === 'bits' ? unary : tight + 1;
  const [a, b] = [wrapped(args[0]!, left, level), wrapped(args[1]!, right, level)];
  return { text: `${a} ${infix} ${b}`, level: tight };
}

function wrapped({ text, level }: Printed, least: number, inside: Level | null = null): string {
  const mixes = (inside === 'and' || inside === 'or') && level < levels.compare && level !== levels[inside];
  const bare = level >= least && level !== levels.bits && !mixes && !(level === unary && inside !== null && least > 5);
  return bare ? text : `(${text})`;
}

/** The statements, indented by `depth` steps of two spaces. */
export function printStatements(statements: readonly Statement[], syntax: Syntax, depth: number): readonly string[] {
  const pad = '  '.repeat(depth);
  const value = (each: Expression): string => printExpression(each, syntax);
  const block = (head: string, body: readonly Statement[]): string[] => [
    `${pad}${head} {`,
    ...printStatements(body, syntax, depth + 1),
    `${pad}}`,
  ];
  return statements.flatMap((statement): readonly string[] => {
    switch (statement.kind) {
      case 'let':
      case 'var':
        return [pad + syntax.declare(statement.kind, statement.name, statement.value.type, value(statement.value))];
      case 'set':
        return [`${pad}${statement.name} = ${value(statement.value)};`];
      case 'store':
        return [pad + syntax.store(statement.buffer, value(statement.index), value(statement.value))];
      case 'store-shared':
      case 'store-element':
        return [`${pad}${statement.array}[${value(statement.index)}] = ${value(statement.value)};`];
      case 'load-elements':
      case 'store-elements':
        return syntax.elements(statement, value(statement.index)).map((line) => pad + line);
      case 'for': {
        if (statement.mode === 'unrolled' && syntax.unroll === null) {
          return unroll(statement).flatMap(({ value: at, body }) => {
            const declares = body.some((each) => each.kind === 'let' || each.kind === 'var');
            if (!declares) return printStatements(body, syntax, depth);
            return [`${pad}{ // ${statement.variable} = ${at}`, ...printStatements(body, syntax, depth + 1), `${pad}}`];
          });
        }
        const { variable, from, to, step } = statement;
        const loop = block(syntax.loop(variable, value(from), value(to), step), statement.body);
        return statement.mode === 'unrolled' ? [`${pad}${syntax.unroll}`, ...loop] : loop;
      }
      case 'if': {
        const lines = block(`if (${value(statement.condition)})`, statement.then);
        if (statement.otherwise.length === 0) return lines;
        return [...lines.slice(0, -1), ...block('} else', statement.otherwise)];
      }
      case 'barrier':
        return [pad + syntax.barrier];
      case 'return':
        return [`${pad}return;`];
      case 'comment':
        return [`${pad}// ${commentText(statement.text)}`];
      default:
        return statement satisfies never;
    }
  });
}

type Use = (expression: Expression) => void;

/** Every expression of these statements, outermost first. */
export function eachExpression(statements: readonly Statement[], use: Use): void {
  for (const statement of statements) {
    switch (statement.kind) {
      case 'let':
      case 'var':
      case 'set':
        within(statement.value, use);
        break;
      case 'store':
      case 'store-shared':
      case 'store-element':
        within(statement.index, use);
        within(statement.value, use);
        if (statement.kind !== 'store-shared' && statement.mask) within(statement.mask, use);
        break;
      case 'load-elements':
      case 'store-elements':
        within(statement.index, use);
        break;
      case 'for':
        within(statement.from, use);
        within(statement.to, use);
        eachExpression(statement.body, use);
        break;
      case 'if':
        within(statement.condition, use);
        eachExpression(statement.then, use);
        eachExpression(statement.otherwise, use);
        break;
      case 'barrier':
      case 'return':
      case 'comment':
        break;
      default:
        statement satisfies never;
    }
  }
}

function within(expression: Expression, use: Use): void {
  use(expression);
  for (const part of partsOf(expression)) within(part, use);
}

/** The helpers that statements use, each after those that it uses itself. */
export function functionsOf(statements: readonly Statement[]): readonly KernelFunction[] {
  const found = new Set<KernelFunction>();
  const visit = (expression: Expression): void => {
    if (expression.kind !== 'apply' || found.has(expression.of)) return;
    eachExpression(expression.of.body, visit);
    within(expression.of.value, visit);
    found.add(expression.of);
  };
  eachExpression(statements, visit);
  return [...found];
}

export function printFunction(of: KernelFunction, syntax: Syntax): readonly string[] {
  return syntax.function(of, printStatements(of.body, syntax, 1), printExpression(of.value, syntax));
}
