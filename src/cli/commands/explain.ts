// pegen explain: what becomes of an encoding, or what a diagnostic's code means.

import { Option } from 'commander';
import type { Command } from 'commander';
import {
  addBidirectionalFlag,
  addEncodingFlags,
  addGeometryFlags,
  addRewriteFlag,
  addVocabularyFlag,
  compileOptionsOf,
  wholeNumber,
} from '../flags.ts';
import type { EncodingFlags, GeometryFlags, RewriteFlags, VocabularyFlag } from '../flags.ts';
import { addPrecisionFlag } from '../device.ts';
import type { PrecisionFlag } from '../device.ts';
import { failed, usage } from '../failure.ts';
import { printJson, showDiagnostics, table } from '../show.ts';
import { readSource } from '../source-file.ts';
import type { Source } from '../../source.ts';
import type { CompileOptions } from '../../options.ts';
import type { Language } from '../../../targets/device.ts';

interface Flags extends EncodingFlags, GeometryFlags, PrecisionFlag, RewriteFlags, VocabularyFlag {
  readonly relevance?: boolean;
  readonly target: Language;
  readonly chip: string;
  readonly batch: number;
  readonly tokens?: number;
  readonly emit?: Emit;
  readonly json?: boolean;
}

const emits = ['tokens', 'ast', 'ir', 'grad', 'plan', 'wgsl', 'cuda', 'wat', 'ts'] as const;
type Emit = (typeof emits)[number];
/** What a stage is of, whatever --target says. */
const languages: Readonly<Partial<Record<Emit, Language>>> = { wgsl: 'wgsl', cuda: 'cuda', wat: 'wasm' };

export function addExplain(command: Command): void {
  command
    .argument('<file-or-code>', 'a .pe file, or the code of a diagnostic such as PE0203')
    .option('--chip <name>', 'the chip that floors are computed for (a wrong name lists them)', 'h100')
    .option('--batch <n>', 'sequences at once', wholeNumber(1), 8)
    .option('--tokens <n>', 'tokens of a sequence (default: the context)', wholeNumber(1))
    .addOption(
      new Option('--target <name>', 'the language of the kernels').choices(['wgsl', 'cuda', 'wasm']).default('wgsl'),
    )
    .option('--relevance', 'where the relevance of the output goes (PA-LRP), and the kernels that propagate it')
    .addOption(new Option('--emit <stage>', 'print one stage of the compilation instead').choices(emits))
    .option('--json', 'the page as JSON');
  addRewriteFlag(addPrecisionFlag(addVocabularyFlag(addBidirectionalFlag(addGeometryFlags(addEncodingFlags(command))))))
    .addHelpText(
      'after',
      `
Examples:
  $ pegen explain examples/carope.pe
  $ pegen explain examples/rope.pe --chip a100 --heads 12 --head-dim 64 --context 1024
  $ pegen explain examples/carope.pe --target cuda --precision bf16 --chip h200 --tokens 1024
  $ pegen explain examples/carope.pe --emit ir
  $ pegen explain examples/rope.pe --relevance
  $ pegen explain examples/alibi.pe --rewrites none
  $ pegen explain mine.pe --vocabulary 256
  $ pegen explain PE0203

A floor is the time below which no implementation of a kernel can go on the chip: the larger of
the bytes it must move over the chip's bandwidth and its operations over the chip's rate.`,
    )
    .action(run);
}

