// A case and what an encoding compiles to, attention and its change of the embedding -> both compared. The change is run as a
// program with the result `output`, as attention is; where the case has no numbers for it, the interpreter makes them.

import type { CheckedEncoding } from '../check/checked.ts';
import type { Program } from '../ir/ir.ts';
import type { Lowered } from '../lower/lower.ts';
import type { Case, EmbeddingValues, Tensors } from './case.ts';
import { makeCase, type MakeCaseOptions } from './make.ts';
import { geometryOf, verify, type Row, type Runner, type Verified } from './run.ts';

/** `part`: of which program; a learned tensor that both read has a gradient in each. */
export interface EncodingRow extends Row {
  readonly part: 'attention' | 'embedding';
}

export interface VerifiedEncoding extends Omit<Verified, 'rows'> {
  readonly rows: readonly EncodingRow[];
  /** Whose numbers the change of the embedding was held against; null: there is none. */
  readonly embedding: 'case' | 'interpreter' | null;
}

const encoded = 'embedding_encoded';
const seed = 1; // of the numbers that the interpreter makes

/** Attention, and the change of the embedding where there is one. */
export async function verifyEncoding(
  { attend, embed }: Lowered,
  vectors: Case,
  runner: Runner,
  tolerance: number,
): Promise<VerifiedEncoding> {
  const attended = await verify(attend, ofAttention(vectors, attend, embed), runner, tolerance);
  const rows = attended.rows.map((row): EncodingRow => ({ ...row, part: 'attention' }));
  if (embed === null) return { ...attended, rows, embedding: null };
  const program = asOutput(embed);
  const embedded = await verify(program, await ofEmbedding(vectors, program), runner, tolerance);
  const changed = embedded.rows.map((row): EncodingRow => ({ ...row, tensor: named(row), part: 'embedding' }));
  return {
    rows: [...rows, ...changed],
    problems: [...attended.problems, ...embedded.problems],
    passed: attended.passed && embedded.passed,
    embedding: vectors.embedding === null ? 'interpreter' : 'case',
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
  const part = await makePart(encoding, asOutput(embed), { ...options, like: made });
  return { ...made, learned: { ...part.learned, ...made.learned }, embedding: part.embedding };
}

/** `learned`: all that the program reads. */
async function makePart(
  encoding: Pick<CheckedEncoding, 'name' | 'geometry'>,
  program: Program,
  options: MakeCaseOptions,
): Promise<{ readonly learned: Tensors; readonly embedding: EmbeddingValues }> {
  const { learned, inputs, outputs, cotangent, gradients } = await makeCase(encoding, program, options);
  const own = only(inputs, (name) => options.like?.inputs[name] === undefined);
  return { learned, embedding: { inputs: own, outputs: renamed(outputs, 'output', encoded), cotangent, gradients } };
}

const named = ({ kind, tensor }: Row): string => (kind === 'output' && tensor === 'output' ? encoded : tensor);

/** The same program with its result under the name that attention's has. */
function asOutput(embed: Program): Program {
  return {
    ...embed,
    results: new Map([...embed.results].map(([name, made]) => [name === encoded ? 'output' : name, made])),
  };
}

const renamed = (tensors: Tensors, from: string, to: string): Tensors =>
  Object.fromEntries(Object.entries(tensors).map(([name, values]) => [name === from ? to : name, values]));

const reads = (program: Program | null, name: string): boolean =>
  program?.inputs.some((input) => input.name === name) ?? false;

const only = (tensors: Tensors, wanted: (name: string) => boolean): Tensors =>
  Object.fromEntries(Object.entries(tensors).filter(([name]) => wanted(name)));

/** Without the learned tensors that only the change of the embedding reads. */
function ofAttention(vectors: Case, attend: Program, embed: Program | null): Case {
  return { ...vectors, learned: only(vectors.learned, (name) => reads(attend, name) || !reads(embed, name)) };
}

async function ofEmbedding(vectors: Case, program: Program): Promise<Case> {
  const { B, T } = vectors.sizes;
  const encoding = { name: program.name, geometry: geometryOf(vectors.sizes) };
  const made = { batch: B, tokens: T, seed, training: vectors.training, like: vectors };
  const { learned, embedding } =
    vectors.embedding === null
      ? await makePart(encoding, program, made)
      : { learned: {}, embedding: vectors.embedding };
  return {
    ...vectors,
    ...embedding,
    inputs: { ...vectors.inputs, ...embedding.inputs },
    learned: { ...learned, ...only(vectors.learned, (name) => reads(program, name)) },
    outputs: renamed(embedding.outputs, encoded, 'output'),
  };
}
