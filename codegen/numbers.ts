// Numbers as text: exact (reading the text gives the same f32 or i32 back), valid in WGSL, C++ and JavaScript, and
// negative ones in parentheses, since `a--1.0` is not a difference everywhere.

const largest = 3.4028234663852886e38;

/** The shortest decimal that reads back as this f32, with a point or an exponent. */
export function f32Text(value: number): string {
  if (!Number.isFinite(value) || Math.fround(value) !== value) throw new Error(`not a finite f32: ${value}`);
  if (value < 0 || Object.is(value, -0)) return `(-${f32Text(-value)})`;
  for (let digits = 1; digits <= 17; digits += 1) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value && candidate <= largest) return withPoint(String(candidate));
  }
  throw new Error(`no decimal for ${value}`);
}

function withPoint(text: string): string {
  return /[.e]/.test(text) ? text.replace('e+', 'e') : `${text}.0`;
}

export function i32Text(value: number): string {
  if (!Number.isInteger(value) || value !== (value | 0)) throw new Error(`not an i32: ${value}`);
  if (value === -(2 ** 31)) return '(-2147483647 - 1)';
  return value < 0 ? `(-${-value})` : String(value + 0);
}

/**
 * Text that may stand in a comment to the end of a line: one line, no control or bidirectional characters, no backslash
 * at its end, no end of a block comment.
 */
export function commentText(text: string): string {
  return text
    .replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ')
    .replaceAll('*/', '* /')
    .replaceAll('/*', '/ *')
    .replace(/[\\?\s]+$/u, '')
    .trim();
}
