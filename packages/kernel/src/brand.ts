declare const brand: unique symbol

/** A string or number whose type keeps the proof that it was checked. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name }
