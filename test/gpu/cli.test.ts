// The commands that open a device, from outside, at the smallest sizes: train, stop, go on, sample, refuse.

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { inFolder, pegen } from '../cli/run.ts';

const example = (name: string): string => resolve('examples', `${name}.pe`);
const text = 'The quick brown fox jumps over the lazy dog, and a model learns it by heart. '.repeat(60);
const small = [
  '--data',
  'text.txt',
  '--width',
  '16',
  '--heads',
  '2',
  '--layers',
  '1',
  '--context',
  '16',
  '--batch',
  '2',
];
const sizes = [...small, '--evaluate', '1', '--report', '2', '--device', 'swiftshader'];

const inPlace = (use: (folder: string) => Promise<void>): Promise<void> =>
  inFolder(async (folder) => {
    writeFileSync(join(folder, 'text.txt'), text);
    await use(folder);
  });

describe('train', () => {
  test('writes checkpoints and a report, stops on Ctrl-C, goes on, and samples', () =>
    inPlace(async (folder) => {
      const train = ['train', example('carope'), ...sizes, '--steps', '100000', '--out', 'run'];
      const stopped = await pegen(train, {
        cwd: folder,
        when: { says: /step \d+\/100000/, act: (kill) => kill('SIGINT') },
      });
      expect(stopped.err).toContain('stopped; go on with --out run --resume');
      expect(stopped.code).toBe(130);
      const [first] = readdirSync(join(folder, 'run'));
      expect(first).toMatch(/^step-\d{8}\.safetensors$/);
      const done = Number(/\d{8}/.exec(first!)![0]);

      const other = await pegen([...train, '--resume', '--rate', '0.5'], { cwd: folder });
      expect([other.code, other.err]).toEqual([1, expect.stringMatching(/rate was 0\.003 and is 0\.5 now/)]);

      const short = ['train', example('rope'), ...sizes, '--steps', '4', '--out', 'short'];
      const whole = await pegen(short, { cwd: folder });
      expect(whole.code).toBe(0);
      expect(whole.out).toMatch(/rope\s+\d+\.\d{4}/);
      expect(readFileSync(join(folder, 'short', 'report.html'), 'utf8')).toContain('<svg');
      expect(done).toBeGreaterThanOrEqual(2);

      const sample = await pegen(['sample', 'short', '--prompt', 'The ', '--length', '5', '--device', 'swiftshader'], {
        cwd: folder,
      });
      expect([sample.code, sample.out]).toEqual([0, expect.stringMatching(/^The /)]);
    }));

  test('refuses an encoding that looks ahead, with its line, and a model that cannot fit', () =>
    inPlace(async (folder) => {
      writeFileSync(join(folder, 'ahead.pe'), 'encoding ahead {\n  score[h, i, j] += x[i + 1, 0]\n}\n');
      const ahead = await pegen(['train', 'ahead.pe', ...sizes, '--steps', '1'], { cwd: folder });
      expect([ahead.code, ahead.err]).toEqual([1, expect.stringMatching(/ahead\.pe:2: .* reads later tokens/)]);
      const large = ['--device', 'swiftshader', '--data', 'text.txt', '--width', '65536'];
      const { code, err } = await pegen(['train', example('rope'), ...large], { cwd: folder });
      expect(code).toBe(1);
      expect(err).toMatch(/does not fit[^]*the matrices[^]*hint[^]*--layers/);
      expect(existsSync(join(folder, 'runs'))).toBe(false);
    }));
});

describe('other commands', () => {
  test('verify on kernels, devices, profile', () =>
    inPlace(async (folder) => {
      const vectors = resolve('test/fixtures/vectors/carope.json');
      const verified = await pegen(['verify', example('carope'), '--vectors', vectors, '--device', 'swiftshader']);
      expect([verified.code, verified.out]).toEqual([0, expect.stringContaining('within 0.00002')]);
      const devices = await pegen(['devices', '--json']);
      expect(devices.code).toBe(0);
      expect(JSON.parse(devices.out)).toEqual(
        expect.arrayContaining([expect.objectContaining({ device: 'swiftshader' })]),
      );
      const profile = await pegen(['train', example('rope'), ...sizes, '--profile'], { cwd: folder });
      expect([profile.code, profile.out]).toEqual([0, expect.stringMatching(/kernel +launches +ms +share/)]);
    }));
});
