// Tokens with statement marks -> concrete syntax tree. One rule a production of the reference, one token of lookahead.
// Recovery happens at headings, imports and statements only: an error inside costs that statement and nothing else.

import {
  CstParser,
  type CstNode,
  type IParserConfig,
  type IParserErrorMessageProvider,
  type IRecognitionException,
  type IToken,
  type Rule,
  type TokenType,
} from 'chevrotain';
import * as tokens from './tokens.ts';
import { T } from './tokens.ts';

/** Messages carry the names of the tokens that could stand here; messages.ts makes sentences of them. */
const expectedNames: IParserErrorMessageProvider = {
  buildMismatchTokenMessage: ({ expected }) => expected.name,
  buildNotAllInputParsedMessage: () => '',
  buildNoViableAltMessage: ({ expectedPathsPerAlt }) =>
    [...new Set(expectedPathsPerAlt.flat().map((path) => path[0]?.name ?? ''))].join(' '),
  buildEarlyExitMessage: ({ expectedIterationPaths }) =>
    [...new Set(expectedIterationPaths.map((path) => path[0]?.name ?? ''))].join(' '),
};

const inside = { resyncEnabled: false };

export class PeParser extends CstParser {
  constructor(config: IParserConfig = { skipValidations: true }) {
    super([...tokens.vocabulary], {
      maxLookahead: 1,
      recoveryEnabled: true,
      nodeLocationTracking: 'onlyOffset',
      errorMessageProvider: expectedNames,
      ...config,
    });
    this.performSelfAnalysis();
  }

  protected override canTokenTypeBeInsertedInRecovery(_type: TokenType): boolean {
    return false;
  }

  protected override canTokenTypeBeDeletedInRecovery(_type: TokenType): boolean {
    return false;
  }

  /** Recovery inside of a list would report one slip several times; chevrotain asks here before it tries. */
  protected shouldInRepetitionRecoveryBeTried(): boolean {
    return false;
  }

  readonly file = this.RULE('file', () => {
    this.MANY1(() => this.SUBRULE(this.importing));
    this.MANY2(() => this.SUBRULE(this.encoding));
  });

  readonly importing = this.RULE('importing', () => {
    this.CONSUME(T.Import);
    this.CONSUME(tokens.Text);
  });

  readonly encoding = this.RULE(
    'encoding',
    () => {
      this.SUBRULE(this.heading);
      this.MANY(() => this.SUBRULE(this.statement));
      this.CONSUME(T.CloseBrace);
    },
    inside,
  );

  readonly heading = this.RULE('heading', () => {
    this.CONSUME(T.Encoding);
    this.CONSUME1(tokens.Name, { LABEL: 'name' });
    this.OPTION(() => {
      this.CONSUME(T.Extends);
      this.AT_LEAST_ONE_SEP({ SEP: T.Comma, DEF: () => this.CONSUME2(tokens.Name, { LABEL: 'parent' }) });
    });
    this.CONSUME(T.OpenBrace);
  });

  readonly statement = this.RULE('statement', () => {
    this.CONSUME(tokens.StatementStart);
    this.OR([
      { ALT: () => this.SUBRULE(this.parameters) },
      { ALT: () => this.SUBRULE(this.supplied) },
      { ALT: () => this.SUBRULE(this.stored) },
      { ALT: () => this.SUBRULE(this.drawn) },
      { ALT: () => this.SUBRULE(this.definition) },
      { ALT: () => this.SUBRULE(this.routine) },
      { ALT: () => this.SUBRULE(this.claims) },
      { ALT: () => this.SUBRULE(this.site) },
    ]);
    this.CONSUME(tokens.StatementEnd);
  });

  readonly parameters = this.RULE(
    'parameters',
    () => {
      this.OR([{ ALT: () => this.CONSUME(T.Param) }, { ALT: () => this.CONSUME(T.Axis) }]);
      this.AT_LEAST_ONE_SEP({ SEP: T.Comma, DEF: () => this.SUBRULE(this.setting) });
    },
    inside,
  );

  readonly setting = this.RULE(
    'setting',
    () => {
      this.CONSUME(tokens.Name);
      this.CONSUME(T.Is);
      this.SUBRULE(this.expression);
    },
    inside,
  );

  readonly supplied = this.RULE(
    'supplied',
    () => {
      this.CONSUME(T.Given);
      this.SUBRULE(this.head);
    },
    inside,
  );

  readonly stored = this.RULE(
    'stored',
    () => {
      this.OR([{ ALT: () => this.CONSUME(T.Learn) }, { ALT: () => this.CONSUME(T.Fixed) }]);
      this.OPTION(() => this.CONSUME(T.Shared));
      this.SUBRULE(this.head);
      this.CONSUME(T.Tilde);
      this.SUBRULE(this.expression);
    },
    inside,
  );

