import { start } from './0001-start.ts'

/** In order; the version of a schema is how many of them it has seen. What is released is never edited. */
export const MIGRATIONS: readonly string[] = [start]
