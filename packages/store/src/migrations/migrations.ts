import { start } from './0001-start.ts'
import { publications } from './0002-publications.ts'

/** In order; the version of a schema is how many of them it has seen. What is released is never edited. */
export const MIGRATIONS: readonly string[] = [start, publications]
