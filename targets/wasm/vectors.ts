// Vectors of four from and to memory: neighbours, or a place for each component, whole or those of a mask. Nothing is written for what a
// mask leaves out, and nothing read but what lies in memory: neighbours, and the first element of the same place.

import type { Expression } from '../../codegen/kernel.ts';
import { get, number, op, type Action, type Value } from './ast.ts';
import { addressOf, componentOf, type Address, type Evaluate } from './addresses.ts';
import { component } from './calls.ts';
import { collect, held, type Frame, type Place } from './frame.ts';

const nothing: Value = { kind: 'vector', of: 'i32', values: [0, 0, 0, 0] };

export function loadVector(
  place: Place,
  index: Expression,
  mask: Expression | undefined,
  evaluate: Evaluate,
  frame: Frame,
): Value {
  if (index.type === 'i32x4') return gather(place, index, mask, evaluate, frame);
  const load: Value = { kind: 'load', op: 'v128.load', ...addressOf(place, index, evaluate, frame) };
  if (mask === undefined) return load;
  // Where nothing is read, the address may be anywhere.
  const kept = held(evaluate(mask, frame), 'v128', frame);
  const masked = op('v128.and', load, kept);
  return { kind: 'choose', type: 'v128', condition: op('v128.any_true', kept), yes: masked, no: nothing };
}

function gather(
  place: Place,
  index: Expression,
  mask: Expression | undefined,
  evaluate: Evaluate,
  frame: Frame,
): Value {
  const kept = mask === undefined ? null : held(evaluate(mask, frame), 'v128', frame);
  const at = addresses(place, index, kept, evaluate, frame);
  const first: Value = { kind: 'load', op: 'v128.load32_zero', ...at[0]! };
  const all = [1, 2, 3].reduce<Value>(
    (into, each) => ({ kind: 'load-component', ...at[each]!, component: each, into }),
    first,
  );
  return kept === null ? all : op('v128.and', all, kept);
}

/** Of each component; those that a mask leaves out are the first element's. */
function addresses(
  place: Place,
  index: Expression,
  mask: Value | null,
  evaluate: Evaluate,
  frame: Frame,
): readonly Address[] {
  const parts = [0, 1, 2, 3];
  const apart = mask === null ? parts.map((at) => componentOf(index, at, frame)) : [];
  if (apart.length > 0 && apart.every((each) => each !== null))
    return apart.map((each) => addressOf(place, each, evaluate, frame));
  const all = evaluate(index, frame);
  const inside = mask === null ? all : op('v128.and', all, mask);
  const bytes = op('i32x4.shl', inside, number(2));
  const vector = held(op('i32x4.add', bytes, op('i32x4.splat', get(place.address))), 'v128', frame);
  return parts.map((at) => ({ address: component('i32x4.extract_lane', at, vector), offset: 0 }));
}

export function storeVector(
  place: Place,
  index: Expression,
  value: Value,
  mask: Expression | undefined,
  evaluate: Evaluate,
  frame: Frame,
): void {
  const push = (action: Action): void => void frame.actions.push(action);
  if (mask === undefined) {
    if (index.type === 'i32') {
      push({ kind: 'store', op: 'v128.store', ...addressOf(place, index, evaluate, frame), value });
      return;
    }
    const kept = held(value, 'v128', frame);
    addresses(place, index, null, evaluate, frame).forEach((at, component) =>
      push({ kind: 'store-component', ...at, component, value: kept }),
    );
    return;
  }
  // One bit a component. Other threads may write what a mask leaves out.
  const bits = held(op('i32x4.bitmask', evaluate(mask, frame)), 'i32', frame);
  const kept = held(value, 'v128', frame);
  const each = (at: readonly Address[]): void =>
    at.forEach((address, component) => {
      const condition = op('i32.and', bits, number(1 << component));
      const yes: readonly Action[] = [{ kind: 'store-component', ...address, component, value: kept }];
      push({ kind: 'if', condition, yes, no: [] });
    });
  if (index.type === 'i32x4') {
    each(addresses(place, index, null, evaluate, frame));
    return;
  }
  const { address, offset } = addressOf(place, index, evaluate, frame);
  const start = held(address, 'i32', frame);
  const whole: readonly Action[] = [{ kind: 'store', op: 'v128.store', address: start, offset, value: kept }];
  const parts = collect(frame, () => each([0, 1, 2, 3].map((at) => ({ address: start, offset: offset + 4 * at }))));
  push({ kind: 'if', condition: op('i32.eq', bits, number(15)), yes: whole, no: parts });
}
