// What every kernel must satisfy before it is printed or run: a body comes in, the list of its faults goes out, empty for a
// sound kernel. Names are bound once and before use, types agree, barriers and subgroup operations stand where every lane
// comes by, and the limits that all WebGPU adapters guarantee are kept. Kernels for a CPU have one lane, vectors and scratch memory.

import { accumulationOf, expressionsOf, nestedIn, partsOf } from './map-expressions.ts';
import { bytesOfElement, loadedType } from './kernel.ts';
import type { Expression, KernelBody, KernelFunction, Statement, ValueType } from './kernel.ts';
import { componentOf, isVector, resultType, vectorOf } from './kernel-ops.ts';
import { isReserved } from './names.ts';

/** Guaranteed by every WebGPU adapter. */
const portableLimits = { lanes: 256, bindings: 8, sharedBytes: 16384, privateBytes: 8192 } as const;

interface Local {
  readonly type: ValueType;
  readonly assignable: boolean;
  uniform: boolean;
}
type Scope = ReadonlyMap<string, Local>;

export function verifyKernel(body: KernelBody, machine: 'gpu' | 'cpu' = 'gpu'): readonly string[] {
  const faults: string[] = [];
  const fault = (text: string): void => void faults.push(`${body.name}: ${text}`);
  const declared = new Set<string>();
  const declare = (name: string): void => {
    if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(name) || isReserved(name)) fault(`${name} cannot be a name in every target`);
    if (declared.has(name)) fault(`${name} is declared twice`);
    declared.add(name);
  };
  const typed = (items: readonly { readonly name: string; readonly type: ValueType }[]) =>
    new Map(items.map(({ name, type }) => [name, type]));
  const values = body.bindings.map(({ name, type }) => ({ name, type: loadedType(type) }));
  const scratch = body.scratch ?? [];
  const [buffers, shared, arrays] = [typed(values), typed(body.shared), typed([...body.arrays, ...scratch])];
  for (const { name } of [body, ...body.bindings, ...body.shared, ...body.arrays, ...scratch]) declare(name);
  if (machine === 'cpu') checkItems(body, fault);
  else {
    if (scratch.length > 0) fault('scratch memory is of kernels for a CPU');
    checkLimits(body, fault);
  }

  /** Whether all lanes have the same value; faults on the way. */
  const uniform = (expression: Expression, scope: Scope): boolean => {
    const inner = (each: Expression): boolean => uniform(each, scope);
    const array = (kinds: ReadonlyMap<string, ValueType>, name: string, what: string): void => {
      if (!kinds.has(name)) fault(`${what} ${name} is not declared`);
      else if (kinds.get(name) !== componentOf(expression.type)) fault(`${name} is read as ${expression.type}`);
    };
    if (isVector(expression.type) && machine === 'gpu') fault(`${expression.kind} is a vector, in a kernel of lanes`);
    for (const text of vectorFaults(expression)) fault(text);
    switch (expression.kind) {
      case 'literal':
      case 'size':
      case 'workgroup':
      case 'subgroup_size':
        return true;
      case 'lane':
      case 'subgroup_lane':
        return false;
      case 'local': {
        const found = scope.get(expression.name);
        if (found === undefined) fault(`${expression.name} is used before it is bound`);
        else if (found.type !== expression.type)
          fault(`${expression.name} is ${found.type}, used as ${expression.type}`);
        return found?.uniform ?? true;
      }
      case 'load':
        array(buffers, expression.buffer, 'the buffer');
        partsOf(expression).forEach(inner);
        return false; // as Tint sees it
      case 'shared':
        array(shared, expression.array, 'the workgroup array');
        inner(expression.index);
        return false;
      case 'element':
        array(arrays, expression.array, 'the private array');
        partsOf(expression).forEach(inner);
        return false;
      case 'subgroup':
        inner(expression.value);
        return false;
      case 'splat':
      case 'ramp':
      case 'extract':
      case 'across':
      case 'shuffle':
        return partsOf(expression).map(inner).every(Boolean);
      case 'call':
        try {
          const types = expression.args.map((argument) => argument.type);
          if (resultType(expression.op, types) !== expression.type) fault(`${expression.op} is not ${expression.type}`);
        } catch (error) {
          fault((error as Error).message);
        }
        return expression.args.map(inner).every(Boolean);
      case 'apply':
        verifyHelper(expression.of);
        return expression.args.map(inner).every(Boolean);
      default:
        return expression satisfies never;
    }
  };

  const helpers = new Set<KernelFunction>();
  const helperNames = new Set<string>();
  const verifyHelper = (of: KernelFunction): void => {
    if (helpers.has(of)) return;
    helpers.add(of);
    if (helperNames.has(of.name) || declared.has(of.name)) fault(`two functions are named ${of.name}`);
    helperNames.add(of.name);
    const parameters = of.parameters.map(
      ({ name, type }) => [name, { type, assignable: false, uniform: true }] as const,
    );
    const scope = verify(of.body, new Map(parameters), { uniform: false, top: false, own: true, barrier: true });
    uniform(of.value, scope);
  };

  interface Place {
    readonly uniform: boolean; // every lane comes by
    readonly top: boolean;
    readonly own: boolean; // of a function: its names are its own, whatever buffers are called
    barrier: boolean; // one has been passed
  }

  const verify = (statements: readonly Statement[], outer: Scope, place: Place): Scope => {
    const scope = new Map(outer);
    const value = (expression: Expression): boolean => {
      if (!place.uniform && hasSubgroup(expression)) fault('a subgroup operation stands where lanes may part');
      return uniform(expression, scope);
    };
    for (const statement of statements) {
      switch (statement.kind) {
        case 'let':
        case 'var': {
          const same = value(statement.value) && place.uniform;
          if (scope.has(statement.name)) fault(`${statement.name} is bound twice`);
          if (!place.own && declared.has(statement.name)) fault(`${statement.name} is declared twice`);
          scope.set(statement.name, {
            type: statement.value.type,
            assignable: statement.kind === 'var',
            uniform: same && (statement.kind === 'let' || !assignedUnevenly(statements, statement.name)),
          });
          break;
        }
        case 'set': {
          const found = scope.get(statement.name);
          const same = value(statement.value) && place.uniform;
          if (found === undefined || !found.assignable) fault(`${statement.name} is set, but no variable`);
          else if (found.type !== statement.value.type) fault(`${statement.name} is ${found.type}`);
          if (found !== undefined && !same) found.uniform = false;
          break;
        }
        case 'store':
        case 'store-shared':
        case 'store-element': {
          value(statement.index);
          value(statement.value);
          const name = statement.kind === 'store' ? statement.buffer : statement.array;
          const kinds = { store: buffers, 'store-shared': shared, 'store-element': arrays }[statement.kind];
          const { type } = statement.value;
          if (kinds.get(name) !== componentOf(type)) fault(`${name} does not take ${type}`);
          const mask = statement.kind === 'store-shared' ? undefined : statement.mask;
          if (mask !== undefined) value(mask);
          for (const text of placeFaults(name, statement.index, type, mask)) fault(text);
          if (statement.kind === 'store-shared' && isVector(type)) fault(`${name} takes no vectors`);
          if (statement.kind === 'store' && !body.bindings.some((b) => b.name === name && b.access === 'read_write')) {
            fault(`${name} is written, but bound for reading`);
          }
          break;
        }
        case 'load-elements':
        case 'store-elements': {
          value(statement.index);
          checkElements(body, statement, fault);
          break;
        }
        case 'for': {
          const same = [value(statement.from), value(statement.to)].every(Boolean);
          if (statement.step < 1) fault(`the loop over ${statement.variable} does not advance`);
          if (statement.mode === 'vector') vectorLoopFaults(statement).forEach(fault);
          const inside = new Map(scope);
          inside.set(statement.variable, { type: 'i32', assignable: false, uniform: same && place.uniform });
          verify(statement.body, inside, { ...place, uniform: same && place.uniform, top: false });
          break;
        }
        case 'if': {
          const same = value(statement.condition) && place.uniform;
          if (statement.condition.type !== 'bool') fault('a condition is not bool');
          for (const branch of [statement.then, statement.otherwise]) {
            const leaves = branch.some(({ kind }) => kind === 'return');
            if (leaves && (!place.top || place.barrier)) fault('a lane leaves after a barrier or inside a loop');
            if (leaves && !same && hasBarrier(body.statements)) fault('a lane leaves before a barrier');
            verify(
              branch.filter(({ kind }) => kind !== 'return'),
              scope,
              { ...place, uniform: same, top: false },
            );
          }
          break;
        }
        case 'barrier':
          if (!place.uniform) fault('a barrier stands where lanes may part');
          place.barrier = true;
          break;
        case 'return':
          if (!place.top || place.barrier) fault('a lane leaves after a barrier or inside a loop');
          break;
        case 'comment':
          break;
        default:
          statement satisfies never;
      }
    }
    return scope;
  };
  verify(body.statements, new Map(), { uniform: true, top: true, own: false, barrier: false });
  return [...new Set(faults)];
}

