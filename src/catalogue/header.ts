// The comment that a file of the catalogue begins with -> name, what it is, year and formula; what is wrong with it.
//
//   // NAME: what it is (Authors YEAR, arXiv NNNN.NNNNN)
//   // formula: one line in plain mathematics     (or behind the first line, `...); formula: ...`)
//   // model: bidirectional     (where every token sees every token)
//   // further lines

export interface Header {
  readonly name: string;
  readonly title: string;
  readonly source: string; // what stands in parentheses
  readonly year: string;
  readonly formula: string;
  readonly bidirectional: boolean; // what it is written for; causal models otherwise
  readonly notes: readonly string[];
}

export function readHeader(text: string): Header | string {
  const lines = /^(?:\/\/[^\n]*\n)*/.exec(text)![0].split('\n').slice(0, -1);
  const written = lines.map((line) => line.slice(2).trim());
  const [first = '', second = '', ...rest] = written[0]?.split(/; (?=formula: )/).concat(written.slice(1)) ?? [];
  const [, name, title, source] = /^([^:]+): (\S.*?) \(([^()]+)\)$/.exec(first) ?? [];
  if (name === undefined || title === undefined || source === undefined)
    return 'the first line is not `// NAME: what it is (Authors YEAR, arXiv NNNN.NNNNN)`';
  const year = /\b(?:19|20)\d\d\b/.exec(source.replace(/arXiv [\d.]+/, ''))?.[0];
  if (year === undefined) return `no year in (${source})`;
  if (/arXiv/.test(source) && !/arXiv \d{4}\.\d{5}\b/.test(source)) return `(${source}) has no arXiv NNNN.NNNNN`;
  const formula = /^formula: (\S.*)$/.exec(second)?.[1];
  if (formula === undefined) return 'the second line is not `// formula: ...`';
  const model = /^model: (.*)$/.exec(rest[0] ?? '')?.[1];
  if (model !== undefined && model !== 'bidirectional')
    return `the third line says \`model: ${model}\`, not \`bidirectional\``;
  const bidirectional = model !== undefined;
  return { name, title, source, year, formula, bidirectional, notes: bidirectional ? rest.slice(1) : rest };
}
