// Plain data as one line of text that is equal only for equal data: what a compilation depends on, as a key. Objects that
// occur again are told by number, so a graph is as long as its nodes; objects list their fields by name.

export function serial(value: unknown): string {
  const numbers = new Map<object, number>();
  const parts: string[] = [];
  const write = (each: unknown): void => {
    if (typeof each === 'function' || typeof each === 'symbol') throw new Error('only plain data has a serial form');
    if (typeof each === 'bigint') parts.push(`${each}n`);
    else if (typeof each !== 'object' || each === null) parts.push(Object.is(each, -0) ? '-0' : text(each));
    else writeObject(each);
  };
  const writeObject = (each: object): void => {
    const known = numbers.get(each);
    if (known !== undefined) {
      parts.push(`#${known}`);
      return;
    }
    numbers.set(each, numbers.size);
    const list = each instanceof Map ? [...each].flat() : each instanceof Set || Array.isArray(each) ? [...each] : null;
    if (list !== null) {
      parts.push(each instanceof Map ? 'map[' : each instanceof Set ? 'set[' : '[');
      for (const item of list) {
        write(item);
        parts.push(',');
      }
      parts.push(']');
      return;
    }
    parts.push('{');
    for (const [name, item] of Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      if (item === undefined) continue;
      parts.push(text(name), ':');
      write(item);
      parts.push(',');
    }
    parts.push('}');
  };
  write(value);
  return parts.join('');
}

/** JSON, but numbers that it does not know are told apart. */
const text = (value: unknown): string =>
  typeof value === 'number' && !Number.isFinite(value) ? String(value) : String(JSON.stringify(value));
