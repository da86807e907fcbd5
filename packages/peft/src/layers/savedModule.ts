import { type Tensor, to } from "@lowrank/core";
import { Module, Parameter, type UnaryModule } from "@lowrank/nn";
import type { ActiveAdapter } from "./activeAdapter.ts";
import { AdapterSlot, free } from "./adapterSlot.ts";
import type { MergeStep, Wrapper } from "./wrapper.ts";

/** A parameter of the original module and an adapter's copy of it. */
interface Copy {
  owner: Record<string, unknown>;
  key: string;
  /** The parameter's name relative to the original module, such as "weight". */
  name: string;
  original: Parameter;
  parameter: Parameter;
  /** The modules whose parameter a merge replaces. Empty if the copy belongs to another module. */
  owners: Module[];
}

type AnyModule = Module & { forward(...inputs: Tensor[]): Tensor };

/** A module of the base model that is trained in full (`modules_to_save`). Each adapter has its own copy of it. */
export class SavedModule extends Module implements Wrapper {
  original_module: Module;
  modules_to_save: AdapterSlot = new AdapterSlot();
  readonly #active: ActiveAdapter;
  readonly #copies = new Map<string, Copy[]>();

  constructor(original: Module, active: ActiveAdapter) {
    super();
    this.original_module = original;
    this.#active = active;
  }

  get wrapped(): Module {
    return this.original_module;
  }

  has(adapter: string): boolean {
    return this.#copies.has(adapter);
  }

  /**
   * Creates an adapter's trainable f32 copies of the original module's parameters. Uses the copies of `tiedTo` for
   * parameters of the same name.
   */
  add(adapter: string, tiedTo?: SavedModule): void {
    const copies: Copy[] = [];
    const tied = tiedTo ? tiedTo.#copies.get(adapter) : undefined;
    this.modules_to_save.set(adapter, mirror(this.original_module, "", copies, tied));
    this.#copies.set(adapter, copies);
  }

  remove(adapter: string): void {
    for (const { owners, parameter } of this.#copies.get(adapter) ?? []) if (owners.length > 0) free(parameter);
    this.#copies.delete(adapter);
    this.modules_to_save.delete(adapter);
  }

  tensors(adapter: string): ReadonlyMap<string, Parameter> {
    return new Map(this.#copies.get(adapter)?.map(({ name, parameter }) => [name, parameter]));
  }

  /** Returns the original parameters of which an adapter has copies, keyed by their names in the original module. */
  originals(adapter: string): ReadonlyMap<string, Parameter> {
    return new Map(this.#copies.get(adapter)?.map(({ name, original }) => [name, original]));
  }

  /** Runs the original module's `forward` with the active adapter's copies of the parameters. */
  forward(...inputs: Tensor[]): Tensor {
    return this.#active.apply(this, inputs, (name, some) => this.#run(name, some as Tensor[]));
  }

  #run(adapter: string | null, inputs: readonly Tensor[]): Tensor {
    const copies = (adapter !== null && this.#copies.get(adapter)) || [];
    return withCopies(copies, () => (this.original_module as AnyModule).forward(...inputs));
  }

  mergedInto(adapter: string): readonly Module[] {
    const [first] = this.#copies.get(adapter) ?? [];
    return first?.owners.length === 1 || !first ? [this.original_module] : first.owners;
  }

  /** Returns the merge steps that write the copies into the base model, one step for each submodule. */
  mergeSteps(adapters: readonly string[], path: string): MergeStep[] {
    return adapters.flatMap((adapter) => {
      const copies = this.#copies.get(adapter)?.filter(({ owners }) => owners.length > 0) ?? [];
      return [...new Set(copies.map(({ owner }) => owner))].map((owner): MergeStep => {
        const own = copies.filter((copy) => copy.owner === owner);
        const module = owner as unknown as UnaryModule;
        const merged = () =>
          own.map(({ key, name, owners, parameter }) => ({ path: `${path}.${name}`, owners, key, value: parameter }));
        const forward = (x: Tensor) => withCopies(own, () => module.forward(x));
        return { path: `${path}.${own[0].name}`.replace(/\.[^.]*$/, ""), module, merged, live: [{ forward, merged }] };
      });
    });
  }
}

/** Runs `fn` while the copies replace the original parameters in their modules. */
function withCopies<T>(copies: readonly Copy[], fn: () => T): T {
  for (const { owner, key, parameter } of copies) owner[key] = parameter;
  try {
    return fn();
  } finally {
    for (const { owner, key, original } of copies) owner[key] = original;
  }
}

/**
 * Copies a module's parameters to f32. Returns them in `AdapterSlot`s, nested and named like the module and its
 * children. Also appends each copy to the list `copies`. Uses the copies of `tied` for parameters of the same name.
 */
function mirror(module: Module, prefix: string, copies: Copy[], tied?: readonly Copy[]): AdapterSlot {
  const tree = new AdapterSlot();
  for (const [key, value] of Object.entries(module)) {
    if (!(value instanceof Parameter)) continue;
    const shared = tied?.find(({ name }) => name === prefix + key);
    shared?.owners.push(module);
    const parameter = shared?.parameter ?? copyOf(value);
    tree.set(key, parameter);
    copies.push({
      owner: module as unknown as Record<string, unknown>,
      key,
      name: prefix + key,
      original: value,
      parameter,
      owners: shared ? [] : [module],
    });
  }
  for (const [name, child] of module.namedChildren()) {
    tree.set(name, mirror(child, `${prefix}${name}.`, copies, tied));
  }
  return tree;
}

function copyOf(value: Parameter): Parameter {
  using copy = to(value.detach(), { dtype: "f32" });
  return new Parameter(copy);
}
