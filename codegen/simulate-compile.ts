// A kernel body as closures over the slots of a lane: what simulate.ts runs. Statements that contain a barrier or a
// subgroup operation become generators, all others plain functions. Locals, arguments of helpers and results of subgroup
// operations have numbered slots, so that a lane is one array of numbers; NaN-safe, booleans are 0 and 1.

import type { Expression, KernelBody, KernelFunction, KernelSizes, Statement } from './kernel.ts';
import { evaluator } from './kernel-ops.ts';
import { SimulationError, type Memory, type Region } from './simulate-memory.ts';

export type Lane = Float64Array;

/** Why a lane stopped. Subgroup operations bring a value and say where the total goes. */
export interface Pause {
  readonly at: object; // one object a place in the kernel: lanes must agree
  readonly what: 'barrier' | 'subgroup operation';
  readonly value: number;
  readonly slot: number;
  readonly combine: (a: number, b: number) => number;
}

export interface Program {
  readonly subgroup: number;
  start(group: number, lane: number): Lane;
  run(lane: Lane): void;
  /** null where no lane ever stops. */
  readonly steps: ((lane: Lane) => Generator<Pause, void>) | null;
}

type Value = (lane: Lane) => number;
type Run = (lane: Lane) => boolean; // true: the lane has returned
type Step = (lane: Lane) => Generator<Pause, boolean>;
type Compiled = { readonly run: Run } | { readonly step: Step };

const [groupSlot, laneSlot, firstSlot] = [0, 1, 2];

