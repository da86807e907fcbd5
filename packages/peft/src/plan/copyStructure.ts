import { currentBackend, type MetaBackend, Tensor } from "@lowrank/core";
import { BatchNorm1d, BatchNorm2d, Module, ModuleBuffer, ModuleDict, ModuleList, Parameter } from "@lowrank/nn";

/** A class without its type parameters, and without knowing whether it is abstract. */
type Class = new (...args: never[]) => Module;

/** Library classes with private fields. Only their constructors can make such fields, from these arguments. */
const constructed: readonly (readonly [Class, (module: Module) => unknown[]])[] = [
  [ModuleList as Class, () => [[]]],
  [ModuleDict as Class, () => [[]]],
  [BatchNorm1d as Class, (module) => [(module as BatchNorm1d).weight.size]],
  [BatchNorm2d as Class, (module) => [(module as BatchNorm2d).weight.size]],
];

/**
 * Copies a module and its submodules without values: parameters and buffers get the same shapes and dtypes on the
 * current backend, which must be a `meta` backend. Constructors of the modules' classes do not run. Other fields are
 * shared with the original.
 */
export function copyStructure<M extends Module>(module: M): M {
  const backend = currentBackend() as MetaBackend;
  const copies = new Map<unknown, unknown>();
  const copyModule = (original: Module): Module => {
    const [Base, args] = constructed.find(([known]) => original instanceof known) ?? [
      Module as unknown as Class,
      () => [],
    ];
    // `Base` makes its private fields, and the copy still has the methods of the original's class.
    const copy: Module = Reflect.construct(Base, args(original), original.constructor);
    copies.set(original, copy);
    for (const [name, value] of Object.entries(original)) {
      Object.defineProperty(copy, name, { value: copyOf(value), writable: true, enumerable: true, configurable: true });
    }
    if (original instanceof ModuleList || original instanceof ModuleDict) {
      const container = copy as unknown as { setChild(name: string, child: unknown): void };
      for (const [name, child] of original.namedChildren()) container.setChild(name, copyOf(child));
    }
    return copy;
  };
  const copyOf = (value: unknown): unknown => {
    if (copies.has(value)) return copies.get(value);
    if (value instanceof Module) return copyModule(value);
    if (Array.isArray(value)) return value.map(copyOf);
    if (!(value instanceof Tensor)) return value;
    const tensor = backend.tensor(value.spec());
    const { requiresGrad } = value;
    const copy =
      value instanceof Parameter
        ? new Parameter(tensor, { requiresGrad })
        : value instanceof ModuleBuffer
          ? new ModuleBuffer(tensor)
          : tensor;
    copies.set(value, copy);
    return copy;
  };
  return copyModule(module) as M;
}
