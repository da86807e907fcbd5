import type { linearInt8 } from "@lowrank/core/backend";
import { formatOf, sizeOf } from "@lowrank/core/backend";
import type { PackedDType } from "@lowrank/core/functions";
import { kernel, type WasmKernel } from "../kernel.ts";
import { dtypeNumber } from "./dtypeNumber.ts";
import { hasNibbles } from "./hasNibbles.ts";
import { chooseNibbleSums } from "./integerTrial.ts";

/** Rows that the kernel multiplies at a time, where there is more than one. */
const rowsAbreast = 4;

export const linearInt8Kernel: WasmKernel = kernel<typeof linearInt8>("linearInt8", (k, [x, w], [out], _, scratch) => {
  const [outFeatures, inFeatures] = w.shape;
  const rows = sizeOf(x.shape.slice(0, -1));
  const nibbles = hasNibbles(w.dtype);
  if (nibbles && rows > 1) chooseNibbleSums(k, scratch, w);
  const planes = formatOf(w.dtype as PackedDType).integerBits === 8 ? 2 : 1;
  const padded = rows === 1 ? 1 : Math.ceil(rows / rowsAbreast) * rowsAbreast;
  const codes = scratch(padded * (planes + 1 / 4) * inFeatures);
  k.quantizeInt8(x.ptr, codes, rows, inFeatures, planes);
  const work = scratch(k.linearInt8Scratch());
  k.linearInt8(codes, planes, w.ptr, dtypeNumber(w), out.ptr, rows, outFeatures, inFeatures, 0, outFeatures, work);
});
