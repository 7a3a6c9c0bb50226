// Text from a source file as TypeScript: the only ways in which it reaches a generated module besides codegen/names.ts.

import { commentText } from '../numbers.ts';

/** ASCII only; reserved words pass, since these names stand after a dot or before a colon. */
function isIdentifier(name: string): boolean {
  return /^[A-Za-z_$][\w$]*$/.test(name);
}

/** A string literal. JSON leaves U+2028 and U+2029 alone; they are escaped so that every editor sees one line. */
export function stringLiteral(text: string): string {
  return JSON.stringify(text).replace(/[\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16)}`);
}

/** A template literal whose value is `text`, for kernels: many lines that people read. */
export function templateLiteral(text: string): string {
  const escaped = text
    .replace(/\\/g, '\\\\')
    .replace(/`/g, '\\`')
    .replace(/\$\{/g, '\\${')
    .replace(/\r/g, '\\r')
    .replace(/\u2028|\u2029/g, (c) => `\\u${c.charCodeAt(0).toString(16)}`);
  return '`' + escaped + '`';
}

/** A float64 literal that reads back to the same number. */
export function numberLiteral(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (value === Infinity) return 'Infinity';
  if (value === -Infinity) return '-Infinity';
  return Object.is(value, -0) ? '-0' : String(value);
}

/** A property's name in an object literal or type. `__proto__` would set the prototype: computed. */
export function propertyName(name: string): string {
  if (name === '__proto__') return "['__proto__']";
  return isIdentifier(name) ? name : stringLiteral(name);
}

/** `record.name` or `record["name"]`. */
export function member(record: string, name: string): string {
  return isIdentifier(name) ? `${record}.${name}` : `${record}[${stringLiteral(name)}]`;
}

/** Text as part of a JSDoc comment: one line that neither ends the comment nor begins a tag. */
export function docText(text: string): string {
  return commentText(text).replaceAll('@', '(at)');
}
