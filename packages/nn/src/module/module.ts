import { type Backend, Tensor } from "@lowrank/core";
import { checkOptions, inspectAsText, moveTensors } from "@lowrank/core/internal";
import { describeModule } from "./describeModule.ts";
import { type LoadReport, loadTensors, type StateDict } from "./loadTensors.ts";
import { ModuleBuffer, Parameter } from "./parameter.ts";

const join = (prefix: string, name: string): string => (prefix === "" ? name : `${prefix}.${name}`);

/**
 * A part of a model. Its properties that are modules or parameters are its children, named after the property. The
 * resulting paths match Hugging Face checkpoints (`model.layers.0.self_attn.q_proj.weight`).
 */
export abstract class Module {
  /** True in training mode, where dropout is active. Set by `train()` and `eval()`. Default true. */
  training = true;

  static {
    // biome-ignore lint/complexity/noThisInStatic: Rolldown makes this an expression whose name is not bound yet.
    inspectAsText(this.prototype);
  }

  /** Returns a new module of this class: `Linear.create(4, 2)` is `new Linear(4, 2)`. */
  static create<A extends unknown[], M extends Module>(this: new (...args: A) => M, ...args: A): M {
    return new this(...args);
  }

  /** Kind of layer, by which adapters choose how to wrap it; null for modules that they cannot wrap. */
  get layerKind(): LayerKind | null {
    return null;
  }

  /** Yields the direct children, by name. */
  *namedChildren(): Iterable<[string, Module]> {
    for (const name of Object.keys(this)) {
      const value = (this as unknown as Record<string, unknown>)[name];
      if (value instanceof Module) yield [name, value];
    }
  }

  /** Returns the direct child with this name, or undefined. */
  getChild(name: string): Module | undefined {
    const value = Object.hasOwn(this, name) ? (this as unknown as Record<string, unknown>)[name] : undefined;
    return value instanceof Module ? value : undefined;
  }

  /** Yields this module (path "") and all its submodules, by path, parents first. */
  *namedModules(prefix = ""): Iterable<[string, Module]> {
    const pending: [string, Module][] = [[prefix, this]];
    for (let next = pending.pop(); next; next = pending.pop()) {
      yield next;
      const [path, module] = next;
      const children = Array.from(module.namedChildren(), ([name, child]): [string, Module] => [
        join(path, name),
        child,
      ]);
      pending.push(...children.reverse());
    }
  }

  /**
   * Yields all parameters by path. A parameter with several paths (tied weights) is yielded only under its first path,
   * unless `duplicates` is true.
   */
  *namedParameters(options: { duplicates?: boolean } = {}): Iterable<[string, Parameter]> {
    checkOptions("namedParameters", options, { duplicates: true });
    const seen = new Set<Parameter>();
    for (const [path, value] of this.#namedTensors()) {
      if (!(value instanceof Parameter) || (seen.has(value) && !options.duplicates)) continue;
      seen.add(value);
      yield [path, value];
    }
  }

  /** Yields all buffers (tensors that are not trained) by path. */
  *namedBuffers(): Iterable<[string, ModuleBuffer]> {
    for (const [path, value] of this.#namedTensors()) if (value instanceof ModuleBuffer) yield [path, value];
  }

  *#namedTensors(): Iterable<[string, Parameter | ModuleBuffer]> {
    const found = new Set<unknown>();
    for (const [path, module] of this.namedModules()) {
      found.add(module);
      for (const [name, value] of Object.entries(module)) {
        if (!(value instanceof Parameter || value instanceof ModuleBuffer)) continue;
        found.add(value);
        yield [join(path, name), value];
      }
    }
    for (const module of found) if (module instanceof Module) warnOfHidden(module, found);
  }

  /** Yields all parameters, each once. */
  *parameters(): Iterable<Parameter> {
    for (const [, parameter] of this.namedParameters()) yield parameter;
  }

  /** Returns the module at `path`. If there is none, throws an error that lists the children that exist. */
  getSubmodule(path: string): Module {
    let module: Module = this;
    if (path === "") return module;
    for (const part of path.split(".")) {
      const next = module.getChild(part);
      if (!next) {
        const names = Array.from(module.namedChildren(), ([name]) => name);
        throw new Error(`no module "${path}": "${part}" is not one of ${names.join(", ")}`);
      }
      module = next;
    }
    return module;
  }

  /** Replaces the module at `path` by `module`. Throws if `path` does not exist. */
  setSubmodule(path: string, module: Module): void {
    const dot = path.lastIndexOf(".");
    const name = path.slice(dot + 1);
    const parent = this.getSubmodule(path.slice(0, Math.max(dot, 0)));
    // Throws an error that names the existing children.
    if (!parent.getChild(name)) this.getSubmodule(path);
    parent.setChild(name, module);
  }

  /**
   * Replaces a direct child module. Containers override this method, since they do not store their children as
   * properties.
   */
  protected setChild(name: string, module: Module): void {
    (this as unknown as Record<string, Module>)[name] = module;
  }

