// The claims of `expect`: known names, and for `starts_as` the encoding it compares with, checked for the same geometry.

import type { File, Law } from '../../grammar/ast.ts';
import { codes } from '../diagnostics/codes.ts';
import type { Report } from '../diagnostics/diagnostic.ts';
import { laws as known } from './builtins.ts';
import type { CheckedEncoding, CheckedLaw } from './checked.ts';
import type { Merged } from './merge.ts';
import { standardFile, withStandard } from './standard.ts';

/** Checks another encoding silently: null where it does not compile. */
export type CheckOther = (files: readonly File[], name: string) => CheckedEncoding | null;

export function checkLaws(
  merged: Merged,
  files: readonly File[],
  other: CheckOther,
  report: Report,
): readonly CheckedLaw[] {
  return merged.laws.flatMap((law): readonly CheckedLaw[] => {
    const { text } = law.name;
    const name = known.find((one) => one === text);
    if (name === undefined) {
      report(codes.unknownLaw(law.name.span, text));
      return [];
    }
    if ((name === 'starts_as') !== (law.argument !== null)) {
      report(codes.lawArgument(law.span, text, name === 'starts_as'));
      return [];
    }
    if (law.argument === null) return [{ name, encoding: null, span: law.span }];
    const encoding = compared(law, merged, files, other, report);
    return encoding === null ? [] : [{ name, encoding, span: law.span }];
  });
}

function compared(
  law: Law,
  merged: Merged,
  files: readonly File[],
  other: CheckOther,
  report: Report,
): CheckedEncoding | null {
  const { text, span } = law.argument!;
  const found = merged.library.look(text, merged.found.file);
  const standard = found === null ? standardFile(`std/${text}`) : null;
  if (found === null && standard === null) {
    report(codes.lawEncoding(span, text, `import its file at the top: \`import "${text}.pe"\``));
    return null;
  }
  const where =
    found === null ? withStandard([standard!]) : [found.file, ...files.filter((file) => file !== found.file)];
  const encoding = other(where, text);
  if (encoding === null) report(codes.lawEncoding(span, text, 'check it on its own: it has an error for this model'));
  return encoding;
}
