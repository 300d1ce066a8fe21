import type { Clock, Log, Timers } from '@stox/kernel'
import { StartFailure } from '@stox/service'
import { openStore } from '@stox/store'
import type { Store } from '@stox/store'

/** The store of the configuration, or a problem that says what to do. */
export function storeOf(
  url: string,
  deps: { readonly clock: Clock; readonly timers: Timers; readonly log: Log },
): Store {
  const store = openStore(url, deps)
  if (!store.ok)
    throw new StartFailure([{ path: 'store.url', problem: store.failure.detail, hint: store.failure.hint }])
  return store.value
}