/** An item of work is done by one thread, which meets no other. */
function checkItems(body: KernelBody, fault: (text: string) => void): void {
  if (body.workgroup !== 1) fault(`${body.workgroup} lanes; an item of work has one`);
  if (body.shared.length > 0) fault('workgroup memory, in a kernel of items');
  const isOfLanes = (e: Expression): boolean =>
    ['lane', 'subgroup', 'subgroup_lane', 'subgroup_size'].includes(e.kind) || partsOf(e).some(isOfLanes);
  for (const statement of nestedIn(body.statements)) {
    if (statement.kind === 'barrier') fault('a barrier, in a kernel of items');
    if (expressionsOf(statement).some(isOfLanes)) fault('other lanes, in a kernel of items');
  }
}

function checkLimits(body: KernelBody, fault: (text: string) => void): void {
  const bytes = (arrays: KernelBody['shared']): number => arrays.reduce((sum, { size }) => sum + size * 4, 0);
  const limit = (what: string, value: number, most: number): void => {
    if (value > most) fault(`${value} ${what}; ${most} are guaranteed`);
  };
  limit('lanes', body.workgroup, portableLimits.lanes);
  limit('buffers', body.bindings.length, portableLimits.bindings);
  limit('bytes of workgroup memory', bytes(body.shared), portableLimits.sharedBytes);
  limit('bytes of private arrays', bytes(body.arrays), portableLimits.privateBytes);
  if (body.workgroup < 1 || !Number.isInteger(body.workgroup)) fault(`${body.workgroup} lanes`);
}

