import type { linearInt8 } from "@lowrank/core/backend";
import { sizeOf } from "@lowrank/core/backend";
import { codeBits, dtypeNumber } from "./dtypeNumber.ts";
import { chooseNibbleSums } from "./integerTrial.ts";
import { kernel, type WasmKernel } from "./kernel.ts";
import { nibbleProducts } from "./weightProduct.ts";

/** Number of rows of x that the kernel multiplies at the same time, unless x has only one row. */
const rowsAbreast = 4;

export const linearInt8Kernel: WasmKernel = kernel<typeof linearInt8>("linearInt8", (k, [x, w], [out], _, scratch) => {
  const [outFeatures, inFeatures] = w.shape;
  const rows = sizeOf(x.shape.slice(0, -1));
  const bits = codeBits(w.dtype);
  const later = rows > 1 ? nibbleProducts.get(k) : undefined;
  if (bits === 4 && later) chooseNibbleSums(k, scratch);
  const encode = bits === 6 ? later?.bytesInWords : bits === 8 ? undefined : later?.inBytes;
  const planes = bits === 8 || (bits === 6 && later) ? 2 : 1;
  const padded = rows === 1 ? 1 : Math.ceil(rows / rowsAbreast) * rowsAbreast;
  const codes = scratch(padded * (planes + 1 / 4) * inFeatures);
  if (encode) encode(x.ptr, codes, rows, inFeatures);
  else k.quantizeInt8(x.ptr, codes, rows, inFeatures, planes);
  const work = scratch(k.codesScratch());
  k.linearInt8(codes, planes, w.ptr, dtypeNumber(w), out.ptr, rows, outFeatures, inFeatures, 0, outFeatures, work);
});
