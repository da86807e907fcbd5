import { plot } from "simple-ascii-chart";
import stringWidth from "string-width";
import { thinned } from "../../../report/page/smoothed.ts";
import { byteText, digits, formatSeconds, whole } from "../../../report/table.ts";
import type { SampleLine } from "../files/metricsLog.ts";

type Point = readonly [step: number, loss: number];

/** State of a training that the live view shows. */
export interface TrainState {
  readonly step: number;
  readonly maxSteps: number;
  readonly losses: readonly Point[];
  readonly validations: readonly Point[];
  readonly learningRate: number;
  readonly gradNorm: number;
  readonly tokensPerSecond: number;
  /** Resident memory of the process in bytes. */
  readonly memory: number;
  /** Estimated seconds left; 0 at the end. */
  readonly secondsLeft: number;
  /** Latest sample answers; null for none. */
  readonly samples: SampleLine | null;
}

/** Size of a terminal, and its support for colours. */
interface ViewSettings {
  readonly columns: number;
  /** Height of the terminal in rows. Default 24. */
  readonly rows?: number;
  readonly colours: boolean;
}

/** Height of the loss curve in terminal rows. */
const chartHeight = 8;

/** Returns the lines of the view: fewer than `rows` lines, each at most `columns` characters wide. */
export function trainViewLines(state: TrainState, { columns, rows = 24, colours }: ViewSettings): string[] {
  const { losses, validations, samples } = state;
  const validation = validations.at(-1);
  const facts = [
    ...losses.slice(-1).map(([, loss]) => `loss ${loss.toFixed(4)}`),
    ...(validation ? [`validation ${validation[1].toFixed(4)} at step ${validation[0]}`] : []),
    `learning rate ${digits(state.learningRate)}`,
    `gradient norm ${digits(state.gradNorm)}`,
    `${whole(state.tokensPerSecond)} tokens/s`,
    byteText(state.memory),
    ...(state.secondsLeft === 0 ? [] : [`${formatSeconds(state.secondsLeft)} left`]),
  ];
  const hasRoom = rows >= chartHeight + 10;
  const lines = [
    progressBar(state, columns),
    ...(losses.length > 1 && hasRoom ? [...curve(state, columns, colours), cut(legend(state, colours), columns)] : []),
    ...wrapped(facts, columns),
    ...(samples?.samples ?? []).map(({ prompt, answer }) => sampleLine(prompt, answer, columns)),
  ];
  return lines.slice(0, rows - 1);
}

function progressBar({ step, maxSteps }: TrainState, columns: number): string {
  const share = step / maxSteps;
  const text = `step ${step} of ${maxSteps}, ${Math.floor(100 * share)} %`;
  const room = Math.min(40, columns - text.length - 1);
  if (room < 8) return cut(text, columns);
  const full = Math.round(share * room);
  return `${"█".repeat(full)}${"░".repeat(room - full)} ${text}`;
}

/** Draws the training losses as a curve, with the validation losses as dots. */
function curve({ losses, validations }: TrainState, columns: number, colours: boolean): string[] {
  const all = [...losses, ...validations].map(([, loss]) => loss);
  const [least, most] = [all, all].map((values, i) =>
    values.reduce((a, b) => (i === 0 ? Math.min(a, b) : Math.max(a, b))),
  );
  const room = (most - least || 1) * 0.05;
  const yRange: [number, number] = [least - room, most + room];
  const ticks = [least, (least + most) / 2, most];
  const width = Math.max(10, columns - 4 - Math.max(...ticks.map((tick) => show(tick).length)));
  const [first, last] = [losses[0][0], (losses.at(-1) as Point)[0]];
  const line = thinned(losses, width).map(([x, y]): [number, number] => [x, y]);
  // Averaging moves the ends inwards; the axis spans the first to the last step.
  line[0][0] = first;
  line[line.length - 1][0] = last;
  const points = validations.map(([step, y]) => {
    return { x: Math.min(Math.max(step, first), last), y, ...(colours && { color: "ansiYellow" as const }) };
  });
  const drawn = plot([line], {
    width,
    height: chartHeight,
    yRange,
    points,
    customXAxisTicks: [...new Set([first, Math.round((first + last) / 2), last])],
    customYAxisTicks: [...new Set(ticks)],
    formatter: (value, { axis }) => (axis === "y" ? show(value) : String(Math.round(value))),
    ...(colours && { color: ["ansiBlue" as const] }),
  });
  const lines = drawn.split("\n").map((row) => row.trimEnd());
  return lines.filter((row) => row !== "").map((row) => cut(row, columns));
}

/** Formats a loss as a label of the y axis. */
const show = (value: number): string => (Math.abs(value) < 1000 ? value.toFixed(3) : value.toExponential(1));

function legend({ validations }: TrainState, colours: boolean): string {
  const sign = (colour: number, text: string) => (colours ? `\x1b[${colour}m${text}\x1b[0m` : text);
  const dots = validations.length > 0 ? `  ${sign(33, "●")} validation` : "";
  return `  ${sign(34, "━")} training loss${dots}`;
}

/** Joins short texts with " | " into lines of at most `columns` characters. */
function wrapped(facts: readonly string[], columns: number): string[] {
  const lines: string[] = [];
  for (const fact of facts) {
    const last = lines.at(-1);
    const joined = last === undefined ? fact : `${last} | ${fact}`;
    if (last !== undefined && joined.length <= columns) lines[lines.length - 1] = joined;
    else lines.push(cut(fact, columns));
  }
  return lines;
}

/** Formats the end of a prompt and the beginning of its answer on one line. */
function sampleLine(prompt: string, answer: string, columns: number): string {
  const plain = (text: string) => text.replace(/\s+/g, " ").replace(/\p{Cc}/gu, "?");
  const [asked, answered] = [plain(prompt), plain(answer)];
  const half = Math.floor((columns - 6) / 2);
  const shown = stringWidth(asked) > half ? `…${cutStart(asked, half - 1)}` : asked;
  return cut(`  ${shown} → ${answered}`, columns);
}

const letters = new Intl.Segmenter();

/** Cuts a text to a width of at most `columns` characters. Keeps its colour codes, which take no width. */
function cut(text: string, columns: number): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal's colours begin with one.
  const parts = text.split(/(\x1b\[\d+m)/);
  let room = columns;
  const kept = parts.map((part, i) => {
    if (i % 2 === 1) return part;
    let end = "";
    for (const { segment } of letters.segment(part)) {
      room -= stringWidth(segment);
      if (room < 0) break;
      end += segment;
    }
    return end;
  });
  return kept.join("");
}

/** Returns the end of a text, at most `columns` wide. */
function cutStart(text: string, columns: number): string {
  let [room, end] = [columns, ""];
  for (const { segment } of [...letters.segment(text)].reverse()) {
    room -= stringWidth(segment);
    if (room < 0) break;
    end = `${segment}${end}`;
  }
  return end;
}
