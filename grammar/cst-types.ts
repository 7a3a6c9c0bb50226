// The grammar's productions -> TypeScript types of the concrete syntax tree, the text of cst.generated.ts.

import { generateCstDts } from 'chevrotain';
import { productions } from './parser.ts';

export function cstTypes(): string {
  const types = generateCstDts(productions(), { includeVisitorInterface: false });
  return `// Generated from parser.ts by \`npm run generate\`. Do not edit.\n\n${types.trimEnd()}\n`;
}
