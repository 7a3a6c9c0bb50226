// A kernel's text taken apart, and its bytes: the instructions of each, in no order, and the names that the text uses.

import { codes, componentMemoryOps, componentOps, loadOps, plainOps, storeOps } from '../../targets/wasm/operations.ts';

export type Form = string | readonly Form[];

/** The text as nested lists; throws where parentheses do not match. */
export function formsOf(text: string): readonly Form[] {
  const words = text.replace(/;;.*$/gm, '').match(/[()]|"[^"]*"|[^\s()]+/g) ?? [];
  let at = 0;
  const list = (): readonly Form[] => {
    const items: Form[] = [];
    for (;;) {
      const word = words[at];
      at += 1;
      if (word === undefined || word === ')') return items;
      items.push(word === '(' ? list() : word);
    }
  };
  const all = list();
  const [opened, closed] = ['(', ')'].map((mark) => words.filter((word) => word === mark).length);
  if (at <= words.length || opened !== closed) throw new Error('parentheses do not match');
  return all;
}

const structure = new Set(['module', 'import', 'memory', 'func', 'export', 'param', 'result', 'local', 'then']);

/** How often each instruction stands in the text. */
export function instructionsOfText(forms: readonly Form[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  const visit = (form: Form): void => {
    if (typeof form === 'string') return;
    const [head] = form;
    if (typeof head === 'string' && !structure.has(head)) counts[head] = (counts[head] ?? 0) + 1;
    form.forEach(visit);
  };
  forms.forEach(visit);
  return counts;
}

/** Problems with names: locals that are not declared, declared twice or not used, labels that are not around. */
export function wrongNames(forms: readonly Form[]): readonly string[] {
  const wrong: string[] = [];
  const functions = new Set<string>();
  const visitFunction = (form: readonly Form[]): void => {
    const [declared, used] = [new Set<string>(), new Set<string>()];
    const visit = (each: Form, labels: readonly string[]): void => {
      if (typeof each === 'string') return;
      const [head, name] = each as readonly string[];
      if (head === 'param' || head === 'local') {
        if (declared.has(name!)) wrong.push(`${name} is declared twice`);
        declared.add(name!);
        return;
      }
      if (head === 'loop' || head === 'block')
        return each.slice(2).forEach((inner) => visit(inner, [...labels, name!]));
      if (/^local\.(get|set|tee)$/.test(head!)) used.add(name!);
      if ((head === 'br' || head === 'br_if') && !labels.includes(name!)) wrong.push(`no label ${name}`);
      if (head === 'call' && !functions.has(name!)) wrong.push(`no function ${name}`);
      each.forEach((inner) => visit(inner, labels));
    };
    form.slice(2).forEach((each) => visit(each, []));
    for (const name of used) if (!declared.has(name)) wrong.push(`${name} is not declared`);
    for (const name of declared) if (!used.has(name) && !parameters.has(name)) wrong.push(`${name} is not used`);
  };
  const module = forms.find((form) => form[0] === 'module') as readonly Form[];
  const all = module.filter((form) => form[0] === 'func') as readonly (readonly Form[])[];
  for (const each of all) functions.add(each[1] as string);
  all.forEach(visitFunction);
  return wrong;
}

const parameters = new Set(['$item.begin', '$item.end', '$call', '$scratch']);

const names = new Map<number, string>(
  [codes, plainOps, componentOps, loadOps, storeOps, componentMemoryOps].flatMap((table) =>
    Object.entries(table).map(([name, code]): [number, string] => [code, name]),
  ),
);

/** How often each instruction stands in the code of a module, read byte by byte. */
export function instructionsOfBytes(bytes: Uint8Array): Readonly<Record<string, number>> {
  let at = 8;
  const unsigned = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (bytes[at] !== 10) {
    at += 1;
    const length = unsigned();
    at += length;
  }
  at += 1;
  unsigned();
  const counts: Record<string, number> = {};
  for (let functions = unsigned(); functions > 0; functions -= 1) {
    const length = unsigned();
    const end = at + length;
    for (let runs = unsigned(); runs > 0; runs -= 1) {
      unsigned();
      at += 1;
    }
    while (at < end) {
      const first = bytes[at++]!;
      const code = first === 0xfc || first === 0xfd ? first * 256 + unsigned() : first;
      const name = names.get(code);
      if (name === undefined) throw new Error(`no instruction ${code.toString(16)}`);
      if (name !== 'end' && name !== 'else') counts[name] = (counts[name] ?? 0) + 1;
      if (name === 'else') counts['else'] = (counts['else'] ?? 0) + 1;
      skip(name);
    }
  }
  return counts;

  /** What stands in the instruction. */
  function skip(name: string): void {
    if (/^(local\.|br|call)/.test(name) || name === 'i32.const') unsigned();
    else if (/^(if|loop|block)$/.test(name)) at += 1;
    else if (name === 'f32.const') at += 4;
    else if (name === 'v128.const' || name === 'i8x16.shuffle') at += 16;
    else if (/extract_lane|replace_lane/.test(name)) at += 1;
    else if (/load|store/.test(name)) {
      unsigned();
      unsigned();
      if (name.endsWith('_lane')) at += 1;
    }
  }
}
