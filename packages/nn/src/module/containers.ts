import { add, scope, type Tensor } from "@lowrank/core";
import { Module, type UnaryModule } from "./module.ts";

/** A list of modules, whose children are named "0", "1", ... */
export class ModuleList<T extends Module = Module> extends Module implements Iterable<T> {
  readonly #items: T[];

  constructor(items: Iterable<T> = []) {
    super();
    this.#items = [...items];
  }

  get length(): number {
    return this.#items.length;
  }

  at(index: number): T {
    return this.#items[index];
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#items[Symbol.iterator]();
  }

  override *namedChildren(): Iterable<[string, Module]> {
    for (const [i, item] of this.#items.entries()) yield [String(i), item];
  }

  override getChild(name: string): Module | undefined {
    const index = Number(name);
    return String(index) === name ? this.#items[index] : undefined;
  }

  protected override setChild(name: string, module: Module): void {
    this.#items[Number(name)] = module as T;
  }
}

/** Runs modules one after the other, each on the output of the previous one. */
export class Sequential extends ModuleList<UnaryModule> {
  constructor(...modules: UnaryModule[]) {
    super(modules);
  }

  forward(x: Tensor): Tensor {
    return scope(() => {
      let y = x;
      for (const module of this) y = module.forward(y);
      return y;
    });
  }
}

/** A dictionary of modules; each key is the name of a child. */
export class ModuleDict<T extends Module = Module> extends Module {
  readonly #items: Map<string, T>;

  /** `items` are the modules by name: an object, a map or pairs. Default: none. */
  constructor(items: Readonly<Record<string, T>> | Iterable<readonly [string, T]> = {}) {
    super();
    this.#items = new Map(Symbol.iterator in items ? items : Object.entries(items));
  }

  get(name: string): T | undefined {
    return this.#items.get(name);
  }

  set(name: string, module: T): void {
    this.#items.set(name, module);
  }

  delete(name: string): boolean {
    return this.#items.delete(name);
  }

  override *namedChildren(): Iterable<[string, Module]> {
    yield* this.#items;
  }

  override getChild(name: string): Module | undefined {
    return this.#items.get(name);
  }

  protected override setChild(name: string, module: Module): void {
    this.#items.set(name, module as T);
  }
}

/** Adds a sub-layer's output to the sub-layer's input. It is a module, so that adapters can wrap it. */
export class Residual extends Module {
  override get layerKind(): "residual" {
    return "residual";
  }

  /** Returns `before` (the sub-layer's input) + `made` (its output). If `norm` is given, it is applied to the sum. */
  forward(made: Tensor, before: Tensor, norm?: UnaryModule): Tensor {
    const sum = add(before, made);
    return norm ? norm.forward(sum) : sum;
  }
}
