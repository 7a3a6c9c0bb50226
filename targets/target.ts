// A language of kernels as data: what a printer must know. Statements, naming and structure are shared.

import type { CommentStart } from '../codegen/glue/header.ts';
import type { KernelBody } from '../codegen/kernel.ts';
import type { Language } from './device.ts';

export interface Target {
  readonly name: Language;
  readonly extension: string; // '.wgsl'
  /** Words that no generated name may be. */
  readonly reserved: ReadonlySet<string>;
  /** What begins a comment to the end of the line. */
  readonly comment: CommentStart;
  /** What stands once above the kernels of a file or a translation unit; '' where each kernel is a module of its own. */
  readonly prelude: string;
  /** One kernel as a device takes it; where that is text, `comment` lines stand above it. */
  kernel(body: KernelBody, comment: string): string;
  /** One kernel as text for people, where a device takes something else. */
  readonly read?: (body: KernelBody, comment: string) => string;
}
