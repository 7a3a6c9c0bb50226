// Entry points of plans -> functions over a tape, the types of their records, and the table `entries`.

import type { BufferPlan, EntryPlan, KernelPlan } from '../plan/plan.ts';
import { docText, member, propertyName, stringLiteral } from './literals.ts';
import { elements, sizeFunction, sizeText } from './sizes.ts';
import type { Statement } from './structure.ts';

/** Names in the module around the entry points. */
export interface EntryNames {
  /** Key of a buffer in the records of its entry. */
  readonly buffer: (buffer: BufferPlan) => string;
  /** Key of a kernel in `kernels`. */
  readonly kernel: (kernel: KernelPlan) => string;
  /** Starts the local names of one function. */
  readonly locals: () => (wanted: string) => string;
}

const purpose: Record<EntryPlan['name'], string> = {
  embed: "Applies the encoding to the tokens' embeddings.",
  embed_backward: 'Pulls the gradient of the encoded embeddings back.',
  input: 'Changes x before query, key and value are made of it.',
  input_backward: 'Pulls the gradient of the changed x back.',
  input_decode: 'As input, for tokens that follow those already in the caches.',
  shared: 'What depends on shared learned tensors alone: once an optimizer step, for all layers.',
  step: 'What depends on learned tensors alone: once an optimizer step.',
  forward: 'From the inputs of a layer to its outputs; what backward needs is among the outputs.',
  backward: 'From the gradients of the outputs to those of the inputs and of what step computed.',
  finish: 'Pulls the gradients of what step computed back to the learned tensors: once an optimizer step.',
  shared_finish: 'Pulls the gradients of what shared computed back, once an optimizer step: all layers added to them.',
  decode: 'As forward, for tokens that follow those already in the caches.',
  embed_relevance: 'From the relevance of the encoded embeddings to that of the embeddings, and of positions.',
  relevance: 'From the relevance of the output to that of query, key, value and x, and of positions.',
  relevance_shared: 'What relevance needs of shared learned tensors alone: once an optimizer step, for all layers.',
  relevance_step: 'What relevance needs of learned tensors alone: once an optimizer step.',
};

const pascal = (name: string): string =>
  name
    .split('_')
    .map((part) => part.slice(0, 1).toUpperCase() + part.slice(1))
    .join('');

export const inputsType = (entry: EntryPlan): string => `${pascal(entry.name)}Inputs`;
export const outputsType = (entry: EntryPlan): string => `${pascal(entry.name)}Outputs`;

/** The types of an entry's records, and its function. */
export function printEntry(entry: EntryPlan, names: EntryNames): Statement[] {
  return [
    recordType(
      inputsType(entry),
      `Buffers that \`${entry.name}\` reads; the caller's.`,
      entry.inputs.map(({ buffer, accumulate }) => ({ buffer, note: accumulate ? ', added to' : '' })),
      names,
    ),
    recordType(
      outputsType(entry),
      `Buffers that \`${entry.name}\` writes.`,
      entry.outputs.map(({ buffer, saved, aliases }) => ({
        buffer,
        note: (saved ? ', saved for backward' : '') + (aliases === null ? '' : `, in the place of ${aliases}`),
      })),
      names,
    ),
    {
      kind: 'function',
      name: entry.name,
      exported: true,
      docs: [purpose[entry.name]],
      parameters: [
        { name: 'tape', type: 'Tape' },
        { name: 'buffers', type: inputsType(entry) },
      ],
      result: outputsType(entry),
      body: functionBody(entry, names),
    },
  ];
}

function recordType(
  name: string,
  docs: string,
  buffers: readonly { readonly buffer: BufferPlan; readonly note: string }[],
  names: EntryNames,
): Statement {
  return {
    kind: 'type',
    name,
    docs: [docs],
    members: buffers.map(({ buffer, note }) => ({
      key: propertyName(names.buffer(buffer)),
      type: 'Buffer',
      docs: docText(buffer.comment + note),
    })),
  };
}

