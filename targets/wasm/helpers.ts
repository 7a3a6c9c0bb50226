// Helpers of kernel IR (own sin, tanh, ...) in a module: written in place where that is not too long, since a call would save every
// register; else functions of their own.

import type { KernelFunction, Statement } from '../../codegen/kernel.ts';
import { eachExpression } from '../print.ts';
import { get, type Value, type WasmFunction } from './ast.ts';
import { valueOf } from './expressions.ts';
import { localOf, localsOf, openFrame, releasing, temporary, wasmType, type Frame } from './frame.ts';
import { writeStatements } from './statements.ts';

/** In expressions, with what a helper uses itself: of one helper, and of all that are written in place in a module. */
const longest = 400;
const longestOfAll = 6000;

export interface Helpers {
  readonly apply: Frame['apply'];
  /** Those that are called. */
  readonly functions: readonly WasmFunction[];
}

export function openHelpers(): Helpers {
  const functions: WasmFunction[] = [];
  const names = new Map<KernelFunction, string>();
  const lengths = new Map<KernelFunction, number>();
  let inPlace = 0;

  const lengthOf = (of: KernelFunction): number => {
    const known = lengths.get(of);
    if (known !== undefined) return known;
    let length = 0;
    const value: Statement = { kind: 'let', name: 'value', value: of.value };
    eachExpression([...of.body, value], (e) => {
      length += e.kind === 'apply' ? lengthOf(e.of) : 1;
    });
    lengths.set(of, length);
    return length;
  };

  const apply: Frame['apply'] = (of, args, frame) => {
    const length = lengthOf(of);
    const nested = frame.prefix !== '';
    const isShort = length <= longest && (nested || inPlace + length <= longestOfAll);
    if (names.has(of) || !isShort) return { kind: 'call', name: names.get(of) ?? define(of), args };
    if (!nested) inPlace += length;
    return writeInPlace(of, args, frame);
  };

  const define = (of: KernelFunction): string => {
    const taken = functions.filter(({ name }) => name.startsWith(of.name)).length;
    const name = taken === 0 ? of.name : `${of.name}.${taken}`;
    names.set(of, name);
    functions.push(functionOf(name, of, apply));
    return name;
  };
  return { apply, functions };
}

/** Sets the parameters, runs the statements, and gives a temporary with the value. */
function writeInPlace(of: KernelFunction, args: readonly Value[], frame: Frame): Value {
  const result = temporary(wasmType(of.result), frame);
  releasing(frame, () => {
    const outside = frame.prefix;
    frame.prefix = `${of.name}.`;
    of.parameters.forEach(({ name, type }, index) =>
      frame.actions.push({ kind: 'set', name: localOf(name, wasmType(type), frame), value: args[index]! }),
    );
    writeStatements(of.body, frame);
    frame.actions.push({ kind: 'set', name: result, value: valueOf(of.value, frame) });
    frame.prefix = outside;
  });
  return get(result);
}

function functionOf(name: string, of: KernelFunction, apply: Frame['apply']): WasmFunction {
  const frame = openFrame({ places: new Map(), registers: new Set(), apply });
  frame.prefix = `${of.name}.`;
  const parameters = of.parameters.map((each) => {
    const type = wasmType(each.type);
    return { name: localOf(each.name, type, frame), type };
  });
  writeStatements(of.body, frame);
  const result = { type: wasmType(of.result), value: valueOf(of.value, frame) };
  return { name, exported: false, parameters, locals: localsOf(frame, parameters), body: frame.actions, result };
}
