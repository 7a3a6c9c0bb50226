// Modules for CUDA in bf16: TypeScript accepts them, their entries say the types of the plan, and a tape that checks every
// binding against its buffer takes their launches.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { compile } from '../../src/compile.ts';
import { loadModule } from '../../src/load-module.ts';
import { callEntry } from '../../src/trainer/call.ts';
import { wholeSequence, type Buffer, type Buffers, type Module } from '../../targets/device.ts';
import { recordOperations } from '../../targets/tape.ts';
import { complaints } from './complaints.ts';

const sizes = wholeSequence(2, 8);

async function moduleOf(name: string) {
  const source = { path: `${name}.pe`, text: readFileSync(`examples/${name}.pe`, 'utf8') };
  const { module, plan } = await compile(source, { target: 'cuda', precision: 'bf16', laws: false });
  return { text: module!, module: await loadModule(module!), plan: plan!.attend };
}

/** A buffer of the caller's for each input that nothing made before. */
function given(module: Module, entry: string, atHand: Buffers): Buffers {
  const inputs = module.entries[entry]!.inputs.map(({ name, type, elements }): [string, Buffer] => {
    const storage = { label: name, bytes: elements(sizes) * 4 };
    return [name, atHand[name] ?? { name, elements: elements(sizes), type, storage, offset: 0 }];
  });
  return { ...atHand, ...Object.fromEntries(inputs) };
}

const names = ['carope', 'comrope_ap', 'alibi'];

test('TypeScript accepts them', { timeout: 120_000 }, async () => {
  const modules = await Promise.all(names.map(moduleOf));
  expect(complaints(modules.map(({ text }) => text))).toEqual([]);
});

test.each(names)('%s', async (name) => {
  const { module, plan } = await moduleOf(name);
  for (const entry of plan.entries) {
    const { inputs, outputs } = module.entries[entry.name]!;
    expect(inputs.map(({ type }) => type)).toEqual(entry.inputs.map(({ buffer }) => buffer.type));
    expect(outputs.map(({ type }) => type)).toEqual(entry.outputs.map(({ buffer }) => buffer.type));
  }
  const types = new Map(
    Object.values(module.entries).flatMap(({ inputs }) => inputs.map((each) => [each.name, each.type])),
  );
  expect(types.get('query')).toBe('bf16');
  for (const { name: learned } of module.learned) expect(types.get(learned), learned).toBe('f32');
  const operations = recordOperations((tape) => {
    let atHand: Buffers = {};
    for (const entry of ['shared', 'step', 'forward', 'backward', 'finish', 'shared_finish'] as const) {
      if (module.entries[entry] === undefined) continue;
      const inputs = given(module, entry, atHand);
      atHand = { ...inputs, ...callEntry(tape, module, entry, inputs) };
    }
  }, sizes);
  expect(operations.some(({ kind }) => kind === 'launch')).toBe(true);
});
