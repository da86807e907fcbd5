import { expect, onTestFinished, test, vi } from "vitest";
import { fastestOf } from "./trials.ts";

/** A fake clock in milliseconds that only work advances, rounded to a multiple of `step`. */
function clock(step = 1e-4) {
  const own = { now: 0 };
  const spy = vi.spyOn(performance, "now").mockImplementation(() => {
    own.now += 1e-5;
    return Math.floor(own.now / step) * step;
  });
  onTestFinished(() => spy.mockRestore());
  return own;
}

/** Runs that take the given milliseconds each, as a function of the start time. */
function runsOf(time: { now: number }, costs: readonly ((at: number) => number)[]) {
  const counts = costs.map(() => 0);
  const runs = costs.map((cost, i) => () => {
    counts[i]++;
    time.now += cost(time.now);
  });
  return { runs, counts };
}

const always = (milliseconds: number) => () => milliseconds;

test.each([
  [[0.1, 0.09], 1],
  [[0.1, 0.0962], 0],
  [[0.1, 0.0945], 1],
  [[0.1, 0.2], 0],
  [[0.1, 0.1], 0],
  [[0.1, 0.07, 0.05], 2],
  [[0.1, 0.05, 0.07], 1],
])("of runs of %s ms the one at place %i is taken: another than the first is faster by a twentieth", (costs, place) => {
  const { runs } = runsOf(clock(), costs.map(always));
  expect(fastestOf(runs)).toBe(place);
});

test("a coarse clock asks for a larger advantage", () => {
  // A clock step of 0.3 ms is a tenth of a trial of 3 ms.
  for (const [cost, place] of [
    [0.09, 0],
    [0.05, 1],
  ]) {
    const { runs } = runsOf(clock(0.3), [always(0.1), always(cost)]);
    expect(fastestOf(runs), `${cost}`).toBe(place);
  }
});

test("the first run stays after two trials, or as many as are asked for", () => {
  for (const rounds of [undefined, 2, 5]) {
    const time = clock();
    const { runs } = runsOf(time, [always(0.1), always(0.1)]);
    const start = time.now;
    expect(fastestOf(runs, rounds)).toBe(0);
    // Each run has 6 ms of warm-up, and 3 ms for each trial.
    const expected = 2 * (6 + 3 * (rounds ?? 2));
    expect(time.now - start).toBeGreaterThan(expected - 0.1);
    expect(time.now - start).toBeLessThan(expected + 2);
  }
});

test("another run is tried eight times before it is taken", () => {
  const time = clock();
  const { runs } = runsOf(time, [always(0.1), always(0.05)]);
  const start = time.now;
  expect(fastestOf(runs)).toBe(1);
  expect(Math.round((time.now - start) / 6)).toBe(2 + 8);
});

test("the time until a run is optimised does not count", () => {
  const time = clock();
  const { runs, counts } = runsOf(time, [always(0.1), () => (counts[1] < 30 ? 0.01 : 0.2)]);
  expect(fastestOf(runs)).toBe(0);
});

test("a run that other work delays in one trial is judged by its best one", () => {
  const time = clock();
  // The first trials, after 12 ms of warm-up, are disturbed.
  const { runs } = runsOf(time, [always(0.1), (at) => (at < 18 ? 0.3 : 0.05)]);
  expect(fastestOf(runs)).toBe(1);
  const late = clock();
  // Here the first run is the delayed one.
  const { runs: others } = runsOf(late, [(at) => (at < 18 ? 0.3 : 0.1), always(0.1)]);
  expect(fastestOf(others)).toBe(0);
});
