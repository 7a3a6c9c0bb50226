// Kernels assembled by hand, so that the device is tested without the compiler: what an item does comes in as instructions,
// a module goes out that does it for items begin to end - 1.

import type { Kernel, Sizes } from '../../targets/device.ts';

const unsigned = (value: number): number[] =>
  value < 128 ? [value] : [(value % 128) + 128, ...unsigned(Math.floor(value / 128))];
const text = (name: string): number[] => [...unsigned(name.length), ...[...name].map((c) => c.charCodeAt(0))];
const section = (id: number, content: readonly number[]): number[] => [id, ...unsigned(content.length), ...content];

const signed = (value: number): number[] => {
  const low = value & 127;
  const rest = value >> 7;
  return (rest === 0 && low < 64) || (rest === -1 && low >= 64) ? [low] : [low + 128, ...signed(rest)];
};

/** Instructions, as bytes in the order of the stack machine. `item` is the number of the item; `call` and `scratch` as given. */
export const op = {
  item: [0x20, 0x00],
  end: [0x20, 0x01],
  call: [0x20, 0x02],
  scratch: [0x20, 0x03],
  local: [0x20, 0x04],
  setLocal: [0x21, 0x04],
  i32: (value: number): readonly number[] => [0x41, ...signed(value)],
  add: [0x6a],
  sub: [0x6b],
  mul: [0x6c],
  load: (offset = 0): readonly number[] => [0x28, 2, ...unsigned(offset)],
  store: [0x36, 2, 0],
  unreachable: [0x00],
  whileNot0: (body: readonly number[]): readonly number[] => [0x03, 0x40, ...body, 0x0d, 0x00, 0x0b],
  if: (body: readonly number[]): readonly number[] => [0x04, 0x40, ...body, 0x0b],
  equal: [0x46],
} as const;

/** The address of the n-th binding. */
export const binding = (n: number): readonly number[] => [...op.call, ...op.load(20 + 4 * n)];
/** The address of element `item` of the n-th binding. */
export const element = (n: number): readonly number[] => [
  ...binding(n),
  ...op.item,
  ...op.i32(4),
  ...op.mul,
  ...op.add,
];

export function assemble(...item: readonly (readonly number[])[]): string {
  // loop: if begin < end { item; begin += 1; again }
  const body = [
    [0x03, 0x40, 0x20, 0x00, 0x20, 0x01, 0x48, 0x04, 0x40],
    ...item,
    [0x20, 0x00, 0x41, 0x01, 0x6a, 0x21, 0x00, 0x0c, 0x01, 0x0b, 0x0b, 0x0b],
  ].flat();
  const code = [0x01, 0x01, 0x7f, ...body]; // one more local, i32
  const bytes = [
    [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    section(1, [1, 0x60, 4, 0x7f, 0x7f, 0x7f, 0x7f, 0]),
    section(2, [1, ...text('env'), ...text('memory'), 0x02, 0x03, 0x00, 0x80, 0x80, 0x04]),
    section(3, [1, 0]),
    section(7, [1, ...text('run'), 0x00, 0]),
    section(10, [1, ...unsigned(code.length), ...code]),
  ].flat();
  return Buffer.from(bytes).toString('base64');
}

export interface Hand {
  readonly name?: string;
  readonly items: (sizes: Sizes) => number;
  readonly access: readonly ('read' | 'read_write')[];
  readonly scratch?: number;
  readonly code: string;
}

export const handmade = ({ name = 'hand', items, access, scratch, code }: Hand): Kernel => ({
  name,
  language: 'wasm',
  product: null,
  source: `${name}.pe:1`,
  bindings: access.map((each, index) => ({ name: `b${index}`, type: 'i32', access: each })),
  variants: [
    {
      profile: 'software',
      workgroup: 1,
      code,
      groups: items,
      ...(scratch === undefined ? {} : { scratch: () => scratch }),
    },
  ],
});
