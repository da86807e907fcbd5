import { describeSpectrum, type MatrixUpdate, rankOfEnergy, type Spectrum } from "@lowrank/peft";
import { median } from "./measure.ts";
import { barChart } from "./page/barChart.ts";
import { htmlPage } from "./page/htmlPage.ts";
import { lineChart } from "./page/lineChart.ts";
import { type Column, digits, htmlTable, jsonRows, textTable } from "./table.ts";

/**
 * Change of one weight matrix from the base model to the inspected model or adapter: its singular values and its size.
 */
export interface InspectedLayer {
  readonly path: string;
  readonly shape: readonly [rows: number, columns: number];
  readonly spectrum: Spectrum;
  /** Frobenius norm of the change, divided by the weight's norm. */
  readonly relativeNorm: number;
  /** Relative error of approximating the change by an adapter of lower rank; null if no such adapter was made. */
  readonly error: number | null;
}

/** Names of the inspected model or adapter and its base model, for the output. */
interface Subject {
  readonly model: string;
  readonly change: string;
  readonly compressedTo: number | null;
  /** Changed parameters that have no spectrum, since they are not matrices. */
  readonly leftOut: readonly string[];
}

/** Output of an inspection as text, JSON and HTML. */
interface Inspection {
  readonly text: string;
  readonly json: object;
  readonly html: string;
}

/**
 * Returns the change of one weight matrix with its spectrum and its relative size. `values` are the singular values of
 * the change.
 */
