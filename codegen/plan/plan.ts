// The kernel plan: which buffers exist, which kernels run over them in which order, for every entry point of a module.
// Target independent; printers turn `KernelBody`s into text, codegen/glue turns the plan into a TypeScript module.

import type { Span } from '../../grammar/span.ts';
import type { Axis, Definition, Program, Scalar, Tensor } from '../../src/ir/ir.ts';
import type { Slot } from '../../src/passes/slots.ts';
import type { RewriteName, Seen, Vocabulary } from '../../src/passes/structure/rewrites.ts';
import type { Binding, KernelBody, Size, StorageType } from '../kernel.ts';

export type { Size } from '../kernel.ts';

/**
 * When a definition is computed. static and table: on the host in float64, when the module loads or positions are bound;
 * shared: kernels, once an optimizer step for all layers; step: the same for each layer; layer: kernels, in every layer's
 * forward or backward call.
 */
export type { Slot };

/** One buffer of an entry point. A buffer of a tensor with a token axis has `tokens` rows (window) or `capacity` rows (history). */
export interface BufferPlan {
  readonly name: string; // unique in the module; the parameter's or result's name in the glue
  readonly tensor: Tensor | null; // null: partials, carries, several tensors
  readonly shape: readonly Size[];
  readonly type: StorageType;
  readonly rows: 'window' | 'history';
  readonly comment: string; // what it holds: 'phase [batch, tokens, 4, 8]'
}

export type Profile = 'software' | 'portable' | 'subgroups';

export interface KernelVariant {
  readonly profile: Profile; // software: no barrier; portable: barriers; subgroups: subgroup operations
  readonly groups: Size; // workgroups to dispatch
  readonly body: KernelBody;
}

export interface KernelPlan {
  readonly name: string;
  readonly span: Span | null; // the line of the `.pe` file it comes from
  readonly comment: string; // one line: what it computes
  readonly bindings: readonly Binding[];
  readonly variants: readonly KernelVariant[]; // at least one; deduplicated
  readonly definitions: readonly Definition[]; // for explain
  /** What a library may do in the kernel's place. */
  readonly product: ProductPlan | null;
  readonly cost: { readonly bytes: Size; readonly flops: Size };
}

/** out[batch, m, n] = scale * sum over k of left[batch, m, k] * right[batch, n, k], added to out where `accumulate`. */
export interface ProductPlan {
  readonly scale: number;
  readonly accumulate: boolean;
  readonly m: Size;
  readonly n: Size;
  readonly k: Size;
  readonly batches: readonly Size[];
  readonly left: OperandPlan;
  readonly right: OperandPlan;
  readonly out: OperandPlan;
}

/** Strides in elements: `rows` along m (of the right factor: n), `columns` along k (of out: n). */
export interface OperandPlan {
  readonly binding: number; // in KernelPlan.bindings
  readonly offset: Size;
  readonly rows: Size;
  readonly columns: Size;
  readonly batches: readonly Size[];
}

export interface LaunchPlan {
  readonly kernel: KernelPlan;
  readonly buffers: readonly BufferPlan[]; // in the order of kernel.bindings
}

/** embed_* come from the sites on `embedding`, input_* from those on `x`, the others from the program of attention. */
export type EntryName =
  | 'embed'
  | 'embed_backward'
  | 'embed_relevance'
  | 'input'
  | 'input_backward'
  | 'input_decode'
  | 'shared'
  | 'step'
  | 'forward'
  | 'backward'
  | 'finish'
  | 'shared_finish'
  | 'decode'
  | 'relevance'
  | 'relevance_shared'
  | 'relevance_step';

/**
 * One function of the module. Inputs come from the caller; an `accumulate` input is added to. Outputs are allocated by
 * the function and returned, among them what backward needs (saved). An output that took the storage of an input (in
 * place) has `aliases`.
 */
export interface EntryPlan {
  readonly name: EntryName;
  readonly inputs: readonly { readonly buffer: BufferPlan; readonly accumulate: boolean }[];
  readonly outputs: readonly {
    readonly buffer: BufferPlan;
    readonly saved: boolean;
    readonly aliases: string | null;
  }[];
  readonly temporaries: readonly BufferPlan[];
  readonly launches: readonly LaunchPlan[];
}

/** A definition that the host evaluates in float64 and uploads as float32. */
export interface HostTable {
  readonly buffer: BufferPlan;
  readonly slot: 'static' | 'table';
  readonly definition: Definition; // its body may read other host definitions, listed before it in Plan.host
}

