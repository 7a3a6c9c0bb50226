// Frames, JSON, lines, suggestions.

import { describe, expect, test } from 'vitest';
import type { Diagnostic } from '../../src/diagnostics/diagnostic.ts';
import { toJson } from '../../src/diagnostics/json.ts';
import { linesOf } from '../../src/diagnostics/lines.ts';
import { render, renderAll, summary } from '../../src/diagnostics/render.ts';
import { didYouMean, distance, nearest } from '../../src/diagnostics/suggest.ts';

const at = (text: string, part: string, file = 'a.pe') => ({
  file,
  start: text.indexOf(part),
  end: text.indexOf(part) + part.length,
});

function say(text: string, part: string, more: Partial<Diagnostic> = {}): string {
  const diagnostic: Diagnostic = { code: 'PE0000', severity: 'error', message: 'no', span: at(text, part), ...more };
  return render(diagnostic, new Map([['a.pe', text]]), { color: false });
}

describe('frames', () => {
  test('a tab is four columns, a wide character two, a combining mark none', () => {
    expect(say('\tlet 角 = e\u0301 + bad', 'bad', { label: 'here' })).toBe(
      [
        'error[PE0000]: no',
        ' --> a.pe:1:15',
        '  |',
        '1 |     let 角 = e\u0301 + bad',
        `  | ${' '.repeat(4 + 'let '.length + 2 + ' = '.length + 1 + ' + '.length)}^^^ here`,
        '  |',
      ].join('\n'),
    );
  });

  test('labels on other lines and in other files, gaps, line numbers of one width', () => {
    const text = Array.from({ length: 12 }, (_, line) => `line${line + 1}`).join('\n');
    const other = 'elsewhere';
    const diagnostic: Diagnostic = {
      code: 'PE0000',
      severity: 'warning',
      message: 'look',
      span: at(text, 'line12'),
      labels: [
        { span: at(text, 'line2'), text: 'two' },
        { span: at(other, 'where', 'b.pe'), text: 'there' },
      ],
      hint: 'do',
    };
    expect(
      render(
        diagnostic,
        new Map([
          ['a.pe', text],
          ['b.pe', other],
        ]),
        { color: false },
      ),
    ).toBe(
      `warning[PE0000]: look
  --> a.pe:12:1
   |
 2 | line2
   | ----- two
...
12 | line12
   | ^^^^^^
   |
  ::: b.pe:1:5
   |
 1 | elsewhere
   |     ----- there
   |
   = hint: do`,
    );
  });

  test('a span over several lines is marked on its first', () => {
    expect(say('ab cd\n  ef', 'cd\n  ef')).toContain('  |    ^^ (to line 2)');
  });

  test('the end of the file, CRLF, an empty file', () => {
    expect(say('let a\r\nlet b', 'b')).toContain('2 | let b\n  |     ^');
    const end: Diagnostic = {
      code: 'PE0000',
      severity: 'error',
      message: 'no',
      span: { file: 'a.pe', start: 3, end: 3 },
    };
    expect(render(end, new Map([['a.pe', 'ab\n']]), { color: false })).toContain(' --> a.pe:2:1\n  |\n2 |\n  | ^');
    expect(
      render({ ...end, span: { file: 'a.pe', start: 0, end: 0 } }, new Map([['a.pe', '']]), { color: false }),
    ).toContain('1 |');
  });

  test('nothing of a source can write to the terminal', () => {
    const shown = say('let \u001b[2J\u202e bad', 'bad', { message: 'no \u001b]0;x\u0007', hint: '\u001b[31m' });
    expect([...shown].filter((one) => (one < ' ' && one !== '\n') || one === '\u202e')).toEqual([]);
  });

  test('a long line is cut', () => {
    const shown = say(`${'x'.repeat(5000)}bad`, 'bad');
    expect(Math.max(...shown.split('\n').map((line) => line.length))).toBeLessThan(200);
  });

  test('a file that is not at hand is named', () => {
    const span = { file: 'gone.pe', start: 5, end: 9 };
    expect(render({ code: 'PE0000', severity: 'error', message: 'no', span }, new Map(), { color: false })).toBe(
      'error[PE0000]: no\n --> gone.pe',
    );
  });

  test('colour only where it is wanted', () => {
    const diagnostic: Diagnostic = { code: 'PE0000', severity: 'note', message: 'no', span: at('ab', 'b') };
    const sources = new Map([['a.pe', 'ab']]);
    const colored = render(diagnostic, sources, { color: true });
    expect(colored).toContain('\u001b[');
    // eslint-disable-next-line no-control-regex
    expect(colored.replaceAll(/\u001b\[\d+m/g, '')).toBe(render(diagnostic, sources, { color: false }));
  });

  test('several, and their number', () => {
    const error: Diagnostic = { code: 'PE0000', severity: 'error', message: 'no', span: at('ab', 'b') };
    const all = [error, error, { ...error, severity: 'warning' as const }];
    expect(summary(all)).toBe('2 errors, 1 warning');
    expect(renderAll(all, new Map([['a.pe', 'ab']]), { color: false }).endsWith('\n\n2 errors, 1 warning')).toBe(true);
    expect(renderAll([], new Map())).toBe('');
  });
});

test('JSON has places by line and column', () => {
  const text = 'one\ntwo three';
  const [json] = toJson(
    [
      {
        code: 'PE0000',
        severity: 'error',
        message: 'no',
        span: at(text, 'three'),
        labels: [{ span: at(text, 'one'), text: 'l' }],
      },
    ],
    new Map([['a.pe', text]]),
  );
  expect(json).toEqual({
    code: 'PE0000',
    severity: 'error',
    message: 'no',
    file: 'a.pe',
    start: { line: 2, column: 5 },
    end: { line: 2, column: 10 },
    labels: [{ text: 'l', file: 'a.pe', start: { line: 1, column: 1 }, end: { line: 1, column: 4 } }],
  });
});

test('lines end with LF, CRLF or CR', () => {
  const lines = linesOf('a\nbb\r\nccc\rd');
  expect([1, 2, 3, 4].map(lines.text)).toEqual(['a', 'bb', 'ccc', 'd']);
  expect(lines.position(0)).toEqual({ line: 1, column: 1 });
  expect(lines.position(3)).toEqual({ line: 2, column: 2 });
  expect(lines.position(10)).toEqual({ line: 4, column: 1 });
  expect(lines.position(99)).toEqual({ line: 4, column: 2 });
});

describe('did you mean', () => {
  test('edits', () => {
    expect([distance('', 'abc'), distance('abc', 'acb'), distance('head', 'had'), distance('abc', 'abc')]).toEqual([
      3, 1, 1, 0,
    ]);
  });

  test('near enough or nothing', () => {
    expect(nearest('hed_dim', ['heads', 'head_dim', 'kv_heads'])).toBe('head_dim');
    expect(nearest('Theta', ['beta', 'theta'])).toBe('theta');
    expect(nearest('q', ['p', 'r'])).toBeUndefined();
    expect(nearest('frequency', ['position', 'query'])).toBeUndefined();
    expect(didYouMean('qery', ['key', 'query'])).toBe('did you mean `query`?');
  });

  test('letters that are missing before letters that are others', () => {
    expect(nearest('bas', ['abs', 'bus', 'base'])).toBe('base');
    expect(nearest('bse', ['abse', 'bsa', 'base', 'bsex'])).toBe('bsex'); // written as it begins
    expect(nearest('bse', ['bsa', 'base', 'bae'])).toBe('base');
    expect(nearest('phse', ['phases', 'phase'])).toBe('phase'); // and fewer of them
  });

  test('what may stand there before what may not, unless that is nearer', () => {
    const fits = (name: string): boolean => name.length !== 3;
    expect(nearest('abss', ['abs', 'abcs', 'basss'], fits)).toBe('abcs');
    expect(nearest('expp', ['exp', 'axppe'], fits)).toBe('exp');
    expect(nearest('BASE', ['bas', 'base'])).toBe('base');
  });

  test('a very long name is not compared', () => {
    expect(nearest('x'.repeat(100_000), ['y'.repeat(100_000)])).toBeUndefined();
  });
});
