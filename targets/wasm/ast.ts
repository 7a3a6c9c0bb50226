// WebAssembly as data: what the printer of kernels makes, encode.ts turns into bytes and wat.ts into text. Values are trees whose
// arguments are evaluated in order; locals and labels have names, unique in a function (labels: among those around them).

import type { ComponentOp, LoadOp, PlainOp, StoreOp, WasmType } from './operations.ts';

export type { WasmType } from './operations.ts';

/** Leaves one value. */
export type Value =
  | { readonly kind: 'i32' | 'f32'; readonly value: number }
  /** Four words, as the bits of i32 or as f32 (which says how they are read in text). */
  | { readonly kind: 'vector'; readonly of: 'i32' | 'f32'; readonly values: readonly [number, number, number, number] }
  | { readonly kind: 'get'; readonly name: string }
  | { readonly kind: 'tee'; readonly name: string; readonly value: Value }
  | { readonly kind: 'op'; readonly op: PlainOp; readonly args: readonly Value[] }
  | {
      readonly kind: 'component';
      readonly op: ComponentOp;
      readonly component: number;
      readonly args: readonly Value[];
    }
  /** Words by number: 0 to 3 of the first, 4 to 7 of the second. */
  | {
      readonly kind: 'shuffle';
      readonly words: readonly [number, number, number, number];
      readonly args: readonly Value[];
    }
  | { readonly kind: 'load'; readonly op: LoadOp; readonly address: Value; readonly offset: number }
  | {
      readonly kind: 'load-component';
      readonly address: Value;
      readonly offset: number;
      readonly component: number;
      readonly into: Value;
    }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Value[] }
  /** Only one side is evaluated. */
  | {
      readonly kind: 'choose';
      readonly type: WasmType;
      readonly condition: Value;
      readonly yes: Value;
      readonly no: Value;
    };

/** Leaves nothing. */
export type Action =
  | { readonly kind: 'set'; readonly name: string; readonly value: Value }
  | {
      readonly kind: 'store';
      readonly op: StoreOp;
      readonly address: Value;
      readonly offset: number;
      readonly value: Value;
    }
  | {
      readonly kind: 'store-component';
      readonly address: Value;
      readonly offset: number;
      readonly component: number;
      readonly value: Value;
    }
  | { readonly kind: 'if'; readonly condition: Value; readonly yes: readonly Action[]; readonly no: readonly Action[] }
  /** A branch to a loop's label begins it again, one to a block's leaves it. */
  | { readonly kind: 'loop' | 'block'; readonly label: string; readonly body: readonly Action[] }
  | { readonly kind: 'branch'; readonly label: string; readonly condition: Value | null }
  | { readonly kind: 'comment'; readonly text: string };

export interface Local {
  readonly name: string;
  readonly type: WasmType;
}

export interface WasmFunction {
  readonly name: string;
  readonly exported: boolean;
  readonly parameters: readonly Local[];
  readonly locals: readonly Local[];
  readonly body: readonly Action[];
  readonly result: { readonly type: WasmType; readonly value: Value } | null;
}

/** Imports `env.memory`, which is shared between threads. */
export interface WasmModule {
  readonly functions: readonly WasmFunction[];
}

// ---- constructors

export const number = (value: number): Value => ({ kind: 'i32', value });
export const get = (name: string): Value => ({ kind: 'get', name });
export const op = (name: PlainOp, ...args: readonly Value[]): Value => ({ kind: 'op', op: name, args });
