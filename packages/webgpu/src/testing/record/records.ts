import { type Backend, gradients, scope, type Tensor } from "@lowrank/core";
import { sizeOf } from "@lowrank/core/backend";
import { definedOps, makeInput, opCases } from "@lowrank/core/testing";
import { edgeCases } from "../edgeCases.ts";
import { type FusedCase, fusedCases } from "../fusedCases.ts";
import { largeCases, most } from "../largeCases.ts";
import { edgeProducts, invariantProducts, storedCases, tileCases } from "../productCases.ts";
import { forcedProduct, productCall } from "../productTests.ts";
import { type Calls, type RecordedDevice, recordingBackend } from "./recordingBackend.ts";
import { blockCalls, cutCalls, type SpecCall, sizedCalls, specsOf } from "./specCalls.ts";

/** A call of a function, whose kernels a record lists. */
interface RecordedCase extends Pick<FusedCase, "inputs" | "gradients"> {
  readonly run: (tensors: Tensor[]) => Tensor | readonly Tensor[];
}

/** The calls of kernels on one kind of device. */
export interface DeviceRecord {
  readonly name: string;
  readonly device: RecordedDevice;
  readonly cases: readonly RecordedCase[];
  /** Calls of ops without data. Default: none. */
  readonly calls?: readonly SpecCall[];
}

const withoutGradients = (cases: readonly FusedCase[]): RecordedCase[] =>
  cases.map((one) => ({ gradients: [], ...one }));
const some = <T>(cases: readonly T[], step: number): T[] => cases.filter((_, i) => i % step === 0);

const ofOps: readonly RecordedCase[] = Object.values(opCases).flat();
const fused = withoutGradients(fusedCases);
const products = [...Object.values(tileCases), ...edgeProducts, ...invariantProducts, ...some(storedCases, 5)];

/** The records. Their cases are cases of the long tests, which compare the results with the reference. */
export const records: readonly DeviceRecord[] = [
  {
    name: "software",
    device: {},
    cases: [...ofOps, ...fused, ...withoutGradients(some(edgeCases, 4)), ...products.map(productCall)],
  },
  {
    name: "hardware",
    device: { software: false, features: ["subgroups", "shader-f16"] },
    cases: [...ofOps, ...fused, ...withoutGradients(some(edgeCases, 12))],
  },
  { name: "batchInvariant", device: { software: false, batchInvariant: true }, cases: ofOps },
  {
    name: "smallBindings",
    device: { maxStorageBufferBindingSize: most },
    cases: withoutGradients(largeCases),
    calls: cutCalls,
  },
  { name: "blocks", device: { maxStorageBufferBindingSize: 2 ** 18 }, cases: [], calls: blockCalls },
  { name: "sizes", device: { software: false, maxStorageBufferBindingSize: 2 ** 33 }, cases: [], calls: sizedCalls },
];

/** Runs a case and its gradients on a backend that computes nothing. */
function runCase(backend: Backend, { inputs, run, gradients: wanted }: RecordedCase): void {
  scope(() => {
    const tensors = inputs.map((input) => makeInput(input, new Float32Array(sizeOf(input.shape)), backend));
    const leaves = tensors.filter(({ dtype }, i) => wanted?.includes(i) ?? dtype === "f32");
    for (const t of leaves) t.requiresGrad = true;
    const roots = [run(tensors)].flat().filter((t: Tensor) => t.requiresGrad);
    if (leaves.length === 0 || roots.length === 0) return;
    gradients(
      roots.map((t) => t.mul(t).sum()).reduce((a, b) => a.add(b)),
      leaves,
    );
  });
}

/** Returns the calls of kernels that the cases make on the device. */
export function callsOf({ device, cases, calls: more = [] }: DeviceRecord): Calls {
  const { backend, calls, runSpecs } = recordingBackend(device, [forcedProduct]);
  for (const one of cases) runCase(backend, one);
  for (const [name, inputs, params] of more) {
    const op = definedOps().get(name);
    if (!op) throw new Error(`there is no op ${name}`);
    runSpecs(op, specsOf(inputs), params);
  }
  return calls;
}

/** Returns the text of a record: the calls by op, without those that have the same dispatches in `earlier` records. */
export function recordText(calls: Calls, earlier: readonly Calls[]): string {
  const isNew = (op: string, call: string, runs: string) => !earlier.some((one) => one.get(op)?.get(call) === runs);
  const lines = [...calls]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([op, own]) => {
      const texts = [...own].flatMap(([call, runs]) => (isNew(op, call, runs) ? [call, runs] : []));
      return texts.length > 0 ? [`## ${op}`, ...texts, ""] : [];
    });
  return lines.join("\n");
}
