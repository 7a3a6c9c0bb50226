// A module as data -> TypeScript text, and TypeScript text -> JavaScript. The only file that imports ts-morph, which is
// large: it is loaded when it is first needed.

import type * as Morph from 'ts-morph';
import { commentText } from '../numbers.ts';
import type { ModuleStructure, Statement } from './structure.ts';

const load = (): Promise<typeof Morph> => import('ts-morph');

/** The text of a module, indented but not wrapped. */
export async function printModuleStructure(module: ModuleStructure): Promise<string> {
  const morph = await load();
  const parts = [...module.header];
  let run: Statement[] = [];
  const flush = (): void => {
    if (run.length > 0) parts.push(printRun(run, morph).trimEnd(), '');
    run = [];
  };
  for (const statement of module.statements) {
    if (statement.kind !== 'text') {
      run.push(statement);
      continue;
    }
    flush();
    if (statement.comment !== undefined) parts.push(`// ${commentText(statement.comment)}`);
    parts.push(`const ${statement.name} = ${statement.literal};`, '');
  }
  flush();
  return `${parts.join('\n').trimEnd()}\n`;
}

function printRun(statements: readonly Statement[], morph: typeof Morph): string {
  return morph.printStructure(
    { kind: morph.StructureKind.SourceFile, statements: statements.map((each) => structure(each, morph)) },
    { indentNumberOfSpaces: 2, useSingleQuote: true },
  );
}

/** JavaScript for any host that knows ES modules; types are erased and not checked. */
export async function transpile(text: string): Promise<string> {
  const { ts } = await load();
  const { ModuleKind, ScriptTarget } = ts;
  return ts.transpileModule(text, {
    compilerOptions: { module: ModuleKind.ESNext, target: ScriptTarget.ES2022, verbatimModuleSyntax: true },
  }).outputText;
}

type Printed = Morph.StatementStructures | string;

function structure(statement: Statement, morph: typeof Morph): Printed {
  const { StructureKind, VariableDeclarationKind } = morph;
  switch (statement.kind) {
    case 'import-types':
      return {
        kind: StructureKind.ImportDeclaration,
        isTypeOnly: true,
        namedImports: [...statement.names],
        moduleSpecifier: statement.from,
      };
    case 'function':
      return {
        kind: StructureKind.Function,
        name: statement.name,
        isExported: statement.exported,
        docs: docs(statement.docs),
        parameters: statement.parameters.map(({ name, type }) => ({ name, type })),
        returnType: statement.result,
        statements: statement.body.join('\n'),
      };
    case 'constant':
      return {
        kind: StructureKind.VariableStatement,
        declarationKind: VariableDeclarationKind.Const,
        isExported: statement.exported,
        docs: docs(statement.docs),
        declarations: [{ name: statement.name, initializer: statement.value }],
        leadingTrivia: '\n',
      };
    case 'type':
      return {
        kind: StructureKind.TypeAlias,
        name: statement.name,
        isExported: true,
        docs: docs(statement.docs),
        type: [
          '{',
          ...statement.members.flatMap(({ key, type, docs: text }) => [
            `  /** ${text} */`,
            `  readonly ${key}: ${type};`,
          ]),
          '}',
        ].join('\n'),
        leadingTrivia: '\n',
      };
    case 'text':
      return `const ${statement.name} = ${statement.literal};`;
    case 'default':
      return `\nexport default ${statement.value};`;
    default:
      return statement satisfies never;
  }
}

function docs(lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [lines.join('\n')];
}
