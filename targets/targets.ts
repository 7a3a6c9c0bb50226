// The languages that kernels are printed in, by name.

import type { Language } from './device.ts';
import type { Target } from './target.ts';
import { wgsl } from './wgsl/printer.ts';

export const targets: Readonly<Partial<Record<Language, Target>>> = { wgsl };

export function targetOf(language: Language): Target {
  const target = targets[language];
  if (target === undefined) throw new Error(`kernels cannot be printed in ${language}`);
  return target;
}
