/** A module whose functions are sent by reference. */
export const rate = 0.5;
export function half(n: number): number {
  return n * rate;
}
