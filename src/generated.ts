// The files of this repository that are computed from others, with what their text must be. `npm run generate` writes
// them, and a test fails where one is stale.

import { cstTypes } from '../grammar/cst-types.ts';
import { textMate } from '../grammar/textmate.ts';
import { catalogueFiles } from './catalogue/page.ts';
import { libraryTexts } from './catalogue/library-texts.ts';

export interface GeneratedFile {
  readonly path: string; // from the root of the repository
  readonly text: () => string;
}

export const generatedFiles: readonly GeneratedFile[] = [
  { path: 'grammar/cst.generated.ts', text: cstTypes },
  { path: 'grammar/pe.tmLanguage.json', text: textMate },
  { path: 'src/check/standard.generated.ts', text: libraryTexts },
  ...catalogueFiles(),
];
