// Windows that slide over planes of `height` x `width` floats: their elements as columns, sums, maxima and means. There
// are `rows` x `columns` windows of `kernelH` x `kernelW` elements.

/** Returns the smallest i >= 0 for which the position start + i * step is at least 0. */
// @ts-ignore: decorator
@inline
function firstInside(start: i32, step: i32): i32 {
  return start >= 0 ? 0 : (step - 1 - start) / step;
}

/** Returns the smallest i >= 0 for which the position start + i * step is at least `size`, but at most `count`. */
// @ts-ignore: decorator
@inline
function firstBeyond(start: i32, step: i32, size: i32, count: i32): i32 {
  return start >= size ? 0 : min(count, (size - 1 - start) / step + 1);
}

// @ts-ignore: decorator
@inline
function fillFloats(out: usize, count: i32, value: f32): void {
  for (; count > 0; count--) {
    store<f32>(out, value);
    out += 4;
  }
}

/**
 * Copies the elements of all windows: out is [planes, kernelH * kernelW, rows * columns]. Elements outside the plane
 * get the value `value`.
 */
export function unfold(
  x: usize, out: usize, planes: i32, height: i32, width: i32, kernelH: i32, kernelW: i32, rows: i32, columns: i32,
  strideH: i32, strideW: i32, padH: i32, padW: i32, dilationH: i32, dilationW: i32, value: f32,
): void {
  for (; planes > 0; planes--) {
    for (let ky = 0; ky < kernelH; ky++) {
      for (let kx = 0; kx < kernelW; kx++) {
        const left = kx * dilationW - padW;
        const from = min(columns, firstInside(left, strideW));
        const to = max(from, firstBeyond(left, strideW, width, columns));
        for (let row = 0; row < rows; row++) {
          const y = row * strideH + ky * dilationH - padH;
          if (y < 0 || y >= height) {
            fillFloats(out, columns, value);
          } else {
            fillFloats(out, from, value);
            let src = x + (<usize>(y * width + left + from * strideW) << 2);
            let dst = out + (<usize>from << 2);
            if (strideW == 1 && to > from) {
              memory.copy(dst, src, <usize>(to - from) << 2);
            } else {
              for (let i = from; i < to; i++) {
                store<f32>(dst, load<f32>(src));
                src += <usize>strideW << 2;
                dst += 4;
              }
            }
            fillFloats(out + (<usize>to << 2), columns - to, value);
          }
          out += <usize>columns << 2;
        }
      }
    }
    x += <usize>(height * width) << 2;
  }
}

/** The gradient of `unfold`: adds each element of x to its position in the plane. */
export function fold(
  x: usize, out: usize, planes: i32, height: i32, width: i32, kernelH: i32, kernelW: i32, rows: i32, columns: i32,
  strideH: i32, strideW: i32, padH: i32, padW: i32, dilationH: i32, dilationW: i32,
): void {
  for (; planes > 0; planes--) {
    memory.fill(out, 0, <usize>(height * width) << 2);
    for (let ky = 0; ky < kernelH; ky++) {
      for (let kx = 0; kx < kernelW; kx++) {
        const left = kx * dilationW - padW;
        const from = min(columns, firstInside(left, strideW));
        const to = max(from, firstBeyond(left, strideW, width, columns));
        for (let row = 0; row < rows; row++) {
          const y = row * strideH + ky * dilationH - padH;
          if (y >= 0 && y < height) {
            let src = x + (<usize>from << 2);
            let dst = out + (<usize>(y * width + left + from * strideW) << 2);
            let i = from;
            if (strideW == 1) {
              for (; i + 4 <= to; i += 4) {
                v128.store(dst, f32x4.add(v128.load(dst), v128.load(src)));
                src += 16;
                dst += 16;
              }
            }
            for (; i < to; i++) {
              store<f32>(dst, load<f32>(dst) + load<f32>(src));
              src += 4;
              dst += <usize>strideW << 2;
            }
          }
          x += <usize>columns << 2;
        }
      }
    }
    out += <usize>(height * width) << 2;
  }
}

