// What programs that use pegen import: the compiler, its language, the loader of generated modules. No device, no disk.

export { format } from '../grammar/format.ts';
export { parse } from '../grammar/index.ts';
export { compile, compileProgram } from './compile.ts';
export type { Compiled, EncodingPlan, OutputFile } from './compile.ts';
export { toJson } from './diagnostics/json.ts';
export { render, renderAll } from './diagnostics/render.ts';
export type { Diagnostic, Label, Severity } from './diagnostics/diagnostic.ts';
export { frontEnd, hasErrors } from './front-end.ts';
export type { FrontEnd } from './front-end.ts';
export { createLoader, loadModule } from './load-module.ts';
export { compileOptions, defaultGeometry } from './options.ts';
export type { CompileOptions } from './options.ts';
export type { Source } from './source.ts';