function hasBarrier(statements: readonly Statement[]): boolean {
  return [...nestedIn(statements)].some(({ kind }) => kind === 'barrier');
}

/** Whether a variable is set to something that can differ between lanes: a load, a lane index, a branch. */
function assignedUnevenly(statements: readonly Statement[], name: string): boolean {
  for (const statement of nestedIn(statements)) {
    if (statement.kind === 'set' && statement.name === name && !constantForLanes(statement.value, name)) return true;
    if (
      statement.kind === 'if' &&
      [...nestedIn([...statement.then, ...statement.otherwise])].some((s) => s.kind === 'set' && s.name === name)
    ) {
      return true;
    }
  }
  return false;
}

function constantForLanes(expression: Expression, name: string): boolean {
  switch (expression.kind) {
    case 'literal':
    case 'size':
    case 'workgroup':
      return true;
    case 'local':
      return expression.name === name;
    case 'call':
      return expression.args.every((argument) => constantForLanes(argument, name));
    default:
      return false;
  }
}

const hasSubgroup = (expression: Expression): boolean =>
  expression.kind === 'subgroup' || partsOf(expression).some(hasSubgroup);

/** Where the types of the parts of a vector, or of an access, do not fit. */
function vectorFaults(e: Expression): readonly string[] {
  const wrong = (isWrong: boolean, text: string): string[] => (isWrong ? [text] : []);
  switch (e.kind) {
    case 'literal':
      return wrong(isVector(e.type), 'a literal is one number');
    case 'splat':
      return wrong(isVector(e.value.type) || vectorOf(e.value.type) !== e.type, `splat of ${e.value.type}`);
    case 'ramp':
      return wrong(e.from.type !== 'i32', `ramp from ${e.from.type}`);
    case 'extract': {
      const inside = Number.isInteger(e.component) && e.component >= 0 && e.component < 4;
      const fits = isVector(e.value.type) && componentOf(e.value.type) === e.type;
      return wrong(!inside || !fits, `component ${e.component} of ${e.value.type} as ${e.type}`);
    }
    case 'across': {
      const ofTruths = e.op === 'any' || e.op === 'all';
      const fits = isVector(e.value.type) && componentOf(e.value.type) === e.type && (e.type === 'bool') === ofTruths;
      return wrong(!fits, `${e.op} across ${e.value.type} as ${e.type}`);
    }
    case 'shuffle': {
      const inside = e.components.every((each) => Number.isInteger(each) && each >= 0 && each < 8);
      return wrong(!inside || e.a.type !== e.type || e.b.type !== e.type, `a shuffle of ${e.a.type} and ${e.b.type}`);
    }
    case 'load':
      return placeFaults(e.buffer, e.index, e.type, e.mask);
    case 'element':
      return placeFaults(e.array, e.index, e.type, e.mask);
    case 'local':
    case 'size':
    case 'workgroup':
    case 'lane':
    case 'subgroup_size':
    case 'subgroup_lane':
    case 'shared':
    case 'call':
    case 'apply':
    case 'subgroup':
      return [];
    default:
      return e satisfies never;
  }
}

