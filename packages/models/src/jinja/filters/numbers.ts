import { numeric, textOf } from "../operators/compare.ts";
import { isTrue, refuseUndefined } from "../operators/iterate.ts";
import { floatArgument, intArgument } from "../operators/signature.ts";
import { strip } from "../text/codePoints.ts";
import { floatDigits } from "../text/numberFormat.ts";
import { checkBits } from "../values/limits.ts";
import { parseFloatText, parseIntText, roundFloat, roundInt } from "../values/number.ts";
import { typeError, valueError } from "../values/templateError.ts";
import { typeName, type Value } from "../values/types.ts";
import type { Filters } from "./environment.ts";

function abs(value: Value): Value {
  refuseUndefined(value);
  const number = numeric(value);
  if (number === undefined) throw typeError(`bad operand type for abs(): '${typeName(value)}'`);
  if (typeof number === "number") return Math.abs(number);
  return number < 0n ? -number : number;
}

function toInt(value: Value, fallback: Value = 0n, base: Value = 10n): Value {
  refuseUndefined(value);
  const text = textOf(value);
  if (text === undefined) {
    const number = numeric(value);
    if (typeof number !== "number") return number ?? fallback;
    if (Number.isNaN(number)) return fallback;
    if (!Number.isFinite(number)) throw valueError("cannot convert float infinity to integer");
    return BigInt(Math.trunc(number));
  }
  const trimmed = strip(text, null, "both");
  checkBits(trimmed.length * 4);
  const int = parseIntText(trimmed, intArgument(base));
  if (int !== undefined) return int;
  const float = parseFloatText(trimmed);
  return float === undefined || !Number.isFinite(float) ? fallback : BigInt(Math.trunc(float));
}

function toFloat(value: Value, fallback: Value = 0): Value {
  refuseUndefined(value);
  const text = textOf(value);
  if (text !== undefined) return parseFloatText(strip(text, null, "both")) ?? fallback;
  return numeric(value) === undefined ? fallback : floatArgument(value);
}

function round(value: Value, precision: Value = 0n, method: Value = "common"): Value {
  if (method !== "common" && method !== "ceil" && method !== "floor") {
    throw valueError("method must be common, ceil or floor");
  }
  refuseUndefined(value);
  const number = numeric(value);
  if (number === undefined) throw typeError(`type ${typeName(value)} doesn't define __round__ method`);
  if (precision === null && method === "common")
    return typeof number === "bigint" ? number : toInt(roundFloat(number, 0));
  const places = intArgument(precision);
  if (method === "common") return typeof number === "bigint" ? roundInt(number, places) : roundFloat(number, places);
  const scale = 10 ** places;
  const result = Math[method](Number(number) * scale);
  if (!Number.isFinite(result)) throw valueError("cannot convert float infinity or NaN to integer");
  return (result === 0 ? 0 : result) / scale;
}

const [decimal, binary] = [
  ["kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"],
  ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"],
];

function fileSize(value: Value, isBinary: Value = false): string {
  const text = textOf(value);
  const bytes = text === undefined ? floatArgument(value) : parseFloatText(strip(text, null, "both"));
  if (bytes === undefined) throw valueError(`could not convert string to float: '${text}'`);
  const [base, units] = isTrue(isBinary) ? [1024, binary] : [1000, decimal];
  if (bytes === 1) return "1 Byte";
  if (bytes < base) return `${Math.trunc(bytes)} Bytes`;
  // Computed as bigints, like Python's integers, since the float 1e24 is slightly less than 1000 ** 8.
  const sizes = units.map((_, i) => BigInt(base) ** BigInt(i + 2));
  const at = sizes.findIndex((size) => bytes < size);
  const used = at < 0 ? units.length - 1 : at;
  const digits = floatDigits((base * bytes) / Number(sizes[used]), { letter: "f", precision: 1 });
  return `${digits} ${units[used]}`;
}

/** Filters of numbers. */
export const numberFilters: Filters = {
  abs: ["", abs],
  filesizeformat: ["binary?", fileSize],
  float: ["default?", toFloat],
  int: ["default? base?", toInt],
  round: ["precision? method?", round],
};
