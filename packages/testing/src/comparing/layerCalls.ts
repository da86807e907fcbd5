import { clone, Generator, keep, noGrad, randn, scope, Tensor, tensor } from "@lowrank/core";
import type { Embedding, Linear, Module, UnaryModule } from "@lowrank/nn";

/** One call of a layer's `forward`: copies of its arguments and of its output. */
export interface LayerCall {
  readonly path: string;
  readonly inputs: readonly unknown[];
  readonly output: Tensor;
}

type AnyForward = (...inputs: never[]) => unknown;
type WithForward = Module & { forward: AnyForward };

const copyOf = (value: unknown): unknown => (value instanceof Tensor ? keep(clone(value)) : value);

/**
 * Returns the paths of the layers that own parameters or that adapters can wrap, without modules that contain other
 * layers. Call it before adapters are added.
 */
export function layerPaths(model: Module): string[] {
  const paths = [...model.namedModules()].flatMap(([path, module]) => {
    const owns = Object.values(module).some((value) => value instanceof Tensor);
    const runs = "forward" in module && typeof module.forward === "function";
    return path !== "" && runs && (owns || module.layerKind !== null) ? [path] : [];
  });
  return paths.filter((path) => !paths.some((other) => other.startsWith(`${path}.`)));
}

/**
 * Runs `fn` and records every call of the layers at `paths`, in the order in which they return. Then calls the layers
 * that were not called (such as experts without tokens) on random inputs, unless `atRandom` is false. The caller frees
 * the calls with `freeCalls`.
 */
export function recordCalls(
  model: Module,
  paths: readonly string[],
  fn: () => void,
  { atRandom = true }: { atRandom?: boolean } = {},
): LayerCall[] {
  const calls: LayerCall[] = [];
  const restored: (() => void)[] = [];
  for (const path of paths) {
    const module = layerAt(model, path) as WithForward;
    const own = Object.getOwnPropertyDescriptor(module, "forward");
    const forward = module.forward.bind(module) as (...inputs: unknown[]) => unknown;
    const recording = (...inputs: unknown[]) => {
      const copies = inputs.map(copyOf);
      const output = forward(...inputs);
      if (output instanceof Tensor) calls.push({ path, inputs: copies, output: keep(clone(output)) });
      return output;
    };
    Object.defineProperty(module, "forward", { value: recording, configurable: true, writable: true });
    restored.push(() => {
      if (own) Object.defineProperty(module, "forward", own);
      else Reflect.deleteProperty(module, "forward");
    });
  }
  try {
    noGrad(() => scope(() => void fn()));
  } finally {
    for (const restore of restored) restore();
  }
  if (!atRandom) return calls;
  const called = new Set(calls.map(({ path }) => path));
  for (const path of paths) {
    if (called.has(path)) continue;
    const call = callAtRandom(path, layerAt(model, path));
    if (call) calls.push(call);
  }
  return calls;
}

/** Calls a linear layer, norm or embedding on 8 random inputs. Null for other modules. */
function callAtRandom(path: string, module: Module): LayerCall | null {
  const layer = unwrapped(module);
  const { weight } = layer as Linear | Embedding;
  const generator = new Generator(0);
  const input = () => {
    const backend = weight.storage.backend;
    switch (layer.layerKind) {
      case "linear":
      case "conv1d":
        return randn([8, (layer as Linear).inFeatures], { generator, backend });
      case "norm":
        return randn([8, weight.shape[0]], { generator, backend });
      case "embedding":
        return tensor(
          Int32Array.from({ length: 8 }, (_, i) => i % weight.shape[0]),
          { backend },
        );
      default:
        return null;
    }
  };
  const x = input();
  return x && { path, inputs: [x], output: callLayer(module, [x]) };
}

/** Returns the layer of the base model inside of an adapter's wrapper. */
export function unwrapped(module: Module): Module {
  const inner = (module as { wrapped?: unknown }).wrapped;
  return inner === undefined ? module : (inner as Module);
}

/** Returns the module at a path of the base model: an adapter's wrapper, or the layer itself. */
export function layerAt(model: Module, path: string): Module {
  let module = model;
  for (const part of path.split(".")) {
    const next = module.getChild(part) ?? unwrapped(module).getChild(part);
    if (!next) return model.getSubmodule(path);
    module = next;
  }
  return module;
}

/** Calls a layer without recording gradients. The caller frees the result. */
export function callLayer(module: Module, inputs: readonly unknown[]): Tensor {
  const run = () => (module as UnaryModule & { forward(...inputs: unknown[]): Tensor }).forward(...inputs);
  return noGrad(() => scope(run));
}

/** Frees the tensors of recorded calls. */
export function freeCalls(calls: readonly LayerCall[]): void {
  for (const { inputs, output } of calls) {
    output.dispose();
    for (const input of inputs) if (input instanceof Tensor) input.dispose();
  }
}
