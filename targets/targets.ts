// The languages that kernels are printed in, by name.

import { cuda } from './cuda/printer.ts';
import type { Language } from './device.ts';
import type { Target } from './target.ts';
import { wasm } from './wasm/printer.ts';
import { wgsl } from './wgsl/printer.ts';

export const targets: Readonly<Record<Language, Target>> = { wgsl, cuda, wasm };

export const targetOf = (language: Language): Target => targets[language];
