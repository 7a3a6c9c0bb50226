// Names for generated text: any wanted text comes in, an identifier goes out that is valid in WGSL, CUDA, TypeScript and
// Python, is no word of theirs, and was not given before. The same sequence of wishes gives the same names.

import { macroForm, reserved } from './reserved.ts';

export interface NameAllocator {
  allocate(wanted: string): string;
  /** A scope inside this one: its names differ from all names given here so far, and are forgotten here. */
  inner(): NameAllocator;
}

const greek: Readonly<Record<string, string>> = {
  α: 'alpha',
  β: 'beta',
  γ: 'gamma',
  δ: 'delta',
  ε: 'epsilon',
  ϵ: 'epsilon',
  ζ: 'zeta',
  η: 'eta',
  θ: 'theta',
  ϑ: 'theta',
  ι: 'iota',
  κ: 'kappa',
  λ: 'lambda',
  μ: 'mu',
  ν: 'nu',
  ξ: 'xi',
  ο: 'omicron',
  π: 'pi',
  ρ: 'rho',
  σ: 'sigma',
  ς: 'sigma',
  τ: 'tau',
  υ: 'upsilon',
  φ: 'phi',
  ϕ: 'phi',
  χ: 'chi',
  ψ: 'psi',
  ω: 'omega',
};

/** Letters, digits and single underscores, beginning with a letter; at most 48 of them. */
export function transliterate(wanted: string): string {
  if (wanted.length <= 48 && /^[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*$/.test(wanted)) return wanted;
  const plain = [...wanted.normalize('NFKD').replace(/\p{M}/gu, '')]
    .map((letter) => {
      const name = greek[letter] ?? greek[letter.toLowerCase()];
      if (name === undefined) return letter;
      return letter === letter.toLowerCase() ? name : name[0]!.toUpperCase() + name.slice(1);
    })
    .join('')
    .replace(/[^A-Za-z0-9]+/g, '_')
    .slice(0, 48)
    .replace(/^_+|_+$/g, '');
  if (plain === '') return 'value';
  return /^[0-9]/.test(plain) ? `n${plain}` : plain;
}

const words = Object.values(reserved);

/** Whether a name is a word of a target, or has the form of a helper's name (codegen/functions.ts) or of a macro. */
export function isReserved(name: string): boolean {
  return words.some((set) => set.has(name)) || /_(f32|i32)$/.test(name) || macroForm.test(name);
}

/** `taken`: names that must not be given. */
export function createNames(taken: Iterable<string> = []): NameAllocator {
  const given = new Set(taken);
  return {
    allocate(wanted) {
      const base = transliterate(wanted);
      const stem = isReserved(`${base}_1`) ? `v_${base}` : base; // a reserved beginning stays one: `M_1`, `M_2`, ...
      let name = base;

      for (let count = 1; given.has(name) || isReserved(name); count += 1) name = `${stem}_${count}`;
      given.add(name);
      return name;
    },
    inner: () => createNames(given),
  };
}
