/** The order shown while a row is pointed at: known keys stay, new ones come last. */
export function steadyOrder(shown: string[], wanted: string[]): string[] {
  const present = new Set(wanted);
  const known = new Set(shown);
  return [...shown.filter((key) => present.has(key)), ...wanted.filter((key) => !known.has(key))];
}
