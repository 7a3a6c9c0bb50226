// The part of the pipeline that knows no kernels: text -> syntax trees -> checked encoding -> programs of the tensor IR,
// and what is claimed of them decided. Goes as far as there is no error; the diagnostics of all phases that ran come back.

import type { File } from '../grammar/ast.ts';
import { parse } from '../grammar/index.ts';
import { check } from './check/check.ts';
import type { CheckedEncoding } from './check/checked.ts';
import { withStandard } from './check/standard.ts';
import type { Diagnostic } from './diagnostics/diagnostic.ts';
import { checkLaws } from './laws/laws.ts';
import type { LawResult } from './laws/laws.ts';
import { lint } from './laws/lints.ts';
import { lower } from './lower/lower.ts';
import type { Lowered } from './lower/lower.ts';
import type { CompileOptions } from './options.ts';
import type { Source } from './source.ts';

export interface FrontEnd {
  readonly files: readonly File[]; // the source's own first, then what it imports
  readonly checked: CheckedEncoding | null;
  readonly lowered: Lowered | null;
  readonly laws: readonly LawResult[]; // none where options.laws is false; the lints are left out then, too
  readonly diagnostics: readonly Diagnostic[];
}

export const hasErrors = (diagnostics: readonly Diagnostic[]): boolean =>
  diagnostics.some(({ severity }) => severity === 'error');

export function frontEnd(source: Source, options: CompileOptions): FrontEnd {
  const diagnostics: Diagnostic[] = [];
  const report = (diagnostic: Diagnostic): void => void diagnostics.push(diagnostic);

  const texts = [[source.path, source.text] as const, ...Object.entries(source.imports ?? {})];
  const parsed = texts.map(([path, text]) => {
    const { file, diagnostics: mistakes } = parse(text, path);
    mistakes.forEach(report);
    return file;
  });
  const files = withStandard(parsed);
  const { encoding, geometry, params } = options;
  // Statements that do not parse are missing: mistakes in the others are told all the same.
  const incomplete = hasErrors(diagnostics);
  const found = check(files, encoding, { geometry, params, incomplete }, report);
  const checked = incomplete ? null : found;
  const lowered = checked === null ? null : lower(checked, report);
  let laws: readonly LawResult[] = [];
  if (options.laws && checked !== null && lowered !== null) {
    lint(checked, lowered, report);
    laws = checkLaws(checked, lowered, report);
  }
  return { files, checked, lowered, laws, diagnostics };
}
