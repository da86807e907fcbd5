/** Milliseconds until the engine has optimised a run's code, and of each trial after that. */
const [warmUp, trial] = [6, 3];

/** Trials where another run than the usual one seems faster, which can be other work's doing. */
const roundsInDoubt = 8;

/** The speed-up that another run must show, beyond the error of the clock. */
const advantage = 1.05;

/** The smallest step of the clock, in milliseconds; pages have coarse ones. */
function clockStep(): number {
  const start = performance.now();
  let now = start;
  while (now === start) now = performance.now();
  return now - start;
}

/**
 * Returns the place of the fastest run. It is the first, the usual one, unless another is clearly
 * faster. `rounds` are the trials after which the first one stays.
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
