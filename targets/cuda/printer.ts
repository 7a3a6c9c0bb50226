// Kernel IR as CUDA C++: one kernel comes in, one `extern "C" __global__` function goes out, with the helpers that it uses
// above it, each behind an include guard: texts can be put together below one prelude. Only allocated names, numbers and
// cleaned comments are printed, so nothing that a user wrote can become code.

import type { Binding, KernelBody, Statement, StorageType } from '../../codegen/kernel.ts';
import { commentText } from '../../codegen/numbers.ts';
import { reserved } from '../../codegen/reserved.ts';
import { withoutUnused } from '../../codegen/unused.ts';
import { eachExpression, functionsOf, printFunction, printStatements } from '../print.ts';
import type { Target } from '../target.ts';
import { integersOf, integersOfHelper } from './integers.ts';
import { prelude } from './prelude.ts';
import { syntaxOf, typeNames } from './syntax.ts';

export const cuda: Target = {
  name: 'cuda',
  extension: '.cu',
  reserved: reserved.cuda,
  comment: '//',
  prelude,
  kernel: printKernel,
};

const storageNames: Readonly<Record<StorageType, string>> = { f32: 'float', bf16: 'bf16', i32: 'int' };

function printKernel(of: KernelBody, comment: string): string {
  const body = { ...of, statements: withoutUnused(of.statements) };
  const uses = usedBuiltins(body.statements);
  if (uses.has('subgroup') && body.workgroup % 32 !== 0) {
    throw new Error(`${body.name}: subgroup operations need whole warps, not ${body.workgroup} lanes`);
  }
  const syntax = syntaxOf(body.bindings, integersOf({ statements: body.statements, lanes: body.workgroup }));
  const when = (kind: string, line: string): readonly string[] => (uses.has(kind) ? [line] : []);
  const array = ({ name, type, size }: KernelBody['arrays'][number]): string => `${typeNames[type]} ${name}[${size}];`;
  const lines = [
    ...functionsOf(body.statements).flatMap((each) => [
      ...printFunction(each, syntaxOf([], integersOfHelper(each))),
      '',
    ]),
    ...comment.split('\n').map((line) => `// ${commentText(line)}`.trimEnd()),
    `extern "C" __global__ void __launch_bounds__(${body.workgroup}) ${body.name}(`,
    `  ${['const Sizes sizes', ...body.bindings.map(parameter)].join(',\n  ')}`,
    ') {',
    ...when('workgroup', '  const index_t group = blockIdx.x;'),
    ...when('lane', '  const int lane = threadIdx.x;'),
    ...when('subgroup_lane', '  const int subgroup_lane = threadIdx.x & 31;'),
    ...body.shared.map((each) => `  __shared__ ${array(each)}`),
    ...body.arrays.map((each) => `  ${array(each)}`),
    ...printStatements(body.statements, syntax, 1),
    '}',
  ];
  return `${lines.join('\n')}\n`;
}

const parameter = ({ name, type, access }: Binding): string =>
  `${access === 'read' ? 'const ' : ''}${storageNames[type]}* __restrict__ ${name}`;

function usedBuiltins(statements: readonly Statement[]): ReadonlySet<string> {
  const uses = new Set<string>();
  eachExpression(statements, ({ kind }) => {
    if (kind === 'workgroup' || kind === 'lane' || kind === 'subgroup_lane' || kind === 'subgroup') uses.add(kind);
  });
  return uses;
}
