// The model that asks onnxruntime for one matrix product, as the bytes of an ONNX file (a protocol buffer): Gemm of A and B,
// and C to be added, with any sizes.

/** Y[M, N] = scale * op(A)[M, K] * op(B)[K, N] (+ C), row by row. */
export interface GemmModel {
  readonly transA: boolean;
  readonly transB: boolean;
  readonly scale: number;
  readonly accumulate: boolean;
}

/** Names of the inputs in their order, and of the output. */
export const inputNames = ['A', 'B', 'C'] as const;
export const outputName = 'Y';

type Bytes = readonly number[];

/** Field numbers of the messages in onnx.proto, and the numbers that stand for types. */
const model = { version: 1, graph: 7, operators: 8 } as const;
const operatorSet = { version: 2 } as const;
const graph = { node: 1, name: 2, input: 11, output: 12 } as const;
const node = { input: 1, output: 2, operator: 4, attribute: 5 } as const;
const attribute = { name: 1, float: 2, integer: 3, type: 20 } as const;
const attributeType = { float: 1, integer: 2 } as const;
const value = { name: 1, type: 2 } as const;
const tensorType = { tensor: 1, element: 1, shape: 2, dimension: 1, symbol: 2 } as const;
const float32 = 1;
const fileVersion = 8;
const operatorsVersion = 13;

export function gemmModel({ transA, transB, scale, accumulate }: GemmModel): Uint8Array {
  const inputs = inputNames.slice(0, accumulate ? 3 : 2);
  const flag = (name: string, on: boolean): Bytes => [
    ...text(attribute.name, name),
    ...integer(attribute.integer, on ? 1 : 0),
    ...integer(attribute.type, attributeType.integer),
  ];
  const alpha = [
    ...text(attribute.name, 'alpha'),
    ...tag(attribute.float, 5),
    ...new Uint8Array(Float32Array.of(scale).buffer),
    ...integer(attribute.type, attributeType.float),
  ];
  const gemm = [
    ...inputs.flatMap((name) => text(node.input, name)),
    ...text(node.output, outputName),
    ...text(node.operator, 'Gemm'),
    ...[flag('transA', transA), flag('transB', transB), alpha].flatMap((each) => message(node.attribute, each)),
  ];
  const whole = [
    ...message(graph.node, gemm),
    ...text(graph.name, 'product'),
    ...inputs.flatMap((name) => message(graph.input, matrix(name))),
    ...message(graph.output, matrix(outputName)),
  ];
  return Uint8Array.from([
    ...integer(model.version, fileVersion),
    ...message(model.graph, whole),
    ...message(model.operators, integer(operatorSet.version, operatorsVersion)),
  ]);
}

/** A float32 matrix of any size. */
function matrix(name: string): Bytes {
  const dimension = (symbol: string): Bytes => message(tensorType.dimension, text(tensorType.symbol, symbol));
  const shape = [...dimension(`${name}_rows`), ...dimension(`${name}_columns`)];
  const tensor = [...integer(tensorType.element, float32), ...message(tensorType.shape, shape)];
  return [...text(value.name, name), ...message(value.type, message(tensorType.tensor, tensor))];
}

const tag = (field: number, wire: number): Bytes => variable(field * 8 + wire);
const integer = (field: number, number: number): Bytes => [...tag(field, 0), ...variable(number)];
const message = (field: number, bytes: Bytes): Bytes => [...tag(field, 2), ...variable(bytes.length), ...bytes];
const text = (field: number, string: string): Bytes => message(field, [...new TextEncoder().encode(string)]);

/** Seven bits a byte, the lowest first. */
function variable(number: number): Bytes {
  const bytes: number[] = [];
  for (let left = number; ; left = Math.floor(left / 128)) {
    if (left < 128) return [...bytes, left];
    bytes.push((left % 128) + 128);
  }
}
