// The concrete tree of an expression -> its syntax tree: levels of precedence that hold one operand vanish, operators
// of one level group to the left, a chain of comparisons is one node.

import type { IToken } from 'chevrotain';
import type { BinaryOperator, Brackets, Expression, Item, Relation } from './ast.ts';
import { buildName, nodeSpan } from './build-name.ts';
import type {
  AtomCstNode,
  ConjunctionCstNode,
  DisjunctionCstNode,
  ExpressionCstNode,
  ItemsCstNode,
  NegationCstNode,
  PowerCstNode,
  ProductCstNode,
  ReferenceCstNode,
  SumCstNode,
  UnaryCstNode,
  ComparisonCstNode,
} from './cst.generated.ts';
import { cover } from './span.ts';

export function buildExpression(node: ExpressionCstNode, path: string): Expression {
  const choice = node.children.choice?.[0];
  if (choice === undefined) return disjunction(node.children.disjunction![0]!, path);
  const { condition, value, otherwise } = choice.children;
  return {
    kind: 'if',
    condition: buildExpression(condition[0]!, path),
    // oxlint-disable-next-line no-thenable -- the word of the language
    then: buildExpression(value[0]!, path),
    otherwise: buildExpression(otherwise[0]!, path),
    span: nodeSpan(choice, path),
  };
}

function leftward<Node>(
  children: { operand: Node[]; operator?: IToken[] },
  build: (node: Node, path: string) => Expression,
  path: string,
): Expression {
  const operands = children.operand.map((operand) => build(operand, path));
  return operands.reduce((left, right, index) => {
    const operator = children.operator![index - 1]!.tokenType.LABEL!.slice(1, -1) as BinaryOperator;
    return { kind: 'binary', operator, left, right, span: cover(left.span, right.span) };
  });
}

const disjunction = (node: DisjunctionCstNode, path: string): Expression => leftward(node.children, conjunction, path);
const conjunction = (node: ConjunctionCstNode, path: string): Expression => leftward(node.children, negation, path);
const sum = (node: SumCstNode, path: string): Expression => leftward(node.children, product, path);
const product = (node: ProductCstNode, path: string): Expression => leftward(node.children, unary, path);

function negation(node: NegationCstNode, path: string): Expression {
  const inner = node.children.negation?.[0];
  if (inner === undefined) return comparison(node.children.comparison![0]!, path);
  return { kind: 'not', operand: negation(inner, path), span: nodeSpan(node, path) };
}

function comparison(node: ComparisonCstNode, path: string): Expression {
  const operands = node.children.operand.map((operand) => sum(operand, path));
  if (operands.length === 1) return operands[0]!;
  const relations = node.children.operator!.map((token) => token.tokenType.LABEL!.slice(1, -1) as Relation);
  return { kind: 'compare', operands, relations, span: nodeSpan(node, path) };
}

function unary(node: UnaryCstNode, path: string): Expression {
  const inner = node.children.unary?.[0];
  if (inner === undefined) return power(node.children.power![0]!, path);
  return { kind: 'negate', operand: unary(inner, path), span: nodeSpan(node, path) };
}

function power(node: PowerCstNode, path: string): Expression {
  const left = atom(node.children.atom[0]!, path);
  const exponent = node.children.unary?.[0];
  if (exponent === undefined) return left;
  return { kind: 'binary', operator: '^', left, right: unary(exponent, path), span: nodeSpan(node, path) };
}

function atom(node: AtomCstNode, path: string): Expression {
  const { Numeral, True, group, reference } = node.children;
  const span = nodeSpan(node, path);
  if (Numeral !== undefined) {
    const text = Numeral[0]!.image;
    return { kind: 'number', value: Number(text), text, span };
  }
  if (group !== undefined) {
    return { kind: 'group', inner: buildExpression(group[0]!.children.expression[0]!, path), span };
  }
  if (reference !== undefined) return buildReference(reference[0]!, path);
  return { kind: 'boolean', value: True !== undefined, span };
}

function buildReference(node: ReferenceCstNode, path: string): Expression {
  const { Name, items, args } = node.children;
  return {
    kind: 'name',
    name: buildName(Name[0]!, path),
    brackets: items === undefined ? null : buildBrackets(items[0]!, path),
    args: args === undefined ? null : args[0]!.children.expression.map((arg) => buildExpression(arg, path)),
    span: nodeSpan(node, path),
  };
}

function buildBrackets(node: ItemsCstNode, path: string): Brackets {
  const items = node.children.item.map((item): Item => {
    const axis = item.children.Name?.[0];
    return {
      value: buildExpression(item.children.expression[0]!, path),
      axis: axis === undefined ? null : buildName(axis, path),
      span: nodeSpan(item, path),
    };
  });
  const where = node.children.expression?.[0];
  return { items, where: where === undefined ? null : buildExpression(where, path), span: nodeSpan(node, path) };
}
