// Generated from parser.ts by `npm run generate`. Do not edit.

import type { CstNode, ICstVisitor, IToken } from "chevrotain";

export interface FileCstNode extends CstNode {
  name: "file";
  children: FileCstChildren;
}

export type FileCstChildren = {
  importing?: ImportingCstNode[];
  encoding?: EncodingCstNode[];
};

export interface ImportingCstNode extends CstNode {
  name: "importing";
  children: ImportingCstChildren;
}

export type ImportingCstChildren = {
  Import: IToken[];
  Text: IToken[];
};

export interface EncodingCstNode extends CstNode {
  name: "encoding";
  children: EncodingCstChildren;
}

export type EncodingCstChildren = {
  heading: HeadingCstNode[];
  statement?: StatementCstNode[];
  CloseBrace: IToken[];
};

export interface HeadingCstNode extends CstNode {
  name: "heading";
  children: HeadingCstChildren;
}

export type HeadingCstChildren = {
  Encoding: IToken[];
  name: IToken[];
  Extends?: IToken[];
  parent?: IToken[];
  Comma?: IToken[];
  OpenBrace: IToken[];
};

export interface StatementCstNode extends CstNode {
  name: "statement";
  children: StatementCstChildren;
}

export type StatementCstChildren = {
  StatementStart: IToken[];
  parameters?: ParametersCstNode[];
  supplied?: SuppliedCstNode[];
  stored?: StoredCstNode[];
  drawn?: DrawnCstNode[];
  definition?: DefinitionCstNode[];
  routine?: RoutineCstNode[];
  claims?: ClaimsCstNode[];
  site?: SiteCstNode[];
  StatementEnd: IToken[];
};

export interface ParametersCstNode extends CstNode {
  name: "parameters";
  children: ParametersCstChildren;
}

export type ParametersCstChildren = {
  Param?: IToken[];
  Axis?: IToken[];
  setting: SettingCstNode[];
  Comma?: IToken[];
};

export interface SettingCstNode extends CstNode {
  name: "setting";
  children: SettingCstChildren;
}

export type SettingCstChildren = {
  Name: IToken[];
  Is: IToken[];
  expression: ExpressionCstNode[];
};

export interface SuppliedCstNode extends CstNode {
  name: "supplied";
  children: SuppliedCstChildren;
}

export type SuppliedCstChildren = {
  Given: IToken[];
  head: HeadCstNode[];
};

export interface StoredCstNode extends CstNode {
  name: "stored";
  children: StoredCstChildren;
}

export type StoredCstChildren = {
  Learn?: IToken[];
  Fixed?: IToken[];
  Shared?: IToken[];
  head: HeadCstNode[];
  Tilde: IToken[];
  expression: ExpressionCstNode[];
};

export interface DrawnCstNode extends CstNode {
  name: "drawn";
  children: DrawnCstChildren;
}

export type DrawnCstChildren = {
  Draw: IToken[];
  head: HeadCstNode[];
  Tilde: IToken[];
  expression: ExpressionCstNode[];
};

export interface DefinitionCstNode extends CstNode {
  name: "definition";
  children: DefinitionCstChildren;
}

export type DefinitionCstChildren = {
  Let: IToken[];
  head: HeadCstNode[];
  Is: IToken[];
  expression: ExpressionCstNode[];
};

export interface RoutineCstNode extends CstNode {
  name: "routine";
  children: RoutineCstChildren;
}

export type RoutineCstChildren = {
  Fn: IToken[];
  name: IToken[];
  OpenParenthesis: IToken[];
  parameter: IToken[];
  Comma?: IToken[];
  CloseParenthesis: IToken[];
  Is: IToken[];
  expression: ExpressionCstNode[];
};

export interface ClaimsCstNode extends CstNode {
  name: "claims";
  children: ClaimsCstChildren;
}

export type ClaimsCstChildren = {
  Expect: IToken[];
  law: LawCstNode[];
  Comma?: IToken[];
};

export interface LawCstNode extends CstNode {
  name: "law";
  children: LawCstChildren;
}

export type LawCstChildren = {
  name: IToken[];
  OpenParenthesis?: IToken[];
  argument?: IToken[];
  CloseParenthesis?: IToken[];
};

export interface SiteCstNode extends CstNode {
  name: "site";
  children: SiteCstChildren;
}

export type SiteCstChildren = {
  assignment?: AssignmentCstNode[];
  rotation?: RotationCstNode[];
  map?: MapCstNode[];
  When?: IToken[];
  expression?: ExpressionCstNode[];
};

export interface AssignmentCstNode extends CstNode {
  name: "assignment";
  children: AssignmentCstChildren;
}

export type AssignmentCstChildren = {
  targets: TargetsCstNode[];
  Assignment: IToken[];
  expression: ExpressionCstNode[];
};

export interface RotationCstNode extends CstNode {
  name: "rotation";
  children: RotationCstChildren;
}

export type RotationCstChildren = {
  Rotate: IToken[];
  targets: TargetsCstNode[];
  By: IToken[];
  angle: ExpressionCstNode[];
  Interleaved?: IToken[];
  From?: IToken[];
  first?: ExpressionCstNode[];
};

export interface MapCstNode extends CstNode {
  name: "map";
  children: MapCstChildren;
}

