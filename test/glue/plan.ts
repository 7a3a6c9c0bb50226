// A plan by hand: a rotation of queries with a static frequency, an angle table, and one learned gain.

import type { Axis, Definition, Scalar, Tensor } from '../../src/ir/ir.ts';
import * as ir from '../../src/ir/build.ts';
import type { KernelBody } from '../../codegen/kernel.ts';
import type { BufferPlan, KernelPlan, Plan } from '../../codegen/plan/plan.ts';
import { numberSize, product, runtimeSize } from '../../codegen/plan/size.ts';
import type { ModuleInfo } from '../../codegen/glue/module.ts';

export interface Names {
  readonly encoding: string;
  readonly learned: string;
  readonly table: string;
  readonly kernel: string;
  readonly comment: string;
  readonly file: string;
}

export const plainNames: Names = {
  encoding: 'example',
  learned: 'gain',
  table: 'angle',
  kernel: 'rotate_query',
  comment: 'query turned by angle',
  file: 'example.pe',
};

const n = numberSize;
const size = runtimeSize;

export function examplePlan(names: Names = plainNames): Plan {
  const { at, call, real } = ir;
  const pairs = 8;
  const token: Axis = ir.axis('t', 'tokens', 'token');
  const pair: Axis = ir.axis('p', pairs, 'pair');
  const position = ir.given('position', [ir.axis('t', 'tokens', 'token')], 'position');
  const theta = ir.defined('theta', [pair]);
  const thetaIs = ir.map(
    theta,
    call('power', real(10000), call('divide', call('multiply', real(-2), at(pair)), real(16))),
  );
  const angle = ir.defined(names.table, [token, pair]);
  const angleIs = ir.map(angle, call('multiply', ir.read(position, [at(token)]), ir.read(theta, [at(pair)])));
  const head = ir.axis('h', 4, 'head');
  const gain = ir.learned(names.learned, [head], {
    shared: false,
    trained: true,
    initial: call('normal', call('real', at(head)), real(0.02)),
  });
  const program = ir.program({
    name: names.encoding,
    inputs: [position],
    definitions: [thetaIs, angleIs],
    results: new Map(),
  });

  const buffer = (name: string, tensor: Tensor | null, shape: BufferPlan['shape']): BufferPlan => ({
    name,
    tensor,
    shape,
    type: 'f32',
    rows: 'window',
    comment: `${name} [...]`,
  });
  const query = buffer('query', null, [size('batch'), size('tokens'), n(4), n(16)]);
  const output = buffer('query_encoded', null, query.shape);
  const table = buffer(names.table, angle, [size('tokens'), n(pairs)]);
  const gains = buffer(names.learned, gain, [n(4)]);
  const partial = buffer('partial', null, [size('batch'), n(3)]);
  const body: KernelBody = { name: 'main', workgroup: 64, bindings: [], shared: [], arrays: [], statements: [] };
  const kernel: KernelPlan = {
    name: names.kernel,
    span: { file: names.file, start: 0, end: 1 },
    comment: names.comment,
    product: null,
    bindings: [query, table, gains, partial].map((each) => ({ name: 'x', type: each.type, access: 'read' as const })),
    variants: [
      {
        profile: 'software',
        body,
        groups: { kind: 'ceil-divide', value: product([size('batch'), size('tokens'), n(32)]), by: 64 },
      },
    ],
    definitions: [] as Definition[],
    cost: { bytes: n(0), flops: n(0) },
  };
  return {
    name: names.encoding,
    program,
    gradients: null,
    slots: new Map(),
    learned: [
      {
        tensor: gain,
        shape: [4],
        shared: false,
        trained: true,
        axes: [head],
        initial: (gain.origin as { initial: Scalar }).initial,
      },
    ],
    host: [thetaIs, angleIs],
    tables: [{ buffer: table, slot: 'table', definition: angleIs }],
    seen: [],
    narrow: new Set(),
    kernels: [kernel],
    entries: [
      {
        name: 'forward',
        inputs: [query, table, gains].map((each) => ({ buffer: each, accumulate: false })),
        outputs: [{ buffer: output, saved: false, aliases: 'query' }],
        temporaries: [partial],
        launches: [{ kernel, buffers: [output, table, gains, partial] }],
      },
    ],
  };
}

export const exampleInfo = (names: Names = plainNames): ModuleInfo => ({
  name: names.encoding,
  source: { file: names.file, sha256: '00' },
  geometry: { heads: 4, head_dim: 16 },
  language: 'wgsl',
  kernel: (_, comment) => `// ${comment}\nfn main() {}\n`,
  lineOf: () => `${names.file}:1`,
});
