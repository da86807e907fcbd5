import { type Shape, tensor } from "@lowrank/core";
import { Parameter } from "@lowrank/nn";

/** Returns weights that depend only on a name's index among a model's sorted names, as in the Python scripts. */
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
 * Makes a model whose weights a Python script can reproduce: sines of the index of each name among the sorted names,
 * and of the index of each element.
 */
export function filled<M extends { namedParameters(): Iterable<readonly [string, unknown]> }>(
  make: (source: (name: string, shape: Shape) => Parameter) => M,
): M {
  const names = [...make(wave([])).namedParameters()].map(([name]) => name).sort();
  return make(wave(names));
}
