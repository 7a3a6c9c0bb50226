// What TypeScript says of generated modules under strict options, with pegen/device as it is.

import { readFileSync } from 'node:fs';
import { Project, ts } from 'ts-morph';

export function complaints(texts: readonly string[]): string[] {
  const project = new Project({
    useInMemoryFileSystem: true,
    compilerOptions: {
      strict: true,
      noUncheckedIndexedAccess: true,
      exactOptionalPropertyTypes: true,
      noImplicitReturns: true,
      noUnusedLocals: true,
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
      target: ts.ScriptTarget.ES2022,
      lib: ['lib.es2022.d.ts'],
      paths: { 'pegen/device': ['/device.ts'] },
    },
  });
  project.createSourceFile('/device.ts', readFileSync('targets/device.ts', 'utf8'));
  texts.forEach((text, n) => project.createSourceFile(`/module_${n}.ts`, text));
  return project
    .getPreEmitDiagnostics()
    .map(
      (each) =>
        `${each.getSourceFile()?.getBaseName() ?? ''}:${each.getLineNumber() ?? 0}: ${ts.flattenDiagnosticMessageText(each.compilerObject.messageText, ' ')}`,
    );
}
