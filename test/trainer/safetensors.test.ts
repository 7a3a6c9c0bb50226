// The container: round trips, hostile files, mutated bytes; and files that appear whole or not at all.
import fc from 'fast-check';
import { fork } from 'node:child_process';
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ts } from 'ts-morph';
import { describe, expect, it } from 'vitest';
import { writeAtomic } from '../../src/trainer/atomic.ts';
import { TrainerError } from '../../src/trainer/error.ts';
import { floatsOf, readSafetensors, safetensorsPieces, storeFloats } from '../../src/trainer/safetensors.ts';

const join8 = (pieces: readonly Uint8Array[]): Uint8Array => Uint8Array.from(pieces.flatMap((piece) => [...piece]));

function container(header: string | Uint8Array, body: readonly number[] = [], length?: bigint): Uint8Array {
  const text = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const start = new Uint8Array(8);
  new DataView(start.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  return join8([start, text, Uint8Array.from(body)]);
}

const sample = join8(
  safetensorsPieces({
    tensors: new Map([
      ['a', storeFloats(Float32Array.from([1, 2, 3]), [3])],
      ['__proto__', storeFloats(Float32Array.from([4]), [])],
      ['empty', storeFloats(new Float32Array(0), [0, 5])],
    ]),
    metadata: new Map([['format', 'pt']]),
  }),
);

describe('safetensors', () => {
  it('round-trips, whatever the names and wherever the bytes lie', () => {
    const shifted = new Uint8Array(sample.length + 3);
    shifted.set(sample, 3);
    const { tensors, metadata } = readSafetensors(Buffer.from(shifted.buffer, 3)); // as readFile gives it
    expect([...tensors.keys()]).toEqual(['a', '__proto__', 'empty']);
    expect([...floatsOf('a', tensors.get('a')!)]).toEqual([1, 2, 3]);
    expect([...floatsOf('__proto__', tensors.get('__proto__')!)]).toEqual([4]);
    expect(tensors.get('empty')!.shape).toEqual([0, 5]);
    expect([...metadata]).toEqual([['format', 'pt']]);
    expect(Number(new DataView(sample.buffer).getBigUint64(0, true)) % 8).toBe(0);
  });

  const f32 = (more: string): string => `{"a":{"dtype":"F32",${more}}}`;
  it.each([
    ['nothing', new Uint8Array(0), /0 bytes/],
    ['a huge header', container('{}', [], 2n ** 63n), /9223372036854775808 bytes/],
    ['a header past the end', container('{}', [], 3n), /inside its header/],
    ['leading space', container(' {}'), /start with/],
    ['broken JSON', container('{"a":'), /not JSON/],
    ['bad UTF-8', container(Uint8Array.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])), /not JSON/],
    ['a name twice', container(f32('"shape":[],"data_offsets":[0,4]').replace('{', '{"\\u0061":1,')), /twice/],
    ['a field twice', container(f32('"shape":[],"dtype":"F32","data_offsets":[0,4]'), [0, 0, 0, 0]), /twice/],
    ['an unknown type', container(f32('"shape":[],"data_offsets":[0,4]').replace('F32', 'toString')), /unknown type/],
    ['an unknown field', container(f32('"shape":[],"data_offsets":[0,4],"x":1'), [0, 0, 0, 0]), /unknown field/],
    ['a negative extent', container(f32('"shape":[-1],"data_offsets":[0,4]'), [0, 0, 0, 0]), /no valid shape/],
    ['a fractional extent', container(f32('"shape":[1.5],"data_offsets":[0,6]'), [0, 0, 0, 0, 0, 0]), /valid shape/],
    ['a product past 2^53', container(f32('"shape":[9007199254740991,9007199254740991],"data_offsets":[0,4]')), /need/],
    ['the wrong length', container(f32('"shape":[2],"data_offsets":[0,4]'), [0, 0, 0, 0]), /need 8/],
    ['offsets backwards', container(f32('"shape":[],"data_offsets":[4,0]'), [0, 0, 0, 0]), /need 4/],
    ['a gap', container(f32('"shape":[],"data_offsets":[4,8]'), [0, 0, 0, 0, 0, 0, 0, 0]), /gap/],
    ['past the end', container(f32('"shape":[],"data_offsets":[0,4]'), [0, 0]), /past the end/],
    ['bytes of nobody', container('{}', [1]), /no tensor/],
    ['metadata of numbers', container('{"__metadata__":{"a":1}}'), /no string/],
    ['an array for a tensor', container('{"a":[]}'), /no object/],
  ])('refuses %s', (_, file, message) => {
    expect(() => readSafetensors(file)).toThrow(message);
    expect(() => readSafetensors(file)).toThrow(TrainerError);
  });

  it('never fails otherwise, whatever bytes change', () => {
    fc.assert(
      fc.property(fc.nat(sample.length - 1), fc.nat(255), fc.nat(sample.length), (at, value, cut) => {
        const changed = sample.slice(0, cut < 20 ? cut : sample.length);
        if (at < changed.length) changed[at] = value;
        try {
          for (const [, { data, shape }] of readSafetensors(changed).tensors) {
            expect(data.byteLength).toBeGreaterThanOrEqual(shape.reduce((a, b) => a * b, 1));
          }
        } catch (error) {
          expect(error).toBeInstanceOf(TrainerError);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('atomic files', () => {
  it('leave nothing behind when writing fails', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pegen-atomic-'));
    await writeAtomic(join(folder, 'x'), ['old']);
    const broken = (function* () {
      yield 'new';
      throw new Error('disk full');
    })();
    await expect(writeAtomic(join(folder, 'x'), broken)).rejects.toThrow('disk full');
    expect(await readdir(folder)).toEqual(['x']);
    expect(await readFile(join(folder, 'x'), 'utf8')).toBe('old');
  });

  it('are whole after a writer was killed', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pegen-killed-'));
    const script = join(folder, 'writer.mjs');
    const source = await readFile(new URL('../../src/trainer/atomic.ts', import.meta.url), 'utf8');
    const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
    await writeFile(
      script,
      `${ts.transpileModule(source, { compilerOptions: options }).outputText}
       const target = process.argv[2];
       process.send('ready');
       for (let n = 0; ; n += 1) await writeAtomic(target, [new Uint8Array(200000).fill(n % 251), new Uint8Array(200000).fill(n % 251)]);`,
    );
    const target = join(folder, 'state');
    for (let round = 0; round < 5; round += 1) {
      const child = fork(script, [target], { execArgv: [] });
      await new Promise((resolve) => child.once('message', resolve));
      await new Promise((resolve) => setTimeout(resolve, 30 + 7 * round));
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('exit', resolve));
      const found = await readFile(target);
      expect(found.length).toBe(400000);
      expect(found.every((byte) => byte === found[0])).toBe(true);
    }
  });
});
