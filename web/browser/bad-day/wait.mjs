// Waiting for conditions, each with a bound.

/** How often a condition is looked at. */
const LOOK_EVERY_MS = 1000;

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The first value of `look` that is neither null nor false; throws what was waited for when it does not come. */
export async function until(what, seconds, look) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const value = await look();
    if (value !== null && value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`waited ${seconds} s in vain until ${what}`);
    await pause(LOOK_EVERY_MS);
  }
}
