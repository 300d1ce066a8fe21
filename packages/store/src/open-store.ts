import { fail, ok, type Result } from '@stox/kernel'
import type { StoreDeps } from './deps.ts'
import { openMemoryStore } from './memory.ts'
import type { Store, StoreFailure } from './ports.ts'
import { openSqliteStore } from './sqlite.ts'

/** By its URL: `sqlite:data/stox.db`, or `memory:` to keep nothing. */
export function openStore(url: string, deps: StoreDeps): Result<Store, StoreFailure> {
  if (url === 'memory:') return ok(openMemoryStore(deps))
  const path = /^sqlite:(?:\/\/(?=\/))?(.+)$/.exec(url)?.[1]
  if (path !== undefined) return openSqliteStore(path, deps)
  return fail({
    kind: 'store-unreadable',
    detail: `no store is known for ${url.split(':', 1)[0]}:`,
    hint: 'write sqlite:FILE or memory:',
  })
}
