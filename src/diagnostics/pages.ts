// The page of a code, read when it is asked for: what the message means, a wrong example and the right one.

import { readFile } from 'node:fs/promises';
import { syntaxCodes, type SyntaxCode } from '../../grammar/index.ts';

/** Markdown, or null where there is no such code. */
export async function page(code: string): Promise<string | null> {
  const wanted = code.toUpperCase();
  if (Object.hasOwn(syntaxCodes, wanted)) return syntaxPage(wanted as SyntaxCode);
  if (!/^PE\d{4}$/.test(wanted)) return null;
  for (const folder of ['./pages/', '../../../src/diagnostics/pages/']) {
    // beside this file, or, when compiled, in the package's own sources
    const text = await readFile(new URL(`${folder}${wanted}.md`, import.meta.url), 'utf8').catch(() => null);
    if (text !== null) return text;
  }
  return null;
}

function syntaxPage(code: SyntaxCode): string {
  const { title, explanation, wrong, right } = syntaxCodes[code];
  return `# ${code}: ${title}\n\n${explanation}\n\nWrong:\n\n\`\`\`pe\n${wrong}\`\`\`\n\nRight:\n\n\`\`\`pe\n${right}\`\`\`\n`;
}