  readonly drawn = this.RULE(
    'drawn',
    () => {
      this.CONSUME(T.Draw);
      this.SUBRULE(this.head);
      this.CONSUME(T.Tilde);
      this.SUBRULE(this.expression);
    },
    inside,
  );

  readonly definition = this.RULE(
    'definition',
    () => {
      this.CONSUME(T.Let);
      this.SUBRULE(this.head);
      this.CONSUME(T.Is);
      this.SUBRULE(this.expression);
    },
    inside,
  );

  readonly routine = this.RULE(
    'routine',
    () => {
      this.CONSUME(T.Fn);
      this.CONSUME1(tokens.Name, { LABEL: 'name' });
      this.CONSUME(T.OpenParenthesis);
      this.AT_LEAST_ONE_SEP({ SEP: T.Comma, DEF: () => this.CONSUME2(tokens.Name, { LABEL: 'parameter' }) });
      this.CONSUME(T.CloseParenthesis);
      this.CONSUME(T.Is);
      this.SUBRULE(this.expression);
    },
    inside,
  );

  readonly claims = this.RULE(
    'claims',
    () => {
      this.CONSUME(T.Expect);
      this.AT_LEAST_ONE_SEP({ SEP: T.Comma, DEF: () => this.SUBRULE(this.law) });
    },
    inside,
  );

  readonly law = this.RULE(
    'law',
    () => {
      this.CONSUME1(tokens.Name, { LABEL: 'name' });
      this.OPTION(() => {
        this.CONSUME(T.OpenParenthesis);
        this.CONSUME2(tokens.Name, { LABEL: 'argument' });
        this.CONSUME(T.CloseParenthesis);
      });
    },
    inside,
  );

  readonly site = this.RULE(
    'site',
    () => {
      this.OR([
        { ALT: () => this.SUBRULE(this.assignment) },
        { ALT: () => this.SUBRULE(this.rotation) },
        { ALT: () => this.SUBRULE(this.map) },
      ]);
      this.OPTION(() => {
        this.CONSUME(T.When);
        this.SUBRULE(this.expression);
      });
    },
    inside,
  );

  readonly assignment = this.RULE(
    'assignment',
    () => {
      this.SUBRULE(this.targets);
      this.CONSUME(tokens.Assignment);
      this.SUBRULE(this.expression);
    },
    inside,
  );

  readonly rotation = this.RULE(
    'rotation',
    () => {
      this.CONSUME(T.Rotate);
      this.SUBRULE(this.targets);
      this.CONSUME(T.By);
      this.SUBRULE1(this.expression, { LABEL: 'angle' });
      this.OPTION1(() => this.CONSUME(T.Interleaved));
      this.OPTION2(() => {
        this.CONSUME(T.From);
        this.SUBRULE2(this.expression, { LABEL: 'first' });
      });
    },
    inside,
  );

  readonly map = this.RULE(
    'map',
    () => {
      this.OR([{ ALT: () => this.CONSUME(T.Transform) }, { ALT: () => this.CONSUME(T.Transport) }]);
      this.SUBRULE(this.targets);
      this.CONSUME(T.By);
      this.SUBRULE(this.expression);
    },
    inside,
  );

  readonly head = this.RULE(
    'head',
    () => {
      this.CONSUME(tokens.Name);
      this.OPTION(() => this.SUBRULE(this.binders));
    },
    inside,
  );

  readonly targets = this.RULE(
    'targets',
    () => {
      this.AT_LEAST_ONE_SEP({ SEP: T.Comma, DEF: () => this.CONSUME(tokens.Name) });
      this.OPTION(() => this.SUBRULE(this.binders));
    },
    inside,
  );

  readonly binders = this.RULE(
    'binders',
    () => {
      this.CONSUME(T.OpenBracket);
      this.AT_LEAST_ONE_SEP({ SEP: T.Comma, DEF: () => this.SUBRULE(this.binder) });
      this.CONSUME(T.CloseBracket);
    },
    inside,
  );

  readonly binder = this.RULE(
    'binder',
    () => {
      this.CONSUME1(tokens.Name, { LABEL: 'name' });
      this.OPTION(() => {
        this.CONSUME(T.Colon);
        this.CONSUME2(tokens.Name, { LABEL: 'axis' });
      });
    },
    inside,
  );

  readonly expression = this.RULE(
    'expression',
    () => {
      this.OR([{ ALT: () => this.SUBRULE(this.choice) }, { ALT: () => this.SUBRULE(this.disjunction) }]);
    },
    inside,
  );

  readonly choice = this.RULE(
    'choice',
    () => {
      this.CONSUME(T.If);
      this.SUBRULE1(this.expression, { LABEL: 'condition' });
      this.CONSUME(T.Then);
      this.SUBRULE2(this.expression, { LABEL: 'value' });
      this.CONSUME(T.Else);
      this.SUBRULE3(this.expression, { LABEL: 'otherwise' });
    },
    inside,
  );