  /** Sets this module and all its submodules to training mode, or to evaluation mode if `mode` is false. */
  train(mode = true): this {
    for (const [, module] of this.namedModules()) module.training = mode;
    return this;
  }

  /** Sets this module and all its submodules to evaluation mode: no dropout. */
  eval(): this {
    return this.train(false);
  }

  /**
   * The backend of the first parameter, on which the module also creates other tensors. Throws if there are no
   * parameters.
   */
  get backend(): Backend {
    for (const parameter of this.parameters()) return parameter.storage.backend;
    throw new Error("this module has no parameters, and therefore no backend");
  }

  /**
   * Moves parameters, buffers and gradients to another backend, in place: references to a parameter stay valid. Ops
   * that are recorded for the backward pass are not moved, so call `backward` before `to`. Also call the optimiser's
   * `to`, which moves its state.
   */
  async to(backend: Backend | Promise<Backend>): Promise<this> {
    const target = await backend;
    const tensors = new Set<Tensor>();
    for (const [, module] of this.namedModules()) {
      for (const tensor of module.ownTensors()) {
        tensors.add(tensor);
        if (tensor.grad) tensors.add(tensor.grad);
      }
    }
    await moveTensors(tensors, target);
    return this;
  }

  /** Yields the parameters and buffers of this module itself, without those in child modules. */
  protected *ownTensors(): Iterable<Tensor> {
    for (const value of Object.values(this)) if (value instanceof Tensor) yield value;
  }

  /**
   * Returns parameters and buffers by path, as PyTorch's `state_dict`. A tied parameter appears under each of its
   * names. The tensors are the module's own, not copies.
   */
  stateDict(): Map<string, Tensor> {
    return new Map(this.#namedTensors());
  }

  /**
   * Copies tensors by path into parameters and buffers, in place, so that optimisers and tied layers see the new
   * values. A tied parameter needs only one of its names. Throws one error that lists all missing and unexpected keys,
   * wrong shapes and dtypes, and then changes nothing. With `strict: false`, missing and unexpected keys are not
   * errors, but are only returned.
   */
  loadStateDict(dict: StateDict, options: { strict?: boolean } = {}): LoadReport {
    checkOptions("loadStateDict", options, { strict: true });
    const { strict = true } = options;
    return loadTensors(this.stateDict(), dict, strict);
  }

  /** Returns the tree of modules with their tensors and settings, as PyTorch prints models. */
  toString(): string {
    return describeModule(this);
  }

  /** Freezes or unfreezes every parameter. */
  setRequiresGrad(value: boolean): this {
    for (const parameter of this.parameters()) parameter.requiresGrad = value;
    return this;
  }
}

/** A module that maps one tensor to one tensor. */
export interface UnaryModule extends Module {
  forward(x: Tensor): Tensor;
}

/** Modules that `warnOfHidden` has already checked. */
const looked = new WeakSet<Module>();

/**
 * Warns of fields that hold modules or parameters in a plain array, map or object: these are not registered, so they
 * are neither trained nor saved. `found` lists the modules and parameters that are registered.
 */
function warnOfHidden(module: Module, found: ReadonlySet<unknown>): void {
  if (looked.has(module)) return;
  looked.add(module);
  for (const [name, value] of Object.entries(module)) {
    const hidden = value instanceof Module ? undefined : hiddenIn(value, found, 2);
    if (hidden === undefined) continue;
    const field = `${module.constructor.name}.${name}`;
    // If a page cannot load the module with the warning, the warning is skipped.
    import("./hiddenWarning.ts").then(
      (it) => it.warnOfHiddenField(field, hidden instanceof Module, Array.isArray(value)),
      () => {},
    );
  }
}

/**
 * Returns the first module or parameter inside `value` (a plain array, set, map or object, searched to `depth` levels)
 * that is not in `found`. Returns undefined if there is none.
 */
function hiddenIn(value: unknown, found: ReadonlySet<unknown>, depth: number): unknown {
  if (value instanceof Module || value instanceof Parameter) return found.has(value) ? undefined : value;
  if (depth === 0 || typeof value !== "object" || value === null) return undefined;
  const isList = Array.isArray(value) || value instanceof Map || value instanceof Set;
  if (!isList && Object.getPrototypeOf(value) !== Object.prototype) return undefined;
  for (const item of isList ? value.values() : Object.values(value)) {
    const hidden = hiddenIn(item, found, depth - 1);
    if (hidden !== undefined) return hidden;
  }
  return undefined;
}

/**
 * Kinds of layers that adapters can wrap. "linear", "conv1d", "embedding" and "norm" have a weight, each in its own
 * layout. "conv1d" is GPT-2's Conv1D, a linear layer. "convolution1d" and "convolution2d" have filters as their weight.
 * "multiheadAttention" has several weights. "attention", "residual" and "block" (a whole block of a decoder) lack one.
 */
export type LayerKind =
  | "linear"
  | "conv1d"
  | "embedding"
  | "norm"
  | "convolution1d"
  | "convolution2d"
  | "multiheadAttention"
  | "attention"
  | "residual"
  | "block";