export function inspectedLayer(
  { path, shape, weightNorm }: MatrixUpdate,
  values: Float64Array,
  error: number | null,
): InspectedLayer {
  const spectrum = describeSpectrum(values, shape);
  return { path, shape, spectrum, relativeNorm: spectrum.frobeniusNorm / weightNorm, error };
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const tenth = (value: number): string => value.toFixed(1);

const columns: readonly Column<InspectedLayer>[] = [
  { title: "layer", key: "layer", value: ({ path }) => path },
  { title: "shape", key: "shape", value: ({ shape }) => shape.join(" x ") },
  { title: "size", key: "relativeNorm", value: (layer) => layer.relativeNorm, show: percent },
  { title: "largest", key: "largest", value: ({ spectrum }) => spectrum.values[0], show: digits },
  { title: "rank", key: "rank", value: ({ spectrum }) => spectrum.rank },
  { title: "effective", key: "effectiveRank", value: ({ spectrum }) => spectrum.effectiveRank, show: tenth },
  { title: "stable", key: "stableRank", value: ({ spectrum }) => spectrum.stableRank, show: tenth },
  { title: "for 90 %", key: "rankOf90", value: ({ spectrum }) => rankOfEnergy(spectrum, 0.9) },
  { title: "for 99 %", key: "rankOf99", value: ({ spectrum }) => rankOfEnergy(spectrum, 0.99) },
];

const errorColumn: Column<InspectedLayer> = {
  title: "error",
  key: "error",
  value: ({ error }) => error,
  show: percent,
};

/**
 * Shares of the changes' energy that are kept at rank `rank`. The energy of a change is the sum of its squared singular
 * values; its `rank` largest ones are kept. `mean` and `least` are the mean and the smallest share (0 to 1) over the
 * changed layers.
 */
interface EnergyOfRank {
  readonly rank: number;
  readonly mean: number;
  readonly least: number;
}

/** Returns the shares of energy for ranks 1, 2, 4 and further powers of two, up to the largest rank of a change. */
function energyByRank(layers: readonly InspectedLayer[]): EnergyOfRank[] {
  const changed = layers.filter(({ spectrum }) => spectrum.frobeniusNorm > 0);
  const most = Math.max(1, ...changed.map(({ spectrum }) => spectrum.rank));
  const found: EnergyOfRank[] = [];
  for (let rank = 1; ; rank *= 2) {
    const held = changed.map(({ spectrum: { energy } }) => energy[Math.min(rank, energy.length) - 1]);
    const mean = held.reduce((sum, share) => sum + share, 0) / Math.max(1, held.length);
    found.push({ rank, mean, least: Math.min(1, ...held) });
    if (rank >= most) return found;
  }
}

/** Returns the inspection of all layers as text, JSON and HTML. */
export function inspection(subject: Subject, layers: readonly InspectedLayer[]): Inspection {
  const { model, change, compressedTo } = subject;
  const shown = compressedTo === null ? columns : [...columns, errorColumn];
  const energy = energyByRank(layers);
  const head = `${change}: ${layers.length} weight matrices of ${model} change`;
  const held = energy.map(({ rank, mean }) => `${rank}: ${percent(mean)}`).join(", ");
  const lines = [
    `effective rank ${tenth(median(layers.map(({ spectrum }) => spectrum.effectiveRank)))}, stable rank ${tenth(median(layers.map(({ spectrum }) => spectrum.stableRank)))} (medians over the layers)`,
    `energy by rank (means over the layers): ${held}`,
    ...(compressedTo === null ? [] : [compressionLine(compressedTo, layers)]),
  ];
  return {
    text: [head, "", ...textTable(shown, layers), "", ...lines].join("\n"),
    json: inspectionJson(subject, layers, energy),
    html: page(head, lines, shown, layers),
  };
}

function compressionLine(rank: number, layers: readonly InspectedLayer[]): string {
  const errors = layers.map(({ error }) => Number(error));
  const norm = (parts: readonly number[]) => Math.hypot(...parts);
  const size = norm(layers.map(({ spectrum }) => spectrum.frobeniusNorm));
  const off = norm(layers.map(({ spectrum }, i) => errors[i] * spectrum.frobeniusNorm));
  const total = size === 0 ? 0 : off / size;
  return `at rank ${rank} the change is off by ${percent(total)} of its Frobenius norm, by ${percent(Math.max(...errors))} on the worst layer`;
}

function inspectionJson(
  { leftOut, ...subject }: Subject,
  layers: readonly InspectedLayer[],
  energy: readonly EnergyOfRank[],
): object {
  const rows = jsonRows([...columns, errorColumn], layers);
  return {
    ...subject,
    leftOut,
    energyByRank: energy,
    layers: layers.map(({ shape, spectrum }, i) => ({
      ...rows[i],
      shape,
      frobeniusNorm: spectrum.frobeniusNorm,
      singularValues: [...spectrum.values],
      energy: [...spectrum.energy],
    })),
  };
}

/** Returns the kind of a layer, such as "q_proj": the last part of its path. */
const kindOf = (path: string): string => path.slice(path.lastIndexOf(".") + 1);

function page(
  head: string,
  lines: readonly string[],
  shown: readonly Column<InspectedLayer>[],
  layers: readonly InspectedLayer[],
): string {
  const changed = layers.filter(({ spectrum }) => spectrum.frobeniusNorm > 0);
  const line = ({ path }: InspectedLayer, values: readonly number[]) => ({
    name: path,
    group: kindOf(path),
    points: values.map((value, i) => [i + 1, value] as const),
  });
  const above = ({ values, rank }: Spectrum) => [...values.subarray(0, Math.max(rank, 1))];
  const xTitle = "number of the singular value";
  const bars = (title: string, value: (spectrum: Spectrum) => number) =>
    barChart({
      title,
      show: tenth,
      bars: layers.map(({ path, spectrum }) => ({ label: shortPath(path), value: value(spectrum) })),
    });
  return htmlPage({
    title: "The rank of a change of weights",
    paragraphs: [head, ...lines],
    tables: [{ heading: "Layers", html: htmlTable(shown, layers) }],
    charts: [
      lineChart({
        title: "Singular values, as a share of the largest (logarithmic)",
        xTitle,
        lines: changed.map((layer) =>
          line(
            layer,
            above(layer.spectrum).map((value) => value / layer.spectrum.values[0]),
          ),
        ),
        logarithmic: { y: true },
        show: (y) => String(Number(y.toPrecision(2))),
      }),
      lineChart({
        title: "Energy that the first singular values hold",
        xTitle: "rank (logarithmic)",
        lines: changed.map((layer) => line(layer, [...layer.spectrum.energy])),
        logarithmic: { x: true },
        yRange: [0, 1],
        show: (y) => `${Math.round(100 * y)} %`,
      }),
      bars("Effective rank", ({ effectiveRank }) => effectiveRank),
      bars("Stable rank", ({ stableRank }) => stableRank),
    ],
    notes: [
      "size: the Frobenius norm of the change over the norm of the weight. rank: singular values above the rounding of f32.",
      "effective rank: exp of the entropy of the singular values as shares of their sum (Roy and Vetterli 2007).",
      "stable rank: the squared Frobenius norm over the squared largest singular value (Rudelson and Vershynin 2007).",
      "energy: the sum of the squared singular values; for 90 %, for 99 %: the least rank that holds these shares.",
    ],
  });
}

/** Shortens a path: "model.layers.0.self_attn.q_proj" becomes "0 q_proj". */
function shortPath(path: string): string {
  const number = /\.(\d+)\./.exec(path)?.[1];
  return number === undefined ? kindOf(path) : `${number} ${kindOf(path)}`;
}
