import { valueError } from "./templateError.ts";

/** Python's `repr` of a float: the shortest decimal digits that parse to the same number. */
export function floatRepr(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value === Infinity ? "inf" : "-inf";
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  const [digits, power] = value.toExponential().split("e");
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 16) return `${digits}e${exponentText(exponent)}`;
  const plain = String(value);
  return plain.includes(".") ? plain : `${plain}.0`;
}

/** Returns an exponent with its sign and at least two digits. */
export function exponentText(exponent: number): string {
  return `${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

const bits = new DataView(new ArrayBuffer(8));

/** Returns a finite float as an exact fraction. */
function fractionOf(value: number): [numerator: bigint, denominator: bigint] {
  bits.setFloat64(0, value);
  const word = bits.getBigUint64(0);
  const exponent = Number((word >> 52n) & 0x7ffn);
  const mantissa = (word & 0xfffffffffffffn) | (exponent === 0 ? 0n : 1n << 52n);
  const power = (exponent === 0 ? 1 : exponent) - 1075;
  const signed = value < 0 ? -mantissa : mantissa;
  return [signed << BigInt(Math.max(0, power)), 1n << BigInt(Math.max(0, -power))];
}

/** Divides and rounds to the nearest integer, with ties to even. */
function divideToEven(numerator: bigint, denominator: bigint): bigint {
  const negative = numerator < 0n;
  const size = negative ? -numerator : numerator;
  let quotient = size / denominator;
  const twice = 2n * (size % denominator);
  if (twice > denominator || (twice === denominator && quotient % 2n === 1n)) quotient += 1n;
  return negative ? -quotient : quotient;
}

/** Returns the absolute value times 10 ** places, rounded with ties to even. */
function scaled(value: number, places: number): bigint {
  const [numerator, denominator] = fractionOf(Math.abs(value));
  const [up, down] = [places, -places].map((power) => 10n ** BigInt(Math.max(0, power)));
  return divideToEven(numerator * up, denominator * down);
}

/** Formats the absolute value with this number of decimals, ties to even, like C's `%.Nf`. */
export function fixedDecimals(value: number, decimals: number): string {
  const digits = String(scaled(value, decimals)).padStart(decimals + 1, "0");
  return decimals === 0 ? digits : `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
}

/**
 * Formats the absolute value like C's `%.Ne`, where N is `decimals`. Returns the digits, such as "1.50", and the
 * exponent separately.
 */
export function scientific(value: number, decimals: number): [digits: string, exponent: number] {
  if (value === 0) return [decimals === 0 ? "0" : `0.${"0".repeat(decimals)}`, 0];
  let exponent = Number(Math.abs(value).toExponential().split("e")[1]);
  let digits = String(scaled(value, decimals - exponent));
  if (digits.length > decimals + 1) digits = String(scaled(value, decimals - ++exponent));
  return [decimals === 0 ? digits : `${digits[0]}.${digits.slice(1)}`, exponent];
}

/** Python's `round(value, decimals)` for a float. */
export function roundFloat(value: number, decimals: number): number {
  if (!Number.isFinite(value) || decimals > 323) return value;
  const places = Math.max(-309, decimals);
  const result = Number(`${scaled(value, places)}e${-places}`);
  if (!Number.isFinite(result)) throw valueError("rounded value too large to represent");
  return value < 0 || Object.is(value, -0) ? -result : result;
}

/**
 * Maximum n for which `round` rounds an int to a multiple of 10 ** n; a larger n is replaced by it. The result is 0 for
 * every n from here on, since ints in a template have fewer digits.
 */
const mostZeros = 20_000;

/** Python's `round(value, decimals)` for an int. */
export function roundInt(value: bigint, decimals: number): bigint {
  const unit = 10n ** BigInt(Math.min(mostZeros, Math.max(0, -decimals)));
  return divideToEven(value, unit) * unit;
}

/** Python's `float(text)`; undefined if the text is not a number. */
export function parseFloatText(text: string): number | undefined {
  const plain = text.replace(/(\d)_(?=\d)/g, "$1").toLowerCase();
  if (/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/.test(plain)) return Number(plain);
  const word = /^([-+]?)(inf(?:inity)?|nan)$/.exec(plain);
  if (!word) return undefined;
  if (word[2] === "nan") return Number.NaN;
  return word[1] === "-" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

/** Python's `int(text, base)`; undefined if the text is not an integer. */
export function parseIntText(text: string, base: number): bigint | undefined {
  const [, sign, rest] = /^([-+]?)(.*)$/s.exec(text.toLowerCase())!;
  const prefixes: Record<string, number> = { "0b": 2, "0o": 8, "0x": 16 };
  const prefixed = prefixes[rest.slice(0, 2)];
  if (base !== 0 && (base < 2 || base > 36)) return undefined;
  const used = prefixed !== undefined && (base === 0 || base === prefixed) ? prefixed : base || 10;
  const body = used === prefixed && (base === 0 || base === prefixed) ? rest.slice(2).replace(/^_/, "") : rest;
  if (!/^[0-9a-z]+(_[0-9a-z]+)*$/.test(body) || (base === 0 && used === 10 && /^0+[_0]*[1-9]/.test(body)))
    return undefined;
  let value = 0n;
  for (const digit of body.replaceAll("_", "")) {
    const amount = Number.parseInt(digit, 36);
    if (amount >= used) return undefined;
    value = value * BigInt(used) + BigInt(amount);
  }
  return sign === "-" ? -value : value;
}
