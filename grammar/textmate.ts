// The table of tokens -> a TextMate grammar, the text of pe.tmLanguage.json, which editors and documentation tools read.

import { type Colour, entries, namePattern, Numeral } from './tokens.ts';

const scopes: Readonly<Record<Colour, string>> = {
  declaration: 'keyword.declaration.pe',
  modifier: 'storage.modifier.pe',
  control: 'keyword.control.pe',
  logic: 'keyword.operator.logical.pe',
  literal: 'constant.language.pe',
  operator: 'keyword.operator.pe',
  punctuation: 'punctuation.pe',
};

type Pattern = { readonly name?: string; readonly match: string; readonly captures?: object };

export function textMate(): string {
  const grammar = {
    name: 'pe',
    scopeName: 'source.pe',
    fileTypes: ['pe'],
    patterns: patterns(),
  };
  const text = JSON.stringify(grammar, null, 2).replace(/\[\s+("[^"]*")\s+\]/g, '[$1]'); // as prettier has it
  return `${text}\n`;
}

/** Earlier patterns win where two match at one place. */
function patterns(): Pattern[] {
  const boundary = String.raw`(?![\p{L}\p{Mn}_0-9])`;
  const start = String.raw`(?<![\p{L}\p{Mn}_0-9])`;
  const words = (colour: Colour): string[] =>
    entries.filter((entry) => entry.colour === colour && isWord(entry.text)).map((entry) => entry.text);
  const signs = (colour: Colour): string[] =>
    entries
      .filter((entry) => entry.colour === colour && !isWord(entry.text))
      .map((entry) => entry.text.replaceAll(/[\^*+/[\]{}()]/g, String.raw`\$&`))
      .toSorted((a, b) => b.length - a.length);
  const worded = (colour: Colour): Pattern => ({
    name: scopes[colour],
    match: `${start}(?:${words(colour).join('|')})${boundary}`,
  });
  return [
    { name: 'comment.line.double-slash.pe', match: '//.*$' },
    { name: 'string.quoted.double.pe', match: '"[^"]*"' },
    {
      match: String.raw`${start}(encoding|fn)\s+(${namePattern})`,
      captures: { 1: { name: scopes.declaration }, 2: { name: 'entity.name.function.pe' } },
    },
    ...(['declaration', 'modifier', 'control', 'logic', 'literal'] as const).map(worded),
    {
      match: String.raw`(:)\s*(${namePattern})`,
      captures: { 1: { name: scopes.punctuation }, 2: { name: 'entity.name.type.axis.pe' } },
    },
    { name: 'constant.numeric.pe', match: (Numeral.PATTERN as RegExp).source },
    { name: 'support.function.pe', match: String.raw`${namePattern}(?=\s*(?:\[[^\[\]]*\]\s*)?\()` },
    { name: 'variable.other.pe', match: namePattern },
    { name: scopes.operator, match: signs('operator').join('|') },
    { name: scopes.punctuation, match: signs('punctuation').join('|') },
  ];
}

const isWord = (text: string): boolean => /^[a-z]/.test(text);
