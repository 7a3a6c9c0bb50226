import { expect, it, describe } from 'vitest';
import { targetPlan } from '../src/options.ts';
import { geometryOf } from '../src/verify/run.ts';
import { loadFile } from './lower/load.ts';
import { vectors } from './verify/cases.ts';
import { checkCase } from './kernels/check-plan.ts';
import { decodeError, geometry } from './kernels/check-decode.ts';
import * as programs from './kernels/programs.ts';
const all = [true,false].flatMap(r=>[true,false].map(p=>[r,p] as const));
for (const [r,p] of all) for (const t of [1,9,37]) {
 for (const target of ['webgpu','wasm','cuda'] as const)
 it(`${r} ${p} ${t} ${target}`, () => {
  const program = programs.triangularSystem(r,p);
  const { worst, errors } = checkCase({ program, batch: 2, tokens: t, options: { ...targetPlan(target as any, 'f32'), gradients: ['x','w'] } });
  console.log(target, JSON.stringify(errors));
 });
}
for (const target of ['webgpu','wasm','cuda'] as const)
it(`path ${target}`, () => {
  const made = vectors('path');
  const { lowered } = loadFile('test/fixtures/programs/path_plain.pe', { geometry: geometryOf(made.sizes), params: {} });
  const { worst, errors, plan } = checkCase({ program: lowered!.attend, batch: 2, tokens: 9, options: { ...targetPlan(target as any, 'f32'), gradients: ['x','query','key','value','U','u'] } });
  console.log(target, JSON.stringify(errors), plan.kernels.map(k=>k.name+': '+k.comment));
});
for (const target of ['webgpu','wasm','cuda'] as const)
it(`decode ${target}`, () => {
  for (const name of ['path_plain','path','path_fox']) {
  const { lowered } = loadFile(`test/fixtures/programs/${name}.pe`, { geometry });
  for (const steps of [[1,1,1,1,1,1,1,1,1],[6,1,1,1],[9],[5,1,2,1]]) console.log(target, name, decodeError(lowered!.attend, steps, { ...targetPlan(target as any,'f32'), chunk: 4 }));
  }
});
