import { blockFormats, defineOp, type Op, packedTensor, reference, sum, tensor } from "@lowrank/core";
import { type DType, type Packing, sizeOf, type TensorSpec } from "@lowrank/core/backend";
import type { MatmulPrecision } from "@lowrank/core/functions";
import { definedOps } from "@lowrank/core/testing";
import { batchInvariantKernels } from "../kernels/batchInvariant.ts";
import type { BoundGroups, Scratch, WasmTensor } from "../kernels/kernel.ts";
import { kernelTable } from "../kernels/kernelTable.ts";
import type { Kernels } from "../kernels/kernelTypes.gen.ts";
import { nibbleProductsBy } from "../kernels/nibbleProducts.ts";
import type { OnDemandKernels } from "../kernels/onDemandKernels.ts";
import { nibbleProducts, nibbleTools } from "../kernels/weightProduct.ts";

const { codeOf } = kernelTable(batchInvariantKernels);

// The first tensor of a packed dtype registers its format.
for (const format of Object.values(blockFormats)) {
  const spec = { shape: [1, 256], dtype: format.dtype };
  packedTensor(new Uint8Array(format.byteLength(spec)), { ...spec, backend: reference() });
}

/** Results of the module's functions, by name. Those that look for an invalid element find none. */
const usual: Readonly<Record<string, number>> = {
  ...{ findBadId: -1, findBadLabel: -1, findBadPage: -1, gather: -1, scatterAdd: -1, indexSelect: -1, indexAdd: -1 },
  ...{ quantize4bit: -1, quantizeBlockwise: -1, codesFit: 1, findLargest: 1, hasByteProducts: 1 },
  ...{ attentionScratch: 1000, codesScratch: 2000, int16RowsBytes: 3000, int16WeightBytes: 4000 },
  ...{ int8RowsBytes: 5000, int8WeightBytes: 6000, mixedRowsBytes: 7000, int11RowsBytes: 8000 },
  ...{ nibbleProductScratch: 9000, pagedAttentionScratch: 1500, linearCrossEntropyScratch: 2500 },
};

/** Returns the specification of a tensor such as "f32[2,3]" or "f32[2,3] high". */
function specOf(text: string): TensorSpec & { precision: MatmulPrecision } {
  const [, dtype, sizes, precision = "highest"] = /^(\w+)\[([\d,]*)\] ?(\w*)$/.exec(text) ?? [];
  const shape = sizes ? sizes.split(",").map(Number) : [];
  const packing: Packing | undefined = ["nf4", "fp4"].includes(dtype) ? { blockSize: 64, nested: true } : undefined;
  return { shape, dtype: dtype as DType, packing, precision: (precision || "highest") as MatmulPrecision };
}

/** The function that the next backward pass of `probe` runs. */
let task = (): void => {};

const probe: Op<1> = defineOp<1>({
  name: "test/probe",
  arity: 1,
  shape: ([x]) => x,
  ref: ([x], [out]) => out.data.set(x.data),
  vjp: ({ grads: [dy] }) => {
    task();
    return [dy];
  },
});

/** Returns the result of `fn`, which runs in a backward pass. */
function inBackward<T>(fn: () => T): T | undefined {
  let result: T | undefined;
  task = () => {
    result = fn();
  };
  sum(probe(tensor([1], { backend: reference(), requiresGrad: true }))).backward();
  return result;
}

/** The calls of one op into the module. */
interface Recorded {
  /**
   * The calls as texts, without functions that take no arguments, the scratch memory that the kernel
   * allocates, and the words that it writes there.
   * Addresses are offsets in inputs (a, b, c, ...), outputs (out, out1, ...), scratch memory (s0, s1, ...) and the data
   * that the kernel keeps of a tensor (such as "b's largest").
   */
  readonly calls: string[];
  readonly fault: unknown;
}

/** Options of `recordedCalls`. */
export interface RecordOptions {
  readonly params?: object;
  /** Results of the module's functions, or functions that return them. */
  readonly answers?: Readonly<Record<string, number | ((...args: number[]) => number)>>;
  /** The inputs after the second one, if they are bound in advance. */
  readonly bound?: BoundGroups;
  /** True if the op runs in a backward pass. */
  readonly backward?: boolean;
  /** The width of the first sums of 4-bit products, if the on-demand module is loaded: 1 for 16 bits, 0 for 32. */
  readonly inShort?: 0 | 1;
}

