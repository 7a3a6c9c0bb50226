// A case and what an encoding compiles to, attention and its changes of the embedding and of x -> all compared. A change is
// run as a program with the result `output`, as attention is; where the case has no numbers for it, the interpreter makes them.

import type { CheckedEncoding } from '../check/checked.ts';
import type { Program } from '../ir/ir.ts';
import type { Lowered } from '../lower/lower.ts';
import type { Case, EmbeddingValues, Tensors } from './case.ts';
import { makeCase, type MakeCaseOptions } from './make.ts';
import { geometryOf, verify, type Row, type Runner, type Verified } from './run.ts';

/** `part`: of which program; a learned tensor that both read has a gradient in each. */
export interface EncodingRow extends Row {
  readonly part: 'attention' | Changed;
}

type Changed = 'embedding' | 'x';

export interface VerifiedEncoding extends Omit<Verified, 'rows'> {
  readonly rows: readonly EncodingRow[];
  /** Whose numbers the change of the embedding was held against; null: there is none. That of x: always the interpreter's. */
  readonly embedding: 'case' | 'interpreter' | null;
}

const encoded = 'embedding_encoded';
const seed = 1; // of the numbers that the interpreter makes

/** Attention, and the changes of the embedding and of x where there are any. */
export async function verifyEncoding(
  { attend, embed, input }: Lowered,
  vectors: Case,
  runner: Runner,
  tolerance: number,
): Promise<VerifiedEncoding> {
  const ofOthers = [embed, input].filter((program) => program !== null);
  const attended = await verify(attend, ofAttention(vectors, attend, ofOthers), runner, tolerance);
  const parts: Omit<VerifiedEncoding, 'embedding'>[] = [
    { ...attended, rows: attended.rows.map((row): EncodingRow => ({ ...row, part: 'attention' })) },
  ];
  for (const [program, part] of [
    [embed, 'embedding'],
    [input, 'x'],
  ] as const) {
    if (program === null) continue;
    const own = asOutput(program, `${part}_encoded`);
    const known = part === 'embedding' ? vectors.embedding : null;
    const { rows, ...rest } = await verify(own, await ofChange(vectors, own, known), runner, tolerance);
    parts.push({ ...rest, rows: rows.map((row): EncodingRow => ({ ...row, tensor: named(row, part), part })) });
  }
  return {
    rows: parts.flatMap(({ rows }) => rows),
    problems: parts.flatMap(({ problems }) => problems),
    passed: parts.every(({ passed }) => passed),
    embedding: embed === null ? null : vectors.embedding === null ? 'interpreter' : 'case',
  };
}

/** Both parts by the interpreter. */
export async function makeEncodingCase(
  encoding: Pick<CheckedEncoding, 'name' | 'geometry'>,
  { attend, embed }: Lowered,
  options: MakeCaseOptions,
): Promise<Case> {
  const made = await makeCase(encoding, attend, options);
  if (embed === null) return made;
  const part = await makePart(encoding, asOutput(embed, encoded), { ...options, like: made });
  return { ...made, learned: { ...part.learned, ...made.learned }, embedding: part.embedding };
}

/** `learned`: all that the program reads. */
async function makePart(
  encoding: Pick<CheckedEncoding, 'name' | 'geometry'>,
  program: Program,
  options: MakeCaseOptions,
): Promise<{ readonly learned: Tensors; readonly embedding: EmbeddingValues }> {
  const { learned, inputs, outputs, cotangent, gradients } = await makeCase(encoding, program, options);
  // Attention's `embedding` is another one: behind the sites.
  const own = only(inputs, (name) => name === 'embedding' || options.like?.inputs[name] === undefined);
  return { learned, embedding: { inputs: own, outputs: renamed(outputs, 'output', encoded), cotangent, gradients } };
}

const named = ({ kind, tensor }: Row, part: Changed): string =>
  kind === 'output' && tensor === 'output' ? `${part}_encoded` : tensor;

/** The same program with its result under the name that attention's has. */
function asOutput(changing: Program, result: string): Program {
  return {
    ...changing,
    results: new Map([...changing.results].map(([name, made]) => [name === result ? 'output' : name, made])),
  };
}

const renamed = (tensors: Tensors, from: string, to: string): Tensors =>
  Object.fromEntries(Object.entries(tensors).map(([name, values]) => [name === from ? to : name, values]));

const reads = (program: Program, name: string): boolean => program.inputs.some((input) => input.name === name);

const only = (tensors: Tensors, wanted: (name: string) => boolean): Tensors =>
  Object.fromEntries(Object.entries(tensors).filter(([name]) => wanted(name)));

/** Without the learned tensors that only the other programs read. */
function ofAttention(vectors: Case, attend: Program, others: readonly Program[]): Case {
  const isOther = (name: string): boolean => !reads(attend, name) && others.some((program) => reads(program, name));
  return { ...vectors, learned: only(vectors.learned, (name) => !isOther(name)) };
}

async function ofChange(vectors: Case, program: Program, known: EmbeddingValues | null): Promise<Case> {
  const { B, T } = vectors.sizes;
  const encoding = { name: program.name, geometry: geometryOf(vectors.sizes) };
  const made = { batch: B, tokens: T, seed, training: vectors.training, like: vectors };
  const { learned, embedding } =
    known === null ? await makePart(encoding, program, made) : { learned: {}, embedding: known };
  return {
    ...vectors,
    ...embedding,
    inputs: { ...vectors.inputs, ...embedding.inputs },
    learned: { ...learned, ...only(vectors.learned, (name) => reads(program, name)) },
    outputs: renamed(embedding.outputs, encoded, 'output'),
  };
}
