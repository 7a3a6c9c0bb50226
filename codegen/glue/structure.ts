// A TypeScript module as data: what module.ts makes and morph.ts prints. Names in it are valid identifiers already;
// everything else that comes from a source file is a literal made by literals.ts.

interface Parameter {
  readonly name: string;
  readonly type: string;
}

export type Statement =
  | { readonly kind: 'import-types'; readonly names: readonly string[]; readonly from: string }
  | {
      readonly kind: 'function';
      readonly name: string;
      readonly exported: boolean;
      readonly docs: readonly string[]; // lines
      readonly parameters: readonly Parameter[];
      readonly result: string;
      readonly body: readonly string[]; // lines
    }
  | {
      readonly kind: 'constant';
      readonly name: string;
      readonly exported: boolean;
      readonly docs: readonly string[];
      readonly value: string;
    }
  | {
      readonly kind: 'type';
      readonly name: string;
      readonly docs: readonly string[];
      readonly members: readonly { readonly key: string; readonly type: string; readonly docs: string }[];
    }
  /** A long literal, with a line of comment above; the printer passes it on as it is. */
  | { readonly kind: 'text'; readonly name: string; readonly literal: string; readonly comment?: string }
  | { readonly kind: 'default'; readonly value: string };

export interface ModuleStructure {
  readonly header: readonly string[]; // comment lines at the top
  readonly statements: readonly Statement[];
}
