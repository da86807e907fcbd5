import { percentFormat } from "../text/percentFormat.ts";
import { escapeHtml, str } from "../text/repr.ts";
import { checkBits, spend, spendText } from "../values/limits.ts";
import { TemplateError, typeError, valueError } from "../values/templateError.ts";
import { Markup, Tuple, typeName, type Value } from "../values/types.ts";
import { numeric, sequenceOf, textOf } from "./compare.ts";
import { refuseUndefined } from "./iterate.ts";

/** The arithmetic operators. */
export type Operator = "+" | "-" | "*" | "/" | "//" | "%" | "**";

/** Python's `a operator b`. */
export function compute(operator: Operator, a: Value, b: Value): Value {
  if (operator === "%" && textOf(a) !== undefined) return formatted(a, b);
  refuseUndefined(a);
  refuseUndefined(b);
  const [x, y] = [numeric(a), numeric(b)];
  if (x !== undefined && y !== undefined) {
    if (typeof x === "bigint" && typeof y === "bigint") return computeInts(operator, x, y);
    return computeFloats(operator, Number(x), Number(y));
  }
  const result = operator === "+" ? joined(a, b) : operator === "*" ? (repeated(a, y) ?? repeated(b, x)) : undefined;
  if (result !== undefined) return result;
  const shown = operator === "**" ? "** or pow()" : operator;
  throw typeError(`unsupported operand type(s) for ${shown}: '${typeName(a)}' and '${typeName(b)}'`);
}

/** Python's `-value` or `+value`. */
export function signed(operator: "-" | "+", value: Value): Value {
  refuseUndefined(value);
  const number = numeric(value);
  if (number === undefined) throw typeError(`bad operand type for unary ${operator}: '${typeName(value)}'`);
  return operator === "-" ? -number : number;
}

function computeInts(operator: Operator, a: bigint, b: bigint): Value {
  if (operator === "+") return checked(a + b);
  if (operator === "-") return checked(a - b);
  if (operator === "*") return checked(a * b);
  if (operator === "**") return power(a, b);
  if (b === 0n) throw valueError(operator === "/" ? "division by zero" : "integer division or modulo by zero");
  if (operator === "/") return divideInts(a, b);
  const remainder = a % b;
  // Python rounds down, so the remainder has the sign of the divisor.
  const isBelow = remainder * b < 0n;
  if (operator === "%") return isBelow ? remainder + b : remainder;
  return isBelow ? a / b - 1n : a / b;
}

function divideInts(a: bigint, b: bigint): number {
  const [x, y] = [Number(a), Number(b)];
  if (Number.isSafeInteger(x) && Number.isSafeInteger(y)) return x / y;
  // Computes 64 bits more than the quotient needs, so that the result is rounded correctly.
  const shift = BigInt(Math.max(0, bitLength(b) - bitLength(a) + 66));
  const quotient = (a << shift) / b;
  const sticky = (a << shift) % b === 0n ? 0n : 1n;
  const result = Number((quotient << 1n) | sticky) / 2 ** Number(shift + 1n);
  if (!Number.isFinite(result)) throw valueError("integer division result too large for a float");
  return result;
}

function power(a: bigint, b: bigint): Value {
  if (b < 0n) {
    if (a === 0n) throw valueError("0.0 cannot be raised to a negative power");
    return Number(a) ** Number(b);
  }
  if (a > 1n || a < -1n) checkBits(bitLength(a) * Number(b));
  return checked(a ** b);
}

const bitLength = (value: bigint): number => (value < 0n ? -value : value).toString(16).length * 4;

function checked(value: bigint): bigint {
  checkBits(bitLength(value));
  return value;
}

function computeFloats(operator: Operator, a: number, b: number): Value {
  if (operator === "+") return a + b;
  if (operator === "-") return a - b;
  if (operator === "*") return a * b;
  if (operator === "**") {
    if (a === 0 && b < 0) throw valueError("0.0 cannot be raised to a negative power");
    if (a < 0 && !Number.isInteger(b))
      throw new TemplateError("TEMPLATE_UNSUPPORTED", "complex numbers are not supported");
    const result = a === 1 ? 1 : a ** b;
    if (!Number.isFinite(result) && Number.isFinite(a) && Number.isFinite(b))
      throw valueError("Numerical result out of range");
    return result;
  }
  if (b === 0) throw valueError(operator === "/" ? "float division by zero" : "float modulo");
  if (operator === "/") return a / b;
  let remainder = a % b;
  if (Math.sign(remainder) === -Math.sign(b)) remainder += b;
  if (operator === "%") return remainder === 0 ? Math.sign(b) * 0 : remainder;
  const quotient = Math.round((a - remainder) / b);
  return quotient === 0 ? 0 * (a / b) : quotient;
}

function joined(a: Value, b: Value): Value | undefined {
  const [text, other] = [textOf(a), textOf(b)];
  if (text !== undefined && other !== undefined) {
    spendText(text.length + other.length);
    if (a instanceof Markup || b instanceof Markup) return new Markup(escapeHtml(a).text + escapeHtml(b).text);
    return text + other;
  }
  const [left, right] = [sequenceOf(a), sequenceOf(b)];
  if (!left || !right || Array.isArray(a) !== Array.isArray(b)) return undefined;
  spend(left.length + right.length);
  return Array.isArray(a) ? [...left, ...right] : new Tuple([...left, ...right]);
}

function repeated(value: Value, times: bigint | number | undefined): Value | undefined {
  if (typeof times !== "bigint") return undefined;
  const count = Math.max(0, Number(times));
  const text = textOf(value);
  if (text !== undefined) {
    spendText(text.length * count);
    const whole = text === "" ? "" : text.repeat(count);
    return value instanceof Markup ? new Markup(whole) : whole;
  }
  const list = sequenceOf(value);
  if (!list) return undefined;
  spend(list.length * count);
  const whole = list.length === 0 ? [] : Array.from({ length: count }, () => list).flat();
  return Array.isArray(value) ? whole : new Tuple(whole);
}

function formatted(a: Value, b: Value): Value {
  if (!(a instanceof Markup)) return percentFormat(str(a), b);
  return new Markup(percentFormat(a.text, b, (value) => escapeHtml(value).text));
}