/** An index is i32, or, for a vector, i32x4; a mask is of vectors alone. */
function placeFaults(name: string, index: Expression, type: ValueType, mask: Expression | undefined): string[] {
  const faults: string[] = [];
  if (index.type !== 'i32' && !(index.type === 'i32x4' && isVector(type))) {
    faults.push(`${name} is indexed by ${index.type} for ${type}`);
  }
  if (mask !== undefined && (mask.type !== 'boolx4' || !isVector(type)))
    faults.push(`${name} is masked by ${mask.type}`);
  return faults;
}

/** Variables of outside are only accumulated, each with one operation. */
function vectorLoopFaults({ variable, step, body }: Extract<Statement, { kind: 'for' }>): string[] {
  const faults: string[] = [];
  if (step !== 1) faults.push(`the vector loop over ${variable} has step ${step}`);
  const all = [...nestedIn(body)];
  const own = new Set(all.flatMap((each) => (each.kind === 'var' ? [each.name] : [])));
  const ops = new Map<string, string>();
  for (const each of all) {
    if (each.kind !== 'set' || own.has(each.name)) continue;
    const accumulation = accumulationOf(each);
    const known = ops.get(each.name);
    if (accumulation === null || (known !== undefined && known !== accumulation.op)) {
      faults.push(`the vector loop over ${variable} sets ${each.name} otherwise than by one operation`);
    } else ops.set(each.name, accumulation.op);
  }
  const reads = (e: Expression): boolean => (e.kind === 'local' && ops.has(e.name)) || partsOf(e).some(reads);
  for (const each of all) {
    const accumulation = each.kind === 'set' && ops.has(each.name) ? accumulationOf(each) : null;
    const parts = accumulation === null ? expressionsOf(each) : [accumulation.value];
    if (parts.some(reads)) faults.push(`the vector loop over ${variable} reads what it accumulates`);
  }
  return faults;
}

type Elements = Extract<Statement, { kind: 'load-elements' | 'store-elements' }>;

/** One access: whole, inside its private array, of at most 16 bytes, with a base that is provably a multiple of its width. */
function checkElements(body: KernelBody, statement: Elements, fault: (text: string) => void): void {
  const { kind, buffer, array, at, count } = statement;
  const binding = body.bindings.find(({ name }) => name === buffer);
  const held = body.arrays.find(({ name }) => name === array);
  if (binding === undefined) return fault(`the buffer ${buffer} is not declared`);
  if (held === undefined) return fault(`the array ${array} is not declared`);
  if (loadedType(binding.type) !== held.type) fault(`${array} does not take elements of ${buffer}`);
  if (kind === 'store-elements' && binding.access === 'read') fault(`${buffer} is written, but bound for reading`);
  if (at < 0 || at + count > held.size) fault(`${count} elements of ${buffer} are outside ${array}`);
  if (![2, 4, 8].includes(count) || count * bytesOfElement[binding.type] > 16) {
    fault(`${count} elements of ${buffer} are no single access`);
  }
}
