// Kernel IR as WGSL: one kernel comes in, the text of a module with one entry point goes out. Group 0 binding 0 is the
// block of sizes and of how many workgroups there are; storage buffers follow in the kernel's order. Only allocated names,
// numbers and cleaned comments are printed, so nothing that a user wrote can become code.

import type { KernelBody, Statement } from '../../codegen/kernel.ts';
import { commentText } from '../../codegen/numbers.ts';
import { reserved } from '../../codegen/reserved.ts';
import { eachExpression, functionsOf, printFunction, printStatements } from '../print.ts';
import type { Target } from '../target.ts';
import { syntax } from './syntax.ts';

const sizesBlock = [
  'struct Sizes {',
  ...['batch', 'tokens', 'keys', 'first', 'capacity', 'groups'].map((name) => `  ${name}: i32,`),
  '}',
];

export const wgsl: Target = {
  name: 'wgsl',
  extension: '.wgsl',
  reserved: reserved.wgsl,
  comment: '//',
  prelude: '',
  kernel: printKernel,
};

function printKernel(body: KernelBody, comment: string): string {
  const narrow = body.bindings.find(({ type }) => type === 'bf16');
  if (narrow !== undefined) throw new Error(`${body.name}: WGSL has no bf16, which ${narrow.name} is stored as`);
  const functions = functionsOf(body.statements);
  const uses = usedBuiltins(body.statements);
  const lines = [
    ...comment.split('\n').map((line) => `// ${commentText(line)}`.trimEnd()),
    ...(uses.has('subgroup') ? ['enable subgroups;', ''] : ['']),
    ...sizesBlock,
    '',
    '@group(0) @binding(0) var<uniform> sizes: Sizes;',
    ...body.bindings.map(
      ({ name, type, access }, index) =>
        `@group(0) @binding(${index + 1}) var<storage, ${access}> ${name}: array<${type}>;`,
    ),
    ...body.shared.map(({ name, type, size }) => `var<workgroup> ${name}: array<${type}, ${size}>;`),
    '',
    ...functions.flatMap((each) => [...printFunction(each, syntax), '']),
    ...printEntry(body, uses),
  ];
  return `${lines.join('\n')}\n`;
}

/** Which built-in values the entry point must receive. */
function usedBuiltins(statements: readonly Statement[]): ReadonlySet<string> {
  const uses = new Set<string>();
  eachExpression(statements, ({ kind }) => {
    if (kind === 'workgroup' || kind === 'lane') uses.add(kind);
    if (kind === 'subgroup' || kind === 'subgroup_size' || kind === 'subgroup_lane') uses.add(kind).add('subgroup');
  });
  return uses;
}

function printEntry(body: KernelBody, uses: ReadonlySet<string>): readonly string[] {
  const when = <T>(kind: string, ...items: readonly T[]): readonly T[] => (uses.has(kind) ? items : []);
  const parameters = [
    ...when(
      'workgroup',
      '@builtin(workgroup_id) group_id: vec3<u32>',
      '@builtin(num_workgroups) group_count: vec3<u32>',
    ),
    ...when('lane', '@builtin(local_invocation_index) lane_id: u32'),
    ...when('subgroup_size', '@builtin(subgroup_size) subgroup_size_id: u32'),
    ...when('subgroup_lane', '@builtin(subgroup_invocation_id) subgroup_lane_id: u32'),
  ];
  return [
    `@compute @workgroup_size(${body.workgroup})`,
    `fn ${body.name}(${parameters.length === 0 ? '' : `\n  ${parameters.join(',\n  ')},\n`}) {`,
    // A dispatch of several rows may have a few workgroups too many in the last one.
    ...when(
      'workgroup',
      '  let group = i32(group_id.x + group_id.y * group_count.x);',
      '  if (group >= sizes.groups) { return; }',
    ),
    ...when('lane', '  let lane = i32(lane_id);'),
    ...when('subgroup_size', '  let subgroup_size = i32(subgroup_size_id);'),
    ...when('subgroup_lane', '  let subgroup_lane = i32(subgroup_lane_id);'),
    ...body.arrays.map(({ name, type, size }) => `  var ${name}: array<${type}, ${size}>;`),
    ...printStatements(body.statements, syntax, 1),
    '}',
  ];
}
