export interface OnlyType { a: number }
