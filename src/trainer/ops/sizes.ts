// Static sizes of a GPT-2 that its operations are compiled for.

export interface Sizes {
  readonly width: number;
  readonly heads: number;
  readonly kv_heads: number;
  readonly head_dim: number;
  readonly vocabulary: number;
}
