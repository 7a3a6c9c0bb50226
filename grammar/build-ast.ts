// Concrete tree -> syntax tree, with a span on every node. Parts that the parser gave up are left out.

import type { CstNode } from 'chevrotain';
import type { Assignment, Binder, Encoding, Head, Import, Law, Site, Statement, Targets } from './ast.ts';
import { buildExpression } from './build-expression.ts';
import { buildName, nodeSpan } from './build-name.ts';
import type {
  AssignmentCstNode,
  BindersCstNode,
  EncodingCstNode,
  FileCstNode,
  HeadCstNode,
  LawCstNode,
  MapCstNode,
  ParametersCstNode,
  RotationCstNode,
  SiteCstNode,
  StatementCstNode,
  StoredCstNode,
  TargetsCstNode,
} from './cst.generated.ts';
import { tokenSpan } from './lex.ts';
import type { Span } from './span.ts';

export function buildFile(cst: CstNode, path: string): { imports: readonly Import[]; encodings: readonly Encoding[] } {
  const { importing = [], encoding = [] } = (cst as FileCstNode).children;
  return {
    imports: importing.flatMap((node): Import[] => {
      const file = node.children.Text?.[0];
      if (node.recoveredNode === true || file === undefined) return [];
      return [{ path: file.image.slice(1, -1), span: nodeSpan(node, path) }];
    }),
    encodings: encoding.flatMap((node) => buildEncoding(node, path)),
  };
}

function buildEncoding(node: EncodingCstNode, path: string): Encoding[] {
  const heading = node.children.heading?.[0];
  const name = heading?.children.name?.[0];
  if (heading === undefined || name === undefined) return [];
  const closing = node.children.CloseBrace?.[0];
  const start = heading.children.Encoding[0]!.startOffset;
  const end = closing === undefined ? nodeSpan(node, path).end : tokenSpan(closing, path).end;
  return [
    {
      name: buildName(name, path),
      parents: (heading.children.parent ?? []).map((token) => buildName(token, path)),
      statements: (node.children.statement ?? [])
        .filter((statement) => statement.recoveredNode !== true)
        .map((statement) => buildStatement(statement, path)),
      span: { file: path, start, end },
    },
  ];
}

function buildStatement(statement: StatementCstNode, path: string): Statement {
  const { parameters, supplied, stored, drawn, definition, routine, claims, site } = statement.children;
  const node = (parameters ?? supplied ?? stored ?? drawn ?? definition ?? routine ?? claims ?? site)![0]!;
  const span = nodeSpan(node, path);
  switch (node.name) {
    case 'parameters':
      return buildParameters(node, span);
    case 'supplied':
      return { kind: 'given', head: buildHead(node.children.head[0]!, path), span };
    case 'stored':
      return buildStored(node, span);
    case 'drawn': {
      const { head, expression } = node.children;
      return { kind: 'draw', head: buildHead(head[0]!, path), initial: buildExpression(expression[0]!, path), span };
    }
    case 'definition': {
      const { head, expression } = node.children;
      return { kind: 'let', head: buildHead(head[0]!, path), value: buildExpression(expression[0]!, path), span };
    }
    case 'routine': {
      const { name, parameter, expression } = node.children;
      const parameters = parameter.map((token) => buildName(token, path));
      const value = buildExpression(expression[0]!, path);
      return { kind: 'fn', name: buildName(name[0]!, path), parameters, value, span };
    }
    case 'claims':
      return { kind: 'expect', laws: node.children.law.map((law) => buildLaw(law, path)), span };
    case 'site':
      return { kind: 'site', site: buildSite(node, span), span };
    default:
      return node satisfies never;
  }
}

function buildParameters(node: ParametersCstNode, span: Span): Statement {
  const assignments = node.children.setting.map((setting): Assignment => ({
    name: buildName(setting.children.Name[0]!, span.file),
    value: buildExpression(setting.children.expression[0]!, span.file),
    span: nodeSpan(setting, span.file),
  }));
  return { kind: node.children.Param === undefined ? 'axis' : 'param', assignments, span };
}

function buildStored(node: StoredCstNode, span: Span): Statement {
  const { Learn, Shared, head, expression } = node.children;
  return {
    kind: Learn === undefined ? 'fixed' : 'learn',
    shared: Shared !== undefined,
    head: buildHead(head[0]!, span.file),
    initial: buildExpression(expression[0]!, span.file),
    span,
  };
}

function buildLaw(node: LawCstNode, path: string): Law {
  const argument = node.children.argument?.[0];
  return {
    name: buildName(node.children.name[0]!, path),
    argument: argument === undefined ? null : buildName(argument, path),
    span: nodeSpan(node, path),
  };
}

function buildSite(node: SiteCstNode, span: Span): Site {
  const { assignment, rotation, map, expression } = node.children;
  const when = expression === undefined ? null : buildExpression(expression[0]!, span.file);
  const inner = (assignment ?? rotation ?? map)![0]!;
  switch (inner.name) {
    case 'assignment':
      return buildAssignment(inner, when, span);
    case 'rotation':
      return buildRotation(inner, when, span);
    case 'map':
      return buildMap(inner, when, span);
    default:
      return inner satisfies never;
  }
}

function buildAssignment(node: AssignmentCstNode, when: Site['when'], span: Span): Site {
  const { targets, Assignment, expression } = node.children;
  const operator = Assignment[0]!.tokenType.name === 'Is' ? '=' : Assignment[0]!.tokenType.name === 'Add' ? '+=' : '*=';
  const value = buildExpression(expression[0]!, span.file);
  return { kind: 'assign', targets: buildTargets(targets[0]!, span.file), operator, value, when, span };
}

function buildRotation(node: RotationCstNode, when: Site['when'], span: Span): Site {
  const { targets, angle, Interleaved, first } = node.children;
  return {
    kind: 'rotate',
    targets: buildTargets(targets[0]!, span.file),
    by: buildExpression(angle[0]!, span.file),
    interleaved: Interleaved !== undefined,
    from: first === undefined ? null : buildExpression(first[0]!, span.file),
    when,
    span,
  };
}

function buildMap(node: MapCstNode, when: Site['when'], span: Span): Site {
  const { targets, Transform, expression } = node.children;
  const kind = Transform === undefined ? 'transport' : 'transform';
  const by = buildExpression(expression[0]!, span.file);
  return { kind, targets: buildTargets(targets[0]!, span.file), by, when, span };
}

function buildHead(node: HeadCstNode, path: string): Head {
  const name = buildName(node.children.Name[0]!, path);
  return { name, binders: buildBinders(node.children.binders, path), span: nodeSpan(node, path) };
}

function buildTargets(node: TargetsCstNode, path: string): Targets {
  const names = node.children.Name.map((token) => buildName(token, path));
  return { names, binders: buildBinders(node.children.binders, path), span: nodeSpan(node, path) };
}

function buildBinders(nodes: readonly BindersCstNode[] | undefined, path: string): readonly Binder[] | null {
  const node = nodes?.[0];
  if (node === undefined) return null;
  return node.children.binder.map((binder) => {
    const axis = binder.children.axis?.[0];
    return {
      name: buildName(binder.children.name[0]!, path),
      axis: axis === undefined ? null : buildName(axis, path),
      span: nodeSpan(binder, path),
    };
  });
}
