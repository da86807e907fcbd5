// Encoded instructions: the products that the sums of an integer tile consist of, and additions.
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

/** The most instructions to read in search of the next product. */
const most = 10;

/**
 * Moves additions in a module's code: for two consecutive sums a += p and b += q, both products are computed before the
 * additions. The compiler's optimiser always puts each product directly before its addition. Cores with fewer units for
 * products than for additions run the new order some percent faster. The code keeps its length, since the operands wait
 * on the stack: a p b q, then the additions to b and to a. Returns the number of pairs.
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

/** True for a product that is added and stored in a local. */
function isSum(code: Uint8Array, at: number): boolean {
  const [set, local] = code.subarray(at + 6, at + sumBytes);
  return isOneOf(products, code, at) && isOneOf(additions, code, at + 3) && set === localSet && local! < 128;
}

/** Returns the offset of the next product after loads and locals other than `sum`, if any. */
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

/** Returns the offset after a LEB128 number. */
function afterNumber(code: Uint8Array, at: number): number {
  let last = at;
  while (code[last]! > 127) last++;
  return last + 1;
}
