// A compiled encoding -> the page that `pegen explain` prints: stages, kernels with their floors, parameters, laws.

import { bytesOfElement } from '../../codegen/kernel.ts';
import type { EntryPlan, Plan, Slot } from '../../codegen/plan/plan.ts';
import { evaluateSize, product } from '../../codegen/plan/size.ts';
import type { SizeValues } from '../../codegen/plan/size.ts';
import type { EncodingPlan } from '../compile.ts';
import type { Chip } from './chips.ts';
import { entryCost, launchCost } from './costs.ts';
import { stageMeaning, stageNames, stagesOf } from './stages.ts';
import type { StageName } from './stages.ts';
import { bytesText, flopsText, tensorText, timeText } from './text.ts';

export interface Section {
  readonly title: string;
  readonly note: string;
  /** The first row is the heading. */
  readonly rows: readonly (readonly string[])[];
}

/** `lineOf` gives the place of a definition: 'rope.pe:4'. */
export type LineOf = (span: { file: string; start: number; end: number } | null) => string;

export function stageSection(plan: EncodingPlan, lineOf: LineOf): Section {
  const rows = plansOf({ ...plan, relevance: [] }).flatMap((one) => {
    const program = one.gradients ?? one.program;
    const stages = stagesOf(program, one.slots);
    return [...stages].map(([definition, stage]) => ({ stage, definition, slot: one.slots.get(definition) }));
  });
  const isOwn = ({ slot }: (typeof rows)[number]): number => (slot === 'step' ? 1 : 0); // behind what all layers share
  rows.sort((a, b) => stageNames.indexOf(a.stage) - stageNames.indexOf(b.stage) || isOwn(a) - isOwn(b));
  return {
    title: 'Stages',
    note: 'when each tensor is computed',
    rows: [
      ['stage', 'tensor', 'rule', 'line', ''],
      ...rows.map(({ stage, definition, slot }, n) => {
        const before = rows[n - 1];
        return [
          before?.stage === stage ? '' : stage,
          tensorText(definition.tensor),
          definition.kind === 'reduce' ? definition.op : definition.kind,
          lineOf(definition.span),
          before?.stage === stage && isOwn(before) === isOwn({ stage, definition, slot }) ? '' : meaningOf(stage, slot),
        ];
      }),
    ],
  };
}

function meaningOf(stage: StageName, slot: Slot | undefined): string {
  if (slot === 'shared') return `${stageMeaning[stage]}, for all layers`;
  return slot === 'step' ? `${stageMeaning[stage]}, in every layer` : stageMeaning[stage];
}

export function kernelSection(plan: EncodingPlan, sizes: SizeValues, chip: Chip, lineOf: LineOf): Section {
  const entries = plansOf(plan).flatMap(({ entries: own }) => own);
  const heading = ['entry', 'kernel', 'computes', 'line', 'bytes', 'flops', 'floor', 'bound by'];
  return {
    title: 'Kernels',
    note: `batch ${sizes.batch}, ${sizes.tokens} tokens; floors on ${chip.name}${copyText(chip)}`,
    rows: [heading, ...entries.flatMap((entry) => entryRows(entry, sizes, chip, lineOf))],
  };
}

const copyText = ({ bytesPerSecond, copyBytesPerSecond }: Chip): string =>
  copyBytesPerSecond === null
    ? ''
    : `, where a copy reaches ${Math.round((100 * copyBytesPerSecond) / bytesPerSecond)} % of the memory's rate`;

function entryRows(entry: EntryPlan, sizes: SizeValues, chip: Chip, lineOf: LineOf): string[][] {
  const rows = entry.launches.map((launch, n) => {
    const cost = launchCost(launch, sizes, chip);
    const { name, comment, span } = launch.kernel;
    const figures = [bytesText(cost.bytes), flopsText(cost.flops), timeText(cost.microseconds), cost.bound];
    return [n === 0 ? entry.name : '', name, comment, lineOf(span), ...figures];
  });
  const all = entryCost(entry, sizes, chip);
  const total = [bytesText(all.bytes), flopsText(all.flops), timeText(all.microseconds), ''];
  return rows.length < 2 ? rows : [...rows, ['', '', `all of ${entry.name}`, '', ...total]];
}

/** Where more structure was seen than the program says. */
export const seenData = (plan: EncodingPlan, lineOf: LineOf) =>
  plansOf(plan).flatMap(({ seen }) => seen.map(({ span, ...rest }) => ({ ...rest, line: lineOf(span) })));

/** The same as a table; null where there is nothing. */
export function seenSection(plan: EncodingPlan, lineOf: LineOf): Section | null {
  const seen = seenData(plan, lineOf);
  if (seen.length === 0) return null;
  return {
    title: 'Seen',
    note: 'structure that the compiler found; --rewrites none compiles what is written',
    rows: [
      ['rewrite', 'tensor', 'line', ''],
      ...seen.map(({ rewrite, applied, tensor, line, text }) => [
        applied ? rewrite : `not ${rewrite}`,
        tensor,
        line,
        text,
      ]),
    ],
  };
}

/** What forward keeps for backward. */
export function savedSection(plan: EncodingPlan, sizes: SizeValues): Section {
  const outputs = plansOf({ ...plan, relevance: [] }).flatMap(({ entries }) =>
    entries.flatMap((entry) => entry.outputs),
  );
  const rows = outputs
    .filter(({ saved }) => saved)
    .map(({ buffer, aliases }) => {
      const bytes = bytesOfElement[buffer.type] * evaluateSize(product(buffer.shape), sizes);
      return [
        buffer.comment,
        aliases === null ? bytesText(bytes) : '',
        aliases === null ? '' : `in the place of ${aliases}`,
      ];
    });
  return {
    title: 'Saved for backward',
    note: `in every layer, batch ${sizes.batch}, ${sizes.tokens} tokens`,
    rows: [['tensor', 'bytes', ''], ...rows],
  };
}

const plansOf = ({ attend, embed, input, relevance }: EncodingPlan): readonly Plan[] => [
  ...[embed, input].filter((plan) => plan !== null),
  attend,
  ...relevance,
];
