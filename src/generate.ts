// Writes every generated file whose text has changed, from the root of the repository, and names the ones written. What
// comes behind a changed module of ours is made of it: `npm run generate` builds and runs this a second time.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { generatedFiles } from './generated.ts';

for (const { path, text } of generatedFiles) {
  const wanted = text();
  if (present(path) === wanted) continue;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, wanted);
  console.log(`wrote ${path}`);
  if (path.startsWith('src/')) break;
}

function present(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
