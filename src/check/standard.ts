// Encodings that a law may compare with though no file imports them.

export const standardEncodings: Readonly<Record<string, string>> = {
  nope: 'encoding nope {\n}\n',
  rope: `encoding rope {
  param base = 10000

  let theta[p: pair]           = base ^ (-2 * p / head_dim)
  let angle[t: token, p: pair] = position[t] * theta[p]

  rotate query, key [t, h, p] by angle[t, p]
}
`,
};
