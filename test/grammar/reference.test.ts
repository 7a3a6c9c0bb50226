// The reference: it has every production of the parser, each with an example, and every example is canonical and checks.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { File } from '../../grammar/ast.ts';
import { format } from '../../grammar/format.ts';
import { parse } from '../../grammar/index.ts';
import { productions } from '../../grammar/parser.ts';
import { keywords } from '../../grammar/tokens.ts';
import { check } from '../../src/check/check.ts';
import type { Diagnostic } from '../../src/diagnostics/diagnostic.ts';

const text = readFileSync('grammar/README.md', 'utf8');
const sections = text.split(/^(?=#{2,3} )/m);

function blocks(language: string, source = text): string[] {
  return [...source.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, 'gm'))].map((match) => match[1]!);
}

function fileAt(path: string): File {
  return parse(readFileSync(path, 'utf8'), path).file;
}

const geometry = { heads: 4, kv_heads: 2, head_dim: 16, model_dim: 64, context: 32, layers: 2, layer: 0 };

describe('examples', () => {
  test.each(blocks('pe').map((example) => [/encoding \w+/.exec(example)![0], example]))('%s', (_name, example) => {
    expect(format(example)).toEqual({ text: example, diagnostics: [] });
    const { file } = parse(example, 'examples/reference.pe');
    const beside = file.imports.filter(({ path }) => !path.startsWith('std/'));
    const imports = beside.map(({ path }) => fileAt(`examples/${path}`));
    const diagnostics: Diagnostic[] = [];
    check([file, ...imports], null, { geometry }, (diagnostic) => diagnostics.push(diagnostic));
    expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  });
});

test('every production has its line and an example beside it', () => {
  const named = (source: string): string[] =>
    blocks('ebnf', source).flatMap((block) => block.match(/^\w+(?= *=)/gm) ?? []);
  expect(named(text).toSorted()).toEqual(Object.keys(productions()).toSorted());
  for (const section of sections.filter((each) => blocks('ebnf', each).length > 0)) {
    expect(blocks('pe', section), section.split('\n')[0]).not.toEqual([]);
  }
});

test('every keyword is listed', () => {
  const listed = /The keywords are `([^`]*)`/.exec(text)![1]!.split(/\s+/);
  expect(listed.toSorted()).toEqual(keywords.map((entry) => entry.text).toSorted());
});

test('links lead to headings', () => {
  const anchors = [...text.matchAll(/^#{1,6} (.*)$/gm)].map((match) => match[1]!.toLowerCase().replaceAll(' ', '-'));
  for (const [, anchor] of text.matchAll(/\]\(#([^)]*)\)/g)) expect(anchors).toContain(anchor);
});
