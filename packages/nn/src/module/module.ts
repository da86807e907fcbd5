import { type Backend, checkOptions, inspectAsText, moveTensors, Tensor } from "@lowrank/core";
import { describeModule } from "./describeModule.ts";
import type { LayerKind } from "./layerKind.ts";
import { type LoadReport, loadTensors, type StateDict } from "./loadTensors.ts";
import { ModuleBuffer } from "./moduleBuffer.ts";
import { Parameter } from "./parameter.ts";

const join = (prefix: string, name: string): string => (prefix === "" ? name : `${prefix}.${name}`);

/**
 * A part of a model. Its properties that are modules or parameters are its children, under their
 * own names: the paths are those of Hugging Face checkpoints
 * (`model.layers.0.self_attn.q_proj.weight`).
 */
export abstract class Module {
  /** True between `train()` and `eval()`: dropout acts. */
  training = true;

  static {
    // biome-ignore lint/complexity/noThisInStatic: Rolldown makes this an expression whose name is not bound yet.
    inspectAsText(this.prototype);
  }

  /** Returns a new module of this class: `Linear.create(4, 2)` is `new Linear(4, 2)`. */
  static create<A extends unknown[], M extends Module>(this: new (...args: A) => M, ...args: A): M {
    return new this(...args);
  }

  /** The kind of layer that this is to adapters; null for one that they cannot sit on. */
  get layerKind(): LayerKind | null {
    return null;
  }

  /** Direct children, by name. */
  *namedChildren(): Iterable<[string, Module]> {
    for (const name of Object.keys(this)) {
      const value = (this as unknown as Record<string, unknown>)[name];
      if (value instanceof Module) yield [name, value];
    }
  }

  /** The direct child of this name; undefined where there is none. */
  getChild(name: string): Module | undefined {
    const value = Object.hasOwn(this, name) ? (this as unknown as Record<string, unknown>)[name] : undefined;
    return value instanceof Module ? value : undefined;
  }

  /** This module ("") and all below it, by path, parents first. */
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
   * All parameters by path; one that stands in several places (tied weights) only at the
   * first, unless `duplicates`.
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

  /** All buffers by path. */
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

  /** All parameters, each once. */
  *parameters(): Iterable<Parameter> {
    for (const [, parameter] of this.namedParameters()) yield parameter;
  }

  /** The module at `path`. Throws, naming the part that is missing and those that exist. */
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

  /** Puts `module` in the place of the one at `path`. */
  setSubmodule(path: string, module: Module): void {
    const dot = path.lastIndexOf(".");
    const name = path.slice(dot + 1);
    const parent = this.getSubmodule(dot < 0 ? "" : path.slice(0, dot));
    // Throws, naming those that exist.
    if (!parent.getChild(name)) this.getSubmodule(path);
    parent.setChild(name, module);
  }

  /** Replaces a direct child; containers override it. */
  protected setChild(name: string, module: Module): void {
    (this as unknown as Record<string, Module>)[name] = module;
  }

  /** Puts this module and all below it into training mode. */
  train(mode = true): this {
    for (const [, module] of this.namedModules()) module.training = mode;
    return this;
  }

  /** Puts this module and all below it into evaluation mode: no dropout. */
  eval(): this {
    return this.train(false);
  }

  /**
   * The backend of the first parameter, where everything that a module makes is made.
   * Throws where it has none.
   */
  get backend(): Backend {
    for (const parameter of this.parameters()) return parameter.storage.backend;
    throw new Error("this module has no parameters, and so no backend");
  }

  /**
   * Moves parameters, buffers and gradients to another backend, in place: who holds a parameter
   * holds it still. What was recorded for a backward pass stays behind. An optimiser's moments
   * are moved by its own `to`.
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

  /**
   * The tensors of this module without those of its children: parameters, and
   * buffers that are no parameters.
   */
  protected *ownTensors(): Iterable<Tensor> {
    for (const value of Object.values(this)) if (value instanceof Tensor) yield value;
  }

  /**
   * Parameters and buffers by path, a tied one under each of its names, as PyTorch's `state_dict`.
   * They are the module's own tensors, no copies.
   */
  stateDict(): Map<string, Tensor> {
    return new Map(this.#namedTensors());
  }

  /**
   * Copies tensors by path into parameters and buffers, in place: optimisers and tied layers see
   * them. A tied one needs but one of its names. Throws, with nothing changed, one error that names
   * missing and unexpected keys, shapes and dtypes. `strict: false` returns the keys instead.
   */
  loadStateDict(dict: StateDict, options: { strict?: boolean } = {}): LoadReport {
    checkOptions("loadStateDict", options, { strict: true });
    const { strict = true } = options;
    return loadTensors(this.stateDict(), dict, strict);
  }

  /** The tree of modules with their tensors and settings, as PyTorch prints models. */
  toString(): string {
    return describeModule(this);
  }

  /** Freezes or unfreezes every parameter. */
  setRequiresGrad(value: boolean): this {
    for (const parameter of this.parameters()) parameter.requiresGrad = value;
    return this;
  }
}

/** A module of one tensor in, one tensor out. */
export interface UnaryModule extends Module {
  forward(x: Tensor): Tensor;
}

/** Modules whose fields were looked at. */
const looked = new WeakSet<Module>();

/**
 * Warns of fields that hold modules or parameters in a plain array, map or object. These are not
 * registered, so they are neither trained nor saved. `found` are modules registered elsewhere.
 */
function warnOfHidden(module: Module, found: ReadonlySet<unknown>): void {
  if (looked.has(module)) return;
  looked.add(module);
  for (const [name, value] of Object.entries(module)) {
    const hidden = value instanceof Module ? undefined : hiddenIn(value, found, 2);
    if (hidden === undefined) continue;
    const field = `${module.constructor.name}.${name}`;
    // A page that cannot load the sentence goes without it.
    import("./hiddenWarning.ts").then(
      (it) => it.warnOfHiddenField(field, hidden instanceof Module, Array.isArray(value)),
      () => {},
    );
  }
}

/** Returns a module or parameter in a plain array, set, map or object, if `found` lacks it. */
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
