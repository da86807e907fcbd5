import type { TensorSpec } from "../../backends/backend.ts";
import { formatShape, type Shape, sizeOf } from "../../layout/shape.ts";

/** One value for height and one for width. */
export type Pair = readonly [height: number, width: number];

/** Windows that slide over the last two dimensions of a tensor [..., H, W]. */
export interface WindowParams {
  readonly kernelSize: Pair;
  readonly stride: Pair;
  /** Rows and columns of padding added on each side. */
  readonly padding: Pair;
  /** Distance between neighbouring elements of a window. Default 1. */
  readonly dilation?: Pair;
  /**
   * Rounds the number of windows up instead of down. The last window may then extend beyond the padding, but must start
   * in the input or in the padding before it. Default false.
   */
  readonly ceilMode?: boolean;
}

/** The windows over a shape that is viewed as [planes, height, width]. Each plane has `rows` x `columns` windows. */
export interface WindowPlan {
  readonly lead: Shape;
  readonly planes: number;
  readonly height: number;
  readonly width: number;
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Pair;
  readonly dilation: Pair;
  readonly rows: number;
  readonly columns: number;
  /** Number of elements in a window. `windows` is the number of windows in a plane. */
  readonly elements: number;
  readonly windows: number;
}

const fields = { kernelSize: 1, stride: 1, padding: 0, dilation: 1 } as const;

function countOf(op: string, params: Required<WindowParams>, size: number, axis: 0 | 1): number {
  const [kernel, stride, padding, dilation] = (["kernelSize", "stride", "padding", "dilation"] as const).map(
    (field) => params[field][axis],
  );
  const room = size + 2 * padding - dilation * (kernel - 1) - 1;
  if (size < 1 || room < 0) {
    const reach = dilation * (kernel - 1) + 1;
    const what = ["height", "width"][axis];
    throw new Error(
      `${op}: a window of ${what} ${reach} does not fit into a ${what} of ${size} with padding ${padding}; give a larger input or padding, or a smaller kernelSize`,
    );
  }
  const count = Math.floor((room + (params.ceilMode ? stride - 1 : 0)) / stride) + 1;
  return params.ceilMode && (count - 1) * stride >= size + padding ? count - 1 : count;
}

/**
 * Computes the number and the positions of the windows over a shape, by PyTorch's rules. Throws an error that starts
 * with `op` if a setting is not a whole number or no window fits.
 */
export function windowPlan(op: string, { shape }: Pick<TensorSpec, "shape">, params: WindowParams): WindowPlan {
  const full = { dilation: [1, 1] as const, ceilMode: false, ...params };
  for (const [field, least] of Object.entries(fields)) {
    const given = full[field as keyof typeof fields];
    for (const value of given) {
      if (Number.isInteger(value) && value >= least) continue;
      throw new Error(`${op}: ${field} is ${given.join(" x ")}; expected whole numbers of at least ${least}`);
    }
  }
  if (shape.length < 2) throw new Error(`${op}: ${formatShape(shape)} has no height and width; give [..., H, W]`);
  const [height, width] = shape.slice(-2);
  const [rows, columns] = [countOf(op, full, height, 0), countOf(op, full, width, 1)];
  const lead = shape.slice(0, -2);
  const { kernelSize: kernel, stride, padding, dilation } = full;
  return {
    ...{ lead, planes: sizeOf(lead), height, width, kernel, stride, padding, dilation, rows, columns },
    ...{ elements: kernel[0] * kernel[1], windows: rows * columns },
  };
}

/**
 * Calls `visit(element, window, position)` for each element of each window of one plane: its index in the window, the
 * index of the window, and its position in the flattened plane (-1 in the padding).
 */
export function forEachInWindows(
  plan: WindowPlan,
  visit: (element: number, window: number, position: number) => void,
): void {
  const { height, width, kernel, stride, padding, dilation, columns, windows } = plan;
  for (let window = 0; window < windows; window++) {
    const top = Math.floor(window / columns) * stride[0] - padding[0];
    const left = (window % columns) * stride[1] - padding[1];
    for (let element = 0; element < kernel[0] * kernel[1]; element++) {
      const y = top + Math.floor(element / kernel[1]) * dilation[0];
      const x = left + (element % kernel[1]) * dilation[1];
      visit(element, window, y >= 0 && y < height && x >= 0 && x < width ? y * width + x : -1);
    }
  }
}

/** Throws if the padding is more than half of a window, which might then contain only padding. */
export function checkPadding(op: string, { kernelSize, padding }: WindowParams): void {
  if (padding.every((size, axis) => size <= kernelSize[axis] / 2)) return;
  throw new Error(
    `${op}: padding ${padding.join(" x ")} is more than half of kernelSize ${kernelSize.join(" x ")}; give less padding`,
  );
}
