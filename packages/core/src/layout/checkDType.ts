import { nearestName } from "../internal/checkOptions.ts";
import { type DType, dtypes } from "./dtype.ts";

/** Names of dtypes in PyTorch and NumPy, with the dtype's name here. */
const otherNames: Readonly<Record<string, DType>> = {
  ...({ float32: "f32", float: "f32", float16: "f16", half: "f16", bfloat16: "bf16" } as const),
  ...({ int32: "i32", int: "i32", uint8: "u8", byte: "u8", boolean: "bool" } as const),
};

/** Names of dtypes that are not supported, with what to use instead. */
const missing: Readonly<Record<string, string>> = {
  float64: 'numbers are f32; leave dtype out or write "f32"',
  double: 'numbers are f32; leave dtype out or write "f32"',
  int64: 'token ids, labels and positions are "i32"',
  long: 'token ids, labels and positions are "i32"',
  int8: 'bytes are "u8", from 0 to 255',
  int16: 'integers are "i32"',
};

/** Throws for an unknown dtype. The error suggests the right name if the given one is a name in PyTorch or NumPy. */
export function checkDType(what: string, dtype: DType): void {
  if (dtypes.includes(dtype)) return;
  const name = String(dtype).replace(/^(torch|np|numpy|jnp)\./, "");
  const own = dtypes.includes(name as DType) ? name : otherNames[name];
  if (own) throw new Error(`${what}: dtype "${dtype}" is named "${own}" in Lowrank`);
  const near = missing[name] ?? nearest(name);
  throw new Error(`${what}: there is no dtype "${dtype}"; ${near}`);
}

function nearest(name: string): string {
  const near = nearestName(name, dtypes);
  return near === null ? `there are ${dtypes.join(", ")}` : `did you mean "${near}"?`;
}
