// The tape refuses what cannot be right, and temporaries share storage only when their lives do not meet.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Buffer, DeviceBuffer, Keep, Kernel, Tape } from '../../targets/device.ts';
import { wholeSequence } from '../../targets/device.ts';
import { livesOf, planMemory } from '../../targets/memory.ts';
import { recordOperations } from '../../targets/tape.ts';

const sizes = wholeSequence(2, 3);

function kernel(name: string, ...access: ('read' | 'read_write')[]): Kernel {
  return {
    name,
    language: 'wgsl',
    product: null,
    source: `${name}.pe:1`,
    bindings: access.map((each, index) => ({ name: `b${index}`, type: 'f32', access: each })),
    variants: [],
  };
}
const unary = kernel('unary', 'read', 'read_write');
const storage = (elements: number, label = 'storage'): DeviceBuffer => ({ label, bytes: elements * 4 });
const whole = (held: DeviceBuffer, name = held.label): Buffer => ({
  name,
  elements: held.bytes / 4,
  type: 'f32',
  storage: held,
  offset: 0,
});
const view = (held: DeviceBuffer, offset: number, elements: number): Buffer => ({
  name: 'view',
  elements,
  type: 'f32',
  storage: held,
  offset,
});

const record = (build: (tape: Tape) => void) => recordOperations(build, sizes);

describe('the tape', () => {
  it('keeps the order, the buffers and the sizes of launches', () => {
    const later = { ...sizes, first: 3, keys: 6, capacity: 6 };
    const [x, y] = [whole(storage(64)), whole(storage(64))];
    const operations = record((tape) => {
      expect(tape.sizes).toBe(sizes);
      const t = tape.temporary('t', 64);
      tape.launch(unary, [x, t]);
      tape.at(later).launch(unary, [t, y]);
      tape.clear(y);
      tape.copy(x, y);
    });
    expect(operations.map(({ kind }) => kind)).toEqual(['launch', 'launch', 'clear', 'copy']);
    expect(operations.flatMap((each) => (each.kind === 'launch' ? [each.sizes] : []))).toEqual([sizes, later]);
  });

  it('leaves out, where that is asked for, what ends in temporaries that nothing reads', () => {
    const [x, y] = [whole(storage(64, 'x')), whole(storage(64, 'y'))];
    const build = (tape: Tape): void => {
      const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => tape.temporary(name, 64)) as [
        Buffer,
        Buffer,
        Buffer,
        Buffer,
      ];
      tape.clear(a);
      tape.clear(b);
      tape.launch(unary, [x, a]); // into what was cleared: it may write a part
      tape.launch(unary, [a, c]);
      tape.launch(unary, [c, d]); // read by nothing that stays
      tape.launch(unary, [d, b]);
      tape.copy(c, y);
      tape.launch(unary, [y, c]);
    };
    const said = (keep: Keep) =>
      recordOperations(build, sizes, keep).map((one) => {
        if (one.kind === 'clear') return `clear ${one.buffer.name}`;
        const [from, to] = one.kind === 'copy' ? [one.from, one.to] : one.buffers;
        return `${from!.name} to ${to!.name}`;
      });
    expect(said('all')).toHaveLength(8);
    expect(said('needed')).toEqual(['clear a', 'x to a', 'a to c', 'c to y']);
  });

  const held = storage(256, 'pool');
  const refused: readonly (readonly [string, (tape: Tape) => void, RegExp])[] = [
    ['too few buffers', (tape) => tape.launch(unary, [whole(held)]), /unary takes 2 buffers, not 1/],
    [
      'a temporary read before it is written',
      (tape) => tape.launch(unary, [tape.temporary('t', 4), whole(held)]),
      /t is read before/,
    ],
    ['a copy of what nothing wrote', (tape) => tape.copy(tape.temporary('t', 256), whole(held)), /t is read before/],
    [
      'a view outside',
      (tape) => tape.clear(view(held, 192, 65)),
      /view of 65 elements at 192 is outside pool, which has 256/,
    ],
    ['a view at an odd place', (tape) => tape.clear(view(held, 32, 32)), /multiple of 256 bytes/],
    [
      'one buffer read and written',
      (tape) => tape.launch(unary, [whole(held), whole(held)]),
      /b0 and b1 are bound to the same storage/,
    ],
    [
      'views apart, one read and one written',
      (tape) => tape.launch(unary, [view(held, 0, 64), view(held, 64, 64)]),
      /same storage/,
    ],
    [
      'overlapping written views',
      (tape) => tape.launch(kernel('two', 'read_write', 'read_write'), [view(held, 0, 128), view(held, 64, 64)]),
      /same storage/,
    ],
    ['a copy of another size', (tape) => tape.copy(view(held, 0, 64), whole(storage(32))), /64 elements/],
    ['a copy inside one storage', (tape) => tape.copy(view(held, 0, 64), view(held, 64, 64)), /inside one storage/],
    ['no size', (tape) => void tape.temporary('t', NaN), /t: NaN elements/],
  ];
  it.each(refused)('refuses %s', (_, build, message) => {
    expect(() => record(build)).toThrow(message);
  });

  it('takes one buffer read twice, and written views that are apart', () => {
    const out = whole(storage(64));
    record((tape) => {
      tape.launch(kernel('three', 'read', 'read', 'read_write'), [view(held, 0, 64), view(held, 0, 128), out]);
      tape.launch(kernel('two', 'read_write', 'read_write'), [view(held, 0, 64), view(held, 64, 64)]);
    });
  });

  it('refuses a temporary of another record', () => {
    let stray: Buffer | null = null;
    record((tape) => {
      stray = tape.temporary('t', 4);
    });
    expect(() => record((tape) => tape.clear(stray!))).toThrow(/belongs to another record/);
  });
});

