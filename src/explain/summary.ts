// What `pegen check` says of an encoding without errors: learned tensors, laws.

import type { Span } from '../../grammar/span.ts';
import type { FrontEnd } from '../front-end.ts';
import { phaseErrors } from '../laws/phases.ts';
import type { AngleStorage } from '../laws/phases.ts';
import type { Tensor } from '../ir/ir.ts';

interface LearnedSummary {
  readonly name: string;
  readonly shape: string;
  readonly count: number; // elements in the model: of all layers that have their own
  readonly copies: number; // layers that have their own, or 1
  readonly trained: boolean;
}

export function learnedOf({ checked, lowered }: Pick<FrontEnd, 'checked' | 'lowered'>): readonly LearnedSummary[] {
  const byName = new Map<string, Tensor>();
  for (const program of [lowered?.embed, lowered?.input, lowered?.attend])
    for (const tensor of program?.inputs ?? []) if (tensor.origin.kind === 'learned') byName.set(tensor.name, tensor);
  return [...byName.values()].flatMap((tensor) => {
    const { origin, axes, name } = tensor;
    if (origin.kind !== 'learned') return [];
    const one = axes.reduce((all, { extent }) => all * Number(extent), 1);
    const inEmbedding = lowered?.embed?.inputs.includes(tensor) === true;
    const copies = origin.shared || inEmbedding ? 1 : (checked?.geometry.layers ?? 1);
    const shape = axes.map((axis) => `${axis.name}: ${axis.extent}`).join(', ');
    return [{ name, shape, count: one * copies, copies, trained: origin.trained }];
  });
}

/** What the model's attention shows, where that is not the usual. */
export const modelLines = ({ checked }: Pick<FrontEnd, 'checked'>): readonly string[] =>
  checked?.geometry.bidirectional === true
    ? ['bidirectional: every token sees every token of its sequence; nothing is decoded token by token']
    : [];

export function parameterLines(result: FrontEnd): readonly string[] {
  const learned = learnedOf(result);
  if (learned.length === 0) return ['learns nothing'];
  const total = learned.reduce((sum, { count }) => sum + count, 0);
  return [
    ...learned.map(
      ({ name, shape, count, copies, trained }) =>
        `${trained ? 'learns' : 'keeps'} ${name} [${shape}]: ${count} numbers${copies === 1 ? '' : ` in ${copies} layers`}`,
    ),
    ...(learned.length > 1 ? [`in all ${total} numbers`] : []),
  ];
}

/** How each claim was decided. */
export function lawLines({ laws }: Pick<FrontEnd, 'laws'>): readonly string[] {
  return laws.map((result) => {
    switch (result.kind) {
      case 'proved':
        return `${result.text}: proved, ${result.reason}`;
      case 'tested':
        return `${result.text}: held in ${result.cases} random cases`;
      case 'undecided':
        return `${result.text}: not decided, ${result.reason}`;
      case 'false':
        return `${result.text}: false, ${result.counter}`;
      default:
        return result satisfies never;
    }
  });
}

/** How far the angles of each rotation go, and how far off they are there, as kernels keep them and as smaller numbers. */
export function phaseLines(
  { checked, lowered }: FrontEnd,
  lineOf: (span: Span) => string,
  position?: number,
): readonly string[] {
  if (checked === null || lowered === null) return [];
  const shown = (error: number): string =>
    Number.isFinite(error) ? `${error.toPrecision(2)} rad` : 'too large for it';
  const lines = phaseErrors(checked, lowered.attend, position).map(({ span, position: at, angle, error, stored }) => {
    const place = span === null ? '' : `${lineOf(span)}: `;
    const off = error === 0 ? 'exact, since the host computes it' : `off by at most ${error.toPrecision(2)} in float32`;
    const others = `kept as bf16 ${shown(stored.bf16)}, as f16 ${shown(stored.f16)}`;
    return `${place}turns by up to ${angle.toPrecision(3)} radians at position ${at}, ${off} (${others})`;
  });
  return [...new Set(lines)];
}

export interface PhaseLimit {
  readonly limit: number; // radians
  readonly storage: AngleStorage | null; // null: as kernels are
  readonly position?: number | undefined;
}

/** A line for each rotation that is further off than it may be. */
export function phasesPastLimit(
  { checked, lowered }: FrontEnd,
  { limit, storage, position }: PhaseLimit,
  lineOf: (span: Span) => string,
): readonly string[] {
  if (checked === null || lowered === null) return [];
  const lines = phaseErrors(checked, lowered.attend, position).flatMap((one) => {
    const error = storage === null ? one.error : one.stored[storage];
    if (error <= limit) return [];
    const place = one.span === null ? '' : `${lineOf(one.span)}: `;
    return [
      `${place}the angle is off by up to ${error.toPrecision(2)} rad at position ${one.position} as ${storage ?? 'float32'}, more than ${limit}`,
    ];
  });
  return [...new Set(lines)];
}
