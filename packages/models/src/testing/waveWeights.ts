import { type Shape, tensor } from "@lowrank/core";
import { Parameter } from "@lowrank/nn";

/**
 * Returns a source of weights that depend only on the element's index and the parameter's index among `names`, as in
 * the Python scripts that make test data.
 */
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
 * Makes a model with weights that a Python script can reproduce: sines of the element's index and the parameter's index
 * among all names, sorted.
 */
export function filled<M extends { namedParameters(): Iterable<readonly [string, unknown]> }>(
  make: (source: (name: string, shape: Shape) => Parameter) => M,
): M {
  const names = [...make(wave([])).namedParameters()].map(([name]) => name).sort();
  return make(wave(names));
}
