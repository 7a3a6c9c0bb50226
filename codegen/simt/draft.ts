// What lowering a nest needs and gives. In: where tensors lie, which are added to, which never leave their kernel.
// Out: kernels with their buffers, in the order in which they run.

import type { Definition, Tensor } from '../../src/ir/ir.ts';
import { operandsOf, readsOf, scalarsOf } from '../../src/ir/visit.ts';
import { expandForCpu } from '../cpu/expand.ts';
import { recogniseForCpu } from '../cpu/recognise.ts';
import { withoutAliases } from '../cpu/aliases.ts';
import { vectorize, type VectorizeOptions } from '../cpu/vectorize.ts';
import type { KernelBody, Statement } from '../kernel.ts';
import { createNames } from '../names.ts';
import type { Root } from '../plan/nest.ts';
import type { BufferPlan, KernelVariant, PlanOptions, ProductPlan, Profile, Size } from '../plan/plan.ts';
import { withoutUnused } from '../unused.ts';
import { coalesce, type Tally } from './coalesce.ts';
import { openScope, type KernelBuffer, type Mode, type Places, type Scope, type Storage } from './scope.ts';
import { share } from './share.ts';

export interface Setting {
  readonly mode: Mode;
  readonly storage: Storage;
  readonly places: Places;
  /** Tensors whose buffer is added to. */
  readonly accumulate: ReadonlySet<Tensor>;
  /** Tensors of the nest that nothing outside it reads and that need no buffer. */
  readonly registers: ReadonlySet<Tensor>;
  readonly options: PlanOptions;
  /** A buffer for partial results, of this module's own names. */
  temporary(name: string, shape: readonly Size[], comment: string): BufferPlan;
  /** A kernel's name, unique in the module. */
  kernelName(wanted: string): string;
}

export interface Draft {
  readonly name: string;
  readonly comment: string;
  readonly definitions: readonly Definition[];
  readonly buffers: readonly KernelBuffer[];
  readonly variants: readonly KernelVariant[];
  /** Partial results read and written besides what the definitions read and make. */
  readonly flops: Size;
  /** Where it is a matrix product that a library can do. */
  readonly product?: ProductPlan | null;
}

export interface Wanted {
  readonly buffer: BufferPlan;
  readonly write: boolean;
}

/** One binding a buffer, named after it; written wins over read. */
function bindBuffers(wanted: readonly Wanted[], names: (wish: string) => string): KernelBuffer[] {
  const order: BufferPlan[] = [];
  const written = new Set<BufferPlan>();
  for (const { buffer, write } of wanted) {
    if (!order.includes(buffer)) order.push(buffer);
    if (write) written.add(buffer);
  }
  return order.map((buffer) => ({
    buffer,
    binding: { name: names(buffer.name), type: buffer.type, access: written.has(buffer) ? 'read_write' : 'read' },
  }));
}

export interface Written {
  readonly body: KernelBody;
  readonly buffers: KernelBuffer[];
  /** What became of the accesses of points that a lane takes side by side. */
  readonly tally: Tally;
}

/**
 * Writes one body: `write` emits the statements into an open scope; repeated expressions are bound afterwards, and what a
 * lane does at neighbouring points is put together.
 */
export function writeBody(
  setting: Setting,
  name: string,
  lanes: number,
  wanted: readonly Wanted[],
  write: (scope: Scope, buffer: (plan: BufferPlan) => string) => void,
): Written {
  const names = createNames([name]);
  const fresh = (wish: string): string => names.allocate(wish);
  const bindings = bindBuffers(wanted, fresh);
  const scope = openScope({
    mode: setting.mode,
    lanes,
    storage: setting.storage,
    places: setting.places,
    bindings,
    names: fresh,
    ...(setting.options.machine === 'cpu' ? { expand: expandForCpu, recognise: recogniseForCpu } : {}),
  });
  write(scope, (plan) => bindings.find(({ buffer }) => buffer === plan)!.binding.name);
  const drawn = scope.finish(name);
  const traps = setting.options.machine === 'cpu';
  const shared = share(drawn.statements, { bindings: drawn.bindings, hints: scope.hints, fresh, traps });
  const { access, machine, vectors } = setting.options;
  if (machine === 'cpu') {
    const statements = vectors ? inVectors(shared, { bindings: drawn.bindings, fresh }) : shared;
    return { body: { ...drawn, statements }, buffers: bindings, tally: { wide: 0, loads: 0, stores: 0 } };
  }
  const { statements, arrays, tally } = coalesce(shared, {
    bindings: drawn.bindings,
    variables: scope.neighbours,
    access,
    fresh,
  });
  return { body: { ...drawn, arrays: [...drawn.arrays, ...arrays], statements }, buffers: bindings, tally };
}

/** `vector` loops as vectors; what they compute twice or in every step alike is bound once, as before. */
function inVectors(statements: readonly Statement[], options: VectorizeOptions): readonly Statement[] {
  const made = vectorize(withoutAliases(statements), options);
  return withoutAliases(withoutUnused(share(made, { ...options, hints: new Map(), traps: true })));
}

/** Variants with the same body are one. */
export function variant(profile: Profile, groups: Size, body: KernelBody): KernelVariant {
  return { profile, groups, body };
}

export const describe = (roots: readonly Root[]): string =>
  roots
    .map(({ definition: { tensor } }) => `${tensor.name} [${tensor.axes.map((a) => a.extent).join(', ')}]`)
    .join(', ');

/** What the members read and make, but for what stays in registers. */
export function buffersOf(members: readonly Root[], setting: Setting): Wanted[] {
  const wanted: Wanted[] = [];
  const add = (tensor: Tensor, write: boolean): void => {
    const buffer = setting.storage.get(tensor);
    if (buffer !== undefined && !setting.registers.has(tensor)) wanted.push({ buffer, write });
  };
  const made = new Set(members.map((root) => root.definition.tensor));
  for (const root of members) {
    const d = root.definition;
    const scalars = d.kind === 'rotate' && root.turn !== null ? [root.turn.cos, root.turn.sin] : scalarsOf(d);
    for (const read of readsOf(scalars)) if (!made.has(read.tensor)) add(read.tensor, false);
    for (const operand of operandsOf(d)) add(operand, false);
  }
  for (const root of members) add(root.definition.tensor, true);
  return wanted;
}
