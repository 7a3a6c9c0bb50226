// Plans of one encoding (its embedding's and its attention's), or of one operation -> one self-contained ES module in
// TypeScript that satisfies `Module` of pegen/device. It imports types only, so its JavaScript needs nothing.

import type { Span } from '../../grammar/span.ts';
import type { Definition } from '../../src/ir/ir.ts';
import type { KernelBody } from '../kernel.ts';
import { createNames } from '../names.ts';
import type { NameAllocator } from '../names.ts';
import { commentText } from '../numbers.ts';
import type { BufferPlan, LearnedPlan, Plan } from '../plan/plan.ts';
import { printSize } from '../plan/size.ts';
import { inputsType, outputsType, printEntry, printEntryTable } from './entries.ts';
import { drawsOf, printDraws } from './draws.ts';
import type { EntryNames } from './entries.ts';
import { headerOf } from './header.ts';
import { helperFunctions, helperNames } from './helpers.ts';
import type { HelperName } from './helpers.ts';
import type { HostContext } from './host.ts';
import { nameKernels, printKernels } from './kernels.ts';
import type { KernelTexts } from './kernels.ts';
import { printLearned } from './learned.ts';
import { numberLiteral, propertyName, stringLiteral } from './literals.ts';
import { printModuleStructure } from './morph.ts';
import type { ModuleStructure, Statement } from './structure.ts';
import { givenBuffers, printTables } from './tables.ts';

export interface ModuleInfo {
  readonly name: string; // of the encoding or the operation
  readonly source: { readonly file: string; readonly sha256: string };
  readonly geometry: Readonly<Record<string, number>>;
  readonly language: 'wgsl' | 'cuda' | 'wasm';
  /** Of the target: one kernel as a device takes it, and as text for people where that is something else. */
  readonly kernel: (body: KernelBody, comment: string) => string;
  readonly read?: ((body: KernelBody, comment: string) => string) | undefined;
  /** 'rope.pe:4' */
  readonly lineOf: (span: Span) => string;
}

export async function printModule(plans: readonly Plan[], info: ModuleInfo): Promise<string> {
  return printModuleStructure(moduleStructure(plans, info));
}

const exported = ['name', 'source', 'geometry', 'learned', 'draws', 'kernels', 'entries', 'tables'] as const;
const types = ['Buffer', 'Draw', 'Entry', 'Kernel', 'Learned', 'Module', 'Sizes', 'Tape'] as const;
const parameters = ['tape', 'buffers', 'sizes', 'given', 'random'] as const;
const sizes = ['batch', 'tokens', 'keys', 'first', 'capacity'] as const;

/** The module as data, before it is printed. */
function moduleStructure(plans: readonly Plan[], info: ModuleInfo): ModuleStructure {
  const entries = plans.flatMap((plan) => plan.entries.map((entry) => ({ plan, entry })));
  const entryNames = entries.map(({ entry }) => entry.name);
  if (new Set(entryNames).size !== entryNames.length) throw new Error(`entries ${entryNames.join(', ')}: one is twice`);

  const names = createNames([
    ...exported,
    ...types,
    ...parameters,
    ...sizes,
    ...entryNames,
    ...helperNames,
    ...entries.flatMap(({ entry }) => [inputsType(entry), outputsType(entry)]),
  ]);
  const used = new Set<HelperName>();
  const bufferName = bufferNames(plans);
  const kernelNames = nameKernels(plans);
  const kernels = printKernels(kernelNames, kernelTexts(info), names.allocate);
  const namesOf = (plan: Plan): EntryNames => ({
    buffer: (buffer) => bufferName(plan, buffer),
    kernel: (kernel) => kernelNames.get(kernel)!,
    locals: () => names.inner().allocate,
  });
  const functions = entries.flatMap(({ plan, entry }) => printEntry(entry, namesOf(plan)));
  const table = printEntryTable(entries.map(({ plan, entry }) => ({ entry, names: namesOf(plan) })));
  const learned = printLearned(
    learnedOf(plans),
    () => hostContext(names, used, info),
    (each) => `/** ${learnedComment(each)} */`,
  );
  const drawn = drawsOf(plans);
  const draws = drawn.length === 0 ? [] : [printDraws(drawn, () => hostContext(names, used, info))];
  const isPresent = (name: string): boolean => drawn.length > 0 || (name !== 'draws' && name !== 'Draw');
  const tables = printTables(plans, bufferName, hostContext(names, used, info));

  const statements: Statement[] = [
    { kind: 'import-types', names: types.filter(isPresent), from: 'pegen/device' },
    constant('name', stringLiteral(info.name)),
    constant('source', `{ file: ${stringLiteral(info.source.file)}, sha256: ${stringLiteral(info.source.sha256)} }`),
    constant('geometry', geometryText(info.geometry), geometryDocs(info.geometry)),
    learned,
    ...draws,
    ...functions,
    tables,
    table,
    ...kernels,
    ...helperFunctions(used),
    { kind: 'default', value: `{ ${[...exported.filter(isPresent), ...entryNames].join(', ')} } satisfies Module` },
  ];
  return { header: [headerOf(info.source)], statements };
}

