// The invariants of the tensor IR, one function each: a program in, what is wrong with it out (nothing, for a program
// made by the constructors and the passes). Run after each pass in tests.

import { eachRead } from './conditions.ts';
import type { Axis, Definition, Program, Tensor } from './ir.ts';
import { axisRange, inside, makeContext } from './ranges.ts';
import type { Context } from './ranges.ts';
import { isConstant, typeOfCall } from './scalar.ts';
import { axesOf, domainOf, operandsOf, scalarsOf, tensorsOf, visit } from './visit.ts';
import type { Read } from './visit.ts';

export type Rule = (program: Program) => string[];

const IDENTIFIER = /^[\p{L}_][\p{L}\p{N}_]*$/u;

/** 1. Definitions are in topological order, tensors and their names are unique, names are identifiers. */
export const ordered: Rule = ({ inputs, definitions, results }) => {
  const wrong: string[] = [];
  const names = new Set<string>();
  const known = new Set<Tensor>();
  const add = (tensor: Tensor): void => {
    if (names.has(tensor.name)) wrong.push(`two tensors are called '${tensor.name}'`);
    if (!IDENTIFIER.test(tensor.name)) wrong.push(`'${tensor.name}' is not an identifier`);
    names.add(tensor.name);
    known.add(tensor);
  };
  inputs.forEach(add);
  for (const d of definitions) {
    for (const used of tensorsOf(d)) {
      if (!known.has(used)) wrong.push(`'${d.tensor.name}' reads '${used.name}' before it is made`);
    }
    add(d.tensor);
  }
  for (const [name, made] of results) if (!known.has(made)) wrong.push(`the result '${name}' is made nowhere`);
  return wrong;
};

/** 2. A body uses only axes of its domain, and no axis occurs twice. */
export const scoped: Rule = eachDefinition((d) => {
  const { name, axes } = d.tensor;
  const domain = domainOf(d);
  const wrong = [...axesOf(scalarsOf(d))]
    .filter((axis) => !domain.includes(axis))
    .map((axis) => `'${name}' uses axis '${axis.name}', which it is not over`);
  for (const list of [axes, domain]) {
    if (new Set(list).size !== list.length) wrong.push(`'${name}' is over an axis twice`);
  }
  return wrong;
});

/** 3. Each read has as many integer indices as its tensor has axes, each call the arguments of its signature. */
export const typed: Rule = eachDefinition((d) => {
  const wrong: string[] = [];
  visit(scalarsOf(d), (s) => {
    if (s.kind === 'read') {
      const { axes, name, type } = s.tensor;
      if (s.index.length !== axes.length)
        wrong.push(`'${name}' is read at ${s.index.length} of ${axes.length} indices`);
      if (s.index.some((index) => index.type !== 'integer'))
        wrong.push(`'${name}' is read at an index that is no integer`);
      if (s.type !== type) wrong.push(`a read of '${name}' is ${s.type}, not ${type}`);
    } else if (s.kind === 'call') {
      try {
        const type = typeOfCall(s.op, s.args);
        if (type !== s.type) wrong.push(`${s.op} makes ${type}, not ${s.type}`);
      } catch (error) {
        wrong.push((error as Error).message);
      }
    }
  });
  const makes = d.kind === 'map' ? d.body.type : d.kind === 'reduce' && d.op === 'argmax' ? 'integer' : 'real';
  if (makes !== d.tensor.type) wrong.push(`'${d.tensor.name}' is ${d.tensor.type}, its rule makes ${makes}`);
  return wrong;
});

/** 4. Each index is proved to lie inside its tensor, or the read says what there is outside. */
export const bounded: Rule = (program) => {
  const tensors = new Map<Tensor, ReturnType<typeof axisRange>>();
  const training = program.inputs.some(({ origin }) => origin.kind === 'given' && origin.given === 'cotangent');
  const wrong: string[] = [];
  for (const d of program.definitions) {
    if (d.kind === 'reduce' && d.op === 'argmax') tensors.set(d.tensor, axisRange(d.over[0]!));
    const context = makeContext({ training, tensors });
    for (const read of unprovedReads(d, context)) {
      wrong.push(`'${d.tensor.name}' reads '${read.tensor.name}' at an index that is not proved inside`);
    }
  }
  return wrong;
};