export interface LearnedPlan {
  readonly tensor: Tensor;
  readonly shape: readonly number[];
  readonly shared: boolean;
  readonly trained: boolean;
  readonly axes: readonly Axis[];
  readonly initial: Scalar;
}

export interface Plan {
  readonly name: string;
  readonly program: Program;
  readonly gradients: Program | null; // forward and backward definitions together
  readonly slots: ReadonlyMap<Definition, Slot>;
  readonly learned: readonly LearnedPlan[];
  readonly host: readonly Definition[]; // static and table definitions, in order
  readonly tables: readonly HostTable[]; // those of them that kernels read
  readonly kernels: readonly KernelPlan[];
  readonly entries: readonly EntryPlan[];
  /** Where more structure was seen than the program says, and what was made of it. */
  readonly seen: readonly Seen[];
  /** What the entries but decode keep as bf16. */
  readonly narrow: ReadonlySet<Tensor>;
}

/** Thresholds and choices; the defaults are tuned, tests force both sides of each. */
export interface PlanOptions {
  /** Sums of products: matrix-product kernel when large, always, or never. */
  readonly contract: 'auto' | 'always' | 'never';
  /** Tokens (or rows) a lane walks in a scan or a column sum before partial results are combined. */
  readonly chunk: number;
  /** Kind of row reduction; auto offers every profile's own. */
  readonly rows: 'auto' | 'thread' | 'workgroup' | 'subgroup';
  /** Names of definitions forced to be inlined, or to have a buffer. */
  readonly inline: readonly string[];
  readonly root: readonly string[];
  /** Results that forward returns besides `output` (names of Program.results). */
  readonly outputs: readonly string[];
  /** Inputs and learned tensors whose gradient backward computes; empty: no backward. */
  readonly gradients: readonly string[];
  /** Results whose cotangent, `d_NAME`, backward takes; `output` by default. One that is not needed is no input. */
  readonly seeds: readonly string[];
  /** Gradients that are added to the caller's buffer. */
  readonly accumulate: readonly string[];
  /** What depends on learned tensors alone is an entry of its own, once an optimizer step; else each call makes it. */
  readonly once: boolean;
  /** Inputs whose storage an output may take: nobody reads them afterwards. */
  readonly inPlace: readonly string[];
  readonly maxBindings: number; // storage buffers a kernel, 8 in portable WebGPU
  /**
   * bf16: tensors of tokens that leave an entry or are factors of matrix products are stored so; phases, statistics,
   * scores, tables and what is learned stay f32.
   */
  readonly precision: 'f32' | 'bf16';
  /**
   * With bf16: what the program makes and goes on with. f32: only its borders, inputs and results, are bf16, so that a
   * result has one rounding of its own and those of the inputs.
   */
  readonly inside: 'bf16' | 'f32';
  /** With bf16: results and inputs stored so besides (copies of weights). */
  readonly narrow: readonly string[];
  /** Bytes of one access: 16 where lanes take several neighbouring points with vector loads. */
  readonly access: 4 | 16;
  /** Lanes of a workgroup. */
  readonly lanes: 64 | 128 | 256;
  /**
   * gpu: workgroups of lanes (codegen/simt). cpu: items of work that threads share, with loops whose neighbouring steps
   * are taken four at a time (codegen/cpu).
   */
  readonly machine: 'gpu' | 'cpu';
  /** cpu: neighbouring steps together; else one after the other, as tests compare them. */
  readonly vectors: boolean;
  /**
   * Tensors with an axis of queries and one of keys are never whole in memory: forward makes a strip of queries at a time
   * (codegen/plan/strips.ts), and backward makes them anew.
   */
  readonly blockwise: boolean;
  /**
   * query, key and value lie in one buffer `qkv` [batch, tokens, heads + 2 kv_heads, head_dim], rotated there where that
   * is possible in place, and their gradients in `d_qkv`. For training: there is no decode entry then.
   */
  readonly packed: boolean;
  /** A decode entry, where the program allows one. */
  readonly decode: boolean;
  /** What may be rewritten where more structure is seen than a program says (src/passes/structure); all by default. */
  readonly rewrites: readonly RewriteName[];
  /**
   * Where it is known, and attention is given its rows, the entries may take ids `tokens` and the table `vocabulary` in the
   * place of `embedding`; `d_vocabulary` is then added to the caller's buffer where `embedding` would be.
   */
  readonly vocabulary: Vocabulary;
  /** Tokens that the model is made for: how large an index gets, where that matters to precision. */
  readonly context: number;
  /** Matrix products that a library can do stand alone, without an epilogue, and are described (KernelPlan.product). */
  readonly library: boolean;
}