export function compileBody(body: KernelBody, memory: Memory, sizes: KernelSizes, subgroup: number): Program {
  let slots = firstSlot;
  const locals = new Map<string, number>();
  const helpers = new Map<KernelFunction, { readonly parameters: readonly number[]; readonly value: Value }>();
  const fail = (message: string): never => {
    throw new SimulationError(body.name, message);
  };
  const regionOf = (regions: ReadonlyMap<string, Region>, name: string): Region =>
    regions.get(name) ?? fail(`${name} is not declared`);

  /** Slots by name; `names` is the scope of the kernel or of one helper. */
  const slotOf = (names: Map<string, number>, name: string): number => names.get(name) ?? fail(`${name} is not bound`);
  const bind = (names: Map<string, number>, name: string): number => {
    const known = names.get(name);
    if (known !== undefined) return known;
    slots += 1;
    names.set(name, slots - 1);
    return slots - 1;
  };

  function compileHelper(of: KernelFunction) {
    const known = helpers.get(of);
    if (known !== undefined) return known;
    const names = new Map<string, number>();
    const parameters = of.parameters.map((parameter) => bind(names, parameter.name));
    const statements = compileBlock(of.body, names);
    if ('step' in statements) return fail(`${of.name}: a helper cannot stop at a barrier`);
    const result = compileValue(of.value, names);
    const value: Value = (lane) => {
      statements.run(lane);
      return result(lane);
    };
    const compiled = { parameters, value };
    helpers.set(of, compiled);
    return compiled;
  }

  /** `pauses` collects the subgroup operations that run before the statement; null where they are not allowed. */
  function compileValue(expression: Expression, names: Map<string, number>, pauses: Step[] | null = null): Value {
    const value = (inner: Expression): Value => compileValue(inner, names, pauses);
    switch (expression.kind) {
      case 'literal': {
        const literal = expression.value;
        return () => literal;
      }
      case 'local': {
        const slot = slotOf(names, expression.name);
        return (lane) => lane[slot]!;
      }
      case 'size': {
        const size = sizes[expression.size];
        return () => size;
      }
      case 'workgroup':
        return (lane) => lane[groupSlot]!;
      case 'lane':
        return (lane) => lane[laneSlot]!;
      case 'subgroup_size':
        return () => subgroup;
      case 'subgroup_lane':
        return (lane) => lane[laneSlot]! % subgroup;
      case 'load': {
        const region = regionOf(memory.buffers, expression.buffer);
        const index = value(expression.index);
        return (lane) => region.read(index(lane));
      }
      case 'shared': {
        const region = regionOf(memory.shared, expression.array);
        const index = value(expression.index);
        return (lane) => region.read(index(lane));
      }
      case 'element': {
        const region = regionOf(memory.arrays, expression.array);
        const index = value(expression.index);
        return (lane) => region.read(index(lane));
      }
      case 'call': {
        const evaluate = evaluator(expression.op, expression.args[0]!.type);
        const [a, b, c] = expression.args.map(value) as [Value, Value?, Value?];
        if (expression.op === 'quotient' || expression.op === 'remainder') {
          return (lane) => evaluate(a(lane), b!(lane) || fail('an integer is divided by zero'), 0);
        }
        if (c !== undefined) return (lane) => evaluate(a(lane), b!(lane), c(lane));
        if (b !== undefined) return (lane) => evaluate(a(lane), b(lane), 0);
        return (lane) => evaluate(a(lane), 0, 0);
      }
      case 'apply': {
        const { parameters, value: result } = compileHelper(expression.of);
        const args = expression.args.map(value);
        return (lane) => {
          const given = args.map((argument) => argument(lane));
          for (let index = 0; index < given.length; index += 1) lane[parameters[index]!] = given[index]!;
          return result(lane);
        };
      }
      case 'subgroup': {
        if (pauses === null) return fail('a subgroup operation stands where lanes may part');
        const of = value(expression.value);
        const slot = slots;
        slots += 1;
        const evaluate = evaluator(expression.op, expression.type);
        const combine = (a: number, b: number): number => evaluate(a, b, 0);
        const at = {};
        pauses.push(function* (lane) {
          yield { at, what: 'subgroup operation', value: of(lane), slot, combine };
          return false;
        });
        return (lane) => lane[slot]!;
      }
      case 'splat':
      case 'ramp':
      case 'extract':
      case 'across':
      case 'shuffle':
        return fail('a vector stands where one number is computed');
      default:
        return expression satisfies never;
    }
  }

  /** A statement from its expressions, run after the subgroup operations in them. */
  function simple(
    names: Map<string, number>,
    expressions: readonly Expression[],
    run: (values: readonly Value[]) => (lane: Lane) => void,
  ): Compiled {
    const pauses: Step[] = [];
    const act = run(expressions.map((expression) => compileValue(expression, names, pauses)));
    if (pauses.length === 0) {
      return {
        run: (lane) => {
          act(lane);
          return false;
        },
      };
    }
    return {
      *step(lane) {
        for (const pause of pauses) yield* pause(lane);
        act(lane);
        return false;
      },
    };
  }

  function compileStatement(statement: Statement, names: Map<string, number>): Compiled {
    switch (statement.kind) {
      case 'let':
      case 'var':
      case 'set': {
        const existing = statement.kind === 'set' ? slotOf(names, statement.name) : null;
        return simple(names, [statement.value], ([value]) => {
          const slot = existing ?? bind(names, statement.name);
          return (lane) => void (lane[slot] = value!(lane));
        });
      }
      case 'store':
      case 'store-shared':
      case 'store-element': {
        const region =
          statement.kind === 'store'
            ? regionOf(memory.buffers, statement.buffer)
            : regionOf(statement.kind === 'store-shared' ? memory.shared : memory.arrays, statement.array);
        return simple(names, [statement.index, statement.value], ([index, value]) => (lane) => {
          const at = index!(lane);
          region.write(at, value!(lane));
        });
      }
      case 'load-elements':
      case 'store-elements': {
        const buffer = regionOf(memory.buffers, statement.buffer);
        const array = regionOf(memory.arrays, statement.array);
        const { kind, at, count } = statement;
        return simple(names, [statement.index], ([index]) => (lane) => {
          const start = index!(lane);
          if (start % count !== 0) {
            throw new SimulationError(body.name, `${statement.buffer}[${start}] is no multiple of ${count}`);
          }
          for (let n = 0; n < count; n += 1) {
            if (kind === 'load-elements') array.write(at + n, buffer.read(start + n));
            else buffer.write(start + n, array.read(at + n));
          }
        });
      }
      case 'for':
        return compileLoop(statement, names);
      case 'if': {
        const condition = compileValue(statement.condition, names);
        const then = compileBlock(statement.then, names);
        const otherwise = compileBlock(statement.otherwise, names);
        if ('run' in then && 'run' in otherwise) {
          return { run: (lane) => (condition(lane) ? then.run(lane) : otherwise.run(lane)) };
        }
        return {
          *step(lane) {
            return yield* stepsOf(condition(lane) ? then : otherwise)(lane);
          },
        };
      }
      case 'barrier': {
        const at = {};
        return {
          *step() {
            yield { at, what: 'barrier', value: 0, slot: 0, combine: () => 0 };
            return false;
          },
        };
      }
      case 'return':
        return { run: () => true };
      case 'comment':
        return { run: () => false };
      default:
        return statement satisfies never;
    }
  }

  function compileLoop(statement: Extract<Statement, { kind: 'for' }>, names: Map<string, number>): Compiled {
    const from = compileValue(statement.from, names);
    const to = compileValue(statement.to, names);
    const slot = bind(names, statement.variable);
    const inner = compileBlock(statement.body, names);
    const { step } = statement;
    if ('run' in inner) {
      return {
        run: (lane) => {
          for (let at = from(lane); at < to(lane); at += step) {
            lane[slot] = at;
            if (inner.run(lane)) return true;
          }
          return false;
        },
      };
    }
    return {
      *step(lane) {
        for (let at = from(lane); at < to(lane); at += step) {
          lane[slot] = at;
          if (yield* inner.step(lane)) return true;
        }
        return false;
      },
    };
  }

  function compileBlock(statements: readonly Statement[], names: Map<string, number>): Compiled {
    const compiled = statements.map((statement) => compileStatement(statement, names));
    const plain = compiled.flatMap((each) => ('run' in each ? [each.run] : []));
    if (plain.length === compiled.length) {
      return {
        run: (lane) => {
          for (let index = 0; index < plain.length; index += 1) if (plain[index]!(lane)) return true;
          return false;
        },
      };
    }
    return {
      *step(lane) {
        for (const each of compiled) if ('run' in each ? each.run(lane) : yield* each.step(lane)) return true;
        return false;
      },
    };
  }

  const whole = compileBlock(body.statements, locals);
  const common = {
    subgroup,
    start: (group: number, index: number): Lane => {
      const lane = new Float64Array(slots).fill(NaN);
      lane[groupSlot!] = group;
      lane[laneSlot!] = index;
      return lane;
    },
  };
  if ('run' in whole) return { ...common, run: whole.run, steps: null };
  return {
    ...common,
    run: () => fail('stops at barriers'),
    *steps(lane: Lane) {
      yield* whole.step(lane);
    },
  };
}

function stepsOf(compiled: Compiled): Step {
  if ('step' in compiled) return compiled.step;
  // eslint-disable-next-line require-yield
  return function* (lane) {
    return compiled.run(lane);
  };
}
