// Recording entries: inputs by name, and inputs that an entry overwrites.
import { describe, expect, it } from 'vitest';
import { callEntry, settle } from '../../src/trainer/call.ts';
import { wholeSequence } from '../../targets/device.ts';
import type { Buffer, Buffers, Module, Tape } from '../../targets/device.ts';

const buffer = (name: string): Buffer => ({
  name,
  elements: 4,
  type: 'f32',
  storage: { label: name, bytes: 16 },
  offset: 0,
});
const parameter = (name: string) => ({ name, comment: name, type: 'f32' as const, elements: () => 4 });

function recorder() {
  const copies: [string, string][] = [];
  const tape: Tape = {
    sizes: wholeSequence(1, 1),
    at: () => tape,
    temporary: (name, elements) => ({ name, elements, type: 'f32', storage: null, offset: 0 }),
    launch: () => undefined,
    clear: () => undefined,
    copy: (from, to) => void copies.push([from.name, to.name]),
  };
  return { tape, copies };
}

/** Rotates `query` in place; reads `key`. */
function inPlace() {
  const calls: Buffers[] = [];
  const module = {
    name: 'in_place',
    entries: {
      forward: {
        inputs: ['query', 'key'].map((name) => ({ ...parameter(name), accumulate: false })),
        outputs: [{ ...parameter('turned'), saved: false, aliases: 'query' }],
      },
    },
    forward: (_: Tape, buffers: Buffers) => {
      calls.push(buffers);
      return { turned: buffers['query']! };
    },
  } as unknown as Module;
  return { module, calls };
}

describe('an entry that works in place', () => {
  const atHand = { query: buffer('q'), key: buffer('k'), other: buffer('o') };

  it('gets a copy of what is still needed', () => {
    const [{ tape, copies }, { module, calls }] = [recorder(), inPlace()];
    const { turned } = callEntry(tape, module, 'forward', atHand);
    expect(copies).toEqual([['q', 'q_kept']]);
    expect(turned!.name).toBe('q_kept');
    expect(Object.keys(calls[0]!)).toEqual(['query', 'key']);
  });

  it('gets what is given up itself', () => {
    const [{ tape, copies }, { module }] = [recorder(), inPlace()];
    expect(callEntry(tape, module, 'forward', atHand, ['query'])['turned']).toBe(atHand.query);
    expect(copies).toEqual([]);
  });

  it('is refused without an input, by name', () => {
    const [{ tape }, { module }] = [recorder(), inPlace()];
    expect(() => callEntry(tape, module, 'forward', { query: buffer('q') })).toThrow(/in_place wants 'key'/);
    expect(() => callEntry(tape, module, 'backward', atHand)).toThrow(/no entry 'backward'/);
  });
});

it('a result is copied to its place unless it is there', () => {
  const { tape, copies } = recorder();
  const place = buffer('place');
  settle(tape, { ...place, name: 'same' }, place);
  settle(tape, { ...place, name: 'elsewhere', storage: null }, place);
  expect(copies).toEqual([['elsewhere', 'place']]);
});