/** Reads without a value outside whose index is not proved inside, given the conditions under which they are evaluated. */
function unprovedReads(d: Definition, context: Context): Read[] {
  const found = new Set<Read>();
  eachRead(d, context, (read, inner) => {
    if (read.outside === null && !inside(read, inner)) found.add(read);
  });
  return [...found];
}

/** 5. Reductions are over axes of their own; a scan runs along one of its tensor's, and its factor can be shifted. */
export const shaped: Rule = eachDefinition((d) => {
  const { name, axes } = d.tensor;
  const own = (axis: Axis): boolean => axes.includes(axis);
  switch (d.kind) {
    case 'reduce':
      if (d.over.length === 0) return [`'${name}' reduces over no axis`];
      return d.over.some(own) ? [`'${name}' reduces over an axis that it keeps`] : [];
    case 'scatter':
      return d.over.length === 0 ? [`'${name}' scatters over no axis`] : [];
    case 'scan': {
      const wrong = own(d.along) ? [] : [`'${name}' scans along an axis that it is not over`];
      const movable = isConstant(d.factor) || d.factor.kind === 'read';
      return movable ? wrong : [...wrong, `the factor of '${name}' is neither a constant nor a plain read`];
    }
    case 'triangular': {
      const wrong = own(d.along) ? [] : [`'${name}' is solved along an axis that it is not over`];
      if (own(d.other)) wrong.push(`'${name}' is over the axis of its other steps`);
      for (const axis of axesOf(d.from))
        if (axis === d.along || axis === d.other) wrong.push(`'${name}' begins at a step of its own`);
      for (const axis of axesOf(d.term)) if (axis === d.other) wrong.push(`the term of '${name}' reads another step`);
      return d.factor.kind === 'read' ? wrong : [...wrong, `the factor of '${name}' is no plain read`];
    }
    case 'softmax':
      return own(d.over) ? [] : [`'${name}' is a softmax over an axis that it is not over`];
    case 'map':
    case 'rotate':
    case 'matrix':
      return [];
    default:
      return d satisfies never;
  }
});

/** 6. Nothing reads the tensor that it makes. */
export const wellFounded: Rule = eachDefinition((d) => {
  const reads = [...operandsOf(d), ...tensorsOf(d)];
  return reads.includes(d.tensor) ? [`'${d.tensor.name}' reads itself`] : [];
});

/** 7. Constants are finite: targets cannot write infinity. */
export const finite: Rule = eachDefinition((d) => {
  const wrong: string[] = [];
  visit(scalarsOf(d), (s) => {
    const values = s.kind === 'constant' ? [s.value] : s.kind === 'read' && s.outside !== null ? [s.outside] : [];
    if (!values.every(Number.isFinite)) wrong.push(`'${d.tensor.name}' has a constant that is not finite`);
  });
  return wrong;
});

/** 8. What depends on a cotangent says which definition it differentiates. */
export const traced: Rule = (program) => {
  const backward = new Set<Tensor>();
  for (const input of program.inputs) {
    if (input.origin.kind === 'given' && input.origin.given === 'cotangent') backward.add(input);
  }
  const wrong: string[] = [];
  for (const d of program.definitions) {
    if (![...tensorsOf(d)].some((tensor) => backward.has(tensor))) continue;
    backward.add(d.tensor);
    if (d.adjointOf === null) wrong.push(`'${d.tensor.name}' is a gradient of no definition`);
  }
  return wrong;
};

function eachDefinition(check: (d: Definition) => string[]): Rule {
  return (program) => program.definitions.flatMap(check);
}

const rules: readonly Rule[] = [ordered, scoped, typed, bounded, shaped, wellFounded, finite, traced];

/** Everything that is wrong with a program; empty for a good one. */
export const verify = (program: Program): string[] => rules.flatMap((rule) => rule(program));