/**
 * Runs an op's kernel on a module whose functions do nothing, and returns what it calls. `call` names the op and its
 * inputs, such as "matmul f32[9,128] f32[128,256] high", with the precision of a weight.
 */
export function recordedCalls(call: string, options: RecordOptions = {}): Recorded {
  const { params = {}, answers = {}, bound, inShort, backward = false } = options;
  const [op, ...inputs] = call.split(/ (?=\w+\[)/);
  const calls: string[] = [];
  const specs = inputs.map(specOf);
  // Addresses are 32-bit words, unless large tensors need more.
  const distance = specs.some(({ shape }) => sizeOf(shape) > 2 ** 20) ? 2 ** 40 : 2 ** 24;
  const names: string[] = [];
  const reserve = (name: string): number => distance * names.push(name);
  const nameOf = (value: number): string => {
    const index = Math.floor(value / distance) - 1;
    if (!(index in names) || value % 1 !== 0) return `${value}`;
    const offset = value % distance;
    return offset === 0 ? names[index] : `${names[index]}+${offset}`;
  };
  const tensorOf = ({ precision, ...spec }: ReturnType<typeof specOf>, name: string): WasmTensor => {
    return { ...spec, size: sizeOf(spec.shape), ptr: reserve(name), block: {}, precision };
  };
  const tensors = specs.map((spec, i) => tensorOf(spec, "abcdefghijkl"[i]));
  const definition = definedOps().get(op);
  if (!definition) throw new Error(`no op ${op}`);
  const outputs = [definition.shape(tensors, params as never)].flat().map((spec, i) => {
    return tensorOf({ ...spec, precision: "highest" }, i === 0 ? "out" : `out${i}`);
  });
  let scratches = 0;
  const allocate = (bytes: number): number => {
    const name = `s${scratches++}`;
    calls.push(`${name} = ${bytes} bytes`);
    return reserve(name);
  };
  const written: { name: string; made: Int32Array }[] = [];
  const words = (count: number): Int32Array => {
    const made = new Int32Array(count);
    Object.defineProperty(made, "byteOffset", { value: allocate(4 * count) });
    written.push({ name: `s${scratches - 1}`, made });
    return made;
  };
  const found = new Map<string, number>();
  const kept: Scratch["kept"] = (tensor, name, bytes, make) => {
    const whole = `${nameOf(tensor.ptr)}'s ${name}`;
    const known = found.get(whole);
    if (known !== undefined) return known;
    calls.push(`${whole} = ${bytes} bytes`);
    const ptr = reserve(whole);
    const usable = make(ptr) === false ? 0 : ptr;
    found.set(whole, usable);
    return usable;
  };
  const module = <T>() =>
    new Proxy({} as Record<string, unknown>, {
      get: (_, name: string) => {
        return (...args: number[]) => {
          if (args.length > 0) calls.push([name, ...args.map(nameOf)].join(" "));
          const answer = answers[name] ?? usual[name] ?? 0;
          return typeof answer === "number" ? answer : answer(...args);
        };
      },
    }) as T;
  const k = module<Kernels>();
  if (inShort !== undefined) {
    const tools = { ...nibbleTools, sumsInShort: () => inShort };
    nibbleProducts.set(k, nibbleProductsBy(module<OnDemandKernels>(), tools));
  }
  const scratch = Object.assign(allocate, { words, kept });
  const code = codeOf(definition);
  if (!code) throw new Error(`no kernel of ${op}`);
  const run = () =>
    code(k, bound ? tensors.slice(0, 2) : tensors, outputs, params as never, scratch, definition, bound);
  const fault = backward ? inBackward(run) : run();
  for (const { name, made } of written) calls.push([`${name} holds`, ...Array.from(made, nameOf)].join(" "));
  // A function of the module that returns nothing returns 0 here.
  return { calls, fault: fault || undefined };
}
