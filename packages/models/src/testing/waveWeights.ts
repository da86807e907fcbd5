import { type Shape, tensor } from "@lowrank/core";
import { Parameter } from "@lowrank/nn";

/** Weights that follow from their place among the sorted names of a model, as in Python. */
function wave(names: readonly string[]): (name: string, shape: Shape) => Parameter {
  return (name, shape) => {
    const place = names.indexOf(name);
    const size = shape.reduce((product, n) => product * n, 1);
    const shift = name.endsWith("orm.weight") ? 1 : 0;
    const values = Float32Array.from({ length: size }, (_, i) => Math.sin((i + place * 7) * 1.7 + 0.3) * 0.5);
    return new Parameter(
      tensor(
        values.map((value) => value + shift),
        { shape },
      ),
    );
  };
}

/**
 * Makes a model whose weights a Python program can make too: sines of the place of each name among
 * the sorted ones, and of each element.
 */
export function filled<M extends { namedParameters(): Iterable<readonly [string, unknown]> }>(
  make: (source: (name: string, shape: Shape) => Parameter) => M,
): M {
  const names = [...make(wave([])).namedParameters()].map(([name]) => name).sort();
  return make(wave(names));
}
