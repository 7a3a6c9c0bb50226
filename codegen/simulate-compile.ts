// A kernel body as closures over the slots of a lane: what simulate.ts runs. Statements that contain a barrier or a
// subgroup operation become generators, all others plain functions. Locals, arguments of helpers and results of subgroup
// operations have numbered slots, so that a lane is one array of numbers; NaN-safe, booleans are 0 and 1. A vector
// has four slots, and its value is an array of four numbers.

import type { Expression, KernelBody, KernelFunction, KernelOp, KernelSizes, Statement, ValueType } from './kernel.ts';
import { evaluator, isVector } from './kernel-ops.ts';
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
type Wide = (lane: Lane) => readonly number[]; // four
type Run = (lane: Lane) => boolean; // true: the lane has returned
type Step = (lane: Lane) => Generator<Pause, boolean>;
type Compiled = { readonly run: Run } | { readonly step: Step };

const [groupSlot, laneSlot, firstSlot] = [0, 1, 2];

export interface CompileOptions {
  readonly subgroup: number;
  /** `vector` loops from the last step to the first: their steps do not depend on each other. */
  readonly backwards: boolean;
}

interface Helper {
  readonly parameters: readonly { readonly slot: number; readonly type: ValueType }[];
  run(lane: Lane): void;
  readonly value: Value | null; // null: a vector
  readonly wide: Wide | null;
}