/** How this module's kernels are printed. */
export const kernelTexts = (info: ModuleInfo): KernelTexts => ({
  language: info.language,
  print: info.kernel,
  read: info.read,
  source: ({ span }) => (span === null ? info.name : info.lineOf(span)),
});

function constant(name: string, value: string, docs: readonly string[] = []): Statement {
  return { kind: 'constant', name, exported: true, docs, value };
}

const geometryDocs = ({ bidirectional = 0 }: Readonly<Record<string, number>>): readonly string[] =>
  bidirectional === 0
    ? ['What the module was compiled for.']
    : [
        'What the module was compiled for. Every token sees every token of its sequence: there is no entry for single ones.',
      ];

function geometryText(geometry: Readonly<Record<string, number>>): string {
  const items = Object.entries(geometry).map(([key, value]) => `${propertyName(key)}: ${numberLiteral(value)}`);
  return items.length === 0 ? '{}' : `{ ${items.join(', ')} }`;
}

function hostContext(names: NameAllocator, used: Set<HelperName>, info: ModuleInfo): HostContext {
  return {
    names: names.inner(),
    helper: (name) => {
      used.add(name);
      return name;
    },
    comment: (definition) => `// ${commentText(definitionComment(definition, info))}`,
  };
}

function definitionComment({ tensor, span }: Definition, info: ModuleInfo): string {
  const axes = tensor.axes.map(({ name, extent }) => `${name}: ${extent}`).join(', ');
  return `${tensor.name}[${axes}]${span === null ? '' : `, ${info.lineOf(span)}`}`;
}

function learnedComment({ tensor, axes, trained }: LearnedPlan): string {
  const shape = axes.map(({ name, extent }) => `${name}: ${extent}`).join(', ');
  return commentText(`${tensor.name} [${shape}]${trained ? '' : ', fixed'}`).replaceAll('@', '(at)');
}

/** Learned tensors of all plans by name; plans of one encoding share them. */
function learnedOf(plans: readonly Plan[]): LearnedPlan[] {
  const byName = new Map<string, LearnedPlan>();
  for (const plan of plans)
    for (const each of plan.learned) if (!byName.has(each.tensor.name)) byName.set(each.tensor.name, each);
  return [...byName.values()];
}

/**
 * Names of buffers in the module's records. `tables` is one record for all plans: where two plans hold different things
 * under one name there, the later plan's gets a number.
 */
function bufferNames(plans: readonly Plan[]): (plan: Plan, buffer: BufferPlan) => string {
  const holders = new Map<string, string>(); // name -> what it holds
  const renamed = new Map<Plan, Map<string, string>>();
  plans.forEach((plan, n) => {
    const own = new Map<string, string>();
    const claim = (buffer: BufferPlan, what: string): void => {
      let name = buffer.name;
      for (let count = n + 1; (holders.get(name) ?? what) !== what; count += 1) name = `${buffer.name}_${count}`;
      holders.set(name, what);
      if (name !== buffer.name) own.set(buffer.name, name);
    };
    const shape = ({ shape: sizes, type }: BufferPlan): string => `${type} ${sizes.map(printSize).join(', ')}`;
    plan.tables.forEach(({ buffer }) => claim(buffer, `table of plan ${n}`));
    givenBuffers(plan).forEach((buffer) => claim(buffer, shape(buffer)));
    renamed.set(plan, own);
  });
  return (plan, buffer) => renamed.get(plan)?.get(buffer.name) ?? buffer.name;
}