  readonly disjunction = this.RULE(
    'disjunction',
    () => {
      this.SUBRULE1(this.conjunction, { LABEL: 'operand' });
      this.MANY(() => {
        this.CONSUME(T.Or, { LABEL: 'operator' });
        this.SUBRULE2(this.conjunction, { LABEL: 'operand' });
      });
    },
    inside,
  );

  readonly conjunction = this.RULE(
    'conjunction',
    () => {
      this.SUBRULE1(this.negation, { LABEL: 'operand' });
      this.MANY(() => {
        this.CONSUME(T.And, { LABEL: 'operator' });
        this.SUBRULE2(this.negation, { LABEL: 'operand' });
      });
    },
    inside,
  );

  readonly negation = this.RULE(
    'negation',
    () => {
      this.OR([
        {
          ALT: () => {
            this.CONSUME(T.Not);
            this.SUBRULE(this.negation);
          },
        },
        { ALT: () => this.SUBRULE(this.comparison) },
      ]);
    },
    inside,
  );

  readonly comparison = this.RULE(
    'comparison',
    () => {
      this.SUBRULE1(this.sum, { LABEL: 'operand' });
      this.MANY(() => {
        this.CONSUME(tokens.Relation, { LABEL: 'operator' });
        this.SUBRULE2(this.sum, { LABEL: 'operand' });
      });
    },
    inside,
  );

  readonly sum = this.RULE(
    'sum',
    () => {
      this.SUBRULE1(this.product, { LABEL: 'operand' });
      this.MANY(() => {
        this.CONSUME(tokens.Additive, { LABEL: 'operator' });
        this.SUBRULE2(this.product, { LABEL: 'operand' });
      });
    },
    inside,
  );

  readonly product = this.RULE(
    'product',
    () => {
      this.SUBRULE1(this.unary, { LABEL: 'operand' });
      this.MANY(() => {
        this.CONSUME(tokens.Multiplicative, { LABEL: 'operator' });
        this.SUBRULE2(this.unary, { LABEL: 'operand' });
      });
    },
    inside,
  );

  readonly unary = this.RULE(
    'unary',
    () => {
      this.OR([
        {
          ALT: () => {
            this.CONSUME(T.Minus);
            this.SUBRULE(this.unary);
          },
        },
        { ALT: () => this.SUBRULE(this.power) },
      ]);
    },
    inside,
  );

  readonly power = this.RULE(
    'power',
    () => {
      this.SUBRULE(this.atom);
      this.OPTION(() => {
        this.CONSUME(T.Power);
        this.SUBRULE(this.unary);
      });
    },
    inside,
  );

  readonly atom = this.RULE(
    'atom',
    () => {
      this.OR([
        { ALT: () => this.CONSUME(tokens.Numeral) },
        { ALT: () => this.CONSUME(T.True) },
        { ALT: () => this.CONSUME(T.False) },
        { ALT: () => this.SUBRULE(this.group) },
        { ALT: () => this.SUBRULE(this.reference) },
      ]);
    },
    inside,
  );

  readonly group = this.RULE(
    'group',
    () => {
      this.CONSUME(T.OpenParenthesis);
      this.SUBRULE(this.expression);
      this.CONSUME(T.CloseParenthesis);
    },
    inside,
  );

  readonly reference = this.RULE(
    'reference',
    () => {
      this.CONSUME(tokens.Name);
      this.OPTION1(() => this.SUBRULE(this.items));
      this.OPTION2(() => this.SUBRULE(this.args));
    },
    inside,
  );

  readonly items = this.RULE(
    'items',
    () => {
      this.CONSUME(T.OpenBracket);
      this.AT_LEAST_ONE_SEP({ SEP: T.Comma, DEF: () => this.SUBRULE(this.item) });
      this.OPTION(() => {
        this.CONSUME(T.Where);
        this.SUBRULE(this.expression);
      });
      this.CONSUME(T.CloseBracket);
    },
    inside,
  );

  readonly item = this.RULE(
    'item',
    () => {
      this.SUBRULE(this.expression);
      this.OPTION(() => {
        this.CONSUME(T.Colon);
        this.CONSUME(tokens.Name);
      });
    },
    inside,
  );

  readonly args = this.RULE(
    'args',
    () => {
      this.CONSUME(T.OpenParenthesis);
      this.AT_LEAST_ONE_SEP({ SEP: T.Comma, DEF: () => this.SUBRULE(this.expression) });
      this.CONSUME(T.CloseParenthesis);
    },
    inside,
  );
}

const parser = new PeParser();

/** The concrete tree and chevrotain's errors; the parser keeps nothing from one call to the next. */
export function parseTokens(input: readonly IToken[]): { cst: CstNode; errors: readonly IRecognitionException[] } {
  parser.input = [...input];
  const cst = parser.file();
  const errors = [...parser.errors];
  parser.input = [];
  return { cst, errors };
}

/** For the generator of CST types. */
export function productions(): Record<string, Rule> {
  return parser.getGAstProductions();
}
