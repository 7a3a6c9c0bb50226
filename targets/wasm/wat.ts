// A WebAssembly module as text (the folded form of its text format), to be read: values that fit stand on one line.

import type { Action, Local, Value, WasmFunction, WasmModule } from './ast.ts';

const width = 120;

export function printModule({ functions }: WasmModule, comment: string): string {
  const lines = [
    ...comment.split('\n').map((line) => `;; ${line}`.trimEnd()),
    '(module',
    '  (import "env" "memory" (memory 1 65536 shared))',
    ...functions.flatMap(printFunction),
    ')',
  ];
  return `${lines.join('\n')}\n`;
}

function printFunction({ name, exported, parameters, locals, body, result }: WasmFunction): readonly string[] {
  const declared = (kind: 'param' | 'local', { name: of, type }: Local): string => `(${kind} $${of} ${type})`;
  const head = [
    `  (func $${name}`,
    ...(exported ? [`(export "${name}")`] : []),
    ...parameters.map((each) => declared('param', each)),
    ...(result === null ? [] : [`(result ${result.type})`]),
  ];
  return [
    head.join(' '),
    ...filled(locals.map((each) => declared('local', each))),
    ...body.flatMap((action) => printAction(action, 2)),
    ...(result === null ? [] : printValue(result.value, 2)),
    '  )',
  ];
}

/** As many on a line as fit. */
function filled(words: readonly string[]): readonly string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(`    ${word}`);
  }
  return lines;
}

const pad = (depth: number): string => '  '.repeat(depth);

function printAction(action: Action, depth: number): readonly string[] {
  const block = (head: string, body: readonly Action[]): readonly string[] => [
    `${pad(depth)}(${head}`,
    ...body.flatMap((each) => printAction(each, depth + 1)),
    `${pad(depth)})`,
  ];
  switch (action.kind) {
    case 'set':
      return form(`local.set $${action.name}`, [action.value], depth);
    case 'store':
      return form(`${action.op}${offset(action.offset)}`, [action.address, action.value], depth);
    case 'store-component':
      return form(
        `v128.store32_lane${offset(action.offset)} ${action.component}`,
        [action.address, action.value],
        depth,
      );
    case 'if': {
      const inner = (word: string, body: readonly Action[]): readonly string[] => [
        `${pad(depth + 1)}(${word}`,
        ...body.flatMap((each) => printAction(each, depth + 2)),
        `${pad(depth + 1)})`,
      ];
      return [
        `${pad(depth)}(if`,
        ...printValue(action.condition, depth + 1),
        ...inner('then', action.yes),
        ...(action.no.length === 0 ? [] : inner('else', action.no)),
        `${pad(depth)})`,
      ];
    }
    case 'loop':
    case 'block':
      return block(`${action.kind} $${action.label}`, action.body);
    case 'branch':
      return action.condition === null
        ? [`${pad(depth)}(br $${action.label})`]
        : form(`br_if $${action.label}`, [action.condition], depth);
    case 'comment':
      return [`${pad(depth)};; ${action.text}`];
    default:
      return action satisfies never;
  }
}

const printValue = (value: Value, depth: number): readonly string[] => form(...headOf(value), depth);

/** The instruction with what stands in it, and its arguments. */
function headOf(value: Value): readonly [string, readonly Value[]] {
  switch (value.kind) {
    case 'i32':
    case 'f32':
      return [`${value.kind}.const ${numberText(value.kind, value.value)}`, []];
    case 'vector': {
      const words = value.values.map((each) => numberText(value.of, each));
      return [`v128.const ${value.of}x4 ${words.join(' ')}`, []];
    }
    case 'get':
      return [`local.get $${value.name}`, []];
    case 'tee':
      return [`local.tee $${value.name}`, [value.value]];
    case 'op':
      return [value.op, value.args];
    case 'component':
      return [`${value.op} ${value.component}`, value.args];
    case 'shuffle': {
      const bytes = value.words.flatMap((word) => [4 * word, 4 * word + 1, 4 * word + 2, 4 * word + 3]);
      return [`i8x16.shuffle ${bytes.join(' ')}`, value.args];
    }
    case 'load':
      return [`${value.op}${offset(value.offset)}`, [value.address]];
    case 'load-component':
      return [`v128.load32_lane${offset(value.offset)} ${value.component}`, [value.address, value.into]];
    case 'call':
      return [`call $${value.name}`, value.args];
    case 'choose':
      return [`if (result ${value.type})`, [value.condition, value.yes, value.no]];
    default:
      return value satisfies never;
  }
}

/** The sides of a value that is chosen have words in front. */
const sides = ['', 'then ', 'else '];

function form(head: string, args: readonly Value[], depth: number): readonly string[] {
  const line = flat(head, args, width - 2 * depth);
  if (line !== null) return [pad(depth) + line];
  const inner = args.flatMap((each, index) => {
    const word = head.startsWith('if ') ? sides[index]! : '';
    if (word === '') return printValue(each, depth + 1);
    return [`${pad(depth + 1)}(${word.trimEnd()}`, ...printValue(each, depth + 2), `${pad(depth + 1)})`];
  });
  return [`${pad(depth)}(${head}`, ...inner, `${pad(depth)})`];
}

/** On one line, where that is not longer than `room`. */
function flat(head: string, args: readonly Value[], room: number): string | null {
  let line = `(${head}`;
  for (const [index, each] of args.entries()) {
    const word = head.startsWith('if ') ? sides[index]! : '';
    const inner = flat(...headOf(each), room - line.length - 2);
    if (inner === null) return null;
    line += word === '' ? ` ${inner}` : ` (${word}${inner})`;
  }
  return args.length > 0 && line.length + 1 > room ? null : `${line})`;
}

/** As the text format spells it: numbers read back to the same bits. */
function numberText(type: 'i32' | 'f32', value: number): string {
  if (type === 'f32' && Object.is(value, -0)) return '-0';
  if (type === 'f32' && !Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value < 0 ? '-inf' : 'inf';
  return String(value);
}

const offset = (bytes: number): string => (bytes === 0 ? '' : ` offset=${bytes}`);