function functionBody(entry: EntryPlan, names: EntryNames): string[] {
  const local = names.locals();
  const held = new Map<string, string>(); // a buffer's name in the plan -> a local variable
  const lines: string[] = [];
  const sizes = new Set<string>();

  for (const { buffer } of entry.inputs) {
    const name = local(buffer.name);
    held.set(buffer.name, name);
    lines.push(`const ${name} = ${member('buffers', names.buffer(buffer))};`);
  }
  const make = (buffer: BufferPlan): void => {
    if (held.has(buffer.name)) return;
    const name = local(buffer.name);
    held.set(buffer.name, name);
    const size = sizeText(elements(buffer.shape));
    size.uses.forEach((each) => sizes.add(each));
    lines.push(
      `const ${name} = tape.temporary(${stringLiteral(buffer.name)}, ${size.text}${buffer.type === 'f32' ? '' : `, '${buffer.type}'`});`,
    );
  };
  entry.outputs.filter(({ aliases }) => aliases === null).forEach(({ buffer }) => make(buffer));
  entry.temporaries.forEach(make);
  const nameOf = (name: string): string => {
    const known = held.get(name);
    if (known === undefined) throw new Error(`entry ${entry.name} has no buffer ${name}`);
    return known;
  };
  // An output in place may stand on another one in place: what it stands on comes first.
  const aliasOf = new Map(entry.outputs.map(({ buffer, aliases }) => [buffer.name, aliases]));
  const place = (name: string): string => {
    const below = aliasOf.get(name) ?? null;
    if (!held.has(name) && below !== null) held.set(name, place(below));
    return nameOf(name);
  };
  entry.outputs.forEach(({ buffer }) => place(buffer.name));

  for (const { kernel, buffers } of entry.launches)
    lines.push(
      `tape.launch(${member('kernels', names.kernel(kernel))}, [${buffers.map(({ name }) => nameOf(name)).join(', ')}]);`,
    );
  const results = entry.outputs.map(({ buffer }) => {
    const [key, value] = [propertyName(names.buffer(buffer)), nameOf(buffer.name)];
    return key === value ? key : `${key}: ${value}`;
  });
  const order = ['batch', 'tokens', 'keys', 'first', 'capacity'].filter((size) => sizes.has(size));
  return [
    ...(order.length > 0 ? [`const { ${order.join(', ')} } = tape.sizes;`] : []),
    ...lines,
    `return { ${results.join(', ')} };`,
  ];
}

/** The table of entry points: what to allocate and to give. */
export function printEntryTable(
  entries: readonly { readonly entry: EntryPlan; readonly names: EntryNames }[],
): Statement {
  const items = entries.flatMap(({ entry, names }) => {
    const parameter = (buffer: BufferPlan, rest: string): string =>
      `{ name: ${stringLiteral(names.buffer(buffer))}, comment: ${stringLiteral(buffer.comment)}, ` +
      `type: '${buffer.type}', elements: ${sizeFunction(elements(buffer.shape))}, ${rest} },`;
    return [
      `${entry.name}: {`,
      '  inputs: [',
      ...entry.inputs.map(({ buffer, accumulate }) => `    ${parameter(buffer, `accumulate: ${accumulate}`)}`),
      '  ],',
      '  outputs: [',
      ...entry.outputs.map(
        ({ buffer, saved, aliases }) =>
          `    ${parameter(buffer, `saved: ${saved}, aliases: ${aliases === null ? 'null' : stringLiteral(aliases)}`)}`,
      ),
      '  ],',
      '},',
    ];
  });
  return {
    kind: 'constant',
    name: 'entries',
    exported: true,
    docs: ['What each entry point takes and returns, and how many elements to allocate.'],
    value: ['{', ...items.map((line) => `  ${line}`), '} satisfies Readonly<Record<string, Entry>>'].join('\n'),
  };
}
