// Statements of kernel IR as actions of WebAssembly. Loops have one branch, backward, at their end.

import type { Expression, Statement } from '../../codegen/kernel.ts';
import { isVector } from '../../codegen/kernel-ops.ts';
import { partsOf } from '../../codegen/map-expressions.ts';
import { commentText } from '../../codegen/numbers.ts';
import { unroll } from '../../codegen/unroll.ts';
import { get, number, op, type Action, type Value } from './ast.ts';
import { addressOf, knownOf, nonNegative } from './addresses.ts';
import { placeOf, valueOf } from './expressions.ts';
import { collect, elementLocal, held, localOf, releasing, wasmType, type Frame, type OpenLoop } from './frame.ts';
import type { StoreOp } from './operations.ts';
import { storeVector } from './vectors.ts';

/** The label that a `return` leaves for: the end of an item of work. */
export const endOfItem = 'item.end';

export function writeStatements(statements: readonly Statement[], frame: Frame): void {
  for (const statement of statements) releasing(frame, () => writeStatement(statement, frame));
}

function writeStatement(statement: Statement, frame: Frame): void {
  const push = (action: Action): void => void frame.actions.push(action);
  switch (statement.kind) {
    case 'let':
    case 'var':
    case 'set': {
      const { name } = statement;
      const known = statement.kind === 'let' && frame.prefix === '' ? knownOf(statement.value, frame) : null;
      push({
        kind: 'set',
        name: localOf(name, wasmType(statement.value.type), frame),
        value: valueOf(statement.value, frame),
      });
      if (known !== null) frame.known.set(name, known);
      else if (frame.prefix === '') frame.known.delete(name);
      break;
    }
    case 'store':
      writeStore(statement.buffer, statement, frame);
      break;
    case 'store-element':
      writeStore(statement.array, statement, frame);
      break;
    case 'load-elements':
    case 'store-elements':
      throw new Error(`${statement.kind}: an item of work has vectors`);
    case 'for':
      writeLoop(statement, frame);
      break;
    case 'if': {
      const condition = valueOf(statement.condition, frame);
      const yes = collect(frame, () => writeStatements(statement.then, frame));
      const no = collect(frame, () => writeStatements(statement.otherwise, frame));
      push({ kind: 'if', condition, yes, no });
      break;
    }
    case 'return':
      push({ kind: 'branch', label: endOfItem, condition: null });
      break;
    case 'comment':
      push({ kind: 'comment', text: commentText(statement.text) });
      break;
    case 'store-shared':
    case 'barrier':
      throw new Error(`${statement.kind}: an item of work has one lane`);
    default:
      statement satisfies never;
  }
}

type Store = Extract<Statement, { kind: 'store' | 'store-element' }>;

function writeStore(name: string, { kind, index, value, mask }: Store, frame: Frame): void {
  const type = wasmType(value.type);
  if (kind === 'store-element' && frame.registers.has(name)) {
    if (index.kind !== 'literal') throw new Error(`${name}: an index is not known`);
    const local = elementLocal(name, index.value, type, frame);
    frame.actions.push({ kind: 'set', name: local, value: valueOf(value, frame) });
    return;
  }
  const place = placeOf(name, frame);
  if (isVector(value.type)) {
    storeVector(place, index, valueOf(value, frame), mask, valueOf, frame);
    return;
  }
  const store: StoreOp = type === 'f32' ? 'f32.store' : 'i32.store';
  frame.actions.push({
    kind: 'store',
    op: store,
    ...addressOf(place, index, valueOf, frame),
    value: valueOf(value, frame),
  });
}

type Loop = Extract<Statement, { kind: 'for' }>;

function writeLoop(loop: Loop, frame: Frame): void {
  if (loop.mode === 'unrolled') {
    for (const { body } of unroll(loop)) writeStatements(body, frame);
    return;
  }
  const { from, to, step } = loop;
  if (from.kind === 'literal' && to.kind === 'literal' && from.value >= to.value) return;
  const variable = localOf(loop.variable, 'i32', frame);
  frame.actions.push({ kind: 'set', name: variable, value: valueOf(from, frame) });
  const isFixed = !changes(to, loop.body);
  const limit = isFixed ? held(valueOf(to, frame), 'i32', frame) : null;
  const positive = nonNegative(from, frame);
  const open: OpenLoop = { before: [], addresses: new Map() };
  const body = collect(frame, () => {
    frame.loops.push(open);
    const known = { depth: frame.loops.length, nonNegative: positive, form: null };
    if (frame.prefix === '') frame.known.set(loop.variable, known);
    writeStatements(loop.body, frame);
    const next: Value = { kind: 'tee', name: variable, value: op('i32.add', get(variable), number(step)) };
    const condition = op('i32.lt_s', next, limit ?? valueOf(to, frame));
    frame.actions.push({ kind: 'branch', label: loop.variable, condition });
    frame.loops.pop();
  });
  const actions: readonly Action[] = [...open.before, { kind: 'loop', label: loop.variable, body }];
  if (from.kind === 'literal' && to.kind === 'literal') frame.actions.push(...actions);
  else {
    const condition = op('i32.lt_s', get(variable), limit ?? valueOf(to, frame));
    frame.actions.push({ kind: 'if', condition, yes: actions, no: [] });
  }
}

/** Whether what a loop does may change the bound that it is held against. */
function changes(bound: Expression, body: readonly Statement[]): boolean {
  const changed = new Set<string>();
  const note = (statements: readonly Statement[]): void => {
    for (const statement of statements) {
      if (statement.kind === 'set') changed.add(statement.name);
      if (statement.kind === 'store') changed.add(statement.buffer);
      if (statement.kind === 'store-element') changed.add(statement.array);
      if (statement.kind === 'for') note(statement.body);
      if (statement.kind === 'if') [statement.then, statement.otherwise].forEach(note);
    }
  };
  note(body);
  const reads = (e: Expression): boolean => {
    const name = e.kind === 'local' ? e.name : e.kind === 'load' ? e.buffer : e.kind === 'element' ? e.array : null;
    return (name !== null && changed.has(name)) || partsOf(e).some(reads);
  };
  return reads(bound);
}
