/**
 * A finite number as Python prints a float: the shortest digits that give it back, at
 * least one decimal, `1e-05`.
 */
export function pythonFloat(value: number): string {
  const exponent = Number(value.toExponential().split("e")[1]);
  if (value === 0 || (exponent >= -4 && exponent < 16)) {
    // JavaScript writes numbers of this range without an exponent too.
    const text = Object.is(value, -0) ? "-0" : String(value);
    return text.includes(".") ? text : `${text}.0`;
  }
  return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
}
