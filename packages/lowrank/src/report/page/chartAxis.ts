import { type ScaleContinuousNumeric, scaleLinear, scaleLog } from "d3-scale";

/** Maps values to positions, with round values as ticks. */
export interface ChartAxis {
  place(value: number): number;
  readonly ticks: readonly number[];
}

/** Settings of an axis. */
interface AxisSettings {
  /** Smallest and largest value. */
  readonly range: readonly [least: number, most: number];
  /** Positions of the axis's two ends. */
  readonly ends: readonly [from: number, to: number];
  readonly logarithmic?: boolean;
  /** Extends the range of a linear axis to round values. Default false. */
  readonly nice?: boolean;
  /** About how many ticks the axis has. Default 5. */
  readonly count?: number;
}

/** Returns an axis. Its ticks are round values: 1, 2 or 5 times powers of ten. */
export function chartAxis({ range, ends, logarithmic = false, nice = false, count = 5 }: AxisSettings): ChartAxis {
  const [least, most] = range[0] < range[1] ? range : widened(range[0], logarithmic);
  const scale: ScaleContinuousNumeric<number, number> = (logarithmic ? scaleLog() : scaleLinear())
    .domain([least, most])
    .range([...ends]);
  if (nice && !logarithmic) scale.nice(count);
  return { place: (value) => scale(value), ticks: logarithmic ? logTicks(scale, count) : scale.ticks(count) };
}

/** Returns a range around one value. */
function widened(value: number, logarithmic: boolean): readonly [number, number] {
  if (logarithmic) return [value / 2, value * 2];
  const room = Math.abs(value) / 10 || 1;
  return [value - room, value + room];
}

/** Returns powers of ten as ticks, at most about `count`. A short axis also gets 2 and 5 times each power. */
function logTicks(scale: ScaleContinuousNumeric<number, number>, count: number): number[] {
  const [least, most] = scale.domain();
  const lead = (value: number) => Number(value.toExponential().split("e")[0]);
  // d3 returns all multiples of up to ten powers.
  const all = scale.ticks(10).filter((tick) => [1, 2, 5].includes(Math.round(lead(tick) * 1e6) / 1e6));
  const powers = all.filter((tick) => Math.round(lead(tick)) === 1 && tick >= least && tick <= most);
  if (all.length <= count || powers.length < 2) return all.length > 1 ? all : scale.ticks(count);
  const every = Math.ceil(powers.length / count);
  return powers.filter((_, i) => i % every === 0);
}
