// Where the package keeps its examples.

import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** examples/ of this package: beside src/, or beside dist/. */
export async function examplesFolder(): Promise<string> {
  const places = ['../../examples/', '../../../examples/'].map((path) => fileURLToPath(new URL(path, import.meta.url)));
  for (const place of places) {
    const there = await access(join(place, 'rope.pe')).then(
      () => true,
      () => false,
    );
    if (there) return place;
  }
  throw new Error(`the package has no examples (looked in ${places.join(', ')})`);
}
