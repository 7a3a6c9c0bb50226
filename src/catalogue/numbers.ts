// The cases of test/fixtures/outside -> which packages' numbers an encoding is held against. A case NAME.VARIANT.json is of the
// encoding NAME; its source begins with package and version.

import { readdirSync, readFileSync } from 'node:fs';

const folder = 'test/fixtures/outside';

/** Packages by the name of an encoding, each once, in the order of names. */
export function packagesByEncoding(): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  for (const file of readdirSync(folder).filter((each) => each.endsWith('.json'))) {
    const name = file.split('.')[0]!;
    const { source } = JSON.parse(readFileSync(`${folder}/${file}`, 'utf8')) as { source: string };
    const packages = [...source.matchAll(/\b([a-z]+(?:[-_][a-z]+)*) \d+\.\d+\.\d+/g)].map(([, each]) => each!);
    if (packages.length === 0) throw new Error(`${folder}/${file}: its source names no package and version`);
    found.set(name, [...new Set([...(found.get(name) ?? []), ...packages])].toSorted());
  }
  return found;
}
