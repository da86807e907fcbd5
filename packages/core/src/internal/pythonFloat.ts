/**
 * Returns a finite number as Python prints a float: with the fewest digits that identify it, at least one decimal, and
 * exponents like `1e-05`.
 */
export function pythonFloat(value: number): string {
  const exponent = Number(value.toExponential().split("e")[1]);
  if (exponent >= -4 && exponent < 16) {
    // In this range JavaScript also writes numbers without an exponent.
    const text = Object.is(value, -0) ? "-0" : String(value);
    return text.includes(".") ? text : `${text}.0`;
  }
  return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
}
