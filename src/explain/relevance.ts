// Where the relevance of an encoding's output goes: the part that each input gets and that stays with positions, on random inputs in
// float64. For `pegen explain --relevance`.

import { isContent, relevance } from '../autodiff/relevance.ts';
import { interpret } from '../interpret/interpret.ts';
import type { Definition, Program } from '../ir/ir.ts';
import { sampleInputs } from '../laws/sample.ts';
import type { Lowered } from '../lower/lower.ts';
import type { LineOf, Section } from './explain.ts';

export interface RelevancePart {
  /** `query`, or where it stayed with the position: the tensor of that definition. */
  readonly of: string;
  readonly kind: 'input' | 'position';
  /** Of which result. */
  readonly result: string;
  /** Of the sum of all magnitudes. */
  readonly part: number;
  readonly line: string;
  readonly rule: string;
}

/** Batch and tokens of the random inputs. */
const sizes = { batch: 2, tokens: 16 };

export function relevanceParts({ attend, embed }: Lowered, lineOf: LineOf): readonly RelevancePart[] {
  return [...(embed === null ? [] : partsOf(embed, 'embedding_encoded', lineOf)), ...partsOf(attend, 'output', lineOf)];
}

/** The output's relevance is its value. */
function partsOf(program: Program, output: string, lineOf: LineOf): readonly RelevancePart[] {
  const { program: all, positions } = relevance(program, [output]);
  const { inputs } = sampleInputs(all, { seed: 1, ...sizes, learned: 'around', positions: 'range' });
  const forward = interpret(program, sizes, inputs);
  const arriving = forward.get(program.results.get(output)!.name)!;
  const values = interpret(all, sizes, { ...inputs, [`relevance_of_${output}`]: arriving });
  const magnitude = (result: string): number =>
    values.get(all.results.get(result)!.name)!.reduce((sum, value) => sum + Math.abs(value), 0);
  const contents = program.inputs.filter((tensor) => isContent(tensor) && all.results.has(`relevance_${tensor.name}`));
  const parts: readonly RelevancePart[] = [
    ...contents.map(({ name }) => ({
      of: name,
      result: output,
      kind: 'input' as const,
      part: magnitude(`relevance_${name}`),
      line: '',
      rule: 'value times share',
    })),
    ...[...positions].map(([name, d]) => ({
      of: d.tensor.name,
      result: output,
      kind: 'position' as const,
      part: magnitude(name),
      line: lineOf(d.span),
      rule: ruleOf(d),
    })),
  ];
  const total = parts.reduce((sum, { part }) => sum + part, 0);
  return parts.map((each) => ({ ...each, part: total === 0 ? 0 : each.part / total }));
}

function ruleOf(d: Definition): string {
  if (d.kind === 'rotate') return 'half stays with the phase';
  if (d.kind === 'reduce' || d.kind === 'scan') return 'an equal part of each product stays with the position';
  return 'in proportion to what the position adds';
}

export function relevanceSections(parts: readonly RelevancePart[]): readonly Section[] {
  const results = [...new Set(parts.map(({ result }) => result))];
  return results.map((result) => ({
    title: `Relevance of ${result}`,
    note: `where it goes, by magnitude, on random inputs of ${sizes.batch} x ${sizes.tokens} tokens`,
    rows: [
      ['goes to', '', 'part', 'line', 'rule'],
      ...parts
        .filter((each) => each.result === result)
        .map(({ of, kind, part, line, rule }) => [of, kind, `${(100 * part).toFixed(1)} %`, line, rule]),
    ],
  }));
}