/**
 * Computes the largest element of each window and its index in the plane. Of equal elements the first one counts; if a
 * window has NaN, its first NaN is the result.
 */
export function maxPool2d(
  x: usize, out: usize, positions: usize, planes: i32, height: i32, width: i32, kernelH: i32, kernelW: i32, rows: i32,
  columns: i32, strideH: i32, strideW: i32, padH: i32, padW: i32,
): void {
  for (; planes > 0; planes--) {
    for (let row = 0; row < rows; row++) {
      const top = max(0, row * strideH - padH);
      const bottom = min(height, row * strideH - padH + kernelH);
      for (let column = 0; column < columns; column++) {
        const left = max(0, column * strideW - padW);
        const right = min(width, column * strideW - padW + kernelW);
        let position = top * width + left;
        let best = load<f32>(x + (<usize>position << 2));
        for (let y = top; y < bottom; y++) {
          for (let at = y * width + left; at < y * width + right; at++) {
            const value = load<f32>(x + (<usize>at << 2));
            if (value > best || (value != value && best == best)) {
              best = value;
              position = at;
            }
          }
        }
        store<f32>(out, best);
        store<i32>(positions, position);
        out += 4;
        positions += 4;
      }
    }
    x += <usize>(height * width) << 2;
  }
}

/**
 * Returns the divisor of the mean over the window at (top, left): the number of its elements that are inside the plane
 * and its border.
 */
// @ts-ignore: decorator
@inline
function divisorOf(
  top: i32, left: i32, height: i32, width: i32, kernelH: i32, kernelW: i32, borderH: i32, borderW: i32,
): f32 {
  const high = min(top + kernelH, height + borderH) - max(top, -borderH);
  const wide = min(left + kernelW, width + borderW) - max(left, -borderW);
  return <f32>(high * wide);
}

/**
 * Computes the mean of each window. `borderH` and `borderW` are the padding if padding counts as zeros, otherwise 0.
 */
export function avgPool2d(
  x: usize, out: usize, planes: i32, height: i32, width: i32, kernelH: i32, kernelW: i32, rows: i32, columns: i32,
  strideH: i32, strideW: i32, padH: i32, padW: i32, borderH: i32, borderW: i32,
): void {
  for (; planes > 0; planes--) {
    for (let row = 0; row < rows; row++) {
      const top = row * strideH - padH;
      for (let column = 0; column < columns; column++) {
        const left = column * strideW - padW;
        const right = min(width, left + kernelW);
        let sum: f32 = 0;
        for (let y = max(0, top); y < min(height, top + kernelH); y++) {
          for (let at = max(0, left); at < right; at++) sum += load<f32>(x + (<usize>(y * width + at) << 2));
        }
        store<f32>(out, sum / divisorOf(top, left, height, width, kernelH, kernelW, borderH, borderW));
        out += 4;
      }
    }
    x += <usize>(height * width) << 2;
  }
}

/** Computes the gradient of avgPool2d's x: divides each window's gradient among its elements. */
export function avgPool2dBackward(
  dy: usize, dx: usize, planes: i32, height: i32, width: i32, kernelH: i32, kernelW: i32, rows: i32, columns: i32,
  strideH: i32, strideW: i32, padH: i32, padW: i32, borderH: i32, borderW: i32,
): void {
  for (; planes > 0; planes--) {
    memory.fill(dx, 0, <usize>(height * width) << 2);
    for (let row = 0; row < rows; row++) {
      const top = row * strideH - padH;
      for (let column = 0; column < columns; column++) {
        const left = column * strideW - padW;
        const right = min(width, left + kernelW);
        const share = load<f32>(dy) / divisorOf(top, left, height, width, kernelH, kernelW, borderH, borderW);
        for (let y = max(0, top); y < min(height, top + kernelH); y++) {
          for (let at = max(0, left); at < right; at++) {
            const to = dx + (<usize>(y * width + at) << 2);
            store<f32>(to, load<f32>(to) + share);
          }
        }
        dy += 4;
      }
    }
    dx += <usize>(height * width) << 2;
  }
}
