import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The repository's folder, found upwards from where the run began: the same under jest and under plain node. */
export function repositoryRoot(): string {
  for (let folder = process.cwd(); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'pnpm-workspace.yaml'))) return folder
    if (folder === dirname(folder)) throw new Error(`no pnpm-workspace.yaml above ${process.cwd()}`)
  }
}

/** For processes of ours that run from their sources: what was compiled once is not compiled again, half of a start. */
export const sourceEnv = (): Readonly<Record<string, string>> => ({
  NODE_OPTIONS: '',
  NODE_COMPILE_CACHE: join(repositoryRoot(), 'node_modules', '.cache', 'stox-e2e'),
})

export const e2ePath = (...parts: readonly string[]): string => join(repositoryRoot(), 'e2e', ...parts)
