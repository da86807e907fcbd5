import { storedWeights, wideStoredWeights } from "@lowrank/core/testing";
import type { TileName } from "../kernel/tiles.ts";
import type { CutFacts } from "../kernels/products/cut.ts";
import type { ProductCase } from "./productTests.ts";

/** A device that runs on the CPU. */
export const soft: CutFacts = { software: true, tile: "direct 8x4", batchInvariant: false };
/** A hardware device on which `tile` was the fastest. */
export const hard = (tile: TileName): CutFacts => ({ software: false, tile, batchInvariant: false });

const gpu = hard("staged 8x4");

/** A product for each tile. The last row and column are inside a tile, and each operand occurs in both layouts. */
export const tileCases: Readonly<Record<TileName, ProductCase>> = {
  "direct 4x4": { ...hard("direct 8x4"), a: [70, 19], w: [19, 66] },
  "direct 8x4": { ...soft, a: [20, 133], w: [67, 20], transposeA: true, transposeB: true },
  "direct 8x8": { ...hard("direct 8x8"), a: [64, 20, 19], w: [64, 20, 23], transposeA: true },
  "staged 4x4": { ...hard("staged 8x8"), a: [65, 18], w: [70, 18], transposeB: true },
  "staged 8x4": { ...hard("staged 8x4"), a: [64, 18, 9], w: [64, 9, 17] },
  "staged 8x8": { ...hard("staged 8x8"), a: [64, 20, 18], w: [64, 20, 20], transposeA: true },
  "direct tall": { ...soft, a: [300, 36], w: [7, 36], transposeB: true },
  "staged tall": { ...hard("staged 8x4"), a: [130, 36], w: [36, 8], ending: "scaled" },
  "direct wide": { ...soft, a: [21, 9], w: [21, 260], transposeA: true, ending: "added" },
  "staged wide": { ...hard("staged 8x4"), a: [20, 13], w: [20, 132], transposeA: true },
  "along 1": { ...hard("staged 8x4"), a: [1, 301], w: [9, 301], transposeB: true },
  "along 2": { ...hard("staged 8x4"), a: [2, 300], w: [6, 300], transposeB: true, ending: "added" },
  "along 4": { ...hard("staged 8x4"), a: [3, 261], w: [5, 261], transposeB: true },
  "down 1": { ...hard("staged 8x4"), a: [1, 150], w: [150, 36] },
  "down 2": { ...hard("staged 8x4"), a: [5, 2, 131], w: [5, 131, 33] },
  "down 4": { ...hard("staged 8x4"), a: [3, 140], w: [140, 35], ending: "scaled" },
  "alone 1": { ...soft, a: [1, 37], w: [261, 37], transposeB: true },
  "alone 2": { ...soft, a: [2, 40], w: [40, 260] },
  "alone 4": { ...soft, a: [3, 41], w: [41, 259] },
};

/** Products whose last columns and terms are at other positions of a thread's piece than in `tileCases`. */
export const edgeProducts: readonly ProductCase[] = [
  { ...hard("direct 8x8"), a: [64, 20, 19], w: [64, 20, 19], transposeA: true },
  { ...hard("staged 8x8"), a: [65, 18], w: [49, 18], transposeB: true },
  { ...gpu, a: [64, 18, 9], w: [64, 9, 49] },
  { ...hard("staged 8x8"), a: [64, 20, 18], w: [64, 20, 65], transposeA: true },
  { ...hard("staged 8x8"), a: [64, 20, 18], w: [64, 20, 114], transposeA: true },
  { ...gpu, a: [130, 36], w: [36, 5], ending: "scaled" },
  { ...gpu, a: [1, 303], w: [9, 303], transposeB: true },
  { ...gpu, a: [3, 140], w: [140, 34] },
  { ...soft, a: [39, 1], w: [39, 257], transposeA: true },
  { ...soft, a: [36, 2], w: [36, 260], transposeA: true },
  { ...soft, a: [3, 1], w: [3, 257], transposeA: true },
  { ...hard("staged 8x8"), a: [65, 18], w: [18, 49] },
  { ...hard("staged 8x8"), a: [64, 20, 18], w: [64, 20, 33], transposeA: true },
  { ...gpu, a: [2, 300], w: [8, 300], transposeB: true },
  { ...gpu, a: [13, 20], w: [20, 97] },
  { ...gpu, a: [13, 20], w: [20, 131] },
  { ...soft, a: [1, 37], w: [261, 37], transposeB: true, ending: "scaled" },
  { ...soft, a: [1, 37], w: [261, 37], transposeB: true, ending: "added" },
];

/** Products in batch-invariant mode, with sums of several parts. */
export const invariantProducts: readonly ProductCase[] = [soft, gpu].flatMap((facts): ProductCase[] => {
  const mode = { ...facts, batchInvariant: true };
  return [
    // Products for which one thread computes all parts of a sum, and products for which several threads compute one
    // part each.
    { ...mode, a: [64, 21, 301], w: [301, 70] },
    { ...mode, a: [64, 21, 530], w: [70, 530], transposeB: true, ending: "scaled" },
    { ...mode, a: [3, 301], w: [301, 70], ending: "added" },
    { ...mode, a: [2, 530], w: [70, 530], transposeB: true, ending: "scaled" },
    { ...mode, a: [130, 530], w: [530, 5] },
  ];
});

/** Weight formats whose rows may have any length. */
const freeRows: readonly string[] = Object.keys(storedWeights).filter((stored) => !/^q\d/.test(stored));

/** Products with weights of every format, in both layouts, and with row lengths that are not a multiple of four. */
export const storedCases: readonly ProductCase[] = [
  ...Object.keys(storedWeights).flatMap((stored): ProductCase[] => [
    { ...soft, a: [21, 96], w: [37, 96], transposeB: true, stored },
    { ...soft, a: [2, 37], w: [37, 96], stored },
    { ...soft, a: [2, 36], w: [36, 96], stored },
    { ...gpu, a: [2, 96], w: [37, 96], transposeB: true, stored },
    { ...gpu, a: [2, 96], w: [36, 96], transposeB: true, stored },
    { ...gpu, a: [17, 37], w: [37, 96], stored },
  ]),
  ...Object.keys(wideStoredWeights).flatMap((stored): ProductCase[] => [
    { ...soft, a: [21, 512], w: [19, 512], transposeB: true, stored },
    { ...soft, a: [21, 256], w: [33, 256], transposeB: true, stored },
    { ...soft, a: [9, 256], w: [129, 256], transposeB: true, stored },
    { ...soft, a: [1, 256], w: [200, 256], transposeB: true, stored },
    { ...soft, a: [2, 37], w: [37, 256], stored },
    { ...gpu, a: [2, 256], w: [37, 256], transposeB: true, stored },
    { ...gpu, a: [2, 256], w: [36, 256], transposeB: true, stored },
    { ...gpu, a: [17, 37], w: [37, 256], stored },
  ]),
  ...freeRows.flatMap((stored): ProductCase[] => [
    { ...gpu, a: [17, 37], w: [37, 49], stored },
    { ...gpu, a: [17, 37], w: [37, 65], stored },
  ]),
  ...["nf4, nested", "f16"].flatMap((stored): ProductCase[] => [
    { ...gpu, a: [18, 18], w: [18, 33], stored },
    { ...soft, a: [9, 33], w: [18, 33], transposeB: true, stored },
  ]),
  { ...soft, a: [9, 32], w: [129, 32], transposeB: true, stored: "fp4, nested" },
  { ...soft, a: [9, 33], w: [18, 33], transposeB: true, stored: "nf4" },
];
