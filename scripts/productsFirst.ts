// Bytes of instructions: the products of which a tile of integers makes its sums, and additions.
const products = [
  [0xfd, 0x92, 0x02], // i16x8.relaxed_dot_i8x16_i7x16_s
  [0xfd, 0xba, 0x01], // i32x4.dot_i16x8_s
];
const additions = [
  [0xfd, 0x8e, 0x01], // i16x8.add
  [0xfd, 0xae, 0x01], // i32x4.add
];
const localGet = 0x20;
const localSet = 0x21;
const localTee = 0x22;
const vector = 0xfd;
const lastLoad = 0x0a;

/** Bytes of a product, an addition and a `local.set` of one of the first 128 locals. */
const sumBytes = 8;

/** The most instructions that are read in search of the next product. */
const most = 10;

/**
 * Moves additions in a module's code: of two sums a += p and b += q that follow each other, both
 * products come before the additions. The compiler's optimiser puts each product right before its
 * addition, whatever the source says; a core that has fewer units for products than for additions
 * is some percent faster with two and two. Returns how many pairs there were. Code stays as long as
 * it was, since the operands of a wait on the stack: a p b q, then the additions of b and of a.
 */
export function productsFirst(code: Uint8Array): number {
  let pairs = 0;
  for (let at = 0; at + sumBytes <= code.length; at++) {
    if (!isSum(code, at)) continue;
    const next = productAfter(code, at + sumBytes, code[at + sumBytes - 1]!);
    if (next === undefined || !isSum(code, next)) continue;
    const added = code.slice(at + 3, at + sumBytes);
    code.copyWithin(at + 3, at + sumBytes, next + sumBytes);
    code.set(added, next + 3);
    at = next + sumBytes - 1;
    pairs++;
  }
  return pairs;
}

function isOneOf(instructions: readonly number[][], code: Uint8Array, at: number): boolean {
  return instructions.some((bytes) => bytes.every((byte, i) => code[at + i] === byte));
}

/** True for a product that is added and kept in a local. */
function isSum(code: Uint8Array, at: number): boolean {
  const [set, local] = code.subarray(at + 6, at + sumBytes);
  return isOneOf(products, code, at) && isOneOf(additions, code, at + 3) && set === localSet && local! < 128;
}

/** The place of the next product behind loads and locals other than `sum`, if there is one. */
function productAfter(code: Uint8Array, from: number, sum: number): number | undefined {
  let at = from;
  for (let read = 0; read < most; read++) {
    if (isOneOf(products, code, at)) return at;
    const [instruction, operand] = code.subarray(at, at + 2);
    if (instruction === localGet || instruction === localTee) {
      if (operand === sum || operand! > 127) return undefined;
      at += 2;
    } else if (instruction === vector && operand! <= lastLoad) at = afterNumber(code, afterNumber(code, at + 2));
    else return undefined;
  }
  return undefined;
}

/** The place behind a number in LEB128. */
function afterNumber(code: Uint8Array, at: number): number {
  let last = at;
  while (code[last]! > 127) last++;
  return last + 1;
}
