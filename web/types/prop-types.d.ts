// React's types speak of prop-types, which this page does not use.
export interface Validator<_T> {}
export type ValidationMap<T> = { [K in keyof T]?: Validator<T[K]> };
export type InferProps<_T> = unknown;
