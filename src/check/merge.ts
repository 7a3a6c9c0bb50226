// Files and a name to one body: the encoding's parents merged into it. Declarations of one name become one, in the
// place of the oldest; sites follow their parents'; claims of laws are the encoding's own.

import type { Assignment, Encoding, File, Head, Law, Name, Statement } from '../../grammar/ast.ts';
import { codes } from '../diagnostics/codes.ts';
import type { Diagnostic, Label, Report } from '../diagnostics/diagnostic.ts';
import { builtinAxes, builtinKind } from './builtins.ts';
import { createLibrary, type Found, type Library } from './library.ts';
import type { AxisEntry, Entry, Line } from './scope.ts';

export interface Merged {
  readonly encoding: Encoding;
  readonly lines: readonly Line[];
  readonly values: ReadonlyMap<string, Entry>;
  readonly axes: ReadonlyMap<string, AxisEntry>;
  readonly laws: readonly Law[];
  readonly found: Found;
  readonly library: Library;
}

/** One statement, or one assignment of a `param` or `axis` line. */
interface Unit {
  readonly space: 'value' | 'axis' | null; // null: a site
  readonly key: string | null; // its space and name
  readonly name: Name | null;
  readonly statement: Statement;
  readonly assignment: Assignment | null;
  readonly encoding: Encoding;
  readonly inherited: boolean; // stands in the place of a parent's declaration
  readonly broken: boolean; // and cannot
}

export function merge(files: readonly File[], name: string | null, report: Report): Merged | null {
  const library = createLibrary(files, report);
  const found = library.start(name);
  if (found === null) return null;
  const units = mergeUnits(found, { library, report, known: new Map() }, []);
  if (units === null) return null;
  const lines = units.map(({ statement, encoding, inherited }, place) => ({ statement, encoding, place, inherited }));
  const values = new Map<string, Entry>();
  const axes = new Map<string, AxisEntry>();
  for (const [place, unit] of units.entries()) {
    if (unit.name === null) continue;
    const line = lines[place]!;
    if (unit.space === 'axis') axes.set(unit.name.text, { name: unit.name, size: unit.assignment!.value, line });
    else {
      const entry = entryOf(unit, line);
      if (entry !== null) values.set(unit.name.text, entry);
    }
  }
  const laws = found.encoding.statements.flatMap((statement) => (statement.kind === 'expect' ? statement.laws : []));
  return { encoding: found.encoding, lines, values, axes, laws, found, library };
}

function entryOf({ statement, assignment, name, broken }: Unit, line: Line): Entry | null {
  const common = { name: name!, line, broken };
  switch (statement.kind) {
    case 'param':
      return { kind: 'param', ...common, body: { kind: 'param', assignment: assignment! } };
    case 'fn':
      return { kind: 'fn', ...common, body: { ...statement, kind: 'fn' } };
    case 'let':
    case 'draw':
    case 'learn':
    case 'fixed':
    case 'given': {
      const value = statement.kind === 'given' ? null : statement.kind === 'let' ? statement.value : statement.initial;
      const shared = (statement.kind === 'learn' || statement.kind === 'fixed') && statement.shared;
      return { kind: statement.kind, ...common, body: { kind: 'tensor', head: statement.head, value, shared } };
    }
    case 'axis':
    case 'expect':
    case 'site':
      return null;
    default:
      return statement satisfies never;
  }
}

interface Merging {
  readonly library: Library;
  readonly report: Report;
  readonly known: Map<Encoding, readonly Unit[] | null>; // an encoding may be reached by several ways
}

const MOST_PARENTS = 100; // from child to parent to parent

function mergeUnits(found: Found, merging: Merging, below: readonly Encoding[]): readonly Unit[] | null {
  const { encoding } = found;
  const { report } = merging;
  const known = merging.known.get(encoding);
  if (known !== undefined) return known;
  if (below.includes(encoding)) {
    const circle = below.slice(below.indexOf(encoding)).map((one) => one.name.text);
    report(codes.circularParents(below.at(-1)!.name.span, circle));
    return null;
  }
  if (below.length > MOST_PARENTS) {
    report(codes.tooManyParents(encoding.name.span, MOST_PARENTS));
    return null;
  }
  const units = mergeParents(found, merging, [...below, encoding]);
  merging.known.set(encoding, units);
  return units;
}

function mergeParents({ encoding, file }: Found, merging: Merging, below: readonly Encoding[]): readonly Unit[] | null {
  const { library, report } = merging;
  const own = ownUnits(encoding, report);
  const declaredHere = new Set(own.map(({ key }) => key));
  const body: Body = { units: [], places: new Map(), statements: new Set() };
  const seen = new Set<string>();
  let complete = true;
  for (const parent of encoding.parents) {
    if (seen.has(parent.text)) report(codes.parentTwice(parent.span, parent.text));
    seen.add(parent.text);
    const parentFound = library.find(parent, file);
    const theirs = parentFound && mergeUnits(parentFound, merging, below);
    if (theirs === null) complete = false;
    const clashes = (theirs ?? []).flatMap((unit) => addInherited(unit, body, declaredHere));
    reportClashes(clashes, parent, report);
    breakRivals(clashes, body);
  }
  if (!complete) return null;
  for (const unit of own) addOwn(unit, body, report);
  return body.units;
}