describe('memory of temporaries', () => {
  it('a chain of equal temporaries takes two slots', () => {
    const [x, y] = [whole(storage(64)), whole(storage(64))];
    const operations = record((tape) => {
      let from = x;
      for (let step = 0; step < 6; step += 1) {
        const to = tape.temporary(`t${step}`, 64);
        tape.launch(unary, [from, to]);
        from = to;
      }
      tape.launch(unary, [from, y]);
    });
    const plan = planMemory(operations);
    expect(plan.slots).toEqual([{ bytes: 256 }, { bytes: 256 }]);
    expect(plan.bytes).toBe(512);
    expect([...plan.slotOf.values()].sort()).toEqual([0, 0, 0, 1, 1, 1]);
  });

  it('never shares a slot between lives that meet, and never takes more than all of them', () => {
    const step = fc.record({ size: fc.integer({ min: 0, max: 900 }), reads: fc.array(fc.nat(), { maxLength: 3 }) });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 25 }), (steps) => {
        const operations = record((tape) => {
          const made: Buffer[] = [];
          for (const { size, reads } of steps) {
            const inputs = [...new Set(made.length === 0 ? [] : reads.map((each) => made[each % made.length]!))];
            const out = tape.temporary('t', size);
            tape.launch(kernel('k', ...inputs.map(() => 'read' as const), 'read_write'), [...inputs, out]);
            made.push(out);
          }
        });
        const plan = planMemory(operations);
        const lives = livesOf(operations);
        let alive = 0;
        for (const a of lives) {
          alive += Math.max(256, Math.ceil((a.buffer.elements * 4) / 256) * 256);
          expect(plan.slots[plan.slotOf.get(a.buffer)!]!.bytes).toBeGreaterThanOrEqual(a.buffer.elements * 4);
          for (const b of lives) {
            if (a === b || a.last < b.first || b.last < a.first) continue;
            expect(plan.slotOf.get(a.buffer)).not.toBe(plan.slotOf.get(b.buffer));
          }
        }
        expect(plan.bytes).toBeLessThanOrEqual(alive);
      }),
    );
  });
});
