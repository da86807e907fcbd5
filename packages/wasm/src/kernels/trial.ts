/** Milliseconds until the engine has optimised a run's code, and of each trial after that. */
const [warmUp, trial] = [6, 3];

/** Trials if another run than the default seems faster, which may be caused by other work on the machine. */
const roundsInDoubt = 8;

/** The minimum speed-up over the default run, above the error of the clock. */
const advantage = 1.05;

/** Returns the smallest step of the clock in milliseconds, which is coarse in web pages. */
function clockStep(): number {
  const start = performance.now();
  let now = start;
  while (now === start) now = performance.now();
  return now - start;
}

/**
 * Returns the index of the fastest run. That is 0, the default, unless another run is clearly faster. After `rounds`
 * trials the default is kept.
 */
export function fastestOf(runs: readonly (() => void)[], rounds = 2): number {
  const speedOf = (run: () => void, milliseconds: number): number => {
    const start = performance.now();
    let count = 0;
    let elapsed = 0;
    for (; elapsed < milliseconds; elapsed = performance.now() - start) {
      run();
      count++;
    }
    return count / elapsed;
  };
  const best = runs.map(() => 0);
  const clearly = advantage + clockStep() / trial;
  let fastest = 0;
  for (let round = -1; round < (fastest === 0 ? rounds : roundsInDoubt); round++) {
    for (const [i, run] of runs.entries()) {
      const speed = speedOf(run, round < 0 ? warmUp : trial);
      if (round >= 0) best[i] = Math.max(best[i], speed);
    }
    const most = Math.max(...best);
    fastest = most > best[0] * clearly ? best.indexOf(most) : 0;
  }
  return fastest;
}
