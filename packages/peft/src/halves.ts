import { type SafetensorsFile, type Tensor, to } from "@lowrank/core";

/** The dtypes that hold a number in two bytes. */
export type Half = "f16" | "bf16";

/** The tensors that a file holds in half precision, of those that have their place in f32, by key. */
export function halvesOf(file: SafetensorsFile, tensors: ReadonlyMap<string, Tensor>): Map<string, Half> {
  const halves = new Map<string, Half>();
  for (const [key, tensor] of tensors) {
    if (tensor.dtype !== "f32" || !file.has(key)) continue;
    const { dtype } = file.info(key);
    if (dtype === "F16" || dtype === "BF16") halves.set(key, dtype === "F16" ? "f16" : "bf16");
  }
  return halves;
}

/** Those dtypes, where all tensors are still what they were in them; else none: what was trained is not rounded unasked. */
export async function unchangedHalves(
  halves: ReadonlyMap<string, Half>,
  tensors: ReadonlyMap<string, Tensor>,
): Promise<ReadonlyMap<string, Half>> {
  for (const [key, dtype] of halves) {
    const tensor = tensors.get(key);
    if (tensor && !(await fits(tensor, dtype))) return new Map();
  }
  return halves;
}

async function fits(tensor: Tensor, dtype: Half): Promise<boolean> {
  using own = tensor.detach();
  using half = to(own, { dtype });
  using back = to(half, { dtype: "f32" });
  const [before, after] = [await own.bytes(), await back.bytes()];
  return before.every((byte, i) => byte === after[i]);
}