/** A body while it grows. */
interface Body {
  readonly units: Unit[];
  readonly places: Map<string, number>; // of each declared name
  readonly statements: Set<Statement | Assignment>;
}

function append(unit: Unit, { units, places, statements }: Body): void {
  if (unit.key !== null) places.set(unit.key, units.length);
  statements.add(unit.assignment ?? unit.statement);
  units.push(unit);
}

const rivalOf = (unit: Unit, body: Body): Unit | undefined => {
  const place = unit.key === null ? undefined : body.places.get(unit.key);
  return place === undefined ? undefined : body.units[place];
};

type Clash = readonly [rival: Unit, unit: Unit];

function addInherited(unit: Unit, body: Body, declaredHere: ReadonlySet<string | null>): readonly Clash[] {
  if (body.statements.has(unit.assignment ?? unit.statement)) return [];
  const rival = rivalOf(unit, body);
  if (rival !== undefined) return declaredHere.has(unit.key) ? [] : [[rival, unit]];
  append(unit, body);
  return [];
}

/** Neither of two rivals holds: what reads their name says nothing more. */
function breakRivals(clashes: readonly Clash[], { units, places }: Body): void {
  for (const [rival] of clashes) units[places.get(rival.key!)!] = { ...rival, broken: true };
}

/** One message for all names that two parents share. */
function reportClashes(clashes: readonly Clash[], parent: Name, report: Report): void {
  const encodings = new Set(clashes.map(([rival]) => rival.encoding));
  for (const encoding of encodings) {
    const own = clashes.filter(([rival]) => rival.encoding === encoding);
    const names = own.map(([, unit]) => unit.name!.text);
    const labels = own.flatMap((pair) =>
      pair.map(({ name, encoding: { name: of } }) => ({ span: name!.span, text: `in \`${of.text}\`` })),
    );
    report(codes.parentsClash(parent.span, names, [encoding.name.text, own[0]![1].encoding.name.text], labels));
  }
}

function addOwn(unit: Unit, body: Body, report: Report): void {
  const old = rivalOf(unit, body);
  if (old === undefined) {
    append(unit, body);
    return;
  }
  const earlier: Label = { span: old.name!.span, text: `\`${old.name!.text}\` was declared here` };
  const name = unit.name!;
  if (old.encoding === unit.encoding) {
    report(codes.declaredTwice(name.span, name.text, unit.space === 'axis' ? 'axis' : 'the name', earlier));
    return;
  }
  const refusal = unit.space === 'axis' ? null : whyNotReplaced(old, unit, earlier);
  if (refusal !== null) report(refusal);
  body.units[body.places.get(unit.key!)!] = { ...unit, inherited: true, broken: refusal !== null };
}

function whyNotReplaced(old: Unit, unit: Unit, earlier: Label): Diagnostic | null {
  const { text, span } = unit.name!;
  const kind = (one: Unit): string => (one.statement.kind === 'param' ? 'a param' : `a \`${one.statement.kind}\``);
  if ((old.statement.kind === 'fn') !== (unit.statement.kind === 'fn'))
    return codes.replacedKind(span, text, kind(old), kind(unit), earlier);
  if (unit.statement.kind === 'fn') return null;
  const [was, is] = [axesOf(old), axesOf(unit)];
  if (was === null || is === null || was.join() === is.join()) return null;
  return codes.replacedAxes(span, text, was, is, earlier);
}

/** Axis names of a declaration as written; null where it does not say them all. */
function axesOf({ statement }: Unit): readonly string[] | null {
  const head: Head | null = 'head' in statement ? statement.head : null;
  const axes = (head?.binders ?? []).map((binder) => binder.axis?.text ?? null);
  return axes.includes(null) ? null : (axes as string[]);
}

function ownUnits(encoding: Encoding, report: Report): readonly Unit[] {
  const units = encoding.statements.flatMap((statement): readonly Unit[] => {
    const unit = (space: Unit['space'], name: Name | null, assignment: Assignment | null = null): Unit => {
      const key = name === null ? null : `${space} ${name.text}`;
      return { space, name, key, statement, assignment, encoding, inherited: false, broken: false };
    };
    switch (statement.kind) {
      case 'param':
      case 'axis': {
        const space = statement.kind === 'axis' ? 'axis' : 'value';
        return statement.assignments.map((assignment) => unit(space, assignment.name, assignment));
      }
      case 'fn':
        return [unit('value', statement.name)];
      case 'expect':
        return [];
      case 'site':
        return [unit(null, null)];
      case 'given':
      case 'learn':
      case 'fixed':
      case 'draw':
      case 'let':
        return [unit('value', statement.head.name)];
      default:
        return statement satisfies never;
    }
  });
  return units.filter((unit) => !redeclaresBuiltin(unit, report));
}

function redeclaresBuiltin({ space, name, statement }: Unit, report: Report): boolean {
  if (name === null) return false;
  const { text, span } = name;
  if (space === 'axis') {
    const builtin = Object.hasOwn(builtinAxes, text);
    if (builtin) report(codes.builtinRedeclared(span, text, 'an axis'));
    return builtin;
  }
  const kind = builtinKind(text);
  if (kind === null || (text === 'position' && statement.kind === 'given')) return false;
  const hint =
    text === 'position' ? 'the caller supplies positions with `given position[t: token, k: coordinate]`' : undefined;
  report(codes.builtinRedeclared(span, text, kind, hint));
  return true;
}
