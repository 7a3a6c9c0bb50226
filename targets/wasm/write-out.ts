// Loops written out: those that the kernel says, short ones of few steps, and several steps at once of short loops over vectors, since the
// engine looks for interrupts in every iteration. Statements come in and go out.

import type { Expression, Statement } from '../../codegen/kernel.ts';
import { add, i32, multiply, quotient, subtract } from '../../codegen/kernel-build.ts';
import { replaceIn, unroll } from '../../codegen/unroll.ts';
import { eachExpression } from '../print.ts';

type Loop = Extract<Statement, { kind: 'for' }>;

export function writeOut(statements: readonly Statement[]): readonly Statement[] {
  return statements.flatMap((statement): readonly Statement[] => {
    if (statement.kind === 'for') return loop(statement);
    if (statement.kind !== 'if') return [statement];
    const [then, otherwise] = [writeOut(statement.then), writeOut(statement.otherwise)];
    // oxlint-disable-next-line unicorn/no-thenable -- a branch, not a promise
    return [{ ...statement, then, otherwise }];
  });
}

/** In expressions: what is written out whole, and the iterations of a loop put together. */
const wholeLength = 240;
const longestStep = 160;
const mostAtOnce = 4;
/** Sums that a loop carries beside what it loads for several steps: more of them do not stay in registers. */
const mostCarried = 4;

function loop(of: Loop): readonly Statement[] {
  if (of.mode === 'unrolled') return unroll(of).flatMap(({ body }) => writeOut(body));
  const body = writeOut(of.body);
  const whole: Loop = { ...of, body };
  const isInnermost = !body.some(({ kind }) => kind === 'for' || kind === 'if' || kind === 'return');
  // One number at a time: few steps that are left, or what waits for the step before.
  if (!isInnermost || of.step % 4 !== 0) return [whole];
  const length = lengthOf(body);
  const { from, to, step } = of;
  if (from.kind === 'literal' && to.kind === 'literal') {
    const count = Math.max(Math.ceil((to.value - from.value) / step), 0);
    if (count * length <= wholeLength) return unroll(whole).flatMap((each) => each.body);
  }
  if (body.filter(({ kind }) => kind === 'set').length > mostCarried) return [whole];
  const most = step === 4 ? mostAtOnce : Math.floor((4 * mostAtOnce) / step);
  const atOnce = [4, 2].find((each) => each <= most && each * length <= longestStep);
  return atOnce === undefined ? [whole] : severalAtOnce(whole, atOnce);
}

/** for (i = from; i < whole; i += atOnce step) atOnce bodies; for (i = whole; i < to; i += step) body */
function severalAtOnce(of: Loop, atOnce: number): readonly Statement[] {
  const { variable, from, to, step, body } = of;
  const stride = step * atOnce;
  const whole: Expression = { kind: 'local', type: 'i32', name: `${variable}.whole` };
  const count = quotient(subtract(to, from), i32(stride));
  const end = add(from, multiply(count, i32(stride)));
  const at: Expression = { kind: 'local', type: 'i32', name: variable };
  const steps = Array.from({ length: atOnce }, (_, n) => replaceIn(body, variable, add(at, i32(n * step))));
  if (end.kind === 'literal') {
    const first: Loop = { ...of, to: end, step: stride, body: steps.flat() };
    return [first, { ...of, from: end }];
  }
  return [bind(whole.name, end), { ...of, to: whole, step: stride, body: steps.flat() }, { ...of, from: whole }];
}

/** A name that no kernel has. */
const bind = (name: string, value: Expression): Statement => ({ kind: 'let', name, value });

function lengthOf(statements: readonly Statement[]): number {
  let length = 0;
  eachExpression(statements, (e) => {
    length += e.kind === 'apply' || (e.kind === 'call' && (e.op === 'exp' || e.op === 'log')) ? longestStep : 1;
  });
  return length;
}