async function run(what: string, flags: Flags): Promise<void> {
  if (/^PE\d+$/i.test(what)) return explainCode(what);
  const { chips, chipNames } = await import('../../explain/chips.ts');
  const name = chipNames.find((known) => known === flags.chip.toLowerCase().replaceAll('-', '_'));
  if (name === undefined) throw usage(`no chip is called ${flags.chip}`, `one of ${chipNames.join(', ')}`);
  const source = await readSource(what);
  const target = (flags.emit && languages[flags.emit]) ?? flags.target;
  const { precision = 'f32' } = flags;
  if (precision === 'bf16' && target !== 'cuda')
    throw usage(
      `${target === 'wasm' ? 'WebAssembly' : 'WGSL'} has no bf16 storage`,
      'say --target cuda, or leave --precision out',
    );
  const asked = await compileOptionsOf(flags);
  const atOnce = flags.batch * (flags.tokens ?? asked.geometry.context);
  const vocabulary = flags.vocabulary === undefined ? null : { words: flags.vocabulary, tokens: atOnce };
  const options = { ...asked, vocabulary, target, precision, relevance: flags.relevance === true };
  if (flags.emit !== undefined) return emit(flags.emit, source, options);

  const { planSource } = await import('../../compile.ts');
  const { frontEnd } = await import('../../front-end.ts');
  const { lineOf } = await import('../../source.ts');
  const page = await import('../../explain/explain.ts');
  const { modelLines, parameterLines, lawLines } = await import('../../explain/summary.ts');
  const front = frontEnd(source, options);
  const { plan } = planSource(source, { ...options, laws: false });
  await showDiagnostics(front.diagnostics, source);
  if (plan === null || front.checked === null) throw failed();

  const tokens = flags.tokens ?? front.checked.geometry.context;
  const sizes = { batch: flags.batch, tokens, keys: tokens, first: 0, capacity: tokens };
  const line: Parameters<typeof page.stageSection>[1] = (span) => (span === null ? '' : lineOf(source, span));
  const { heads, kv_heads, head_dim, layers } = front.checked.geometry;
  const { relevanceParts, relevanceSections } = await import('../../explain/relevance.ts');
  const sections = [
    ...(options.relevance ? relevanceSections(relevanceParts(front.lowered!, line)) : []),
    page.stageSection(plan, line),
    page.seenSection(plan, line),
    page.kernelSection(plan, sizes, chips[name], line),
    page.savedSection(plan, sizes),
  ].filter((section) => section !== null);
  if (flags.json === true) {
    const { name: encoding, geometry } = front.checked;
    const learned = parameterLines(front);
    return printJson({ encoding, geometry, sections, seen: page.seenData(plan, line), learned, laws: lawLines(front) });
  }
  const shared = kv_heads === heads ? '' : `, ${kv_heads} of keys`;
  console.log(`${front.checked.name}: ${heads} heads${shared}, ${head_dim} features each, ${layers} layers`);
  modelLines(front).forEach((text) => console.log(text));
  for (const { title, note, rows } of sections) console.log(`\n${title} (${note})\n${indent(table(rows))}`);
  console.log(`\nLearned\n${indent(parameterLines(front).join('\n'))}`);
  if (front.laws.length > 0) console.log(`\nLaws\n${indent(lawLines(front).join('\n'))}`);
}

const indent = (text: string): string => text.replace(/^(?=.)/gm, '  ');

async function explainCode(code: string): Promise<void> {
  const { page } = await import('../../diagnostics/pages.ts');
  const text = await page(code);
  if (text === null) throw usage(`no diagnostic has the code ${code.toUpperCase()}`);
  console.log(text.trimEnd());
}

async function emit(stage: Emit, source: Source, options: CompileOptions): Promise<void> {
  if (stage === 'tokens') {
    const { lex } = await import('../../../grammar/lex.ts');
    for (const token of lex(source.text, source.path).tokens)
      console.log(`${token.startLine}:${token.startColumn}\t${token.tokenType.name}\t${token.image}`);
    return;
  }
  const { frontEnd } = await import('../../front-end.ts');
  const front = frontEnd(source, { ...options, laws: false });
  if (stage === 'ast') {
    const { text: _, ...tree } = front.files[0]!;
    console.log(JSON.stringify(tree, null, 2));
    if (front.checked === null) await showDiagnostics(front.diagnostics, source);
    return;
  }
  const { compile, planSource, plansOf } = await import('../../compile.ts');
  await showDiagnostics(front.diagnostics, source);
  if (front.lowered === null) throw failed();
  const { printProgram } = await import('../../ir/print.ts');
  if (stage === 'ir') {
    for (const program of [front.lowered.embed, front.lowered.input, front.lowered.attend])
      if (program !== null) console.log(printProgram(program));
    return;
  }
  const { plan } = planSource(source, { ...options, laws: false });
  if (plan === null) throw failed();
  if (stage === 'grad') for (const one of plansOf(plan)) console.log(printProgram(one.gradients ?? one.program));
  if (stage === 'plan') {
    const { planText } = await import('../../explain/plan-text.ts');
    console.log(plansOf(plan).map(planText).join('\n\n'));
  }
  if (languages[stage] === undefined && stage !== 'ts') return;
  const { files } = await compile(source, { ...options, laws: false });
  if (languages[stage] !== undefined) process.stdout.write(files().find(({ path }) => !path.endsWith('.ts'))!.text);
  if (stage === 'ts') {
    const { formatTypeScript } = await import('../../../codegen/glue/format.ts');
    process.stdout.write(await formatTypeScript(files().find(({ path }) => path.endsWith('.ts'))!.text));
  }
}
