// Did you mean: the candidate nearest to a misspelt name, or none where nothing is near enough.

/** Edits (insert, delete, replace, swap of neighbours) that turn a into b. */
export function distance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const replaced = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      let least = Math.min(replaced, previous[column]! + 1, current[column - 1]! + 1);
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        least = Math.min(least, before[column - 2]! + 1);
      current.push(least);
    }
    before = previous;
    previous = current;
  }
  return previous[b.length]!;
}

const LONGEST = 64; // nobody misspells a longer name by hand
const MOST = 400; // candidates that are compared

/** The nearest candidate that shares most letters with `written`; ties go to the earlier one. */
export function nearest(written: string, candidates: Iterable<string>): string | undefined {
  if (written.length > LONGEST) return undefined;
  const allowed = Math.floor((written.length + 1) / 3);
  let best: string | undefined;
  let least = allowed + 1;
  let compared = 0;
  for (const candidate of candidates) {
    if (candidate === written || Math.abs(candidate.length - written.length) > allowed) continue;
    if (++compared > MOST) break;
    const edits = candidate.toLowerCase() === written.toLowerCase() ? 0.5 : distance(written, candidate);
    if (edits < least) [best, least] = [candidate, edits];
  }
  return best;
}

export function didYouMean(written: string, candidates: Iterable<string>): string | undefined {
  const name = nearest(written, candidates);
  return name === undefined ? undefined : `did you mean \`${name}\`?`;
}
