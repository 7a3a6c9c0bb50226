// The files of std/ -> the module that has their texts, src/check/standard.generated.ts.

import { readdirSync, readFileSync } from 'node:fs';

export function libraryTexts(): string {
  const names = readdirSync('examples/std')
    .filter((name) => name.endsWith('.pe'))
    .toSorted();
  const rows = names.map((name) => {
    const lines = readFileSync(`examples/std/${name}`, 'utf8').replaceAll('\r\n', '\n').trimEnd().split('\n');
    return `  ${name.slice(0, -'.pe'.length)}: [\n${lines.map((line) => `    ${JSON.stringify(line)},\n`).join('')}    "",\n  ].join("\\n"),\n`;
  });
  return [
    '// Generated from examples/std/*.pe by `npm run generate`. Do not edit.\n\n',
    `export const standardTexts: Readonly<Record<string, string>> = {\n${rows.join('')}};\n`,
  ].join('');
}
