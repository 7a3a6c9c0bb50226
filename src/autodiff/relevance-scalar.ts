// Relevance inside one body. What goes backwards is the share c: relevance over value. The share of a scalar in, for each of its reads the
// share out, and the relevance that stays with what only says where tokens are.

import type { Scalar } from '../ir/ir.ts';
import { makeKeys } from '../ir/key.ts';
import { operations } from '../ir/ops.ts';
import { call, isConstant, real } from '../ir/scalar.ts';
import { readsOf, visit } from '../ir/visit.ts';
import type { Read } from '../ir/visit.ts';
import { addGuarded, applyGuard, both, mergeReads, splitGuard } from './scalar.ts';
import type { Guarded, Pulled } from './scalar.ts';

/** The denominators' distance from 0: what is smaller keeps a part of its relevance. */
export const defaultEpsilon = 1e-7;
export const awayFromZero = (s: Scalar, epsilon: number): Scalar =>
  call('add', s, call('select', call('less', s, real(0)), real(-epsilon), real(epsilon)));

/** What passes relevance on, and what keeps it. */
export interface Roles {
  readonly content: (read: Read) => boolean;
  /** A value without content that differs from token to token. */
  readonly isPosition: (s: Scalar) => boolean;
  readonly epsilon: number;
}

export interface Shared {
  readonly reads: readonly Pulled[];
  /** Relevance, not a share; null: none. */
  readonly position: Scalar | null;
}

export function pullShares(body: Scalar, share: Guarded, { content, isPosition, epsilon }: Roles): Shared {
  const keys = makeKeys();
  const order: Scalar[] = [];
  const leads = new Set<Scalar>(); // nodes with content below them
  visit(body, (s) => {
    if (s.type !== 'real') return;
    const hit = s.kind === 'read' ? content(s) : s.kind === 'call' && s.args.some((a) => leads.has(a));
    if (!hit) return;
    leads.add(s);
    order.push(s);
  });
  const positions: Scalar[] = [];
  const stay = (s: Scalar, { value, guard }: Guarded): void =>
    void positions.push(applyGuard({ value: call('multiply', s, value), guard }));
  if (!leads.has(body) && isPosition(body)) stay(body, share);
  const arrived = new Map<Scalar, Guarded[]>([[body, [share]]]);
  const reads: Pulled[] = [];
  for (const s of order.reverse()) {
    const here = arrived.get(s);
    if (here === undefined) continue;
    const total = addGuarded(here, keys.scalar);
    if (s.kind === 'read') reads.push({ read: s, ...total });
    if (s.kind !== 'call') continue;
    const carries = s.args.map((arg) => leads.has(arg) || (arg.type !== 'boolean' && isPosition(arg)));
    for (const [k, arg] of s.args.entries()) {
      const factor = carries[k] === true ? factorsOf(s, carries, epsilon)[k] : null;
      if (factor === null || factor === undefined || isConstant(factor, 0)) continue;
      const part = splitGuard(factor);
      const next = { value: call('multiply', total.value, part.value), guard: both(total.guard, part.guard) };
      if (leads.has(arg)) arrived.set(arg, [...(arrived.get(arg) ?? []), next]);
      else stay(arg, next);
    }
  }
  const position = positions.length === 0 ? null : positions.reduce((sum, one) => call('add', sum, one));
  return { reads: mergeReads(reads, keys.scalar), position };
}

type Call = Extract<Scalar, { kind: 'call' }>;

/**
 * What the share of a result is multiplied by for each argument. Arguments times factors add up to the result, so relevance is kept, but
 * for what constants take as addends (PA-LRP, arXiv 2506.02138, eq. 5; AttnLRP's rules for products and functions of one number).
 */
function factorsOf(self: Call, carries: readonly boolean[], epsilon: number): readonly (Scalar | null)[] {
  const { op, args } = self;
  switch (op) {
    // Of degree one: proportionally (the epsilon rule).
    case 'add':
    case 'subtract':
    case 'negate':
    case 'real':
    case 'abs':
    case 'relu':
    case 'min':
    case 'max':
    case 'select':
      return operations[op].derivative(args, self);
    case 'detach':
      return [real(1)];
    // Evenly.
    case 'multiply': {
      const [a, b] = args as [Scalar, Scalar];
      const part = real(carries[0] === true && carries[1] === true ? 0.5 : 1);
      return [call('multiply', part, b), call('multiply', part, a)];
    }
    // A divisor normalises: it takes part only where the dividend is a constant.
    case 'divide': {
      const [a, b] = args as [Scalar, Scalar];
      return carries[0] === true
        ? [call('divide', real(1), b), null]
        : [null, call('divide', a, call('power', b, real(2)))];
    }
    // The identity rule: all of it, evenly where there are several.
    default: {
      const count = carries.filter(Boolean).length;
      return args.map((arg, k) =>
        carries[k] === true && arg.type !== 'boolean'
          ? call(
              'divide',
              self,
              call('multiply', real(count), awayFromZero(arg.type === 'real' ? arg : call('real', arg), epsilon)),
            )
          : null,
      );
    }
  }
}

/** 1 where a factor of a product carries relevance, else 0: branches of a `select` may differ. */
export function carriesWhere(s: Scalar, roles: Roles): Scalar {
  if (s.kind === 'call' && s.op === 'select') {
    const [condition, then, otherwise] = s.args as [Scalar, Scalar, Scalar];
    return call('select', condition, carriesWhere(then, roles), carriesWhere(otherwise, roles));
  }
  return real(roles.isPosition(s) || readsOf(s).some(roles.content) ? 1 : 0);
}