export type MapCstChildren = {
  Transform?: IToken[];
  Transport?: IToken[];
  targets: TargetsCstNode[];
  By: IToken[];
  expression: ExpressionCstNode[];
};

export interface HeadCstNode extends CstNode {
  name: "head";
  children: HeadCstChildren;
}

export type HeadCstChildren = {
  Name: IToken[];
  binders?: BindersCstNode[];
};

export interface TargetsCstNode extends CstNode {
  name: "targets";
  children: TargetsCstChildren;
}

export type TargetsCstChildren = {
  Name: IToken[];
  Comma?: IToken[];
  binders?: BindersCstNode[];
};

export interface BindersCstNode extends CstNode {
  name: "binders";
  children: BindersCstChildren;
}

export type BindersCstChildren = {
  OpenBracket: IToken[];
  binder: BinderCstNode[];
  Comma?: IToken[];
  CloseBracket: IToken[];
};

export interface BinderCstNode extends CstNode {
  name: "binder";
  children: BinderCstChildren;
}

export type BinderCstChildren = {
  name: IToken[];
  Colon?: IToken[];
  axis?: IToken[];
};

export interface ExpressionCstNode extends CstNode {
  name: "expression";
  children: ExpressionCstChildren;
}

export type ExpressionCstChildren = {
  choice?: ChoiceCstNode[];
  disjunction?: DisjunctionCstNode[];
};

export interface ChoiceCstNode extends CstNode {
  name: "choice";
  children: ChoiceCstChildren;
}

export type ChoiceCstChildren = {
  If: IToken[];
  condition: ExpressionCstNode[];
  Then: IToken[];
  value: ExpressionCstNode[];
  Else: IToken[];
  otherwise: ExpressionCstNode[];
};

export interface DisjunctionCstNode extends CstNode {
  name: "disjunction";
  children: DisjunctionCstChildren;
}

export type DisjunctionCstChildren = {
  operand: (ConjunctionCstNode)[];
  operator?: IToken[];
};

export interface ConjunctionCstNode extends CstNode {
  name: "conjunction";
  children: ConjunctionCstChildren;
}

export type ConjunctionCstChildren = {
  operand: (NegationCstNode)[];
  operator?: IToken[];
};

export interface NegationCstNode extends CstNode {
  name: "negation";
  children: NegationCstChildren;
}

export type NegationCstChildren = {
  Not?: IToken[];
  negation?: NegationCstNode[];
  comparison?: ComparisonCstNode[];
};

export interface ComparisonCstNode extends CstNode {
  name: "comparison";
  children: ComparisonCstChildren;
}

export type ComparisonCstChildren = {
  operand: (SumCstNode)[];
  operator?: IToken[];
};

export interface SumCstNode extends CstNode {
  name: "sum";
  children: SumCstChildren;
}

export type SumCstChildren = {
  operand: (ProductCstNode)[];
  operator?: IToken[];
};

export interface ProductCstNode extends CstNode {
  name: "product";
  children: ProductCstChildren;
}

export type ProductCstChildren = {
  operand: (UnaryCstNode)[];
  operator?: IToken[];
};

export interface UnaryCstNode extends CstNode {
  name: "unary";
  children: UnaryCstChildren;
}

export type UnaryCstChildren = {
  Minus?: IToken[];
  unary?: UnaryCstNode[];
  power?: PowerCstNode[];
};

export interface PowerCstNode extends CstNode {
  name: "power";
  children: PowerCstChildren;
}

export type PowerCstChildren = {
  atom: AtomCstNode[];
  Power?: IToken[];
  unary?: UnaryCstNode[];
};

export interface AtomCstNode extends CstNode {
  name: "atom";
  children: AtomCstChildren;
}

export type AtomCstChildren = {
  Numeral?: IToken[];
  True?: IToken[];
  False?: IToken[];
  group?: GroupCstNode[];
  reference?: ReferenceCstNode[];
};

export interface GroupCstNode extends CstNode {
  name: "group";
  children: GroupCstChildren;
}

export type GroupCstChildren = {
  OpenParenthesis: IToken[];
  expression: ExpressionCstNode[];
  CloseParenthesis: IToken[];
};

export interface ReferenceCstNode extends CstNode {
  name: "reference";
  children: ReferenceCstChildren;
}

export type ReferenceCstChildren = {
  Name: IToken[];
  items?: ItemsCstNode[];
  args?: ArgsCstNode[];
};

export interface ItemsCstNode extends CstNode {
  name: "items";
  children: ItemsCstChildren;
}

export type ItemsCstChildren = {
  OpenBracket: IToken[];
  item: ItemCstNode[];
  Comma?: IToken[];
  Where?: IToken[];
  expression?: ExpressionCstNode[];
  CloseBracket: IToken[];
};

export interface ItemCstNode extends CstNode {
  name: "item";
  children: ItemCstChildren;
}

export type ItemCstChildren = {
  expression: ExpressionCstNode[];
  Colon?: IToken[];
  Name?: IToken[];
};

export interface ArgsCstNode extends CstNode {
  name: "args";
  children: ArgsCstChildren;
}

export type ArgsCstChildren = {
  OpenParenthesis: IToken[];
  expression: ExpressionCstNode[];
  Comma?: IToken[];
  CloseParenthesis: IToken[];
};
