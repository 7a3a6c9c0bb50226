// A function without what it sets and never reads (values have no effects): the same actions come out, and the locals that are left.

import type { Action, Local, Value, WasmFunction } from './ast.ts';

export function withoutUnread(of: WasmFunction): WasmFunction {
  let { body } = of;
  for (;;) {
    const reads = new Set<string>();
    for (const action of body) noteReads(action, reads);
    if (of.result !== null) noteValue(of.result.value, reads);
    const kept = dropped(body, reads);
    if (kept === body) return { ...of, locals: of.locals.filter((local) => isNamed(local, reads)) };
    body = kept;
    of = { ...of, body };
  }
}

const isNamed = ({ name }: Local, reads: ReadonlySet<string>): boolean => reads.has(name);

/** The same list where nothing is dropped. */
function dropped(actions: readonly Action[], reads: ReadonlySet<string>): readonly Action[] {
  let changed = false;
  const kept = actions.flatMap((action): readonly Action[] => {
    const next = droppedIn(action, reads);
    if (next !== action) changed = true;
    return next === null ? [] : [next];
  });
  return changed ? kept : actions;
}

function droppedIn(action: Action, reads: ReadonlySet<string>): Action | null {
  switch (action.kind) {
    case 'set':
      return reads.has(action.name) ? action : null;
    case 'if': {
      const [yes, no] = [dropped(action.yes, reads), dropped(action.no, reads)];
      return yes === action.yes && no === action.no ? action : { ...action, yes, no };
    }
    case 'loop':
    case 'block': {
      const body = dropped(action.body, reads);
      return body === action.body ? action : { ...action, body };
    }
    case 'store':
    case 'store-component':
    case 'branch':
    case 'comment':
      return action;
    default:
      return action satisfies never;
  }
}

function noteReads(action: Action, reads: Set<string>): void {
  const values = (all: readonly Value[]): void => all.forEach((each) => noteValue(each, reads));
  switch (action.kind) {
    case 'set':
      return values([action.value]);
    case 'store':
    case 'store-component':
      return values([action.address, action.value]);
    case 'if':
      values([action.condition]);
      return [...action.yes, ...action.no].forEach((each) => noteReads(each, reads));
    case 'loop':
    case 'block':
      return action.body.forEach((each) => noteReads(each, reads));
    case 'branch':
      return values(action.condition === null ? [] : [action.condition]);
    case 'comment':
      return;
    default:
      action satisfies never;
  }
}

/** What is kept on its way counts as read. */
function noteValue(value: Value, reads: Set<string>): void {
  if (value.kind === 'get' || value.kind === 'tee') reads.add(value.name);
  for (const part of partsOf(value)) noteValue(part, reads);
}

function partsOf(value: Value): readonly Value[] {
  switch (value.kind) {
    case 'i32':
    case 'f32':
    case 'vector':
    case 'get':
      return [];
    case 'tee':
      return [value.value];
    case 'op':
    case 'component':
    case 'shuffle':
    case 'call':
      return value.args;
    case 'load':
      return [value.address];
    case 'load-component':
      return [value.address, value.into];
    case 'choose':
      return [value.condition, value.yes, value.no];
    default:
      return value satisfies never;
  }
}
