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

/** Whether letters were only left out of the candidate: `written` is what is left of it. */
function leftOut(written: string, candidate: string): boolean {
  let at = 0;
  for (const letter of candidate) if (letter === written[at]) at++;
  return at === written.length;
}

const GREEK: Readonly<Record<string, string>> = Object.fromEntries(
  (
    'α alpha β beta γ gamma δ delta ε epsilon ζ zeta η eta θ theta ι iota κ kappa λ lambda μ mu ν nu ξ xi π pi ρ rho ' +
    'σ sigma τ tau φ phi ϕ phi χ chi ψ psi ω omega Γ Gamma Δ Delta Θ Theta Λ Lambda Σ Sigma Φ Phi Ψ Psi Ω Omega'
  )
    .split(' ')
    .flatMap((letter, n, all) => (n % 2 === 0 ? [[letter, all[n + 1]!] as const] : [])),
);

/** θ as theta: one letter in two alphabets. */
const spelled = (name: string): string => name.replaceAll(/\p{Script=Greek}/gu, (letter) => GREEK[letter] ?? letter);

/** Edits; less where letters were only left out, least at the end; more where such a name cannot stand. */
function cost(written: string, candidate: string, fits: boolean): number {
  const misplaced = fits ? 0 : 0.5;
  if (candidate.toLowerCase() === written.toLowerCase()) return 0.5 + misplaced;
  const typed = candidate.startsWith(written) ? 0.3 : leftOut(written, candidate) ? 0.2 : 0;
  return distance(written, candidate) - typed + misplaced;
}

/**
 * The candidate that shares most letters with `written`; of several as near one that lacks letters of it before one that has
 * others, one that `fits` the place before one that does not, and an earlier one before a later one.
 */
export function nearest(
  written: string,
  candidates: Iterable<string>,
  fits: (candidate: string) => boolean = () => true,
): string | undefined {
  if (written.length > LONGEST) return undefined;
  const own = spelled(written);
  const allowed = Math.floor((own.length + 1) / 3);
  let best: string | undefined;
  let least = allowed + 1;
  let compared = 0;
  for (const candidate of candidates) {
    const name = spelled(candidate);
    if (candidate === written || Math.abs(name.length - own.length) > allowed) continue;
    if (++compared > MOST) break;
    const edits = cost(own, name, fits(candidate));
    if (edits < least) [best, least] = [candidate, edits];
  }
  return best;
}

export function didYouMean(
  written: string,
  candidates: Iterable<string>,
  fits?: (candidate: string) => boolean,
): string | undefined {
  const name = nearest(written, candidates, fits);
  return name === undefined ? undefined : `did you mean \`${name}\`?`;
}