export function compileBody(body: KernelBody, memory: Memory, sizes: KernelSizes, options: CompileOptions): Program {
  const { subgroup, backwards } = options;
  let slots = firstSlot;
  const locals = new Map<string, number>();
  const helpers = new Map<KernelFunction, Helper>();
  const fail = (message: string): never => {
    throw new SimulationError(body.name, message);
  };
  const regionOf = (regions: ReadonlyMap<string, Region>, name: string): Region =>
    regions.get(name) ?? fail(`${name} is not declared`);

  /** Slots by name; `names` is the scope of the kernel or of one helper. */
  const slotOf = (names: Map<string, number>, name: string): number => names.get(name) ?? fail(`${name} is not bound`);
  const bind = (names: Map<string, number>, name: string, type: ValueType): number => {
    const known = names.get(name);
    if (known !== undefined) return known;
    const slot = slots;
    slots += isVector(type) ? 4 : 1;
    names.set(name, slot);
    return slot;
  };

  function compileHelper(of: KernelFunction): Helper {
    const known = helpers.get(of);
    if (known !== undefined) return known;
    const names = new Map<string, number>();
    const parameters = of.parameters.map(({ name, type }) => ({ slot: bind(names, name, type), type }));
    const statements = compileBlock(of.body, names);
    if ('step' in statements) return fail(`${of.name}: a helper cannot stop at a barrier`);
    const compiled: Helper = {
      parameters,
      run: statements.run,
      value: isVector(of.result) ? null : compileValue(of.value, names),
      wide: isVector(of.result) ? compileWide(of.value, names) : null,
    };
    helpers.set(of, compiled);
    return compiled;
  }

  /** Sets a helper's parameters, each after all of them are known. */
  function compileArguments(
    { parameters, run }: Helper,
    args: readonly Expression[],
    names: Map<string, number>,
  ): (lane: Lane) => void {
    const given = args.map((each) => {
      if (isVector(each.type)) return compileWide(each, names);
      const value = compileValue(each, names);
      return (lane: Lane): readonly number[] => [value(lane)];
    });
    return (lane) => {
      const values = given.map((each) => each(lane));
      for (let n = 0; n < values.length; n += 1) lane.set(values[n]!, parameters[n]!.slot);
      run(lane);
    };
  }

  const regionOfAccess = (e: Extract<Expression, { kind: 'load' | 'element' }>): Region =>
    e.kind === 'load' ? regionOf(memory.buffers, e.buffer) : regionOf(memory.arrays, e.array);

  /** Where the four components lie, neighbours or each in its own place. */
  function compilePlaces(index: Expression, names: Map<string, number>): Wide {
    if (isVector(index.type)) return compileWide(index, names);
    const first = compileValue(index, names);
    return (lane) => {
      const at = first(lane);
      return [at, at + 1, at + 2, at + 3];
    };
  }

  function compileMask(mask: Expression | undefined, names: Map<string, number>): Wide {
    if (mask !== undefined) return compileWide(mask, names);
    const all = [1, 1, 1, 1];
    return () => all;
  }

  function compileWide(expression: Expression, names: Map<string, number>): Wide {
    const value = (inner: Expression): Value => compileValue(inner, names);
    const wide = (inner: Expression): Wide => compileWide(inner, names);
    switch (expression.kind) {
      case 'local': {
        const slot = slotOf(names, expression.name);
        return (lane) => [lane[slot]!, lane[slot + 1]!, lane[slot + 2]!, lane[slot + 3]!];
      }
      case 'splat': {
        const of = value(expression.value);
        return (lane) => Array<number>(4).fill(of(lane));
      }
      case 'ramp': {
        const from = value(expression.from);
        return (lane) => {
          const at = from(lane);
          return [at, (at + 1) | 0, (at + 2) | 0, (at + 3) | 0];
        };
      }
      case 'shuffle': {
        const [a, b] = [wide(expression.a), wide(expression.b)];
        const { components } = expression;
        return (lane) => {
          const all = [...a(lane), ...b(lane)];
          return components.map((component) => all[component]!);
        };
      }
      case 'load':
      case 'element': {
        const region = regionOfAccess(expression);
        const [places, mask] = [compilePlaces(expression.index, names), compileMask(expression.mask, names)];
        return (lane) => {
          const [at, wanted] = [places(lane), mask(lane)];
          return at.map((index, component) => (wanted[component] ? region.read(index) : 0));
        };
      }
      case 'call': {
        const evaluate = evaluator(expression.op, expression.args[0]!.type);
        const divides = expression.op === 'quotient' || expression.op === 'remainder';
        const args = expression.args.map(wide);
        return (lane) => {
          const [a, b, c] = args.map((argument) => argument(lane)) as [readonly number[], number[]?, number[]?];
          return a.map((first, n) => {
            if (divides && b![n] === 0) return fail('an integer is divided by zero');
            return evaluate(first, b?.[n] ?? 0, c?.[n] ?? 0);
          });
        };
      }
      case 'apply': {
        const helper = compileHelper(expression.of);
        const enter = compileArguments(helper, expression.args, names);
        const result = helper.wide ?? fail(`${expression.of.name} gives no vector`);
        return (lane) => {
          enter(lane);
          return result(lane);
        };
      }
      case 'literal':
      case 'size':
      case 'workgroup':
      case 'lane':
      case 'subgroup_size':
      case 'subgroup_lane':
      case 'shared':
      case 'extract':
      case 'across':
      case 'subgroup':
        return fail(`one number stands where a vector is computed: ${expression.kind}`);
      default:
        return expression satisfies never;
    }
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
        const helper = compileHelper(expression.of);
        const enter = compileArguments(helper, expression.args, names);
        const result = helper.value ?? fail(`${expression.of.name} gives a vector`);
        return (lane) => {
          enter(lane);
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
      case 'extract': {
        const of = compileWide(expression.value, names);
        const { component } = expression;
        return (lane) => of(lane)[component]!;
      }
      case 'across': {
        const of = compileWide(expression.value, names);
        const op = { any: 'or', all: 'and' }[expression.op as string] ?? expression.op;
        const evaluate = evaluator(op as KernelOp, expression.type);
        return (lane) => {
          const [a, b, c, d] = of(lane) as [number, number, number, number];
          return evaluate(evaluate(a, c, 0), evaluate(b, d, 0), 0);
        };
      }
      case 'splat':
      case 'ramp':
      case 'shuffle':
        return fail('a vector stands where one number is computed');
      default:
        return expression satisfies never;
    }
  }

  const plain = (act: (lane: Lane) => void): Compiled => ({
    run: (lane) => {
      act(lane);
      return false;
    },
  });

  /** A statement from its expressions, run after the subgroup operations in them. */
  function simple(
    names: Map<string, number>,
    expressions: readonly Expression[],
    run: (values: readonly Value[]) => (lane: Lane) => void,
  ): Compiled {
    const pauses: Step[] = [];
    const act = run(expressions.map((expression) => compileValue(expression, names, pauses)));
    if (pauses.length === 0) return plain(act);
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
        const { name } = statement;
        const { type } = statement.value;
        if (isVector(type)) {
          const value = compileWide(statement.value, names);
          const slot = existing ?? bind(names, name, type);
          return plain((lane) => lane.set(value(lane), slot));
        }
        return simple(names, [statement.value], ([value]) => {
          const slot = existing ?? bind(names, name, type);
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
        if (statement.kind !== 'store-shared' && isVector(statement.value.type)) {
          const places = compilePlaces(statement.index, names);
          const [value, mask] = [compileWide(statement.value, names), compileMask(statement.mask, names)];
          return plain((lane) => {
            const [at, values, wanted] = [places(lane), value(lane), mask(lane)];
            for (let n = 0; n < 4; n += 1) if (wanted[n]) region.write(at[n]!, values[n]!);
          });
        }
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
    const slot = bind(names, statement.variable, 'i32');
    const inner = compileBlock(statement.body, names);
    const { step } = statement;
    if (backwards && statement.mode === 'vector' && 'run' in inner) {
      return plain((lane) => {
        const [first, end] = [from(lane), to(lane)];
        for (let at = end - 1; at >= first; at -= 1) {
          lane[slot] = at;
          inner.run(lane);
        }
      });
    }
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
    const runs = compiled.flatMap((each) => ('run' in each ? [each.run] : []));
    if (runs.length === compiled.length) {
      return {
        run: (lane) => {
          for (let index = 0; index < runs.length; index += 1) if (runs[index]!(lane)) return true;
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
