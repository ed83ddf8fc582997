// A module that is only ever imported dynamically.
export const named = 41;
